"""What is said of the maxima of a panel: what `estimate.summary` says of one, as arrays with a number for each group.

Each has the place in a `Fit` that it belongs to, a path such as ("coefficients", 0, "estimate"). A group of which
something would be out of the ordinary leaves the batch here at the latest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from glmfit.families import LINKS, Link, Parameter
from glmfit.inference.dispersion import NEAR_NULL
from glmfit.inference.joint import places_of
from glmfit.many.groups import begin
from glmfit.many.groups.block import Block, Laid
from glmfit.many.groups.maximum import Maxima
from glmfit.many.groups.robust import covariance
from glmfit.model import PanelObjective
from glmfit.numerics import newton_batch
from glmfit.numerics.batch import factors
from glmfit.spec import DISPERSIONS, ModelSpec

Path = tuple[str | int, ...]
JOINTLY_CONDITIONED = 1e-2  # of a covariance that is inverted, below which rounding would show


@dataclass(slots=True)
class Answers:
    """`values` have something for each group at each path; `good` (B,) are those for which all of it may be said."""

    good: Tensor
    values: dict[Path, Sequence[Any]] = field(default_factory=dict)

    def finite(self, *path: str | int, of: Tensor) -> None:
        """Numbers (B,), which have to be finite."""
        self.good &= torch.isfinite(of)
        self.values[path] = of.tolist()


@dataclass(frozen=True, slots=True)
class _Scale:
    """phi (B,), how it was found, and the log-likelihoods (B,) at its own maximum likelihood estimate."""

    phi: Tensor
    method: str
    log_likelihood: Tensor

    @property
    def estimated(self) -> bool:
        return self.method in DISPERSIONS


def answers(block: Block, laid: Laid, found: Maxima) -> Answers:
    """All numbers of the groups of a panel; `found` are their maxima."""
    panel, spec = found.panel, block.data.spec
    n = torch.round(panel.frequency.sum(dim=1))
    df, df_null = _freedom(block, found, n)
    scale = _scale(spec, found, df)
    out = Answers(found.plain.clone())
    if scale.estimated:
        out.good &= df > 0
    unit = scale.phi / found.phi if found.holds_phi else scale.phi
    if not found.holds_phi and panel.family.has_dispersion:
        unit = torch.ones_like(scale.phi)
    cov = covariance(block, laid, found, unit, n)
    out.good &= cov.good
    T = found.scales.matrix()
    estimates, matrix = (T @ found.theta[:, :, None])[:, :, 0], T @ cov.matrix @ T.mT
    matrix = 0.5 * (matrix + matrix.mT)
    t_df = cov.df if cov.df is not None else df if scale.estimated else None
    rows = _coefficients(out, estimates, matrix, t_df, spec.level)
    _joint_tests(out, block, estimates, matrix, t_df)
    _auxiliary(out, block, rows)
    for i, row in enumerate(matrix.permute(1, 2, 0)):
        for j, column in enumerate(row):
            out.finite("covariance", "matrix", i, j, of=column)
    if cov.clusters is not None:
        out.values["covariance", "clusters"] = [{cov.clusters[0]: count} for count in cov.clusters[1].tolist()]
    out.finite("dispersion", "estimate", of=scale.phi)
    _statistics(out, block, found, scale, n, df, df_null)
    step = 1 / unit if found.holds_phi else torch.ones_like(unit)
    out.values["convergence", "iterations"] = found.iterations.tolist()
    gradient = found.scales.gradient(found.at.gradient).abs().amax(dim=1)
    out.finite("convergence", "gradient_max_abs", of=step * gradient)
    out.finite("convergence", "newton_decrement", of=step.sqrt() * found.decrement)
    return out


def _freedom(block: Block, found: Maxima, n: Tensor) -> tuple[Tensor, Tensor]:
    """Degrees of freedom of the fits and of the null models, as `inference.freedom`."""
    panel = found.panel
    if panel.family.has_deviance:
        main = sum(len(p.columns) for p in panel.predictors if p.parameter == panel.family.main)
        return n - main, n - 1 if block.has_intercept else n
    return n - panel.size, n - len(panel.predictors)


def _scale(spec: ModelSpec, found: Maxima, df: Tensor) -> _Scale:
    """phi as asked for, or by the family's default, as `inference.dispersion`."""
    panel, value, ones = found.panel, found.at.value, torch.ones_like(found.phi)
    family = panel.family
    asked: Any = spec.fixed.get("phi", spec.dispersion)
    if not found.holds_phi and family.has_dispersion:
        known = family.joint_dispersion and "phi" in panel.held
        return _Scale(ones * spec.fixed["phi"], "fixed", value) if known else _Scale(ones, "modelled", value)
    if asked is None:
        asked = "pearson" if found.holds_phi else 1.0
    phi, log_likelihood = ones * math.nan, value * math.nan if family.quasi else value
    if found.holds_phi and not family.quasi:
        if isinstance(asked, str):
            phi, log_likelihood = _most_likely_phi(found)
        else:
            log_likelihood = panel.held_at(ones * asked).values(found.theta)
    if not isinstance(asked, str):
        return _Scale(ones * float(asked), "fixed", log_likelihood)
    if asked != "ml":
        phi = {"deviance": found.sums[0], "pearson": found.sums[1]}[asked] / df
    return _Scale(phi, asked, log_likelihood)


