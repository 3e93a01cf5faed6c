"""A drawing as a file: PNG, PDF, or SVG that says in words what it shows; the same numbers give the same bytes.

An SVG has no identifiers but those that it refers to itself, so that several may stand in one page.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from glmfit.errors import UsageError, shorten
from glmfit.report.pictures.frame import Frame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Frame], "Figure"]
FORMATS = ("png", "svg", "pdf")
DPI = 150
JOINS = 'stroke-linejoin="round" stroke-linecap="butt"'  # of all lines; matplotlib says it in a style of the whole page
_METADATA = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None, "Producer": None}}


def picture_format(path: str) -> str:
    """The format that the name of a file asks for; `UsageError` for one that there is not."""
    ending = os.path.splitext(path)[1].casefold()
    if ending[1:] in FORMATS:
        return ending[1:]
    named = f"'{shorten(ending)}' is no format of pictures" if ending else f"'{shorten(path)}' names no format"
    stem = shorten(path[: len(path) - len(ending)] or "picture")
    hint = f"write -o {stem}.png, .svg or .pdf; what is drawn as numbers: --json"
    raise UsageError("picture_format", f"--output: {named}", hint)


def check_matplotlib() -> None:
    """`UsageError` where matplotlib is not there, before any time is spent."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        message = "a picture in a file is drawn by matplotlib, which is not installed"
        hint = "pip install 'glmfit[plot]'; without -o forest, residuals and others are drawn in the terminal"
        raise UsageError("missing_extra", message, hint) from None


def to_bytes(draw: Draw, frame: Frame, format: str) -> bytes:
    """The picture as the content of a file."""
    check_matplotlib()
    import matplotlib

    from glmfit.report.pictures.style import settings

    out = io.BytesIO()
    with matplotlib.rc_context(settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a sign that no font here has is shown as a box
        drawn = draw(frame)
        drawn.savefig(out, format=format, dpi=DPI, metadata=_METADATA[format])
    content = out.getvalue()
    return _described(content.decode(), frame).encode() if format == "svg" else content


def to_svg(draw: Draw, frame: Frame) -> str:
    """The picture as an `<svg>` element, to be put into a page."""
    text = to_bytes(draw, frame, "svg").decode()
    return text[text.index("<svg") :]


def _described(text: str, frame: Frame) -> str:
    """An SVG with its title and description, without identifiers that nothing refers to."""
    unwanted = r"<!DOCTYPE.*?>\s*|<!--.*?-->\s*|<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*"
    text = re.sub(unwanted, "", text, flags=re.DOTALL)
    used = set(re.findall(r"""(?:url\(#|href="#)([^)"]+)""", text))
    text = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", text)
    said = f"<title>{escape(f'{frame.title}. {frame.of}')}</title>\n <desc>{escape(frame.description)}</desc>\n"
    return re.sub(r"(<svg[^>]*?)>", lambda found: f'{found[1]} {JOINS} role="img">\n {said}', text, count=1)
