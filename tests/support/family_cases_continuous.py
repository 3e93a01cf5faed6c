"""Cases of continuous families beyond those of R's glm(): lifetimes, location-scale, proportions, Tweedie."""

from __future__ import annotations

import family_cases
import mpmath
import numpy as np
import scipy.stats
import torch
from family_cases import MEANS, POSITIVE, POSITIVE_EDGES, Case, Values, half_line, line, unit_interval
from torch import Tensor

from glmfit.families.catalogue import make_family

REAL, REAL_EDGES = (-2.0, 3.0, 5.0), (-1e12, 0.0, 1e12)
SHARES, SHARE_EDGES = (0.1, 0.5, 0.75), (1e-300, 1e-12, 1 - 1e-12)
LOCATIONS, SCALES = MEANS["identity"], (0.3, 0.5, 3.0)
POSITIVES, UNITS = MEANS["log"], MEANS["logit"]


def heavy_line() -> tuple[Tensor, Tensor]:
    """The trapezoid in asinh y, where dy = sqrt(1 + y^2) dt."""
    t, weight = line(45.0, 24_001)
    return torch.sinh(t), torch.cosh(t) * weight


def gumbel_grid() -> tuple[Tensor, Tensor]:
    """The trapezoid on the line, which need not go far to the left."""
    y = torch.linspace(-30, 150, 16_001, dtype=torch.float64)
    return y, torch.full_like(y, float(y[1] - y[0]))


def with_lumps(points: tuple[Tensor, Tensor], *lumps: float) -> tuple[Tensor, Tensor]:
    """The same points and weights, and single values of a probability of their own."""
    extra = torch.tensor(lumps, dtype=torch.float64)
    return torch.cat([extra, points[0]]), torch.cat([torch.ones_like(extra), points[1]])


def inflated_beta(y: np.ndarray, mu: np.ndarray, k: np.ndarray, zoi: np.ndarray, coi: np.ndarray) -> np.ndarray:
    inside = np.log1p(-zoi) + scipy.stats.beta.logpdf(np.where((y == 0) | (y == 1), 0.5, y), mu * k, (1 - mu) * k)
    return np.where(y == 0, np.log(zoi) + np.log1p(-coi), np.where(y == 1, np.log(zoi) + np.log(coi), inside))


def tweedie_density(y: float, mu: float, phi: float, power: float) -> float:
    """The compound Poisson-gamma density as it is defined, summed in 40 digits."""
    with mpmath.mp.workdps(40):
        y, mu, phi, p = (mpmath.mpf(float(value)) for value in (y, mu, phi, power))
        events = mu ** (2 - p) / (phi * (2 - p))
        if y == 0:
            return float(-events)
        shape, scale = (2 - p) / (p - 1), phi * (p - 1) * mu ** (p - 1)
        middle = int(y ** (2 - p) / (phi * (2 - p)))
        total = mpmath.fsum(
            mpmath.exp(
                (j * mpmath.log(events) - mpmath.loggamma(j + 1) - events)
                + ((j * shape - 1) * mpmath.log(y) - y / scale - j * shape * mpmath.log(scale))
                - mpmath.loggamma(j * shape)
            )
            for j in range(max(1, middle - 15 * int(middle**0.5) - 30), middle + 15 * int(middle**0.5) + 60)
        )
        return float(mpmath.log(total))


def tweedie(y: np.ndarray, mu: np.ndarray, phi: np.ndarray, power: np.ndarray) -> np.ndarray:
    return np.array([tweedie_density(*row) for row in zip(y, mu, phi, power, strict=True)])


def tweedie_grid() -> tuple[Tensor, Tensor]:
    return with_lumps(half_line(-70.0, 9.0, 6_001), 0.0)


def tweedie_at(power: float) -> Case:
    if not 1 < power < 2:
        edges = (0.0, 1e-12, 1e12) if power < 2 else (1e-3, 1e3)
        return Case(make_family("tweedie", {"power": power}), POSITIVE, edges, label=f"{power:g}")
    return Case(
        make_family("tweedie", {"power": power}),
        POSITIVE,
        (0.0, 1e-12, 1e12),
        tweedie,
        values=(POSITIVES, (0.02, 0.5, 3.0), (power,)),
        contained=(POSITIVES, (0.4, 2.0), (power,)),
        smooth=(POSITIVES, (0.5, 3.0), (power,)),
        grid=tweedie_grid,
        label=f"{power:g}",
    )


def hurdle_amount(name: str, inner: Values, contained: Values | None = None, underflows: bool = False) -> Case:
    """The case of positive amounts of the family called `name` and zeros, made from its independent density."""
    base = next(case for case in (*family_cases.CASES, *POSITIVE_CASES) if case.family.name == name)
    assert base.reference is not None
    reference = base.reference

    def density(y: np.ndarray, *natural: np.ndarray) -> np.ndarray:
        *own, zero = natural
        return np.where(y == 0, np.log(zero), np.log1p(-zero) + reference(np.where(y == 0, 1.0, y), *own))

    zeros = (0.05, 0.7)
    return Case(
        make_family(f"hurdle-{name}", {}),
        (*base.inner, 0.0),
        (0.0, *base.edges),
        density,
        values=(*inner, zeros),
        contained=(*(contained or inner), zeros),
        simulated=(*(contained or inner), zeros),
        grid=lambda: with_lumps(half_line(-50.0, 20.0, 12_001), 0.0),
        underflows=underflows,
    )


