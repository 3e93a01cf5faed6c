"""Bordered matrices and covariances by their parts, against the matrices that they stand for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from glmfit import memory
from glmfit.errors import ModelError
from glmfit.numerics import Bordered, LowRank, Root, curvature, unit_diagonal

PLACES = torch.tensor([0, 2, 3, 5, 6, 8])
OUTER = torch.tensor([1, 4, 7])


@pytest.fixture(scope="module", params=[1, 2, 3])
def matrix(request: pytest.FixtureRequest) -> Bordered:
    """Positive definite, (9, 9), with blocks (d, d)."""
    d, random = request.param, torch.Generator().manual_seed(3)
    m = 6 // d
    sizes = ((m, d, 3), (3, 3), (m, d, d))
    border, root, half = (torch.randn(size, generator=random, dtype=torch.float64) for size in sizes)
    blocks = half @ half.transpose(1, 2) + 2 * torch.eye(d, dtype=torch.float64)
    return Bordered(
        PLACES.reshape(m, d), OUTER, blocks, border, 6 * (root @ root.T) + border.flatten(0, 1).T @ border.flatten(0, 1)
    )


def near(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_factor_solves_and_inverts(matrix: Bordered) -> None:
    whole, factor = matrix.matrix(), curvature.cholesky(matrix)
    assert factor is not None
    x = torch.linspace(-1, 2, 9, dtype=torch.float64)
    assert near(curvature.solve(factor, x), torch.linalg.solve(whole, x))
    assert float(factor.half_solve(x).square().sum()) == pytest.approx(float(x @ torch.linalg.solve(whole, x)))
    assert float(factor.half_solve(x) @ x) == pytest.approx(float(x @ factor.back_solve(x)), rel=1e-12)
    assert near(factor.inverse().matrix(), torch.linalg.inv(whole))
    assert factor.log_det() == pytest.approx(float(torch.logdet(whole)), rel=1e-12)
    assert near(matrix.times(x[:, None])[:, 0], whole @ x)
    assert near(curvature.full_factor(factor * 3.0), 3 * torch.linalg.cholesky(whole))
    assert near(curvature.diagonal(matrix), torch.diagonal(whole))
    assert near(matrix.unit().matrix(), unit_diagonal(whole)[0])
    assert matrix.longest_row() == pytest.approx(float(whole.abs().sum(dim=0).max()))


def test_what_is_not_positive_definite_has_no_factor(matrix: Bordered) -> None:
    lowest = float(torch.linalg.eigvalsh(matrix.matrix())[0])
    assert curvature.cholesky(matrix.less(0.999 * lowest)) is not None
    assert curvature.cholesky(matrix.less(1.001 * lowest)) is None
    assert curvature.cholesky(-matrix) is None
    for bad in (-matrix, matrix.less(1.001 * lowest)):
        lower = curvature.full_factor(curvature.repaired(bad))
        assert bool((torch.diagonal(lower) > 0).all())


def test_a_matrix_does_what_a_tensor_does(matrix: Bordered) -> None:
    whole, aside = matrix.matrix(), torch.linspace(0, 1, 9, dtype=torch.float64)
    dense, x = curvature.structured(whole), torch.eye(9, dtype=torch.float64)[:, :4]
    for left, right in (
        (matrix.minus(0.3, matrix), dense.minus(0.3, matrix)),
        (matrix.minus(0.3, whole), dense.minus(0.3, whole)),
        (matrix.less(2.0), dense.less(2.0)),
        (matrix.plus_diagonal(aside), dense.plus_diagonal(aside)),
        (matrix.unit(), dense.unit()),
        (matrix.times(x), dense.times(x)),
    ):
        assert near(curvature.full(left), curvature.full(right))
    assert matrix.longest_row() == pytest.approx(dense.longest_row(), rel=1e-12)
    ours, tensor = curvature.cholesky(matrix), curvature.cholesky(whole)
    assert ours is not None
    assert tensor is not None
    assert near(curvature.solve(ours, x), curvature.solve(tensor, x))
    assert near(curvature.full(curvature.inverse(ours)), curvature.inverse(tensor))
    assert curvature.half_log_det(ours) == pytest.approx(curvature.half_log_det(tensor), rel=1e-12)
    for share, positive in ((0.5, True), (1.5, False)):
        for M in (matrix, whole):
            for L in (ours, tensor):
                assert curvature.exceeds(M, share, L) == positive


def inverse(matrix: Bordered) -> LowRank:
    factor = curvature.cholesky(matrix)
    assert factor is not None
    return factor.inverse()


def test_covariances_by_their_parts(matrix: Bordered) -> None:
    V, meat = inverse(matrix), matrix.less(0.5)
    whole = V.matrix()
    x = torch.linspace(1, 2, 4, dtype=torch.float64)
    some = PLACES[[0, 1, 3, 5]]
    block = whole[some[:, None], some]
    assert V.inverse_square(some, x) == pytest.approx(float(x @ torch.linalg.solve(block, x)), rel=1e-12)
    assert V.inverse_square(torch.cat([some, OUTER[:1]]), torch.ones(5, dtype=torch.float64)) is None
    assert near(V.sandwich([(1.0, meat)]).matrix(), whole @ meat.matrix() @ whole)


class Sums:
    """Sums (p, G) of scores that are in no order."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def times(self, x: Tensor) -> Tensor:
        return self.values @ (self.values.T @ x)

    def between(self, inner: Tensor, blocks: Tensor) -> tuple[None, Root]:
        parts = (blocks @ self.values[inner]).flatten(0, 1)
        rows, columns = torch.nonzero(parts, as_tuple=True)
        return None, Root(1.0, inner.flatten()[rows], columns, parts[rows, columns], parts.shape[1])


