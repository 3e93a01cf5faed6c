"""Bordered matrices and sums of a diagonal and a matrix of low rank, against the matrices that they stand for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from glmfit import memory
from glmfit.errors import ModelError
from glmfit.numerics import Bordered, curvature

INNER, OUTER = torch.tensor([0, 2, 3, 5, 6, 8]), torch.tensor([1, 4, 7])


@pytest.fixture(scope="module")
def matrix() -> Bordered:
    """Positive definite, (9, 9)."""
    random = torch.Generator().manual_seed(3)
    border = torch.randn((6, 3), generator=random, dtype=torch.float64)
    root = torch.randn((3, 3), generator=random, dtype=torch.float64)
    return Bordered(
        INNER, OUTER, torch.arange(2.0, 8.0, dtype=torch.float64), border, 6 * (root @ root.T) + border.T @ border
    )


def near(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_factor_solves_and_inverts(matrix: Bordered) -> None:
    whole, factor = matrix.matrix(), curvature.cholesky(matrix)
    assert factor is not None
    x = torch.linspace(-1, 2, 9, dtype=torch.float64)
    assert near(curvature.solve(factor, x), torch.linalg.solve(whole, x))
    assert near(factor.inverse().matrix(), torch.linalg.inv(whole))
    assert near(matrix.times(x[:, None])[:, 0], whole @ x)
    assert near(curvature.full_factor(factor * 3.0), 3 * torch.linalg.cholesky(whole))
    assert near(curvature.diagonal(matrix), torch.diagonal(whole))
    assert near(matrix.unit().matrix(), curvature.unit_diagonal(whole)[0])


def test_what_is_not_positive_definite_has_no_factor(matrix: Bordered) -> None:
    lowest = float(torch.linalg.eigvalsh(matrix.matrix())[0])
    assert curvature.cholesky(matrix.less(0.999 * lowest)) is not None
    assert curvature.cholesky(matrix.less(1.001 * lowest)) is None
    assert curvature.cholesky(-matrix) is None
    for bad in (-matrix, matrix.less(1.001 * lowest)):
        lower = curvature.full_factor(curvature.repaired(bad))
        assert bool((torch.diagonal(lower) > 0).all())


def test_low_rank(matrix: Bordered) -> None:
    factor = curvature.cholesky(matrix)
    assert factor is not None
    inverse = factor.inverse()
    whole, meat = inverse.matrix(), matrix.less(0.5)
    assert near(inverse.diagonal(), torch.diagonal(whole))
    x = torch.linspace(1, 2, 4, dtype=torch.float64)
    some = INNER[[0, 1, 3, 5]]
    block = whole[some[:, None], some]
    assert inverse.inverse_square(some, x) == pytest.approx(float(x @ torch.linalg.solve(block, x)), rel=1e-12)
    assert near(inverse.sandwich(meat).matrix(), whole @ meat.matrix() @ whole)
    moved = torch.eye(9, dtype=torch.float64)
    moved[0, 4] = moved[2, 1] = -1.5
    scale = torch.ones(9, dtype=torch.float64)
    assert near(inverse.mapped(scale, lambda column: moved @ column).matrix(), moved @ whole @ moved.T)
    without = inverse.without(torch.tensor([4]))
    kept = torch.tensor([0, 1, 2, 3, 5, 6, 7, 8])
    assert near(without.block(kept), whole[kept[:, None], kept])
    assert bool(torch.isnan(without.matrix()[4]).all())
    assert torch.equal(torch.isnan(without.diagonal()), torch.arange(9) == 4)


def test_a_matrix_beyond_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 10_000_000)
    large = Bordered.zeros(torch.arange(1_999), torch.tensor([1_999]))
    with pytest.raises(ModelError, match="2,000 coefficients have 3 matrices") as caught:
        large.matrix()
    assert caught.value.code == "too_large"
