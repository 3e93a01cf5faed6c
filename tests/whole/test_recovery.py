"""Known coefficients are recovered: 200 data sets of every family, drawn without the package, and their fits.

Of each coefficient: the 95 % intervals cover it as often as they should, estimates are centred at it, and standard
errors are as large as estimates vary; of all together, the Wald statistic at the truth is chi-square. The limits are
such that a true tool would fail one run of a thousand, over all the checks here, with allowances of order 1/n as
samples are finite. 200 of 200 intervals may cover by chance: too wide ones show as too large standard errors.

`PYTHONPATH=tests/support python tests/whole/test_recovery.py [NAME ...]` prints a table.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from recovery_cases import MODELS
from recovery_models import Model
from scipy.stats import binom, chi2, norm

import glmfit
from glmfit.families.catalogue import FAMILIES

SETS = 200
LEVEL = 0.95
# Coverage, centre twice (low and high), size twice of each coefficient, and of each model the statistic twice.
CHECKS = sum(5 * sum(len(terms) for terms in model.truth.values()) + 2 for model in MODELS)
CHANCE = 0.001 / CHECKS  # of one check's failing a true tool
BIAS = 3.0  # allowance for the bias of estimates, in standard errors over sqrt(n): it is of order 1/n
SIZE = 10.0  # allowance for the relative error of standard errors, over n


@dataclass(frozen=True)
class Recovery:
    """`SETS` fits of a model, p coefficients each; all arrays but the last three have a column for each coefficient."""

    names: list[str]
    error: np.ndarray  # (sets, p) estimate less truth
    std_error: np.ndarray  # (sets, p)
    covered: np.ndarray  # (sets, p)
    wald: np.ndarray  # (sets,)
    log_dispersion: np.ndarray  # (sets,) its error, where the dispersion is estimated by moments; else NaN
    unsound: (
        float  # share of fits, left out here, with another exit status than 0 or a parameter at an end of its range
    )
    seconds: float

    @property
    def centre(self) -> np.ndarray:
        """(p,) mean error in its Monte Carlo standard errors."""
        return self.error.mean(axis=0) / self.error.std(axis=0, ddof=1) * np.sqrt(len(self.error))

    @property
    def size(self) -> np.ndarray:
        """(p,) mean standard error relative to the spread of the estimates."""
        return self.std_error.mean(axis=0) / self.error.std(axis=0, ddof=1)


@cache
def recover(model: Model) -> Recovery:
    """Draw, fit, and compare with the truth."""
    data = model.covariates()
    natural = model.natural(data)
    truth = {(parameter, term): value for parameter, terms in model.truth.items() for term, value in terms.items()}
    random = np.random.default_rng([2, *model.id.encode()])
    found, unsound, begun = [], 0, time.perf_counter()
    for _ in range(SETS):
        drawn = model.draw(random, data, *natural)
        columns = {**data, **(drawn if isinstance(drawn, dict) else {"y": drawn})}
        fit = glmfit.fit(model.formulas, columns, family=model.family, links=model.links, **model.options)
        if fit.exit_code != 0 or any(row.status for row in fit.coefficients):
            unsound += 1
            continue
        moments = fit.dispersion.method == "pearson"
        own = np.array([truth[row.parameter, row.term] for row in fit.coefficients])
        assert len(own) == len(truth) - moments
        numbers = [(row.estimate, row.std_error, row.conf_low, row.conf_high) for row in fit.coefficients]
        estimate, std_error, low, high = np.array(numbers).T
        error = estimate - own
        wald = error @ np.linalg.solve(np.array(fit.covariance.matrix), error)
        log_phi = np.log(fit.dispersion.estimate) - model.truth["phi"]["Intercept"] if moments else np.nan
        found.append((error, std_error, (low <= own) & (own <= high), wald, log_phi))
    columns_found = (np.array(values) for values in zip(*found, strict=True))
    names = [f"{row.parameter}:{row.term}" for row in fit.coefficients]
    return Recovery(names, *columns_found, unsound / SETS, time.perf_counter() - begun)


def test_every_family_has_a_model() -> None:
    assert {model.family for model in MODELS} == {family.name for family in FAMILIES}


every_model = pytest.mark.parametrize("model", MODELS, ids=[model.id for model in MODELS])


@pytest.mark.slow
@every_model
def test_fits_are_sound(model: Model) -> None:
    assert recover(model).unsound <= model.unsound


@pytest.mark.slow
@every_model
def test_intervals_cover_the_truth(model: Model) -> None:
    found = recover(model)
    least = binom.ppf(CHANCE, len(found.covered), LEVEL)
    counts = dict(zip(found.names, found.covered.sum(axis=0), strict=True))
    assert min(counts.values()) >= least, counts


@pytest.mark.slow
@every_model
def test_estimates_are_centred_at_the_truth(model: Model) -> None:
    found = recover(model)
    limit = norm.isf(CHANCE) + BIAS * np.sqrt(len(found.error) / model.n)
    centre = dict(zip(found.names, found.centre, strict=True))
    assert max(map(abs, centre.values())) <= limit, centre


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [m for m in MODELS if "phi" in m.truth], ids=[m.id for m in MODELS if "phi" in m.truth]
)
def test_a_dispersion_by_moments_is_centred_at_the_truth(model: Model) -> None:
    error = recover(model).log_dispersion
    if np.isnan(error).all():
        pytest.skip("phi is estimated by maximum likelihood, and among the coefficients")
    centre = error.mean() / error.std(ddof=1) * np.sqrt(len(error))
    assert abs(centre) <= norm.isf(CHANCE) + BIAS * np.sqrt(len(error) / model.n)


@pytest.mark.slow
@every_model
def test_standard_errors_are_the_spread_of_estimates(model: Model) -> None:
    found = recover(model)
    freedom, allowance = len(found.error) - 1, 1 + SIZE / model.n
    low, high = (np.sqrt(freedom / quantile(CHANCE, freedom)) for quantile in (chi2.isf, chi2.ppf))
    size = dict(zip(found.names, found.size, strict=True))
    assert low / allowance <= min(size.values()), size
    assert max(size.values()) <= high * allowance, size


@pytest.mark.slow
@every_model
def test_the_wald_statistic_at_the_truth_is_chi_square(model: Model) -> None:
    """Its mean is the number of coefficients: the covariances between coefficients are right too."""
    found = recover(model)
    sets, freedom = len(found.wald), len(found.names)
    allowance = 1 + 2 * SIZE / model.n
    low, high = (quantile(CHANCE, sets * freedom) / sets for quantile in (chi2.ppf, chi2.isf))
    assert low / allowance <= found.wald.mean() <= high * allowance


def main(names: list[str]) -> None:
    """Print what was found, a line for each model."""
    print("model\tn\tp\tcoverage\tbias, MC SE\tSE / SD\tWald / p\tlog phi, MC SE\tunsound\tseconds")
    for model in MODELS:
        if names and model.id not in names and model.family not in names:
            continue
        found = recover(model)
        coverage, sets = found.covered.mean(axis=0), len(found.error)
        phi = found.log_dispersion
        of_phi = "" if np.isnan(phi).all() else f"{phi.mean() / phi.std(ddof=1) * np.sqrt(sets):.1f}"
        worst = int(np.abs(found.centre).argmax())
        print(
            f"{model.id}\t{model.n}\t{len(coverage)}\t{coverage.min():.3f} - {coverage.max():.3f}\t"
            f"{found.centre[worst]:.1f} ({found.names[worst]})\t{found.size.min():.2f} - {found.size.max():.2f}\t"
            f"{found.wald.mean() / len(coverage):.2f}\t{of_phi}\t{found.unsound:.3f}\t{found.seconds:.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
