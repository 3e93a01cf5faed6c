"""`glmfit compare`: saved models of the same data side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, shared
from glmfit.commands.options import option
from glmfit.commands.output import write_file, write_stdout
from glmfit.commands.reading import takes_data
from glmfit.reading import PLAIN, Reading

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL...", help="Files that fit --save wrote.", rich_help_panel="Arguments", show_default=False
    ),
]
Tests = Annotated[bool, option("Output", "--tests", help="CSV: the tests, in place of the models.")]


Data = Annotated[
    str | None,
    option("Rows", "--data", metavar="DATA", help="The rows of the fits: for Vuong's test."),
]


@takes_data
def compare_command(
    models: Models = None,
    data: Data = None,
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
    tests: Tests = False,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Compare saved models of the same data: information criteria, and tests between nested ones.

    \b
    glmfit compare small.json large.json
    glmfit compare a.json b.json c.json --json
    glmfit compare poisson.json nb.json zip.json --data claims.csv
    glmfit compare a.json b.json --format csv --tests
    """
    chosen = options.output_format(json, format)
    given = models or []
    shared.check_output(output, *given, *([] if data is None else [data]))
    from glmfit.after.compared import compared
    from glmfit.after.saved import read_fitted
    from glmfit.after.vuong import Rows
    from glmfit.report.records import together

    rows = None if data is None else Rows(data, dict.fromkeys(given, family), reading)
    found = compared([(path, read_fitted(path)) for path in given], rows)
    text = together(found[::-1] if chosen == "csv" and tests else found, chosen, file=output is not None)
    if output is None:
        write_stdout(text, machine=chosen != "table")
    else:
        write_file(output, text)
    findings = [finding for part in found for finding in part.findings]
    if not quiet and (chosen == "csv" or output is not None):
        shared.warn(findings)
    raise typer.Exit(4 if any(one.code == "not_converged" for one in findings) else 0)
