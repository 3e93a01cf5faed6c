"""`glmfit simulate`: new responses from a saved model, as CSV, JSON lines or Parquet, a run of rows at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, rowoutput, shared
from glmfit.commands.options import option
from glmfit.commands.reading import takes_data
from glmfit.reading import PLAIN, Reading

Draws = Annotated[str, option("Inference", "--draws", metavar="M", help="Responses to draw for each row.")]
Random = Annotated[
    str | None,
    option("Inference", "--random", metavar="HOW", help="population (levels drawn anew; default), include or zero."),
]
Wide = Annotated[bool, option("Output", "--wide", help="One column for each draw: draw1, draw2 ...")]


@takes_data
def simulate_command(
    model: shared.Model,
    data: shared.NewData,
    seed: shared.Seed = "1",
    draws: Draws = "1",
    random: Random = None,
    offset: shared.NewOffset = None,
    exposure: shared.NewExposure = None,
    missing: shared.NewMissing = "error",
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
    keep: rowoutput.Keep = None,
    wide: Wide = False,
    json: rowoutput.Json = False,
    format: rowoutput.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Draw new responses from a saved model, for each row of the data.

    \b
    glmfit fit claims.csv "claims ~ age + region" -f poisson --exposure years --save model.json
    glmfit simulate model.json claims.csv --draws 200 --seed 7 -o draws.csv
    glmfit simulate model.json claims.csv --draws 5 --wide --keep all
    """
    chosen = rowoutput.row_format(json, format, output)
    asked = shared.asked(offset, exposure, missing, options.levels(keep))
    number, count = shared.whole("--seed", seed, 0), shared.whole("--draws", draws, 1)
    shared.check_output(output, data, model)
    saved = shared.open_saved(model, family)
    source = shared.open_new_data(data, reading, saved)
    from glmfit.after.simulate import simulations
    from glmfit.commands.writers import write

    empty = write(simulations(saved, source, asked, count, number, random), chosen, output, wide=wide)
    if empty and not quiet:
        shared.say(f"{empty} {'row has' if empty == 1 else 'rows have'} no draws: the fields are empty")
    raise typer.Exit(0)
