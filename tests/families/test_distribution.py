"""What is asked of a distribution: both tails, quantiles, Pr(0), means and draws, against scipy, mpmath and sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import family_cases
import family_cases_continuous
import family_cases_counts
import mpmath
import numpy as np
import pytest
import scipy.stats
import torch
from family_cases import Case
from scipy.integrate import quad
from torch import Tensor

from glmfit.errors import UsageError
from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, make_family
from glmfit.families.categorical import ConditionalLogit
from glmfit.families.links import LINKS

CASES = (*family_cases.CASES, *family_cases_counts.CASES, *family_cases_continuous.CASES)
COUNTS = [case for case in CASES if case.reference and case.family.support.integer]
AMOUNTS = [case for case in CASES if case.reference and not case.family.support.integer]
SHARES = (1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 1e-9)
TERMS, FEW_TERMS = 700, 40  # of a reference sum: what lies beyond is below 1e-13 at the parameters used

# scipy's distributions by our parameters.
SCIPY: dict[str, Callable[..., object]] = {
    "gaussian": lambda mu, phi: scipy.stats.norm(mu, phi**0.5),
    "gamma": lambda mu, phi: scipy.stats.gamma(1 / phi, scale=mu * phi),
    "inverse-gaussian": lambda mu, phi: scipy.stats.invgauss(mu * phi, scale=1 / phi),
    "exponential": lambda mu: scipy.stats.expon(scale=mu),
    "weibull": lambda scale, shape: scipy.stats.weibull_min(shape, scale=scale),
    "log-normal": lambda mu, sigma: scipy.stats.lognorm(sigma, scale=math.exp(mu)),
    "log-logistic": lambda scale, shape: scipy.stats.fisk(shape, scale=scale),
    "student-t": lambda mu, sigma, nu: scipy.stats.t(nu, mu, sigma),
    "logistic": scipy.stats.logistic,
    "gumbel": scipy.stats.gumbel_r,
    "skew-normal": lambda mu, sigma, slant: scipy.stats.skewnorm(slant, mu, sigma),
    "beta": lambda mu, k: scipy.stats.beta(mu * k, (1 - mu) * k),
}


def each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.id for case in cases])


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def at(case: Case, point: tuple[float, ...], n: int) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Working parameters and columns of n rows at one point."""
    natural = (torch.full((n,), value, dtype=torch.float64) for value in point)
    return case.family.working(*natural), {name: torch.full((n,), v).double() for name, v in case.columns.items()}


