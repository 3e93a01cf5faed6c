"""What the commands after a fit share: their options, a model from its file, and where a table of records goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glmfit.commands import options
from glmfit.commands.options import option
from glmfit.commands.output import check_target, say, write_file, write_stdout
from glmfit.errors import Finding, UsageError, explain
from glmfit.reading import Reading

if TYPE_CHECKING:
    from glmfit.after.newdata import Asked
    from glmfit.after.saved import SavedModel
    from glmfit.report.records import Records

_ARGUMENTS = {"rich_help_panel": "Arguments", "show_default": False}
_M, _R, _I, _O = "Model", "Rows", "Inference", "Output"
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A file that fit --save wrote.", **_ARGUMENTS)]
NewData = Annotated[
    str,
    typer.Argument(metavar="DATA", help="File: CSV, Parquet, .xlsx, .dta ...; folder; - reads stdin.", **_ARGUMENTS),
]
FamilyFile = Annotated[
    str | None, option(_M, "--family", "-f", metavar="FILE.py", help="The file of a likelihood of your own, again.")
]
NewOffset = Annotated[
    str | None, option(_R, "--offset", metavar="COLUMN|NUMBER", help="The model's offset under another name, or set.")
]
NewExposure = Annotated[
    str | None, option(_R, "--exposure", metavar="COLUMN|NUMBER", help="Its exposure under another name, or set to 1.")
]
NewMissing = Annotated[
    str,
    option(
        _R, "--missing", metavar="error|keep", help="Rows without an answer: error (default), or keep: empty fields."
    ),
]
Of = Annotated[
    str | None,
    option(_I, "--of", metavar="WHAT", help="mean (default), link, a parameter, zero, tail:V, probabilities ..."),
]
NewLevel = Annotated[str | None, option(_I, "--level", metavar="SHARE", help="Level of the intervals; as in the fit.")]
Seed = Annotated[str, option(_I, "--seed", metavar="N", help="Seed of the random numbers.")]


def whole(option: str, text: str, least: int) -> int:
    """A whole number from `least` on; `UsageError` otherwise."""
    if text.strip().isdecimal() and int(text) >= least:
        return int(text)
    raise UsageError("invalid_value", f"{option}: '{text}' is not a whole number from {least} on", f"write {option} 7")


def open_saved(model: str, family: str | None) -> SavedModel:
    """The model in a file, with the file of its likelihood where that was named."""
    from glmfit.after.saved import read_model

    return read_model(model, family)


def open_new_data(data: str, reading: Reading, saved: SavedModel) -> Any:
    """New data for a model, opened to be read in runs."""
    from glmfit.spill import Spill
    from glmfit.table import open_data

    return open_data(data, saved.fit.blueprint.reading.for_new_data(reading), spool=Spill())


def asked(offset: str | None, exposure: str | None, missing: str | None, keep: Sequence[str] = ()) -> Asked:
    """What the options say of new data."""
    from glmfit.after.newdata import POLICIES, Asked
    from glmfit.spec import one_of

    policy = None if missing is None else one_of("--missing", missing, POLICIES)
    return Asked(offset, exposure, policy, tuple(keep))


def level(text: str | None) -> float | None:
    """The level of the intervals; None for that of the fit."""
    if text is None:
        return None
    value = options.number("--level", text)
    if not 0 < value < 1:
        hint = f"did you mean --level {value / 100:g}?" if 1 < value < 100 else "0.95 is usual"
        raise UsageError("invalid_value", f"--level: {value:g} is not between 0 and 1", hint)
    return value


def check_output(output: str | None, *inputs: str, option: str = "--output") -> None:
    """`UsageError` where the result would overwrite what it is made from; `OutputError` where it cannot be written."""
    if output is None:
        return
    check_target(output)
    for path in inputs:
        if path != "-" and os.path.exists(path) and os.path.exists(output) and os.path.samefile(path, output):
            raise UsageError("overwrites_data", f"{option} {output} would overwrite the data", "give another file")


def check_save(save: str | None, output: str | None, *inputs: str) -> None:
    """The same of the file of the model, which is not that of the report."""
    check_output(save, *inputs, option="--save")
    if save is not None and output is not None and os.path.realpath(save) == os.path.realpath(output):
        raise UsageError("contradiction", "--save and --output name the same file", "give two files")


def emit(records: Records, format: str, output: str | None, *, quiet: bool = False) -> None:
    """A table of records to standard output or a file; what it does not show of findings goes to standard error."""
    from glmfit.report.records import to_format

    text = to_format(records, format, file=output is not None)
    if output is None:
        write_stdout(text, machine=format != "table")
    else:
        write_file(output, text)
    if not quiet and (format == "csv" or output is not None):
        warn(records.findings)


def warn(findings: Sequence[Finding]) -> None:
    """Findings on standard error."""
    for finding in findings:
        say(f"warning: {finding.message} [{finding.code}]")
    if findings:
        say(f"more: {explain(finding.code for finding in findings)}")
