"""Likelihoods that differ in a column are those of the models with it; families that say so take many at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from glmfit.families import FAMILIES, make_family
from glmfit.many.scan.own import inflation_factors
from glmfit.model import VaryingLikelihood, assemble
from glmfit.rows import read
from glmfit.spec import ModelSpec

N, M = 60, 3
CASES = {
    "poisson": ("count ~ age", "count ~ age + {}", ["mu"]),
    "negative-binomial": ("count ~ age", "count ~ age + {}", ["mu"]),
    "gaussian": (("real ~ age", "phi ~ 1"), ("real ~ age", "phi ~ {}"), ["phi"]),
    "multinomial": ("kind ~ age", "kind ~ age + {}", ["1", "2"]),
}


def frame() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    out = {"age": random.normal(size=N), "real": random.normal(size=N), "count": random.poisson(3.0, N).astype(float)}
    out["kind"] = random.integers(0, 3, N).astype(float)
    return out | {f"x{at}": random.normal(size=N) for at in range(M)}


@pytest.mark.parametrize("family", CASES)
def test_derivatives_are_those_of_the_model_with_the_column(family: str) -> None:
    shared, whole, parameters = CASES[family]
    data = frame()
    formulas = (shared,) if isinstance(shared, str) else shared
    model = assemble(read(ModelSpec(formulas=formulas, family=family), data))
    raw = torch.from_numpy(np.stack([data[f"x{at}"] for at in range(M)]))
    there = torch.ones((M, N), dtype=torch.float64)
    there[1, ::7] = 0
    batch = VaryingLikelihood(model, parameters, (raw * there)[:, None, :], there)
    theta = 0.1 * torch.randn((M, batch.size), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    value, gradient, hessian = batch.derivatives(theta, torch.arange(M))
    assert torch.allclose(batch.values(theta, torch.arange(M)), value, rtol=1e-13)
    for at in range(M):
        kept = {name: column[there[at].numpy() > 0] for name, column in data.items()}
        texts = tuple(text.replace("{}", f"x{at}") for text in ((whole,) if isinstance(whole, str) else whole))
        alone = assemble(read(ModelSpec(formulas=texts, family=family), kept))
        # the same coefficients, in the units of the columns as they are
        order = [alone.names.index(name) for name in model.names]
        order += [alone.names.index((parameter, f"x{at}")) for parameter in parameters]
        reported = torch.zeros(alone.size, dtype=torch.float64)
        reported[order] = torch.cat([model.reported(theta[at, : model.size]), theta[at, model.size :]])
        there_value, there_gradient, _ = alone.likelihood().derivatives(alone.working(reported))
        assert there_value == pytest.approx(float(value[at]), rel=1e-12)
        mine = torch.cat([model.reported_gradient(gradient[at, : model.size]), gradient[at, model.size :]])
        assert torch.allclose(alone.reported_gradient(there_gradient)[order], mine, rtol=1e-10, atol=1e-10)
        step = torch.zeros(batch.size, dtype=torch.float64)
        step[-1] = 1e-6
        ends = [batch.derivatives((theta[at] + sign * step)[None], torch.tensor([at])).gradient[0] for sign in (-1, 1)]
        assert torch.allclose((ends[1] - ends[0]) / 2e-6, hessian[at, -1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [family.name for family in FAMILIES if family.elementwise])
def test_elementwise_families_take_a_response_beside_many_parameters(name: str) -> None:
    family = make_family(name, {})
    random = torch.Generator().manual_seed(1)
    y = torch.randint(1, 5, (N,), generator=random).double()
    columns = {"trials": torch.full((N,), 7.0, dtype=torch.float64)} if family.trials else {}
    working = [torch.rand((M, N), generator=random, dtype=torch.float64) for _ in family.parameters]
    together = family.log_density(y, *working, **columns)
    each = [family.log_density(y, *(one[at] for one in working), **columns) for at in range(M)]
    assert torch.allclose(together, torch.stack(each), rtol=1e-14, atol=1e-14)


def test_a_singular_matrix_among_others_has_no_inverse() -> None:
    good, bad = torch.eye(3, dtype=torch.float64), torch.ones((3, 3), dtype=torch.float64)
    assert inflation_factors(torch.stack([good, bad, good])).tolist() == [[1, 1, 1], [torch.inf] * 3, [1, 1, 1]]
