"""A page as one file of HTML that loads nothing, works without scripts, prints, and takes a narrow or a dark screen.

jinja2 escapes all text; what is not text are our own style and script and the pictures, whose text their maker has
escaped. The page's policy lets no other script run, by the hash of ours, and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from glmfit.report.page.parts import Page


def to_html(page: Page) -> str:
    """The page as HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style, script = _text("page.css"), _text("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = Markup  # made by our own drawing, which escapes
    environment.filters["kind"] = lambda part: type(part).__name__
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    template = environment.from_string(_text("page.html"))
    return template.render(page=page, policy=policy, style=Markup(style), script=Markup(script))


def _text(name: str) -> str:
    return files("glmfit.report.page").joinpath(name).read_text(encoding="utf-8")
