"""statsmodels: GLM by iterated least squares, counts by Newton's method, with standard errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared import Request, main


def fit(request: Request) -> Callable[[], dict[str, float]]:
    import pandas
    import statsmodels.api as sm

    data = request.data()
    x = data[request.numeric]
    if request.factors:
        x = pandas.concat([x, pandas.get_dummies(data[request.factors], drop_first=True, dtype=float)], axis=1)
    x = sm.add_constant(x)
    y = data["y"].astype(float)

    def run() -> dict[str, float]:
        return dict(_model(sm, request, y, x).params)

    return run


def _model(sm: Any, request: Request, y: Any, x: Any) -> Any:
    if request.family == "negative-binomial":
        return sm.NegativeBinomial(y, x).fit(method="newton", maxiter=100, disp=False)
    if request.family == "zero-inflated-negative-binomial":
        from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP

        return ZeroInflatedNegativeBinomialP(y, x, exog_infl=x).fit(method="bfgs", maxiter=500, gtol=1e-8, disp=False)
    kinds = sm.families
    link = {"log": kinds.links.Log, "logit": kinds.links.Logit, "probit": kinds.links.Probit}[request.link]()
    family = {
        "poisson": kinds.Poisson,
        "gamma": kinds.Gamma,
        "inverse-gaussian": kinds.InverseGaussian,
        "binomial": kinds.Binomial,
    }[request.family]
    return sm.GLM(y, x, family=family(link)).fit()


main(fit)
