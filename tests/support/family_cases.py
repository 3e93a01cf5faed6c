"""What the family tests need to know of each family: responses, parameter values, and an independent log-density.

A case states only what the defaults do not say. `CASES` are the families that R's glm() and MASS know; counts with
other spreads and zeros, and further continuous families, have modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from glmfit.families.base import Family
from glmfit.families.catalogue import make_family

# Points inside the domain of every link, on the natural scale of a mean.
MEANS = {"identity": (0.4, 1.7, 6.0), "log": (0.05, 0.9, 7.5), "logit": (0.03, 0.5, 0.92)}
OTHERS = (0.02, 0.5, 3.0)  # phi and alpha
# Dispersions at which a gamma or inverse gaussian has its mass inside the default grid.
CONTAINED = (0.02, 0.5, 0.9)
# Dispersions at which derivatives are not so large that differences say nothing.
SMOOTH = (0.5, 3.0)

Values = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Case:
    """A family, responses inside its support and at its edges, and where there is one an independent log-density.

    `reference(y, *natural, **columns)` is scipy's, numpy's or mpmath's. `values` are natural values of each parameter,
    combined every way; `contained` those of them whose mass lies on `grid` = (points, weights); `smooth` those at which
    numerical differences are good enough; `simulated` those at which draws are held against the density; `far` linear
    predictors of each parameter at which everything must be finite.
    """

    family: Family
    inner: tuple[float, ...]
    edges: tuple[float, ...]
    reference: Callable[..., np.ndarray] | None = None
    columns: dict[str, float] = field(default_factory=dict)
    values: Values | None = None
    contained: Values | None = None
    smooth: Values | None = None
    simulated: Values | None = None
    far: Values | None = None
    grid: Callable[[], tuple[Tensor, Tensor]] | None = None
    rtol: float = 1e-10  # of the density against the reference
    label: str = ""  # which of several cases of one family
    underflows: bool = False  # far out log f is below the range of a double: -inf, and nothing is said of derivatives

    @property
    def id(self) -> str:
        return f"{self.family.name}-{self.label}" if self.label else self.family.name

    def natural(self, what: str = "values") -> Values:
        """Natural values of every parameter: `what` where the case states it, else its `values`, else the defaults."""
        stated = getattr(self, what) or self.values
        if stated is not None:
            return stated
        others = {"values": OTHERS, "contained": CONTAINED, "smooth": SMOOTH, "simulated": CONTAINED}[what]
        main, *rest = self.family.parameters
        return (MEANS[main.scale], *(others for _ in rest))

    def points(self) -> tuple[Tensor, Tensor]:
        """Points of the support and the weights that make sums of a function over them its sum or integral."""
        if self.grid is not None:
            return self.grid()
        if self.family.trials:
            return whole_numbers(0, int(self.columns["trials"]))
        if self.family.support.integer:
            return whole_numbers(int(self.family.support.lower), 3000)
        return half_line() if self.family.support.lower == 0 else line()


def whole_numbers(lowest: int, highest: int) -> tuple[Tensor, Tensor]:
    """The counts from `lowest` to `highest`."""
    y = torch.arange(lowest, highest + 1, dtype=torch.float64)
    return y, torch.ones_like(y)


def line(reach: float = 80.0, size: int = 8_001) -> tuple[Tensor, Tensor]:
    """The trapezoid on the line."""
    y = torch.linspace(-reach, reach, size, dtype=torch.float64)
    return y, torch.full_like(y, float(y[1] - y[0]))


def half_line(low: float = -30.0, high: float = 9.0, size: int = 8_001) -> tuple[Tensor, Tensor]:
    """The trapezoid in log y, where dy = y dt."""
    t = torch.linspace(low, high, size, dtype=torch.float64)
    return t.exp(), t.exp() * (t[1] - t[0])


def unit_interval(reach: float = 40.0, size: int = 8_001) -> tuple[Tensor, Tensor]:
    """The trapezoid in logit y, where dy = y (1 - y) dt."""
    t = torch.linspace(-reach, reach, size, dtype=torch.float64)
    return torch.sigmoid(t), torch.sigmoid(t) * torch.sigmoid(-t) * (t[1] - t[0])


COUNTS, COUNT_EDGES = (1.0, 3.0, 12.0), (0.0, 1.0, 1e6)
POSITIVE, POSITIVE_EDGES = (0.2, 1.0, 4.5), (1e-300, 1e-12, 1e12)
CASES: tuple[Case, ...] = (
    Case(
        make_family("gaussian", {}),
        (-2.0, 0.3, 5.0),
        (-1e12, 0.0, 1e12),
        lambda y, mu, phi: scipy.stats.norm.logpdf(y, mu, np.sqrt(phi)),
    ),
    Case(
        make_family("binomial", {}),
        (1.0, 3.0, 7.5),
        (0.0, 9.0),
        lambda y, mu, trials: scipy.stats.binom.logpmf(y, trials, mu),
        {"trials": 9.0},
    ),
    Case(make_family("poisson", {}), COUNTS, COUNT_EDGES, lambda y, mu: scipy.stats.poisson.logpmf(y, mu)),
    Case(
        make_family("gamma", {}),
        POSITIVE,
        POSITIVE_EDGES,
        lambda y, mu, phi: scipy.stats.gamma.logpdf(y, 1 / phi, scale=mu * phi),
    ),
    Case(
        make_family("inverse-gaussian", {}),
        POSITIVE,
        (1e-12, 1e12),
        lambda y, mu, phi: scipy.stats.invgauss.logpdf(y, mu * phi, scale=1 / phi),
    ),
    Case(
        make_family("negative-binomial", {}),
        COUNTS,
        COUNT_EDGES,
        lambda y, mu, alpha: scipy.stats.nbinom.logpmf(y, 1 / alpha, 1 / (1 + alpha * mu)),
    ),
    Case(
        make_family("geometric", {}),
        COUNTS,
        COUNT_EDGES,
        lambda y, mu: scipy.stats.geom.logpmf(y + 1, 1 / (1 + mu)),
    ),
    Case(make_family("quasi-poisson", {}), (0.5, 1.0, 4.2), (0.0, 1e6)),
    Case(make_family("quasi-binomial", {}), (1.0, 3.0, 7.5), (0.0, 9.0), None, {"trials": 9.0}),
)
