"""`glmfit confint`: intervals of the estimates of a saved model."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, shared
from glmfit.commands.options import option
from glmfit.commands.progress import progress
from glmfit.commands.reading import takes_data
from glmfit.reading import PLAIN, Reading

OldData = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]",
        help="The data of the fit, again; not for wald.",
        rich_help_panel="Arguments",
        show_default=False,
    ),
]
Method = Annotated[
    str | None,
    option(
        "Inference", "--method", metavar="wald|profile|bootstrap|bca", help="profile (default), or wald without DATA."
    ),
]
Terms = Annotated[
    list[str] | None,
    option("Inference", "--terms", metavar="TERMS", help="Of these alone: x1,g[T.b],alpha. Repeatable."),
]
Replicates = Annotated[
    str | None, option("Inference", "--replicates", metavar="B", help="Replicates of a bootstrap; default 2000.")
]


@takes_data
def confint_command(
    model: shared.Model,
    data: OldData = None,
    method: Method = None,
    terms: Terms = None,
    level: shared.NewLevel = None,
    replicates: Replicates = None,
    bootstrap_by: options.BootstrapBy = None,
    seed: options.Seed = None,
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Intervals of the estimates of a saved model: by profile likelihood, replicates or standard errors.

    \b
    glmfit confint model.json data.csv
    glmfit confint model.json data.csv --method bca --replicates 5000 --seed 7
    glmfit confint model.json data.csv --method bootstrap --bootstrap-by cluster:firm
    glmfit confint model.json --level 0.9 --terms x1,x2
    """
    chosen = options.output_format(json, format)
    share = shared.level(level)
    count, start = options.maybe_whole("--replicates", replicates), options.maybe_whole("--seed", seed)
    shared.check_output(output, model, *([] if data is None else [data]))
    from glmfit.after.saved import read_fitted

    fit = read_fitted(model)
    from glmfit.after.confint import confidence_intervals

    with progress("replicates", quiet=quiet) as told:
        records = confidence_intervals(
            fit,
            data,
            method=method,
            terms=options.items(terms),
            level=share,
            replicates=count,
            by=bootstrap_by,
            seed=start,
            family=family,
            name=model,
            reading=reading,
            progress=told,
        )
    shared.emit(records, chosen, output, quiet=quiet)
    raise typer.Exit(5 if any(finding.code in ("no_profile", "no_bootstrap") for finding in records.findings) else 0)
