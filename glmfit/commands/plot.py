"""`glmfit plot`: a picture of a saved model to a file, to the terminal, or as the numbers it is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from glmfit.commands import options, shared
from glmfit.commands.options import option
from glmfit.commands.output import stream_to, write_file, write_stdout
from glmfit.commands.reading import takes_data
from glmfit.errors import ModelError, UsageError
from glmfit.reading import PLAIN, Reading

if TYPE_CHECKING:
    from glmfit.after.pictures.kinds import Inputs, Kind, Request
    from glmfit.report.pictures.frame import Frame
    from glmfit.result import Fitted

_ARGUMENTS = {"rich_help_panel": "Arguments", "show_default": False}
_P, _O = "Picture", "Output"
What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT",
        help="forest, residuals, qq, rootogram, effects, calibration, roc, influence, profile, trace, volcano, "
        "manhattan or caterpillar.",
        **_ARGUMENTS,
    ),
]
Files = Annotated[
    list[str] | None, typer.Argument(metavar="MODEL... [DATA]", help="Saved models, then the data.", **_ARGUMENTS)
]
Over = Annotated[str | None, option(_P, "--x", metavar="COLUMN", help="effects: over this. manhattan: by position.")]
By = Annotated[
    str | None, option(_P, "--by", metavar="COLUMN", help="effects: a line for each level. manhattan: a part.")
]
At = Annotated[
    list[str] | None,
    option(_P, "--at", metavar="NAME=VALUE", help="effects: hold a column at a value; or means. Repeatable."),
]
Partial = Annotated[bool, option(_P, "--partial", help="effects: partial residuals too, on the scale of the link.")]
Terms = Annotated[
    list[str] | None,
    option(_P, "--terms", metavar="TERMS", help="forest: these alone: x1,g[T.b]. profile, caterpillar: this."),
]
Label = Annotated[
    list[str] | None,
    option(_P, "--label", metavar="NAME=TEXT", help='How a column or a term is shown: dose="Dose (mg)". Repeatable.'),
]
Output = Annotated[
    str | None, option(_O, "--output", "-o", metavar="FILE", help="FILE.png, .svg or .pdf; .txt: as in the terminal.")
]
Json = Annotated[bool, option(_O, "--json", help="The numbers that are drawn, in place of the picture.")]


@takes_data
def plot_command(
    what: What,
    files: Files = None,
    x: Over = None,
    by: By = None,
    at: At = None,
    of: shared.Of = None,
    partial: Partial = False,
    exp: options.Exp = False,
    terms: Terms = None,
    label: Label = None,
    level: shared.NewLevel = None,
    seed: shared.Seed = "1",
    offset: shared.NewOffset = None,
    exposure: shared.NewExposure = None,
    missing: shared.NewMissing = "error",
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
    output: Output = None,
    json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw a picture of a saved model.

    \b
    glmfit plot forest model.json
    glmfit plot forest small.json large.json --exp -o forest.svg
    glmfit plot residuals model.json data.csv -o residuals.png
    glmfit plot effects model.json data.csv --x dose --by group -o dose.pdf
    """
    from glmfit.after.pictures.kinds import Request, find

    kind = find(what)
    request = Request(
        exp=exp,
        terms=options.items(terms),
        x=x,
        by=by,
        at=tuple(at or ()),
        of=of,
        partial=partial,
        level=shared.level(level),
        seed=shared.whole("--seed", seed, 0),
        label=tuple(label or ()),
    )
    _check_options(kind, request)
    given = files or []
    shared.check_output(output, *given)
    form = _form(kind, output, json)
    inputs = _inputs(kind, given, family, reading, shared.asked(offset, exposure, missing))
    frame = kind.numbers(inputs, request)
    _write(kind, frame, form, output)
    raise typer.Exit(0)


def _check_options(kind: Kind, request: Request) -> None:
    """`UsageError` for an option that says nothing of this kind of picture."""
    from glmfit.after.pictures.kinds import KINDS, Request

    for name in Request.__dataclass_fields__:
        if getattr(request, name) != getattr(Request(), name) and name not in kind.takes:
            others = ", ".join(other.name for other in KINDS if name in other.takes)
            message = f"--{name} says nothing of the picture '{kind.name}'"
            raise UsageError("contradiction", message, f"leave it out; it is for {others}")


