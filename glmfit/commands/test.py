"""`glmfit test`: Wald tests of hypotheses about a saved model."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, shared
from glmfit.commands.options import option

Hypotheses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[HYPOTHESIS]...",
        help="In quotes: 'x1 = x2', 'a = 0, b = 0' (together), 'exp(x1)/x2'.",
        rich_help_panel="Arguments",
        show_default=False,
    ),
]
Terms = Annotated[bool, option("Inference", "--terms", help="A joint test of each term of the model as well.")]
Adjust = Annotated[
    str | None,
    option("Inference", "--adjust", metavar="METHOD", help="holm, bonferroni, bh or single-step: several tests."),
]


def hypotheses_command(
    model: shared.Model,
    hypotheses: Hypotheses = None,
    terms: Terms = False,
    adjust: Adjust = None,
    level: shared.NewLevel = None,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Test hypotheses about the coefficients of a saved model, and estimate functions of them.

    \b
    glmfit test model.json "x1 = x2" "g[T.b] = 0, g[T.c] = 0"
    glmfit test model.json "exp(x1)" "x1/x2" "alpha = 1" --adjust holm
    glmfit test model.json --terms
    """
    chosen = options.output_format(json, format)
    share = shared.level(level)
    shared.check_output(output, model)
    from glmfit.after.saved import read_fitted
    from glmfit.after.tested import wald_tests

    records = wald_tests(read_fitted(model), hypotheses or (), terms=terms, adjust=adjust, level=share)
    shared.emit(records, chosen, output, quiet=quiet)
    raise typer.Exit(5 if records.findings else 0)
