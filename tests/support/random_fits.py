"""Fits of the reference cases with random effects, each made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pandas as pd

import glmfit
from glmfit.fitted import FittedModel


def once(cases: Mapping[str, Mapping[str, Any]], frames: Mapping[str, Any]) -> Callable[[str], FittedModel]:
    """name -> the fit of that case, by its options, to the frame that it names."""

    @cache
    def fitted(name: str) -> FittedModel:
        asked = dict(cases[name]["glmfit"])
        return glmfit.fit(asked.pop("formulas"), pd.DataFrame(frames[cases[name]["data"]]), **asked)

    return fitted
