"""`glmfit fit --by`: one model in each group, records to standard output or a file as they are done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from glmfit.commands.output import lines_to, say
from glmfit.commands.progress import progress
from glmfit.errors import UsageError, explain

if TYPE_CHECKING:
    from glmfit.many.stream import Tally
    from glmfit.spec import ModelSpec


def check_groups(by: tuple[str, ...], *, overall: bool, save: str | None, **others: bool) -> None:
    """`UsageError` for options of one model beside --by, and for those of many without it."""
    if not by:
        if overall:
            raise UsageError(
                "contradiction", "--overall adds the fit of all rows to those of groups", "add --by COLUMN"
            )
        return
    alone = {"--save": save is not None, **{f"--{name.replace('_', '-')}": given for name, given in others.items()}}
    option = next((option for option, given in alone.items() if given), None)
    if option is not None:
        hints = {
            "--save": "leave it out: --json has all numbers; to save one, fit its rows alone with --where",
            "--plot": "write them with --json -o groups.jsonl, then: glmfit plot caterpillar groups.jsonl",
        }
        message = f"--by fits a model in each group, and {option} is for one"
        raise UsageError("contradiction", message, hints.get(option, f"leave {option} out"))


def fit_by(
    spec: ModelSpec, data: Any, by: tuple[str, ...], format: str, output: str | None, *, overall: bool, quiet: bool,
    **options: bool,
) -> int:  # fmt: skip
    """The status of the run: 6 where some group failed."""
    from glmfit.many.fits import COLUMNS
    from glmfit.many.groups.run import fit_groups
    from glmfit.many.overview import overview, totals
    from glmfit.many.stream import Form, write

    asked = fit_groups(spec, data, by, **options)
    missing = asked.groups.missing
    notes = [f"{missing:,} row{'s have' if missing > 1 else ' has'} no value in --by, and no group"] if missing else []
    what = "models" if overall else "groups"  # that of all rows is of no group
    form = Form((*by, *COLUMNS), partial(overview, names=by, notes=notes, what=what, plain=output is not None))
    with progress("groups", quiet=quiet) as told, lines_to(output, machine=format != "table") as send:
        tally = write(asked.records(told, overall=overall), form, format, send)
    if not quiet and (format in ("json", "csv") or output is not None):
        _say(totals(tally, what), notes, tally)
    return tally.exit_code


def _say(total: str, notes: list[str], tally: Tally) -> None:
    for text in [total, *notes]:
        say(text)
    if tally.failed:
        say(f"more: {explain(tally.problems)}")