POSITIVE_CASES: tuple[Case, ...] = (
    Case(make_family("exponential", {}), POSITIVE, POSITIVE_EDGES, lambda y, mu: scipy.stats.expon.logpdf(y, scale=mu)),
    Case(
        make_family("weibull", {}),
        POSITIVE,
        POSITIVE_EDGES,
        lambda y, scale, shape: scipy.stats.weibull_min.logpdf(y, shape, scale=scale),
        values=(POSITIVES, (0.4, 1.0, 3.0)),
        contained=(POSITIVES, (0.8, 3.0)),
        smooth=((0.9, 7.5), (0.4, 1.0)),
        underflows=True,
    ),
    Case(
        make_family("log-normal", {}),
        (0.2, 1.5, 4.5),
        POSITIVE_EDGES,
        lambda y, mu, sigma: scipy.stats.lognorm.logpdf(y, sigma, scale=np.exp(mu)),
        values=(LOCATIONS, SCALES),
        contained=((-0.4, 1.7), (0.1, 0.9)),
        smooth=(LOCATIONS, (0.5, 3.0)),
        grid=lambda: half_line(-30.0, 20.0),
    ),
)
CASES: tuple[Case, ...] = (
    *POSITIVE_CASES,
    hurdle_amount("gamma", ((0.9, 7.5), (0.5, 0.9))),
    hurdle_amount("inverse-gaussian", ((0.9, 7.5), (0.5, 0.9))),
    hurdle_amount("log-normal", ((0.4, 1.7), (0.5, 0.9))),
    hurdle_amount("weibull", ((0.9, 7.5), (0.8, 1.5)), underflows=True),
    Case(
        make_family("log-logistic", {}),
        POSITIVE,
        POSITIVE_EDGES,
        lambda y, scale, shape: scipy.stats.fisk.logpdf(y, shape, scale=scale),
        values=(POSITIVES, (0.8, 2.0, 5.0)),
        grid=lambda: half_line(-50.0, 50.0, 16_001),
    ),
    Case(
        make_family("student-t", {}),
        REAL,
        REAL_EDGES,
        lambda y, mu, sigma, nu: scipy.stats.t.logpdf(y, nu, mu, sigma),
        values=(LOCATIONS, SCALES, (1.0, 4.0, 30.0)),
        smooth=(LOCATIONS, (0.5, 3.0), (1.0, 4.0)),
        grid=heavy_line,
    ),
    Case(
        make_family("logistic", {}),
        REAL,
        REAL_EDGES,
        lambda y, mu, sigma: scipy.stats.logistic.logpdf(y, mu, sigma),
        values=(LOCATIONS, SCALES),
        grid=lambda: line(150.0, 16_001),
    ),
    Case(
        make_family("gumbel", {}),
        REAL,
        REAL_EDGES,
        lambda y, mu, sigma: scipy.stats.gumbel_r.logpdf(y, mu, sigma),
        values=(LOCATIONS, SCALES),
        smooth=((0.4, 1.7), (3.0,)),
        grid=gumbel_grid,
        underflows=True,
    ),
    Case(
        make_family("skew-normal", {}),
        REAL,
        REAL_EDGES,
        lambda y, mu, sigma, slant: scipy.stats.skewnorm.logpdf(y, slant, mu, sigma),
        values=(LOCATIONS, SCALES, (-3.0, 0.5, 4.0)),
        smooth=((0.4, 1.7), (3.0,), (-3.0, 0.5)),
    ),
    Case(
        make_family("beta", {}),
        SHARES,
        SHARE_EDGES,
        lambda y, mu, k: scipy.stats.beta.logpdf(y, mu * k, (1 - mu) * k),
        values=(UNITS, (0.7, 5.0, 200.0)),
        contained=(UNITS, (40.0, 200.0)),
        simulated=(UNITS, (40.0, 200.0)),
        smooth=(UNITS, (0.7, 5.0)),
        grid=lambda: unit_interval(32.0),
    ),
    Case(
        make_family("zero-one-inflated-beta", {}),
        (*SHARES, 1.0),
        (0.0, 1.0, 1e-300, 1e-12, 1 - 1e-12),
        inflated_beta,
        values=(UNITS, (0.7, 5.0), (0.05, 0.6), (0.1, 0.7)),
        contained=(UNITS, (40.0, 200.0), (0.05, 0.6), (0.1, 0.7)),
        simulated=(UNITS, (40.0,), (0.05, 0.6), (0.1, 0.7)),
        smooth=((0.03, 0.5), (0.7, 5.0), (0.6,), (0.7,)),
        grid=lambda: with_lumps(unit_interval(32.0), 0.0, 1.0),
    ),
    Case(
        make_family("tweedie", {}),
        POSITIVE,
        (0.0, 1e-12, 1e12),
        tweedie,
        values=(POSITIVES, (0.02, 0.5, 3.0), (1.1, 1.5, 1.9)),
        contained=(POSITIVES, (0.4, 2.0), (1.3, 1.7)),
        smooth=((0.9, 7.5), (0.5, 3.0), (1.3, 1.7)),
        grid=tweedie_grid,
    ),
    *(tweedie_at(power) for power in (1, 1.5, 2, 3, 2.6)),
)
