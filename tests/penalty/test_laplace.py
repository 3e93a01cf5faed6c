"""Laplace's approximation: gradient and Hessian against differences of fourth order, blocks against dense matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from glmfit.design import Categorical, Dense
from glmfit.model import Model, assemble
from glmfit.numerics import Bordered, BorderedFactor, cholesky
from glmfit.penalty import Covariance, Laplace, PenalisedTerm, Strengths, maximum, penalised
from glmfit.penalty.matrices import add_blocks, blocks_of, congruent, flattened, inverse
from glmfit.rows import read
from glmfit.spec import ModelSpec

N = 300
_RANDOM = np.random.default_rng(5)
X = _RANDOM.normal(size=N)
G, H = _RANDOM.integers(0, 12, N), _RANDOM.integers(0, 5, N)
B = _RANDOM.normal(size=(12, 2)) * [0.7, 0.4]
ETA = 0.3 + 0.5 * X + B[G, 0] + B[G, 1] * X
STEP = 1e-3


def model(family: str, formulas: tuple[str, ...], y: np.ndarray) -> Model:
    return assemble(read(ModelSpec(formulas=formulas, family=family), {"y": y, "x": X}))


def effects(parameter: str, codes: np.ndarray, d: int) -> PenalisedTerm:
    """(x | codes), or (1 | codes)."""
    m, code = int(codes.max()) + 1, torch.from_numpy(codes.astype(np.int64))
    own = torch.arange(m)
    blocks = (Categorical(code, own, m), Categorical(code, own, m, torch.from_numpy(X)))[:d]
    places = tuple(own + m * j for j in range(d))
    return PenalisedTerm(parameter, "", blocks, places, torch.stack(places, dim=1), Covariance(d))


def curve(parameter: str) -> PenalisedTerm:
    """Bumps with a penalty on their second differences, and one on their sizes, of which both lack full rank."""
    centres = np.linspace(-2, 2, 8)
    columns = torch.from_numpy(np.exp(-((X[:, None] - centres) ** 2)))
    D = np.diff(np.eye(8), n=2, axis=0)
    ends = np.diag([1.0, 0, 0, 0, 0, 0, 0, 1.0])
    prior = Strengths.of([torch.from_numpy(D.T @ D), torch.from_numpy(ends)])
    own = torch.arange(8)
    return PenalisedTerm(parameter, "s(x)", (Dense(columns),), (own,), own[None], prior)


def differences(value: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The derivatives of `value`, an error of STEP^4."""
    out = []
    for j in range(len(at)):
        e = torch.zeros_like(at)
        e[j] = STEP
        near, far = value(at + e) - value(at - e), value(at + 2 * e) - value(at - 2 * e)
        out.append((8 * near - far) / (12 * STEP))
    return torch.stack(out)


POISSON = np.random.default_rng(1).poisson(np.exp(ETA))
MANY = np.arange(N) % 210  # levels enough for blocks of their own
CASES = {
    "slopes beside a crossed intercept": ("poisson", ("y ~ x",), [effects("mu", G, 2), effects("mu", H, 1)], ()),
    "fixed coefficients integrated": ("poisson", ("y ~ x",), [effects("mu", G, 2)], ("mu",)),
    "two parameters": ("negative-binomial", ("y ~ x", "alpha ~ x"), [effects("mu", G, 1), effects("alpha", H, 1)], ()),
    "blocks by level": ("poisson", ("y ~ x",), [effects("mu", MANY, 2), effects("mu", H, 1)], ()),
    "two strengths": ("poisson", ("y ~ 1",), [curve("mu"), effects("mu", H, 1)], ("mu",)),
    "zero inflation": ("zero-inflated-poisson", ("y ~ x",), [effects("mu", G, 1), effects("zero", H, 1)], ()),
}


@pytest.mark.parametrize("case", CASES)
def test_gradient_and_hessian_are_exact(case: str) -> None:
    family, formulas, terms, integrated = CASES[case]
    laplace = Laplace(penalised(model(family, formulas, POISSON), terms, integrated))
    p, k = laplace.of.sizes
    psi = torch.cat([torch.linspace(-0.4, 0.3, p), torch.linspace(-0.7, 0.4, k)]).double()
    assert laplace.at(psi) is not None
    if case == "blocks by level":
        assert isinstance(laplace.at(psi).factor, BorderedFactor)  # type: ignore[union-attr]
    _, gradient, hessian = laplace.derivatives(psi)
    slopes = differences(lambda at: torch.tensor(laplace.value(at), dtype=torch.float64), psi)
    curvature = differences(lambda at: laplace.derivatives(at)[1], psi)
    assert torch.allclose(gradient, slopes, rtol=0, atol=1e-8 * float(gradient.abs().max()))
    assert torch.allclose(hessian, curvature, rtol=0, atol=1e-7 * float(hessian.abs().max()))


def test_a_variance_that_vanishes_is_held_at_0() -> None:
    even = np.empty(N, dtype=np.int64)
    even[np.argsort(POISSON - np.exp(ETA))] = np.arange(N) % 5  # levels that differ by less than chance
    laplace = Laplace(penalised(model("poisson", ("y ~ x",), POISSON), [effects("mu", G, 2), effects("mu", even, 1)]))
    psi = torch.tensor([0.3, 0.5, -0.2, 0.0, -0.5, -0.5], dtype=torch.float64)
    peak = maximum(laplace, psi, 1e-8, 100)
    without = Laplace(penalised(model("poisson", ("y ~ x",), POISSON), [effects("mu", G, 2)]))
    other = maximum(without, psi[:5], 1e-8, 100)
    assert peak.optimum.converged
    assert peak.held.tolist() == [False] * 5 + [True]
    assert peak.value == pytest.approx(other.value, abs=1e-9)
    assert torch.allclose(peak.psi[:5], other.psi, atol=1e-6)


def test_blocks_are_those_of_the_dense_matrix() -> None:
    m, d, q = 6, 2, 3
    random = torch.Generator().manual_seed(2)
    size = m * d + q
    order = torch.randperm(size, generator=random)
    total, other = (Bordered.zeros(order[: m * d].reshape(m, d), order[m * d :]) for _ in range(2))
    for one, ridge in ((total, 20.0), (other, 0.0)):
        half = torch.randn((m, d, d), generator=random, dtype=torch.float64)
        one.blocks.copy_(half + half.transpose(1, 2) + ridge * torch.eye(d))
        one.border.copy_(torch.randn((m, d, q), generator=random, dtype=torch.float64))
        corner = torch.randn((q, q), generator=random, dtype=torch.float64)
        one.corner.copy_(corner + corner.T + ridge * torch.eye(q))
    places = torch.stack(
        [torch.cat([total.inner[:, 1], total.outer[:1]]), torch.cat([total.inner[:, 0], total.outer[1:2]])], 1
    )
    P = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    dense = total.matrix()
    add_blocks(total, places, P)
    add_blocks(dense, places, P)
    assert torch.allclose(total.matrix(), dense)
    factor, lower = cholesky(total), cholesky(dense)
    assert isinstance(factor, BorderedFactor)
    assert isinstance(lower, Tensor)
    assert torch.allclose(blocks_of(inverse(factor), places), blocks_of(inverse(lower), places))
    left, right = flattened(congruent(factor, other)), flattened(congruent(lower, other.matrix()))
    assert float(left @ left) == pytest.approx(float(right @ right))
