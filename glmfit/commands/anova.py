"""`glmfit anova`: a test of each term of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, shared
from glmfit.commands.model import takes_model
from glmfit.commands.options import option
from glmfit.commands.shrink import OPTIONS
from glmfit.spec import ModelSpec

ROMAN = ("I", "II", "III")
AS_IN_R = {"lrt": "lr", "chisq": "lr", "rao": "score"}
Type = Annotated[
    str, option("Tests", "--type", metavar="1|2|3", help="Each term after those before it, not containing it, or all.")
]
Test = Annotated[
    str | None,
    option("Tests", "--test", metavar="lr|f|wald|score", help="Default lr; f where the dispersion is estimated."),
]
SumContrasts = Annotated[
    bool, option("Tests", "--sum-contrasts", help="Factors by contrasts that add up to 0, as type III needs.")
]


@takes_model("ci", "bootstrap_by", "level", "wild_weights", "replicates", "seed", *OPTIONS)
def anova_command(
    data: options.Data,
    spec: ModelSpec,
    type: Type = "2",
    test: Test = None,
    sum_contrasts: SumContrasts = False,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Test each term of a model: is it worse without the term? All fits are to the same rows.

    \b
    glmfit anova data.csv "claims ~ age*region" -f poisson
    glmfit anova data.csv "y ~ a*b" --type 3 --sum-contrasts
    glmfit anova data.csv "y ~ x + g" "alpha ~ g" -f nb --json
    glmfit anova data.csv "y ~ x + g" -f poisson --se cluster:firm
    """
    chosen = options.output_format(json, format, output)
    kind = ROMAN.index(type.upper()) + 1 if type.upper() in ROMAN else options.whole_number("--type", type)
    named = None if test is None else AS_IN_R.get(test.casefold(), test.casefold())
    shared.check_output(output, data)
    from glmfit.after.anova import analysis

    records, status = analysis(spec, data, type=kind, test=named, sum_contrasts=sum_contrasts)
    shared.emit(records, chosen, output, quiet=quiet)
    raise typer.Exit(status)
