"""`glmfit residuals`: residuals and influence of rows as CSV, JSON lines or Parquet, or what they say of the fit."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, rowoutput, shared
from glmfit.commands.options import option
from glmfit.commands.reading import takes_data
from glmfit.errors import UsageError
from glmfit.reading import PLAIN, Reading

Dfbeta = Annotated[bool, option("Output", "--dfbeta", help="The change of each coefficient without the row as well.")]
Check = Annotated[bool, option("Inference", "--check", help="What the residuals say of the fit, in place of them.")]

Random = Annotated[
    str | None,
    option("Inference", "--random", metavar="HOW", help="include (default), drawn (with --check), population or zero."),
]
Missing = Annotated[
    str | None,
    option(
        "Rows",
        "--missing",
        metavar="error|keep",
        help="Rows without an answer: error, or keep: empty fields. Default: keep those that the fit left out.",
    ),
]


@takes_data
def residuals_command(
    model: shared.Model,
    data: shared.NewData,
    check: Check = False,
    seed: shared.Seed = "1",
    offset: shared.NewOffset = None,
    exposure: shared.NewExposure = None,
    missing: Missing = None,
    random: Random = None,
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
    keep: rowoutput.Keep = None,
    dfbeta: Dfbeta = False,
    json: rowoutput.Json = False,
    format: rowoutput.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Residuals, leverages and influence of the rows of a saved model, or a check of the fit by them.

    \b
    glmfit fit claims.csv "claims ~ age + region" -f poisson --exposure years --save model.json
    glmfit residuals model.json claims.csv --check
    glmfit residuals model.json claims.csv --keep all --dfbeta -o residuals.parquet
    """
    number = shared.whole("--seed", seed, 0)
    asked = shared.asked(offset, exposure, missing, options.levels(keep))
    chosen = options.output_format(json, format) if check else rowoutput.row_format(json, format, output)
    if check and (dfbeta or keep):
        given = "--dfbeta" if dfbeta else "--keep"
        raise UsageError("contradiction", f"{given} is for the rows, which --check sums up", "leave one of them out")
    shared.check_output(output, data, model)
    saved = shared.open_saved(model, family)
    source = shared.open_new_data(data, reading, saved)
    if check:
        from glmfit.after.diagnosis import diagnosis

        shared.emit(diagnosis(saved, source, asked, number, random), chosen, output, quiet=quiet)
        raise typer.Exit(0)
    from glmfit.after.residuals import residual_runs
    from glmfit.commands.writers import write

    findings, runs = residual_runs(saved, source, asked, number, dfbeta, random)
    empty = write(runs, chosen, output)
    if not quiet:
        if empty:
            shared.say(f"{empty} {'row has' if empty == 1 else 'rows have'} no residuals: the fields are empty")
        shared.warn(findings)
    raise typer.Exit(0)