def _most_likely_phi(found: Maxima) -> tuple[Tensor, Tensor]:
    """phi (B,) that maximises each log-likelihood with the mean held, and that maximum; NaN where none was found."""
    panel = found.panel
    mean = panel.by_rows(lambda likelihood, rows, etas: likelihood.working(rows, etas)[0], found.theta)
    of_phi = panel.constants_only(("phi",), {panel.family.main: mean})
    start = (found.sums[0] / panel.frequency.sum(dim=1)).log()[:, None]
    optimum = newton_batch(PanelObjective(of_phi), start)
    value = of_phi.values(optimum.theta)
    fine = optimum.converged
    return torch.where(fine, optimum.theta[:, 0].exp(), math.nan), torch.where(fine, value, math.nan)


def _coefficients(out: Answers, estimates: Tensor, matrix: Tensor, df: Tensor | None, level: float) -> list[Tensor]:
    """Estimates, standard errors, and the ends of intervals (B, p) each; tests are against 0."""
    errors = torch.diagonal(matrix, dim1=1, dim2=2).sqrt()
    out.good &= (errors > 0).all(dim=1)
    statistics = estimates / errors
    if df is None:
        p_values = torch.special.erfc(statistics.abs() / math.sqrt(2))
        half = -NormalDist().inv_cdf((1 - level) / 2) * errors
    else:
        from scipy.special import stdtr, stdtrit

        p_values = torch.from_numpy(2 * stdtr(df.numpy()[:, None], -statistics.abs().numpy()))
        half = torch.from_numpy(-stdtrit(df.numpy(), (1 - level) / 2))[:, None] * errors
    low, high = estimates - half, estimates + half
    names = ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
    for name, values in zip(names, (estimates, errors, statistics, p_values, low, high), strict=True):
        for j, column in enumerate(values.T):
            out.finite("coefficients", j, name, of=column)
    if df is not None:
        for j in range(estimates.shape[1]):
            out.values["coefficients", j, "df"] = df.tolist()
    return [estimates, errors, low, high]


def _joint_tests(out: Answers, block: Block, estimates: Tensor, matrix: Tensor, df: Tensor | None) -> None:
    """Wald tests of terms of several coefficients, as `inference.joint`."""
    terms = [places for places in places_of(block.names, block.terms).values() if len(places) > 1]
    for k, places in enumerate(terms):
        at = torch.tensor(places)
        lower, definite = factors(matrix[:, at[:, None], at])
        rows = torch.linalg.vector_norm(lower, dim=2)
        fine = (torch.diagonal(lower, dim1=1, dim2=2) > JOINTLY_CONDITIONED * rows).all(dim=1)
        out.good &= definite & fine
        half = torch.linalg.solve_triangular(lower, estimates[:, at, None], upper=False)
        wald = half.square().sum(dim=(1, 2))
        if df is None:
            out.finite("joint_tests", k, "statistic", of=wald)
            shape = torch.full_like(wald, len(places) / 2)
            out.finite("joint_tests", k, "p_value", of=torch.special.gammaincc(shape, wald / 2))
            continue
        from scipy.special import fdtrc

        out.finite("joint_tests", k, "statistic", of=wald / len(places))
        tail = fdtrc(len(places), df.numpy(), (wald / len(places)).numpy())
        out.finite("joint_tests", k, "p_value", of=torch.from_numpy(tail))
        out.values["joint_tests", k, "df_residual"] = df.tolist()


