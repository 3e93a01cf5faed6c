"""`glmfit explain`: what errors and findings mean."""

from __future__ import annotations

from glmfit.commands import options
from glmfit.commands.output import write_stdout
from glmfit.errors import UsageError


def explain_command(
    codes: options.Codes = None, json: options.AsJson = False, markdown: options.AsMarkdown = False
) -> None:
    """Say what errors and findings mean, why they matter, and what to do; list them all where none is named.

    \b
    glmfit explain
    glmfit explain separation
    """
    from glmfit.explain import explanations, find, pages

    if json and markdown:
        raise UsageError("contradiction", "--json and --markdown contradict each other", "give one of them")
    chosen = find(codes) if codes else explanations()
    write = pages.to_json if json else pages.to_markdown if markdown else pages.text if codes else pages.overview
    write_stdout(write(chosen), machine=json or markdown)
