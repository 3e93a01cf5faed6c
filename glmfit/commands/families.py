"""`glmfit families`: the list of them, or all about some."""

from __future__ import annotations

from glmfit.commands import options
from glmfit.commands.output import write_stdout
from glmfit.errors import UsageError


def families_command(
    names: options.FamilyNames = None, every: options.All = False, json: options.AsJson = False
) -> None:
    """List the families of distributions, or say all about some: parameters, links, support and an example.

    \b
    glmfit families
    glmfit families negative-binomial
    """
    from glmfit.families import FAMILIES, find_family
    from glmfit.report.listing import families_json, family_list, family_text

    if names and every:
        raise UsageError("contradiction", "--all and the name of a family exclude each other", "leave out one of them")
    chosen = tuple(map(find_family, names)) if names else FAMILIES
    text = "\n".join(map(family_text, chosen)) if names or every else family_list(chosen)
    write_stdout(families_json(chosen) if json else text, machine=json)
