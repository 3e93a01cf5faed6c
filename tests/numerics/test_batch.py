"""Newton's method for many objectives: each ends where Newton's method for one does, and says so by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from glmfit.numerics import BatchDerivatives, newton_batch
from glmfit.numerics.batch import STATUSES


class Separable:
    """f_b(theta) = sum_j f(theta_j - centre_b), f given by name for each b."""

    def __init__(self, kinds: list[str], centres: list[float]) -> None:
        self.kinds, self.centres = kinds, torch.tensor(centres, dtype=torch.float64)

    def _each(self, theta: Tensor, which: Tensor) -> Tensor:
        shifted = theta - self.centres[which, None]
        rows = []
        for b, row in zip(which.tolist(), shifted, strict=True):
            kind = self.kinds[b]
            if kind == "cosh":  # a whole step from afar overshoots
                rows.append(-torch.sqrt(1 + row**2))
            elif kind == "poisson":
                rows.append(row - torch.exp(row))
            elif kind == "log":  # has a domain
                rows.append(torch.log(row + 1) - row)
            elif kind == "level":
                rows.append(-torch.exp(-row))
            else:  # one direction is not seen
                rows.append(torch.stack([-((row[0] + row[1]) ** 2), 0 * row[1]]))
        return torch.stack(rows).sum(dim=1)

    def values(self, theta: Tensor, which: Tensor) -> Tensor:
        return self._each(theta, which).detach()

    def derivatives(self, theta: Tensor, which: Tensor) -> BatchDerivatives:
        leaf = theta.detach().clone().requires_grad_(True)
        value = self._each(leaf, which)
        (gradient,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
        columns = [torch.autograd.grad(gradient[:, j].sum(), leaf, retain_graph=True)[0] for j in range(theta.shape[1])]
        return BatchDerivatives(value.detach(), gradient.detach(), torch.stack(columns, dim=1))


def test_each_objective_is_judged_by_itself() -> None:
    kinds = ["cosh", "poisson", "log", "level", "unseen", "log"]
    objective = Separable(kinds, [3.0, -2.0, 0.5, 0.0, 0.0, 5.0])
    start = torch.zeros((6, 2), dtype=torch.float64)
    start[0] = 6.0
    found = newton_batch(objective, start)
    said = [STATUSES[at] for at in found.status.tolist()]
    assert said[:3] == ["converged"] * 3
    assert said[5] == "outside"
    torch.testing.assert_close(
        found.theta[:3, 0], torch.tensor([3.0, -2.0, 0.5], dtype=torch.float64), rtol=0, atol=1e-12
    )
    kept = found.kept_information()
    assert bool((kept[:3] > 1e-3).all())
    assert kept[3] < 1e-5  # which levels off for ever
    assert kept[4] == 0
    assert len(set(found.iterations[:3].tolist())) > 1


def test_the_limit_of_iterations_is_a_status() -> None:
    found = newton_batch(Separable(["poisson"], [-8.0]), torch.zeros((1, 2), dtype=torch.float64), max_iter=2)
    assert STATUSES[int(found.status)] == "max_iter"
    assert int(found.iterations) == 2
