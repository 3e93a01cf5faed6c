"""pyfixest: Poisson with the factors absorbed. A fit of a few rows before compiles what it needs."""

from __future__ import annotations

from collections.abc import Callable

from shared import Request, main


def fit(request: Request) -> Callable[[], dict[str, float]]:
    import pyfixest

    data = request.data("str")
    formula = f"y ~ {' + '.join(request.numeric)}"
    if request.factors:
        formula += f" | {' + '.join(request.factors)}"
        few = data.head(2_000).copy()
        few[request.factors] = [[f"{row % 7}"] * len(request.factors) for row in range(len(few))]
        pyfixest.fepois(formula, few, vcov="iid")
    else:
        pyfixest.fepois(formula, data.head(2_000), vcov="iid")

    def run() -> dict[str, float]:
        return pyfixest.fepois(formula, data, vcov="iid", iwls_tol=1e-10).coef().to_dict()

    return run


main(fit)
