"""scikit-learn: without a penalty and without standard errors, by Newton's method to six digits."""

from __future__ import annotations

from collections.abc import Callable

from shared import Request, main


def fit(request: Request) -> Callable[[], dict[str, float]]:
    import pandas
    from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor

    data = request.data()
    x = data[request.numeric]
    if request.factors:
        x = pandas.concat([x, pandas.get_dummies(data[request.factors], drop_first=True, dtype=float)], axis=1)
    if request.family == "binomial":
        model = LogisticRegression(C=float("inf"), solver="newton-cholesky", tol=1e-8)
    else:
        kind = {"poisson": PoissonRegressor, "gamma": GammaRegressor}[request.family]
        model = kind(alpha=0, solver="newton-cholesky", tol=1e-8)

    def run() -> dict[str, float]:
        model.fit(x.to_numpy(), data["y"].to_numpy())
        return dict(zip(x.columns, model.coef_.ravel().tolist(), strict=True))

    return run


main(fit)
