"""`glmfit fit --scan`: one model a column, and a row for each coefficient of it, all written at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from glmfit.commands.options import option
from glmfit.commands.output import say, write_file, write_stdout
from glmfit.commands.progress import progress
from glmfit.errors import UsageError, explain
from glmfit.spec import ModelSpec, one_of

ADJUSTMENTS = ("bh", "holm", "bonferroni", "none")
ALL_FAILED = 5  # the status of a run of which no model is left


Columns = Annotated[
    list[str] | None,
    option(
        "Rows and weights",
        "--scan",
        metavar="COLUMNS",
        help="A model for each of a,b,x*,g1:g9, put for {} in the formula.",
    ),
]
ColumnsFile = Annotated[
    str | None, option("Rows and weights", "--scan-file", metavar="FILE", help="The columns to scan, a name a line.")
]
Adjust = Annotated[
    str | None,
    option("Inference", "--adjust", metavar="METHOD", help="With --scan: bh (default), holm, bonferroni or none."),
]
FirthFallback = Annotated[
    bool, option("Inference", "--firth-fallback", help="With --scan: Firth's penalty where a model is separated.")
]


@dataclass(frozen=True, slots=True)
class ScanAsked:
    """The columns to scan, and what is done about many tests and about separated models."""

    columns: Sequence[str]
    adjust: str
    firth_fallback: bool


def asked_columns(scan: Sequence[str] | None, scan_file: str | None) -> list[str]:
    """What --scan and --scan-file name; `UsageError` where a file has no names."""
    from glmfit.many.scan.names import from_file

    return [*(scan or ()), *([] if scan_file is None else from_file(scan_file))]


def check_scan(
    columns: Sequence[str], formulas: Sequence[str], given: dict[str, bool], adjust: str | None, firth: bool
) -> None:
    """`UsageError` for options of one model beside --scan, `given` being whether each is, and for those of a scan
    without it."""
    if not columns:
        alone = {"--adjust": adjust is not None, "--firth-fallback": firth}
        one = next((one for one, is_given in alone.items() if is_given), None)
        if one is not None:
            raise UsageError("contradiction", f"{one} is for a scan, and there is none", "add --scan COLUMNS")
        if any("{}" in formula for formula in formulas):
            message = "{} in a formula stands for the columns of a scan, and there is none"
            raise UsageError("scan_gap", message, "add --scan COLUMNS, such as --scan 'x*', or write a name")
        return
    if adjust is not None:
        one_of("--adjust", adjust, ADJUSTMENTS)
    one = next((one for one, is_given in given.items() if is_given), None)
    if one is not None:
        hints = {"--save": "leave it out; to save one of the models, fit it alone"}
        message = f"--scan fits a model for each column, and {one} is for one"
        if one == "--by":
            message = "--scan and --by both ask for many models"
        raise UsageError("contradiction", message, hints.get(one, f"leave {one} out"))


def fit_scan(spec: ModelSpec, data: Any, scanned: ScanAsked, format: str, output: str | None, *, quiet: bool) -> int:
    """The status of the run: 5 where every model failed."""
    from glmfit.many.scan.listing import cautions, listing, summed
    from glmfit.many.scan.rows import HEADER
    from glmfit.many.scan.run import records, scan
    from glmfit.many.stream import Form, write
    from glmfit.memory import running_out

    pieces: list[str] = []
    with running_out(), progress("models", quiet=quiet) as told:
        asked = scan(spec, data, scanned.columns, firth_fallback=scanned.firth_fallback)
        found = records(asked, scanned.adjust, told)

    def send(piece: str) -> bool:
        pieces.append(piece)
        return True

    facts = {"model": asked.title, "family": asked.asked.family.name, "adjusted": scanned.adjust}
    form = Form(HEADER, partial(listing, facts=facts, file=output is not None))
    rows = [row for record in found for row in record.rows]
    tally = write(found, form, format, send)  # all of it at once: p-values are adjusted for the last model too
    if output is None:
        write_stdout("".join(pieces), machine=format != "table")
    else:
        write_file(output, "".join(pieces))
    if not quiet and (format in ("json", "csv") or output is not None):
        say(summed(tally, rows))
    if not quiet and (codes := [*tally.problems, *cautions(rows)]):
        say(f"more: {explain(codes)}")
    return ALL_FAILED if tally.failed == tally.records else 0