def _form(kind: Kind, output: str | None, json: bool) -> str:
    """png, svg, pdf, text or json; what cannot be drawn so is said before any time is spent."""
    from glmfit.report.pictures.render import check_matplotlib, picture_format

    if json or (output is not None and output.casefold().endswith(".json")):
        return "json"
    if output is None or output.casefold().endswith(".txt"):
        if kind.text is None:
            message = f"the picture '{kind.name}' has no form for the terminal"
            raise UsageError("missing_argument", message, f"name a file for it: -o {kind.name}.png")
        return "text"
    found = picture_format(output)
    check_matplotlib()
    return found


def _inputs(kind: Kind, files: list[str], family: str | None, reading: Reading, asked: Any) -> Inputs:
    """The models and the data that a kind needs."""
    from glmfit.after.pictures.kinds import AGAIN, GROUPS, MODELS, SCAN, Inputs
    from glmfit.after.saved import read_fitted

    if kind.needs in (SCAN, GROUPS):
        what = "a scan: what fit --scan wrote" if kind.needs == SCAN else "groups: what fit --by wrote"
        if len(files) != 1:
            message = f"{kind.name} is of one file of {what}, as CSV or JSON lines"
            raise UsageError("usage" if files else "missing_argument", message, _usage(kind))
        return Inputs(data=files[0])
    if kind.needs == MODELS:
        if not files:
            raise UsageError("missing_argument", f"{kind.name} needs a saved model", _usage(kind))
        if len(set(files)) < len(files):
            raise UsageError("contradiction", "a model is given twice", "give it once")
        return Inputs(models={path: read_fitted(path) for path in files})
    if len(files) != 2:
        lacking = "needs a saved model and its data" if len(files) < 2 else "is of one model and its data"
        raise UsageError("missing_argument" if len(files) < 2 else "usage", f"{kind.name} {lacking}", _usage(kind))
    model, data = files
    if kind.needs == AGAIN:
        return Inputs(models={model: read_fitted(model)}, data=data, family=family, reading=reading)
    saved = shared.open_saved(model, family)
    return Inputs(model=saved, source=shared.open_new_data(data, reading, saved), asked=asked)


def _usage(kind: Kind) -> str:
    from glmfit.after.pictures.kinds import GROUPS, MODELS, SCAN

    words = {MODELS: "model.json", SCAN: "scan.csv", GROUPS: "groups.csv"}.get(kind.needs, "model.json data.csv")
    return f"write glmfit plot {kind.name} {words}"


def _write(kind: Kind, frame: Frame, form: str, output: str | None) -> None:
    if form in ("json", "text"):
        from glmfit.report.pictures.frame import to_json

        text = to_json(frame) if form == "json" else in_signs(kind, frame, file=output is not None)
        if output is None:
            write_stdout(text, machine=form == "json")
        else:
            write_file(output, text)
        return
    from glmfit.report.pictures.render import to_bytes

    content = to_bytes(kind.draw, frame, form)
    with stream_to(output) as stream:
        stream.write(content)


def in_signs(kind: Kind, frame: Frame, *, file: bool = False) -> str:
    """A picture as text, in the signs that standard output can show."""
    import sys

    from glmfit.report.unicode import drawn, shows

    assert kind.text is not None
    ascii_only = not file and sys.stdout is not None and not shows(getattr(sys.stdout, "encoding", None) or "utf-8")
    return drawn(frame, kind.text, plain=file, ascii_only=ascii_only)


def forest_of(fit: Fitted, *, exp: bool, file: bool) -> str:
    """The forest of a fit as text, to stand below its table."""
    from glmfit.after.pictures.kinds import Inputs, Request, find

    kind = find("forest")
    try:
        frame = kind.numbers(Inputs({"fit": fit}), Request(exp=exp))
    except ModelError as error:  # the table is wanted all the same
        if error.code != "no_picture":
            raise
        return f"Not drawn: {error.message}.\n"
    return in_signs(kind, frame, file=file)
