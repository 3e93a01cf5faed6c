"""glum: without standard errors, and with a gradient small enough for six digits (its default gives about four)."""

from __future__ import annotations

from collections.abc import Callable

from shared import Request, main


def fit(request: Request) -> Callable[[], dict[str, float]]:
    from glum import GeneralizedLinearRegressor

    family = {"inverse-gaussian": "inverse.gaussian"}.get(request.family, request.family)
    data = request.data()
    model = GeneralizedLinearRegressor(family=family, link=request.link, alpha=0, drop_first=True, gradient_tol=1e-8)

    def run() -> dict[str, float]:
        model.fit(data[[*request.numeric, *request.factors]], data["y"])
        return dict(zip(model.feature_names_, model.coef_.tolist(), strict=True))

    return run


main(fit)
