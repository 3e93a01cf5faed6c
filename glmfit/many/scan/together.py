"""Models of the same shape, fitted many at a time and judged by the rules of a single fit.

What is plain is decided here: a maximum well inside, with all its information, whose findings follow from sums over
rows. Whatever is not plainly so is left to the ordinary route, one by one, and comes out as it does there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
from torch import Tensor

from glmfit.estimate import nested
from glmfit.estimate.maximum import NEAR_LIMIT
from glmfit.inference import residual_df
from glmfit.many.scan.covariances import covariances
from glmfit.many.scan.sums import Sums, may_spread, sums_of
from glmfit.model import Model, VaryingLikelihood
from glmfit.numerics import BatchOptimum, newton_batch
from glmfit.numerics.batch import unit_diagonals
from glmfit.rows import Data
from glmfit.spec import ModelSpec, cluster_columns
from glmfit.trust.diagnose import FEW_CLUSTERS
from glmfit.trust.spread import judged

KEPT = 1e-4  # of the information at the start, less of which is looked at more closely by the ordinary route
CONDITIONED = 1e3  # condition number of the root of the information, from where on it is looked at there too
NEARLY = 1e-12  # standard errors from the maximum, within which the information is that at the maximum
PERFECT = 1e-16  # Pearson's chi-square, relative to the size of the means: a fit that may be perfect
# Fields of a specification that are heeded here, or by the rows and designs that come here.
_OF_ROWS = ("weights", "freq_weights", "sampling_weights", "offset", "exposure", "success", "levels", "base", "event")
_OF_FITS = (
    "formulas",
    "y",
    "x",
    "intercept",
    "family",
    "links",
    "fixed",
    "dispersion",
    "se",
    "level",
    "max_iter",
    "tol",
)
HEEDED = {*_OF_ROWS, *_OF_FITS, "censor", "where", "reading"}
MOST_COLUMNS, MOST_PREDICTORS = 150, 8  # of a design whose columns' products are formed


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Likelihoods of m models, where their searches begin (m, p), and where single ones would: without covariates.

    `phi` (m,) is held in each, where one is held. Each row has at least `left` times as much information where searches
    begin as it has without covariates.
    """

    likelihood: VaryingLikelihood
    begin: Tensor
    constants: Tensor
    phi: Tensor
    left: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Maxima:
    """Of the models that are plain, `which` (r,) of all: coefficients (r, p) and their covariances (r, p, p), both of
    the working columns; degrees of freedom of the tests (r,), None where they are normal; the codes of findings."""

    which: Tensor
    theta: Tensor
    covariance: Tensor
    df: Tensor | None
    findings: list[list[str]]

    def freedom(self) -> list[float] | list[None]:
        """The degrees of freedom of each model's tests."""
        return [None] * len(self.which) if self.df is None else self.df.tolist()


def may_be_together(spec: ModelSpec) -> bool:
    """Whether what is asked for of each model can be had of many at a time; of an option not named here it cannot."""
    others = [one.name for one in fields(spec) if one.name not in HEEDED]
    plain = ModelSpec(formulas=spec.formulas, y=spec.y, x=spec.x, family=spec.family)
    usual = all(getattr(spec, name) == getattr(plain, name) for name in others)
    one_way = len(cluster_columns(spec.se)) < 2 and not (spec.se or "").startswith("wild")
    return usual and one_way and spec.dispersion != "ml"


