"""Pregibon's link test: what the square of the linear predictor adds to it, where the link is right, is nothing.

The model is fitted again with eta and eta^2 in place of its covariates, and the Wald statistic of eta^2 is the test
(Pregibon 1980, Applied Statistics 29, 15-24). Offsets are part of eta.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from glmfit.after.saved import SavedModel
from glmfit.after.verdicts import UNLIKELY, Row, verdict
from glmfit.errors import GlmfitError
from glmfit.estimate.pipeline import fit_data
from glmfit.result import Fitted
from glmfit.rows import read
from glmfit.spec import ModelSpec


def link_check(model: SavedModel, columns: Mapping[str, np.ndarray]) -> Row | None:
    """The row of the link test; None where the model has no single linear predictor of a mean."""
    family = model.family
    if not (family.has_deviance and family.orthogonal_mean) or np.ptp(columns["eta"]) == 0:
        return None
    frame = {"eta": columns["eta"], "square": columns["eta"] ** 2}
    try:
        again = fit_again(model, columns, "eta + square", frame)
    except GlmfitError as error:
        return verdict("link", f"cannot be tested: {error.code}", math.nan)
    square = next(one for one in again.coefficients if one.term == "square")
    if math.isnan(square.p_value):
        return verdict("link", "cannot be tested", math.nan)
    words = "something is missing: link or terms" if square.p_value < UNLIKELY else "nothing is missing"
    return verdict("link", words, square.statistic, again.statistic, again.blueprint.df, square.p_value)


def fit_again(
    model: SavedModel,
    columns: Mapping[str, np.ndarray],
    terms: str,
    frame: Mapping[str, np.ndarray],
    links: Mapping[str, str] | None = None,
    offset: str | None = None,
) -> Fitted:
    """The response of the rows of the model on other terms, which `frame` holds; weights and what is held stay."""
    said, family = model.fit.model, model.family
    trials = family.trials and not bool((columns["trials"] == 1).all())
    data = {**frame, "response": columns["y"], "out_of": columns["trials"], "weight": columns["weight"]}
    option = "freq_weights" if said.freq_weights else "weights"
    weighed = {option: "weight"} if bool((columns["weight"] != 1).any()) else {}
    main = {family.main: model.links[family.main].name}
    spec = ModelSpec(
        formulas=(f"{'response/out_of' if trials else 'response'} ~ {terms}",),
        family=model.fit.blueprint.family,
        links=main if links is None else links,
        fixed={name: value for name, value in said.fixed.items() if name in [p.name for p in family.parameters]},
        offset=offset,
        se="expected",
        **weighed,  # type: ignore[arg-type]
    )
    return fit_data(read(spec, data))