def test_sandwiches_of_sums_that_cross_levels(matrix: Bordered) -> None:
    V, random = inverse(matrix), torch.Generator().manual_seed(4)
    sums, others = (torch.randn((9, k), generator=random, dtype=torch.float64) for k in (4, 3))
    meat = sums @ sums.T - 0.5 * others @ others.T
    whole = V.matrix() @ meat @ V.matrix()
    found = 2.0 * V.sandwich([(1.0, Sums(sums)), (-0.5, Sums(others))])
    assert near(found.matrix(), 2 * whole)
    assert near(found.diagonal(), 2 * torch.diagonal(whole))
    x = torch.randn((9, 2), generator=random, dtype=torch.float64)
    assert near(found.times(x), 2 * whole @ x)
    some = torch.tensor([8, 1, 3])
    assert near(found.block(some), 2 * whole[some[:, None], some])
    moved = torch.eye(9, dtype=torch.float64)
    moved[1, 4] = moved[4, 1] = -1.5
    scale = torch.linspace(1, 2, 9, dtype=torch.float64)
    moved[PLACES, PLACES] = scale[PLACES]
    assert near(found.mapped(scale, lambda column: moved @ column).matrix(), 2 * moved @ whole @ moved.T)
    without = found.without(torch.tensor([4])).among(10, torch.arange(1, 10))
    kept, unknown = torch.tensor([1, 2, 3, 4, 6, 7, 8, 9]), torch.tensor([0, 5])
    assert near(without.block(kept), 2 * whole[kept[:, None] - 1, kept - 1])
    assert bool(torch.isnan(without.matrix()[unknown]).all())
    assert torch.equal(torch.nonzero(torch.isnan(without.diagonal()))[:, 0], unknown)


def test_a_matrix_beyond_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 10_000_000)
    large = Bordered.zeros(torch.arange(1_999)[:, None], torch.tensor([1_999]))
    with pytest.raises(ModelError, match="2,000 coefficients have 3 matrices") as caught:
        large.matrix()
    assert caught.value.code == "too_large"
