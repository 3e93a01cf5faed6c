"""Which rows a model was fitted to, as hashes that tell two models' data apart and give nothing of them away.

Hashed are the response as the likelihood sees it, with trials and bounds, and the weights of the rows, in their order:
a row more or less, or a transformed response, gives another hash; another order of columns does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import numpy as np

from glmfit.result import Fingerprint
from glmfit.rows.data import Data
from glmfit.spill import runs


def fingerprint(data: Data) -> Fingerprint:
    """That of the rows that a fit uses."""
    response = data.response
    bounds = (response.extra[name] for name in sorted(response.extra))
    trials = [] if response.trials is None else [response.trials]
    weights = [w for w in (data.weights, data.frequency, data.sampling) if w is not None]
    return Fingerprint(
        rows=len(response.y),
        response=hashed([response.y, *trials, *bounds]),
        weights=hashed(weights) if weights else None,
    )


def hashed(columns: Iterable[np.ndarray]) -> str:
    """The SHA-256 of columns (n,) of numbers, 0 and -0 being the same."""
    digest = sha256()
    for column in columns:
        for part in runs(len(column)):
            digest.update(np.ascontiguousarray(column[part] + 0.0, dtype="<f8").data)
    return digest.hexdigest()
