"""How time grows: the exponent of (time - start-up) in the size, by least squares between logarithms.

time = start + c size^exponent,    start: the time of a fit of a few rows
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def exponent(sizes: Sequence[int], seconds: Sequence[float], start: float) -> float | None:
    """None where fewer than two sizes take longer than a fit of a few rows by a tenth of a second."""
    past = [(size, second - start) for size, second in zip(sizes, seconds, strict=True) if second - start > 0.1]
    if len(past) < 2:
        return None
    size, second = np.log(np.array(past)).T
    return float(np.polyfit(size, second, 1)[0])