@dataclass(frozen=True, eq=False)
class Together:
    """Finds the maxima of many models like `model`, of the rows of `data`."""

    data: Data
    model: Model

    @property
    def possible(self) -> bool:
        """Whether the design is narrow enough, and its family has a single maximum as a rule."""
        model = self.model
        narrow = model.size <= MOST_COLUMNS and len(model.rows.predictors) <= MOST_PREDICTORS
        usual = not model.limits and model.lift is None and not model.rows.mapped
        return narrow and usual and not model.family.several_peaks

    def maxima(self, batch: Batch) -> Maxima:
        """Those of the models that are plain."""
        likelihood, spec = batch.likelihood, self.data.spec
        optimum = newton_batch(likelihood, batch.begin, spec.tol, spec.max_iter)
        plain = optimum.converged & self._informed(batch, optimum) & _conditioned(optimum.hessian)
        plain &= ~self._near_a_simpler(batch, optimum)
        at = torch.nonzero(plain)[:, 0]
        theta, hessian = optimum.theta[at], _at_the_maximum(likelihood, optimum, at)
        sums = sums_of(likelihood, theta, at, self._wanted)
        n, df, unit = self._scales(batch, at, sums)
        found = covariances(self._kind, likelihood, theta, hessian, at, unit, n, self._clusters)
        fine = sums.plain & found.plain & torch.isfinite(unit) & (unit > 0) & ~(sums.pearson <= PERFECT * sums.size)
        kept = torch.nonzero(fine)[:, 0]
        tests = found.clusters - 1 if found.clusters is not None else df if self._phi_is_estimated else None
        findings = [self._findings(*facts) for facts in _facts(sums, df, found.clusters, kept)]
        return Maxima(at[kept], theta[kept], found.matrix[kept], None if tests is None else tests[kept], findings)

    # ---- the rules of a single fit ----

    def _informed(self, batch: Batch, optimum: BatchOptimum) -> Tensor:
        """(m,) whether enough is left of the information that a single fit begins with; the bound mostly says it."""
        if bool((batch.left * optimum.kept_information()[optimum.converged] >= KEPT).all()):
            return optimum.converged
        first = batch.likelihood.derivatives(batch.constants, torch.arange(len(batch.begin)))
        return replace(optimum, reference=first.hessian).kept_information() >= KEPT

    @property
    def _kind(self) -> str:
        return self.data.spec.se or ("sampling" if self.data.spec.sampling_weights else "hessian")

    @cached_property
    def _clusters(self) -> Tensor | None:
        """(n,) the codes of clusters, where there are any."""
        return next((torch.from_numpy(codes) for codes in self.data.clusters.values()), None)

    @cached_property
    def _asked_phi(self) -> str | float | None:
        """How phi is found, or what it is; None where it has a formula."""
        spec = self.data.spec
        if not self.model.holds_phi and self.model.family.has_dispersion:
            return None
        asked = spec.fixed.get("phi", spec.dispersion)
        return ("pearson" if self.model.holds_phi else 1.0) if asked is None else asked

    @property
    def _phi_is_estimated(self) -> bool:
        return isinstance(self._asked_phi, str)

    @cached_property
    def _spreads(self) -> bool:
        """Whether more or less spread than the family allows is to be looked for."""
        spec, data = self.data.spec, self.data
        allowed = self._phi_is_estimated or spec.dispersion is not None or self._kind not in ("hessian", "expected")
        family = self.model.family
        tried = not family.trials or bool((self.model.rows.columns["trials"] > 1).any())
        return may_spread(family) and tried and data.weights is None and data.sampling is None and not allowed

    @property
    def _wanted(self) -> frozenset[str]:
        """The sums over rows that are needed."""
        phi = {str(self._asked_phi), "pearson"} if self._phi_is_estimated else set()
        return frozenset(phi | ({"pearson", "variance"} if self._spreads else set()))

    def _near_a_simpler(self, batch: Batch, optimum: BatchOptimum) -> Tensor:
        """(m,) whether a simpler family that this one contains comes near to the maximum."""
        near = torch.zeros(len(optimum.value), dtype=torch.bool)
        for parameter, simpler in nested.contained(self.model):
            inner = batch.likelihood.of_model(simpler)
            rival = newton_batch(inner, _without(batch, parameter), nested.CLIMBED, nested.MOST_STEPS)
            near |= ~(rival.value < optimum.value - NEAR_LIMIT)
        return near

    def _scales(self, batch: Batch, at: Tensor, sums: Sums) -> tuple[Tensor, Tensor, Tensor]:
        """(r,) each: the number of observations, the residual degrees of freedom, and phi over the phi held."""
        model, asked, likelihood = self.model, self._asked_phi, batch.likelihood
        n = likelihood.observations(at)
        main = [k for k, p in enumerate(model.rows.predictors) if p.parameter == model.family.main]
        counted = [k for k in likelihood.slots if k in main or not model.family.has_deviance]
        df = n - (model.n - residual_df(model)) - sum(len(likelihood.slots[k]) for k in counted)
        if asked is None:
            return n, df, torch.ones_like(n)
        if isinstance(asked, str):
            phi = {"pearson": sums.pearson, "deviance": sums.deviance}[asked] / torch.where(df > 0, df, torch.nan)
        else:
            phi = torch.full_like(n, asked)
        if model.holds_phi:
            return n, df, phi / batch.phi[at]
        return n, df, torch.ones_like(n) if model.family.has_dispersion else phi

    def _findings(self, pearson: float, df: float, variance: float, tried: bool, clusters: int) -> list[str]:
        """The codes of what follows from sums over the rows of one model."""
        out = ["few_clusters"] if clusters < FEW_CLUSTERS else []
        if self._spreads and df > 0 and (tried or not self.model.family.trials):
            finding = judged(self.model.family.name, pearson, int(df), variance)
            out += [] if finding is None else [finding.code]
        return out


def _facts(
    sums: Sums, df: Tensor, clusters: Tensor | None, at: Tensor
) -> Iterator[tuple[float, float, float, bool, int]]:
    count = torch.full_like(df, FEW_CLUSTERS) if clusters is None else clusters
    yield from zip(
        *(column[at].tolist() for column in (sums.pearson, df, sums.variance, sums.tried, count)), strict=True
    )


def _without(batch: Batch, parameter: str) -> Tensor:
    """(m, p') where searches begin in the model without a parameter; its own columns are in no other place."""
    likelihood = batch.likelihood
    kept = [p.columns for p in likelihood.model.rows.predictors if p.parameter != parameter]
    lost = [k for k, p in enumerate(likelihood.model.rows.predictors) if p.parameter == parameter]
    kept += [places for k, places in likelihood.slots.items() if k not in lost]
    return batch.begin[:, torch.cat([torch.arange(0), *kept])]


def _conditioned(hessian: Tensor) -> Tensor:
    """(m,) whether the information is far from singular."""
    unit, _ = unit_diagonals(-hessian)
    fine = torch.isfinite(unit).flatten(1).all(dim=1)
    values = torch.linalg.eigvalsh(torch.where(fine[:, None, None], unit, 0.0))
    return fine & (values[:, 0] * CONDITIONED**2 > values[:, -1])


def _at_the_maximum(likelihood: VaryingLikelihood, optimum: BatchOptimum, at: Tensor) -> Tensor:
    """(r, p, p) the Hessians where the searches of some models ended, after a last step where it was not tiny."""
    hessian = optimum.hessian[at]
    moved = torch.nonzero(optimum.decrement[at] > NEARLY)[:, 0]
    if len(moved):
        hessian[moved] = likelihood.derivatives(optimum.theta[at][moved], at[moved]).hessian
    return hessian
