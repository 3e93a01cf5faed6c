"""Singular values of graded matrices, against arithmetic of 600 digits."""

from __future__ import annotations

import pytest
import torch
from mpmath import mp

from glmfit.numerics import relative_singular

SCALES = ([1.0, 1.0, 1.0, 1.0], [1e17, 1e9, 1e1, 1e-19], [1e-19, 1e9, 1e17, 1e1], [1e-120, 1.0, 1e-60, 1e120])


def lower(seed: int) -> torch.Tensor:
    """Triangular and well-conditioned."""
    random = torch.randn((4, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.tril(random, -1) + torch.diag(1 + random.diagonal().abs())


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_small_singular_values_have_the_digits_of_large_ones(scale: list[float]) -> None:
    below, graded = lower(1), torch.tensor(scale, dtype=torch.float64)[:, None] * lower(2)
    found, vectors = relative_singular(below, graded)
    with mp.workdps(600):
        ratio = mp.matrix(below.tolist()) ** -1 * mp.matrix(graded.tolist())
        squares, turns = mp.eigsy(ratio * ratio.T)
        order = sorted(range(4), key=lambda j: -squares[j])
        exact = [float(mp.sqrt(squares[j])) for j in order]
        columns = torch.tensor([[float(turns[i, j]) for j in order] for i in range(4)], dtype=torch.float64)
    assert found.tolist() == pytest.approx(exact, rel=1e-14)
    assert torch.allclose(vectors.abs(), columns.abs(), rtol=0, atol=1e-13)
