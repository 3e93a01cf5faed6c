"""`glmfit predict`: predictions of new rows as CSV, JSON lines or Parquet, a run of rows at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, rowoutput, shared
from glmfit.commands.options import option
from glmfit.commands.reading import takes_data
from glmfit.errors import UsageError
from glmfit.reading import PLAIN, Reading
from glmfit.spec import one_of

Interval = Annotated[
    str | None,
    option("Inference", "--interval", metavar="KIND", help="none, confidence (default) or prediction."),
]
Random = Annotated[
    str | None,
    option(
        "Inference",
        "--random",
        metavar="HOW",
        help="include (those of its level; default), new (any of new levels), population (any) or zero.",
    ),
]
Wide = Annotated[bool, option("Output", "--wide", help="Probabilities in one column for each level.")]


@takes_data
def predict_command(
    model: shared.Model,
    data: shared.NewData,
    of: shared.Of = None,
    interval: Interval = None,
    level: shared.NewLevel = None,
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
    """Predict from a saved model on new rows, with standard errors and intervals.

    \b
    glmfit fit claims.csv "claims ~ age + region" -f poisson --exposure years --save model.json
    glmfit predict model.json new.csv --keep id -o predictions.csv
    glmfit predict model.json new.csv --exposure 1 --of mean --interval none
    glmfit predict mixed.json new.csv --random zero
    glmfit predict ordinal.json new.csv --of probabilities --wide
    """
    from glmfit.after.predict import KINDS

    if interval is not None:
        one_of("--interval", interval, KINDS)
    chosen = rowoutput.row_format(json, format, output)
    asked = shared.asked(offset, exposure, missing, options.levels(keep))
    share = shared.level(level)
    shared.check_output(output, data, model)
    saved = shared.open_saved(model, family)
    source = shared.open_new_data(data, reading, saved)
    from glmfit.after.predict import predictions
    from glmfit.after.quantities import default
    from glmfit.commands.writers import write

    if wide and (of or default(saved)) != "probabilities":
        raise UsageError("contradiction", "--wide is for --of probabilities", "leave it out")
    runs = predictions(saved, source, asked, of, "none" if wide else interval, share, random)
    empty = write(runs, chosen, output, wide=wide)
    if empty and not quiet:
        shared.say(f"{empty} {'row has' if empty == 1 else 'rows have'} no estimate: the fields are empty")
    if interval is None and saved.fit.shrinkage is not None and not (wide or quiet):
        shared.say("estimates alone: the coefficients were shrunk by a penalty, and have no standard errors")
    raise typer.Exit(0)