def points(case: Case, what: str = "contained") -> list[tuple[float, ...]]:
    """Three points of the parameters: the first, the middle and the last of their combinations."""
    every = list(product(*case.natural(what)))
    return [every[0], every[len(every) // 2], every[-1]]


def masses(case: Case, point: tuple[float, ...]) -> np.ndarray:
    """Pr(Y = k) of k = 0, 1, ... by the independent log-density."""
    terms = FEW_TERMS if "conway" in case.id else TERMS
    k = np.arange(float(case.family.support.lower), case.columns.get("trials", terms) + 1)
    assert case.reference is not None
    found = np.exp(case.reference(k, *(np.full_like(k, value) for value in point), **case.columns))
    return found if case.family.support.lower == 0 else np.concatenate([[0.0], found])


@each(COUNTS)
def test_tails_and_quantiles_of_counts_are_sums(case: Case) -> None:
    # Conway-Maxwell-Poisson's reference solves an equation in each term, the other runs through all orders.
    slow = "conway" in case.id or case.id.endswith("poisson-inverse-gaussian")
    for point in points(case)[: 1 if slow else 3]:
        f = masses(case, point)
        y = tensor(-1.0, *(v for v in (0, 1, 2, 3, 7, 8.5, 20) if v < len(f)))
        working, columns = at(case, point, len(y))
        up_to, above = (tail.exp().numpy() for tail in case.family.tails(y, *working, **columns))
        whole = np.floor(y.numpy()).astype(int)
        np.testing.assert_allclose(up_to, [f[: k + 1].sum() for k in whole], rtol=1e-10, atol=1e-300)
        np.testing.assert_allclose(above, [f[k + 1 :].sum() for k in whole], rtol=1e-10, atol=1e-300)
        shares = tensor(*SHARES)
        working, columns = at(case, point, len(shares))
        expected = np.searchsorted(np.cumsum(f) * (1 + 1e-13), shares.numpy())
        assert case.family.quantile(shares, *working, **columns).tolist() == expected.tolist(), point
        assert float(case.family.log_zero(*working, **columns).exp()[0]) == pytest.approx(f[0], rel=1e-10)


@each([case for case in AMOUNTS if case.family.name in SCIPY])
def test_tails_and_quantiles_of_amounts_are_scipys(case: Case) -> None:
    for point in points(case):
        theirs = SCIPY[case.family.name](*point)
        shares = tensor(*SHARES)
        working, columns = at(case, point, len(shares))
        y = case.family.quantile(shares, *working, **columns)
        up_to, above = (tail.exp() for tail in case.family.tails(y, *working, **columns))
        left = shares <= 0.5
        torch.testing.assert_close(up_to[left], shares[left], rtol=1e-10, atol=0)
        torch.testing.assert_close(above[~left], 1 - shares[~left], rtol=1e-10, atol=0)
        middle = y[1:5].numpy()
        np.testing.assert_allclose(up_to[1:5], theirs.cdf(middle), rtol=1e-9)
        np.testing.assert_allclose(above[1:5], theirs.sf(middle), rtol=1e-9)
        np.testing.assert_allclose(middle, theirs.ppf(shares[1:5].numpy()), rtol=1e-7)
        assert float(case.family.log_zero(*working, **columns)[0]) == -math.inf
        ends = case.family.quantile(tensor(0.0, 1.0), *at(case, point, 2)[0]).tolist()
        assert ends == [case.family.support.lower, case.family.support.upper]


def compound(y: float, mu: float, phi: float, power: float) -> tuple[float, float]:
    """Pr(Y <= y) and Pr(Y > y) of a Tweedie by its definition, in 30 digits."""
    with mpmath.mp.workdps(30):
        mu, phi, p = (mpmath.mpf(value) for value in (mu, phi, power))
        events, shape = mu ** (2 - p) / (phi * (2 - p)), (2 - p) / (p - 1)
        x = y / (phi * (p - 1) * mu ** (p - 1))
        weights = [mpmath.exp(-events) * events**j / mpmath.factorial(j) for j in range(1, 80)]
        low = [w * mpmath.gammainc(j * shape, 0, x, regularized=True) for j, w in enumerate(weights, 1)]
        high = [w * mpmath.gammainc(j * shape, x, regularized=True) for j, w in enumerate(weights, 1)]
        return float(mpmath.exp(-events) + sum(low)), float(sum(high))


@pytest.mark.parametrize("power", [1.05, 1.5, 1.9])
def test_tails_and_quantiles_of_a_tweedie(power: float) -> None:
    family = make_family("tweedie", {})
    y = tensor(0.0, 1e-3, 0.7, 2.0, 15.0, 40.0)
    for mu, phi in ((0.9, 0.6), (2.0, 1.5)):
        working = family.working(*(torch.full_like(y, value) for value in (mu, phi, power)))
        expected = [compound(value, mu, phi, power) for value in y.tolist()]
        for found, theirs in zip(family.tails(y, *working), zip(*expected, strict=True), strict=True):
            np.testing.assert_allclose(found.exp(), theirs, rtol=1e-11)
        zero = math.exp(float(family.log_zero(*working)[0]))
        assert zero == pytest.approx(expected[0][0], rel=1e-12)
        shares = tensor(0.5 * zero, zero, 0.5 + 0.5 * zero, 0.999)
        quantile = family.quantile(shares, *(value[:4] for value in working))
        assert quantile[:2].tolist() == [0.0, 0.0]
        for y_at, share in zip(quantile[2:].tolist(), shares[2:].tolist(), strict=True):
            assert 1 - compound(y_at, mu, phi, power)[0] == pytest.approx(1 - share, rel=1e-11)


@each([case for case in AMOUNTS if case.family.wrapper])
def test_tails_and_quantiles_of_amounts_with_zeros(case: Case) -> None:
    for point in points(case):
        *own, zero = point
        theirs = SCIPY[case.family.name.removeprefix("hurdle-")](*own)
        y = tensor(-1.0, 0.0, 0.4, 3.0)
        working, columns = at(case, point, len(y))
        up_to, above = (tail.exp().tolist() for tail in case.family.tails(y, *working, **columns))
        assert up_to == pytest.approx([0.0, *(zero + (1 - zero) * theirs.cdf(v) for v in y[1:].tolist())], rel=1e-9)
        assert above == pytest.approx([1.0, *((1 - zero) * theirs.sf(v) for v in y[1:].tolist())], rel=1e-9)
        shares = tensor(0.5 * zero, zero, 0.5 + 0.5 * zero, 0.999)
        found = case.family.quantile(shares, *working, **columns).tolist()
        expected = [0.0, 0.0, *theirs.ppf((shares[2:].numpy() - zero) / (1 - zero))]
        assert found == pytest.approx(expected, rel=1e-8)
        assert float(case.family.log_zero(*working)[0]) == pytest.approx(math.log(zero), rel=1e-14)


def test_tails_and_quantiles_with_lumps_at_both_ends() -> None:
    family, beta = make_family("zoib", {}), scipy.stats.beta(0.4 * 5, 0.6 * 5)
    y = tensor(-0.1, 0.0, 0.3, 0.999, 1.0)
    working = family.working(*(torch.full_like(y, value) for value in (0.4, 5.0, 0.3, 0.4)))
    up_to, above = (tail.exp().tolist() for tail in family.tails(y, *working))
    assert up_to == pytest.approx([0.0, 0.18, *(0.18 + 0.7 * beta.cdf(v) for v in (0.3, 0.999)), 1.0], rel=1e-12)
    assert above == pytest.approx([1.0, 0.82, *(0.12 + 0.7 * beta.sf(v) for v in (0.3, 0.999)), 0.0], rel=1e-12)
    shares = tensor(0.1, 0.18, 0.5, 0.87, 0.95)
    found = family.quantile(shares, *working).tolist()
    assert found == pytest.approx([0.0, 0.0, beta.ppf(0.32 / 0.7), beta.ppf(0.69 / 0.7), 1.0], rel=1e-12)
    assert math.exp(float(family.log_zero(*working)[0])) == pytest.approx(0.18, rel=1e-14)


def test_far_tails_and_large_counts() -> None:
    poisson, nb = make_family("poisson", {}), make_family("nb", {})
    y = tensor(0.0, 300.0, 1e6 - 4000, 1e6 + 5000)
    up_to, above = poisson.tails(y, tensor(2.0, 0.0, math.log(1e6), math.log(1e6)))
    for k, (value, mu) in enumerate(zip(y.tolist(), (math.exp(2), 1.0, 1e6, 1e6), strict=True)):
        with mpmath.mp.workdps(800):
            terms = (mpmath.exp(j * mpmath.log(mu) - mu) / mpmath.factorial(j) for j in range(int(value) + 1, 400))
            high = mpmath.gammainc(value + 1, mu, regularized=True)  # Pr(Y <= y)
            low = 1 - high if mu > 100 else sum(terms)
        assert float(up_to[k]) == pytest.approx(float(mpmath.log(high)), rel=1e-10, abs=1e-15)
        assert float(above[k]) == pytest.approx(float(mpmath.log(low)), rel=1e-10, abs=1e-15)
    # a mode at 0 and a long way down to it
    y = tensor(3.0, 1e4, 2e5)
    found = nb.tails(y, torch.full_like(y, math.log(1e4)), torch.full_like(y, math.log(2.0)))
    theirs = scipy.stats.nbinom(0.5, 1 / (1 + 2e4))
    np.testing.assert_allclose(found[0].exp(), theirs.cdf(y.numpy()), rtol=1e-9)
    np.testing.assert_allclose(found[1].exp(), theirs.sf(y.numpy()), rtol=1e-9)
    nothing = poisson.tails(tensor(1.0), tensor(math.nan))
    assert all(math.isnan(float(tail)) for tail in nothing)
    assert math.isnan(float(poisson.quantile(tensor(0.5), tensor(math.nan))))


@pytest.mark.parametrize(("name", "point"), [("log-logistic", (2.0, 3.0)), ("student-t", (1.0, 2.0, 3.0))])
def test_means_of_families_without_a_variance(name: str, point: tuple[float, ...]) -> None:
    theirs = SCIPY[name](*point)
    expected = quad(lambda u: theirs.ppf(u), 0, 1, limit=400)[0]
    assert float(make_family(name, {}).mean(*map(tensor, point))) == pytest.approx(expected, rel=1e-6)


def test_without_a_distribution() -> None:
    for family in FAMILIES:
        made = make_family(family.name, {})
        assert made.has_distribution != (made.quasi or made.categories or made.grouped), family.name
        assert made.has_mean != (made.categories or made.grouped)
    quasi = make_family("quasi-poisson", {})
    one, number = np.ones(3), tensor(1.0)
    calls: tuple[Callable[[], object], ...] = (
        lambda: quasi.simulate(np.random.default_rng(1), one, one),
        lambda: quasi.tails(number, number, number),
        lambda: quasi.quantile(number, number, number),
        lambda: quasi.log_zero(number, number),
    )
    for call in calls:
        with pytest.raises(UsageError, match="no density") as caught:
            call()
        assert caught.value.code == "no_density"
        assert "negative-binomial" in caught.value.hint


# ---- categories ----


def test_categories_have_probabilities_and_draws() -> None:
    size = 40_000
    cuts = (-0.4, 1.1)
    ordinal = make_family("ordinal", {}).of_categories(("a", "b", "c"), LINKS["probit"])
    multinomial = make_family("multinomial", {}).of_categories(("a", "b", "c"), LINKS["logit"])
    normal = scipy.stats.norm.cdf
    cases = (
        (ordinal, (0.3, *cuts), np.diff([0.0, *(normal(cut - 0.3) for cut in cuts), 1.0])),
        (multinomial, (0.5, -1.0), np.exp([0.0, 0.5, -1.0]) / np.exp([0.0, 0.5, -1.0]).sum()),
    )
    for family, etas, expected in cases:
        assert family.n_categories == 3
        np.testing.assert_allclose(family.log_probabilities(*(tensor(eta) for eta in etas))[0].exp(), expected, 1e-12)
        natural = (np.full(size, eta) for eta in etas)
        draws = family.simulate(np.random.default_rng(4), *natural)
        shares = np.bincount(draws.astype(int), minlength=3) / size
        np.testing.assert_allclose(shares, expected, atol=5 * 0.5 / size**0.5)
    far = multinomial.simulate(np.random.default_rng(1), np.array([800.0, -800.0]), np.array([0.0, 800.0]))
    assert far.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("chosen", [1, 2])
def test_draws_within_groups_follow_the_conditional_likelihood(chosen: int) -> None:
    """Groups of 4 and of 3 rows; the shares of every choice of `chosen` rows are those of the density."""
    size, eta = 30_000, (0.7, -0.3, 1.2, 0.1)
    family = ConditionalLogit(4)
    for rows in (4, 3):
        given = np.where(np.arange(4) < rows, (np.arange(4) < chosen) * 1.0, -1.0)
        natural = [np.full(size, value) for value in eta]
        draws = family.simulate(np.random.default_rng(2), *natural, given=np.tile(given, (size, 1)))
        assert draws.dtype == np.float64
        patterns, counts = np.unique(draws, axis=0, return_counts=True)
        assert len(patterns) == math.comb(rows, chosen)
        y = torch.from_numpy(patterns)
        expected = family.log_density(y, *(torch.full((len(y),), value).double() for value in eta)).exp()
        assert float(expected.sum()) == pytest.approx(1, rel=1e-12)
        np.testing.assert_allclose(counts / size, expected, atol=5 * 0.5 / size**0.5)


# ---- a family of a user's own ----


class Zipped(Family):
    """Counts with Pr(0) = 1/3 and else a Poisson: no smooth function between 0 and 1."""

    name = "zipped"
    path = "zipped.py"
    support = family_cases.CASES[2].family.support
    parameters = family_cases.CASES[2].family.parameters

    def log_density(self, y: Tensor, log_mu: Tensor) -> Tensor:  # type: ignore[override]
        poisson = y * log_mu - log_mu.exp() - torch.lgamma(y + 1)
        inside = math.log(2 / 3) + poisson
        return torch.where(y == 0, torch.logaddexp(torch.tensor(math.log(1 / 3)).double(), inside), inside)


def test_a_count_of_a_users_own_is_drawn_by_its_quantiles() -> None:
    draws = Zipped().simulate(np.random.default_rng(3), np.full(4000, 30.0))
    assert (draws == 0).mean() == pytest.approx(1 / 3, abs=0.03)
    assert draws[draws > 0].mean() == pytest.approx(30, abs=0.5)
    up_to, above = Zipped().tails(tensor(40.0), tensor(math.log(30.0)))
    theirs = scipy.stats.poisson(30.0)
    assert float(up_to.exp()) == pytest.approx(1 / 3 + 2 / 3 * theirs.cdf(40), rel=1e-12)
    assert float(above.exp()) == pytest.approx(2 / 3 * theirs.sf(40), rel=1e-12)