def _auxiliary(out: Answers, block: Block, rows: list[Tensor]) -> None:
    """Parameters without covariates on their natural scales, as `inference.wald`."""
    place = 0
    for parameter in block.data.family.parameters[1:]:
        own = [at for at, (name, _) in enumerate(block.names) if name == parameter.name]
        if parameter.scale == "predictor":
            continue
        if len(own) == 1 and block.names[own[0]][1] == "Intercept":
            columns = [values[:, own[0]] for values in rows]
            natural = _natural(parameter, block.data.links[parameter.name], *columns)
            for name, values in zip(("estimate", "std_error", "conf_low", "conf_high"), natural, strict=True):
                ends = name.startswith("conf")  # of which one may be infinite: null, as in a single fit
                out.good &= ~torch.isnan(values) if ends else torch.isfinite(values)
                out.values["auxiliary", place, name] = values.tolist()
            place += 1
        elif parameter.name in block.data.spec.fixed and parameter.name != "phi":
            place += 1


def _natural(parameter: Parameter, link: Link, estimate: Tensor, error: Tensor, low: Tensor, high: Tensor) -> Any:
    """Estimate, standard error and interval (B,) on the natural scale."""
    eta = estimate.clone().requires_grad_(True)
    value = link.inverse(eta)
    (slope,) = torch.autograd.grad(value.sum(), eta)
    upper = 1.0 if parameter.scale == "logit" else math.inf
    ends = []
    for side, end in ((-1, low), (1, high)):
        natural = LINKS[parameter.scale].inverse(link.to(parameter.scale, end))
        beyond = torch.where(slope * side > 0, upper, 0.0).to(torch.float64)
        ends.append(torch.where(torch.isnan(natural) & ~torch.isnan(end), beyond, natural))
    return value.detach(), slope.abs() * error, torch.minimum(*ends), torch.maximum(*ends)


def _statistics(
    out: Answers, block: Block, found: Maxima, scale: _Scale, n: Tensor, df: Tensor, df_null: Tensor
) -> None:
    panel, spec = found.panel, block.data.spec
    null = _null_deviance(block, found)
    deviance, pearson = found.sums[0], found.sums[1]
    if panel.family.has_deviance:
        out.good &= torch.isfinite(null) & torch.isfinite(deviance)
        if block.has_intercept:
            out.good &= ~(deviance > null + 1e-8 * (null.abs() + 1))
    elif bool((found.scales.unit != 0).any()):
        plain = panel.constants_only([predictor.parameter for predictor in panel.predictors])
        worst = plain.values(found.constants)
        out.good &= ~(-2 * found.at.value > -2 * worst + 1e-8 * (2 * worst.abs() + 1))
    estimated = panel.size + (1 if found.holds_phi and scale.estimated else 0)
    minus_two = -2 * scale.log_likelihood * (math.nan if spec.sampling_weights is not None else 1.0)
    if not panel.family.quasi:
        out.good &= torch.isfinite(scale.log_likelihood)
    if scale.method == "modelled":
        deviance, pearson, null = (torch.full_like(n, math.nan) for _ in range(3))
    elif panel.family.has_moments:
        out.good &= torch.isfinite(pearson)
    fit = {
        "log_likelihood": scale.log_likelihood,
        "deviance": deviance,
        "null_deviance": null,
        "pearson_chi2": pearson,
        "aic": minus_two + 2 * estimated,
        "bic": minus_two + n.log() * estimated,
    }
    for name, values in fit.items():
        out.values["fit", name] = values.tolist()
    for name, values in {"df_residual": df, "df_null": df_null}.items():
        out.values["fit", name] = values.to(torch.int64).tolist()


def _null_deviance(block: Block, found: Maxima) -> Tensor:
    """(B,) the deviance of the intercept alone (without one: of the offset alone), other parameters as fitted."""
    panel = found.panel
    if not panel.family.has_deviance:
        return torch.full((len(panel),), math.nan, dtype=torch.float64)
    main = panel.family.main
    link = panel.links[main].link
    mean = link(begin.means(panel))[:, None]
    names = [parameter.name for parameter in panel.family.parameters]

    def others(likelihood: Any, rows: Any, etas: Any) -> Tensor:
        return torch.stack(likelihood.working(rows, etas))

    held = {}
    if len(names) > 1:
        working = panel.by_rows(others, found.theta)
        held = {name: working[k] for k, name in enumerate(names) if name != main}
    null = panel.constants_only((main,), held)
    if not block.has_intercept:
        return begin.deviances(null, torch.zeros_like(mean))
    if begin.is_mean(panel):
        return begin.deviances(null, mean)
    first = found.constants[:, :1]
    at_first, at_mean = null.values(first), null.values(mean)
    higher = (at_first > at_mean) | (torch.isfinite(at_first) & torch.isnan(at_mean))
    start = torch.where(higher[:, None], first, mean)
    optimum = newton_batch(PanelObjective(null), start, NEAR_NULL)
    return torch.where(optimum.converged, begin.deviances(null, optimum.theta), math.nan)
