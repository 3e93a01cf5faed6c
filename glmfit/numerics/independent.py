"""Which rows of a matrix are independent, the last first: what gives way to earlier coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

TAKES_PART = 1e-8  # share of a row's length that others must leave of it


def last_independent(rows: Tensor) -> list[int]:
    """Positions of as many independent rows as the matrix (p, r) has columns, the last ones that are."""
    unit = rows / torch.linalg.vector_norm(rows, dim=0)
    basis = torch.zeros((rows.shape[1], 0), dtype=torch.float64)
    found: list[int] = []
    lengths = torch.linalg.vector_norm(unit, dim=1)
    for j in reversed(range(len(rows))):
        if len(found) == rows.shape[1] or lengths[j] == 0:
            continue
        left = unit[j]
        for _ in range(2):
            left = left - basis @ (basis.T @ left)
        length = torch.linalg.vector_norm(left)
        if length > TAKES_PART * lengths[j]:
            basis = torch.cat([basis, (left / length)[:, None]], dim=1)
            found.append(j)
    return sorted(found)
