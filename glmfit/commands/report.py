"""`glmfit report`: a page of saved models, and of a fit that has just been made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from glmfit.commands import shared
from glmfit.commands.options import option
from glmfit.commands.output import output_error, write_file
from glmfit.commands.reading import takes_data
from glmfit.errors import UsageError
from glmfit.reading import PLAIN, Reading

if TYPE_CHECKING:
    from glmfit.after.reported import Rows
    from glmfit.after.saved import SavedModel
    from glmfit.result import Fitted
    from glmfit.spec import ModelSpec

FORMATS = (".html", ".htm", ".md", ".markdown")
Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL... [DATA]",
        help="Saved models, then the data.",
        rich_help_panel="Arguments",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    option("Output", "--output", "-o", metavar="FILE", help="FILE.html, or FILE.md with pictures beside it."),
]


@takes_data
def report_command(
    files: Files = None,
    output: Output = None,
    seed: shared.Seed = "1",
    offset: shared.NewOffset = None,
    exposure: shared.NewExposure = None,
    missing: shared.NewMissing = "keep",
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
) -> None:
    """Write a report of saved models: one page that opens anywhere.

    \b
    glmfit report model.json data.csv -o report.html
    glmfit report small.json large.json data.csv -o report.html
    glmfit report model.json -o report.md
    """
    whole = shared.whole("--seed", seed, 0)
    asked = shared.asked(offset, exposure, missing)
    given = files or []
    models, data = _told_apart(given)
    target = target_of(output, *given)
    from glmfit.after.reported import Rows, named

    rows = None if data is None else Rows(data, asked, reading, family)
    opened = {name: shared.open_saved(path, family) for name, path in zip(named(models), models, strict=True)}
    if rows is not None:
        for name, model in opened.items():
            rows.check(name, model)
    write_report(opened, rows, whole, target)
    raise typer.Exit(0)


def _told_apart(files: list[str]) -> tuple[list[str], str | None]:
    """The models, and the data if the last file is no model."""
    if not files:
        raise UsageError(
            "missing_argument", "a report needs a saved model", "glmfit report model.json data.csv -o FILE"
        )
    from glmfit.after.saved import is_model

    data = None if is_model(files[-1]) else files[-1]
    models = files if data is None else files[:-1]
    if not models:
        hint = f"fit it first: glmfit fit {data} 'y ~ x' --report report.html"
        raise UsageError("missing_argument", f"{data} is no saved model", hint)
    if len(set(models)) < len(models):
        raise UsageError("contradiction", "a model is given twice", "give it once")
    return models, data


def target_of(output: str | None, *inputs: str, option: str = "--output") -> str:
    """The file of a report, checked before any time is spent on it."""
    if output is None:
        raise UsageError("missing_argument", "a report goes to a file", "add -o report.html")
    if not output.casefold().endswith(FORMATS):
        hint = f"write {option} report.html, or report.md with pictures beside it"
        raise UsageError("invalid_value", f"{option}: '{output}' is neither HTML nor Markdown", hint)
    shared.check_output(output, *inputs, option=option)
    from glmfit.report.pictures.render import check_matplotlib

    check_matplotlib()
    return output


def write_report(models: dict[str, SavedModel], rows: Rows | None, seed: int, target: str) -> None:
    """The page of some models, to a file; as Markdown with a folder of pictures beside it."""
    from glmfit.after.reported import report

    page = report(models, rows, seed)
    if target.casefold().endswith((".html", ".htm")):
        from glmfit.report.page.html import to_html

        write_file(target, to_html(page))
        return
    from glmfit.report.page.markdown import to_markdown

    folder = f"{os.path.splitext(target)[0]}_files"
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    for picture in page.pictures():
        write_file(os.path.join(folder, f"{picture.name}.svg"), picture.svg)
    write_file(target, to_markdown(page, os.path.basename(folder)))


def report_of(fit: Fitted, spec: ModelSpec, data: str, target: str) -> None:
    """The page of a fit that has just been made of DATA; of standard input the rows are gone."""
    from glmfit.after.reported import Rows
    from glmfit.after.saved import open_model
    from glmfit.families.userfile import is_path

    family = spec.family if is_path(spec.family) else None
    rows = None if data == "-" else Rows(data, shared.asked(None, None, "keep"), spec.reading, family)
    write_report({"fit": open_model(fit, family)}, rows, 1 if spec.seed is None else spec.seed, target)
