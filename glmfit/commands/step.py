"""`glmfit step`: terms chosen by AIC or BIC."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, shared
from glmfit.commands.model import takes_model
from glmfit.commands.options import option
from glmfit.commands.output import write_file, write_stdout
from glmfit.commands.shrink import OPTIONS
from glmfit.spec import ModelSpec

_S = "Choice of terms"
Criterion = Annotated[str, option(_S, "--criterion", metavar="aic|bic", help="What is to fall: aic (default) or bic.")]
Direction = Annotated[
    str | None,
    option(_S, "--direction", metavar="both|backward|forward", help="Default both with a scope, else backward."),
]
Upper = Annotated[
    list[str] | None,
    option(_S, "--scope", "--upper", metavar="FORMULA", help="Largest model: '~ a*b', or 'alpha ~ a'. Repeatable."),
]
Lower = Annotated[
    list[str] | None, option(_S, "--lower", metavar="FORMULA", help="Terms that must stay: '~ a'. Repeatable.")
]


@takes_model(*OPTIONS)
def step_command(
    data: options.Data,
    spec: ModelSpec,
    criterion: Criterion = "aic",
    direction: Direction = None,
    upper: Upper = None,
    lower: Lower = None,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    save: options.Save = None,
    quiet: options.Quiet = False,
) -> None:
    """Choose the terms of a model by AIC or BIC, one term at a time, and fit what is chosen.

    \b
    glmfit step data.csv "claims ~ age*region + sex" -f poisson
    glmfit step data.csv "y ~ x1" --scope "~ (x1 + x2 + x3)^2" --criterion bic
    glmfit step data.csv "y ~ ." --lower "~ treatment" --save model.json
    """
    chosen = options.output_format(json, format, output)
    shared.check_output(output, data)
    shared.check_save(save, output, data)
    from glmfit.after.stepwise import Asked, choose

    records, fit = choose(spec, data, Asked(criterion, direction, tuple(upper or ()), tuple(lower or ())))
    from glmfit.report.records import with_fit

    text = with_fit(records, fit, chosen, file=output is not None)
    if save is not None:
        from glmfit.report.saved import model_json

        write_file(save, model_json(fit))
    if output is None:
        write_stdout(text, machine=chosen != "table")
    else:
        write_file(output, text)
    if not quiet and (chosen == "csv" or output is not None):
        shared.warn(fit.warnings)
    raise typer.Exit(fit.exit_code)
