"""The linear form against the dense likelihood: the same function of theta, differentiated whole by torch.func."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from glmfit.design import Categorical, Dense, Matrix
from glmfit.families.catalogue import make_family
from glmfit.families.links import find_link
from glmfit.inference.covariance import Count, covariance
from glmfit.model.likelihood import Likelihood, row_derivatives
from glmfit.model.rows import Predictor, Rows
from glmfit.numerics.optimize import Optimum

N = 41
GENERATOR = torch.Generator().manual_seed(7)


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=GENERATOR)


def uniform(low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(N, dtype=torch.float64, generator=GENERATOR)


def codes(levels: int) -> Tensor:
    return torch.randint(0, levels, (N,), generator=GENERATOR)


NUMBERS = Dense(torch.cat([torch.ones(N, 1, dtype=torch.float64), 0.4 * normal(N, 2)], dim=1))
FACTOR = Categorical(codes(4), torch.tensor([1, 2, 3]), 4)
CONTRAST = Categorical(codes(3), torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], dtype=torch.float64), 3)
SLOPES = Categorical(codes(2), torch.tensor([0, 1]), 2, 0.3 * normal(N))


def matrix(*blocks: Dense | Categorical) -> Matrix:
    """Blocks side by side, the columns of the second before those of the first so that places matter."""
    places, at = [], 0
    for block in reversed(blocks):
        places.append(torch.arange(at, at + block.shape[1]))
        at += block.shape[1]
    return Matrix(blocks, tuple(reversed(places)), tuple(f"c{j}" for j in range(at)), N)


MIXED, PLAIN, SMALL = (
    matrix(NUMBERS, FACTOR, SLOPES),
    matrix(NUMBERS),
    matrix(CONTRAST, Dense(torch.ones(N, 1).double())),
)
WEIGHT, FREQUENCY, OFFSET = uniform(0.5, 3.0), torch.randint(1, 4, (N,), generator=GENERATOR).double(), 0.2 * normal(N)
COUNTS = torch.poisson(uniform(0.5, 6.0), generator=GENERATOR)
AMOUNTS = uniform(0.2, 4.0)
TRIALS = torch.randint(3, 9, (N,), generator=GENERATOR).double()
SUCCESSES = torch.floor(uniform(0, 1) * (TRIALS + 1)).clamp(max=8).minimum(TRIALS)

# Log-densities written for this file, in natural parameters, as textbooks have them.
DENSITIES: dict[str, Callable[..., Tensor]] = {
    "gaussian": lambda y, mu, phi: -0.5 * torch.log(2 * math.pi * phi) - (y - mu) ** 2 / (2 * phi),
    "poisson": lambda y, mu: y * torch.log(mu) - mu - torch.lgamma(y + 1),
    "negative-binomial": lambda y, mu, a: (
        torch.lgamma(y + 1 / a)
        - torch.lgamma(1 / a)
        - torch.lgamma(y + 1)
        + y * torch.log(a * mu / (1 + a * mu))
        - torch.log(1 + a * mu) / a
    ),
    "gamma": lambda y, mu, phi: (
        (1 / phi - 1) * torch.log(y) - y / (mu * phi) - torch.log(mu * phi) / phi - torch.lgamma(1 / phi)
    ),
    "binomial": lambda y, p: (
        torch.lgamma(TRIALS + 1)
        - torch.lgamma(y + 1)
        - torch.lgamma(TRIALS - y + 1)
        + y * torch.log(p)
        + (TRIALS - y) * torch.log(1 - p)
    ),
}
INVERSES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda eta: eta,
    "log": torch.exp,
    "sqrt": lambda eta: eta**2,
    "probit": lambda eta: 0.5 * torch.erfc(-eta / math.sqrt(2)),
}
# Rounding apart, both sides are the same numbers; lgamma's second derivative carries 5e-10 in torch.
RELATIVE = {"negative-binomial": 1e-7, "gamma": 1e-7}


@dataclass(frozen=True)
class Case:
    """One family with a matrix, links and column places for each predictor."""

    name: str
    family: str
    y: Tensor
    links: tuple[str, ...]
    matrices: tuple[Matrix, ...]
    shared: bool = False

    @property
    def columns(self) -> tuple[Tensor, ...]:
        first = self.matrices[0].shape[1]
        if len(self.matrices) == 1:
            return (torch.arange(first),)
        start = first - 2 if self.shared else first  # shared: two coefficients of the mean serve the other one too
        return (torch.arange(first), torch.arange(start, start + self.matrices[1].shape[1]))

    @property
    def size(self) -> int:
        return int(max(int(places.max()) for places in self.columns)) + 1

    @property
    def rows(self) -> Rows:
        family = make_family(self.family, {})
        offsets = (OFFSET, torch.zeros(N, dtype=torch.float64))
        predictors = tuple(
            Predictor(parameter.name, X, places, offset)
            for parameter, X, places, offset in zip(
                family.parameters, self.matrices, self.columns, offsets, strict=False
            )
        )
        held = {p.name: torch.full((N,), 0.3, dtype=torch.float64) for p in family.parameters[len(predictors) :]}
        columns = {"trials": TRIALS} if family.trials else {}
        return Rows(self.y, WEIGHT, FREQUENCY, columns, predictors, held, torch.zeros_like(self.y))

    def likelihood(self, chunk: int = 1000) -> Likelihood:
        family = make_family(self.family, {})
        names = [*self.links, *("log" for _ in family.parameters[len(self.links) :])]
        links = {p.name: find_link(name) for p, name in zip(family.parameters, names, strict=True)}
        return Likelihood(family, links, self.rows.chunks(chunk), self.size)

    def row_values(self, theta: Tensor) -> Tensor:
        """(n,) unweighted log-density, every product dense."""
        natural = [
            INVERSES[link](predictor.X.dense() @ theta[predictor.columns] + predictor.offset)
            for link, predictor in zip(self.links, self.rows.predictors, strict=True)
        ]
        held = [value.exp() for value in self.rows.held.values()]
        return DENSITIES[self.family](self.y, *natural, *held)

    def theta(self) -> Tensor:
        theta = 0.2 * torch.randn(self.size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        if self.links[0] == "sqrt":
            theta[self.intercept] = 3.0
        return theta

    @property
    def intercept(self) -> int:
        """Where the column of ones stands."""
        return int(self.matrices[0].places[0][0])


CASES = (
    Case("poisson", "poisson", COUNTS, ("log",), (MIXED,)),
    Case("poisson sqrt", "poisson", COUNTS, ("sqrt",), (MIXED,)),
    Case("binomial probit", "binomial", SUCCESSES, ("probit",), (MIXED,)),
    Case("gaussian, phi held", "gaussian", AMOUNTS, ("identity",), (MIXED,)),
    Case("gaussian log, phi modelled", "gaussian", AMOUNTS, ("log", "log"), (MIXED, SMALL)),
    Case("gamma, phi modelled", "gamma", AMOUNTS, ("log", "log"), (PLAIN, MIXED)),
    Case("negative binomial", "negative-binomial", COUNTS, ("log", "log"), (MIXED, SMALL)),
    Case("negative binomial, shared", "negative-binomial", COUNTS, ("log", "log"), (MIXED, SMALL), shared=True),
    Case("gaussian, shared", "gaussian", AMOUNTS, ("identity", "log"), (MIXED, SMALL), shared=True),
)
every = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def close(found: Tensor, expected: Tensor, case: Case) -> None:
    size = float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=RELATIVE.get(case.family, 1e-11) * size)


@every
def test_value_gradient_and_hessian_are_those_of_the_dense_likelihood(case: Case) -> None:
    theta = case.theta()

    def dense(t: Tensor) -> Tensor:
        return (WEIGHT * case.row_values(t)).sum()

    value, gradient, hessian = case.likelihood().derivatives(theta)
    assert value == pytest.approx(float(dense(theta)), rel=1e-12)
    assert case.likelihood().value(theta) == pytest.approx(value, rel=1e-14)
    close(gradient, torch.func.grad(dense)(theta), case)
    close(hessian, torch.func.hessian(dense)(theta), case)
    assert torch.equal(hessian, hessian.T) or float((hessian - hessian.T).abs().max()) < 1e-12 * float(
        hessian.abs().max()
    )


@every
@pytest.mark.parametrize("size", [1, 7, 40, 41])
def test_chunks_are_the_whole(case: Case, size: int) -> None:
    theta = case.theta()
    whole, parts = case.likelihood(), case.likelihood(size)
    assert len(parts.chunks) == math.ceil(N / size)
    assert parts.value(theta) == pytest.approx(whole.value(theta), rel=1e-13)
    assert parts.derivatives(theta)[0] == pytest.approx(whole.value(theta), rel=1e-13)
    direction = torch.ones_like(theta) * 0.01
    assert parts.along(theta, direction)(0.7) == pytest.approx(whole.value(theta + 0.7 * direction), rel=1e-13)
    for one, other in zip(parts.derivatives(theta)[1:], whole.derivatives(theta)[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12 * float(other.abs().max()))
    expected = whole.expected(theta)
    assert expected is not None
    found = parts.expected(theta)
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))


def at(theta: Tensor) -> Optimum:
    zero = torch.zeros(len(theta), len(theta), dtype=torch.float64)
    return Optimum(theta, 0.0, torch.zeros_like(theta), zero, 0.0, 0, "converged", "newton", zero)


def scores(case: Case, theta: Tensor) -> Tensor:
    """(n, p) the gradient of each weighted row, one at a time."""
    return torch.stack([torch.func.grad(lambda t, i=i: WEIGHT[i] * case.row_values(t)[i])(theta) for i in range(N)])


@every
@pytest.mark.parametrize("size", [1000, 7])
def test_the_meat_is_the_sum_of_outer_products_of_scores(case: Case, size: int) -> None:
    theta = case.theta()
    likelihood, each = case.likelihood(size), scores(case, theta)
    eye = torch.eye(case.size, dtype=torch.float64)
    # A row of frequency f and weight w is f rows of score s/f.
    robust = covariance("hc0", likelihood, at(theta), eye, 5.0, Count(N, len(eye)), {})
    close(robust.matrix, (each / FREQUENCY[:, None]).T @ each, case)
    hc1 = covariance("hc1", likelihood, at(theta), eye, 5.0, Count(100, len(eye)), {})
    close(hc1.matrix, robust.matrix * 100 / (100 - case.size), case)
    groups = torch.arange(N) % 6
    clustered = covariance("cluster:c", likelihood, at(theta), eye, 5.0, Count(N, len(eye)), {"c": groups})
    sums = torch.stack([each[groups == group].sum(dim=0) for group in range(6)])
    close(clustered.matrix, 6 / 5 * sums.T @ sums, case)
    assert (clustered.correction, clustered.clusters) == ("G/(G-1)", {"c": 6})


@every
def test_the_bread_multiplies_the_meat_on_both_sides(case: Case) -> None:
    theta = case.theta()
    eye = torch.eye(case.size, dtype=torch.float64)
    bread = eye + 0.1 * torch.ones_like(eye)
    meat = covariance("hc0", case.likelihood(), at(theta), eye, 1.0, Count(N, len(eye)), {}).matrix
    found = covariance("hc0", case.likelihood(), at(theta), bread, 1.0, Count(N, len(bread)), {}).matrix
    close(found, bread @ meat @ bread, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.shared], ids=lambda case: case.name)
def test_shared_coefficients_are_the_reparametrised_matrix(case: Case) -> None:
    theta = case.theta()
    apart = Case(case.name, case.family, case.y, case.links, case.matrices)
    spread = torch.zeros(apart.size, case.size, dtype=torch.float64)
    for own, common in zip(apart.columns, case.columns, strict=True):
        spread[own, common] = 1.0
    value, gradient, hessian = apart.likelihood().derivatives(spread @ theta)
    found = case.likelihood().derivatives(theta)
    assert found[0] == pytest.approx(value, rel=1e-13)
    torch.testing.assert_close(found[1], spread.T @ gradient, rtol=1e-11, atol=1e-10)
    torch.testing.assert_close(found[2], spread.T @ hessian @ spread, rtol=1e-11, atol=1e-10)
    expected = apart.likelihood().expected(spread @ theta)
    shared = case.likelihood().expected(theta)
    assert expected is not None
    assert shared is not None
    torch.testing.assert_close(shared, spread.T @ expected @ spread, rtol=1e-11, atol=1e-10)


# w (d E y / d eta)^2 / Var(y), with the derivative and the variance by hand.
EXPECTED: dict[str, Callable[[Tensor], Tensor]] = {
    "poisson": torch.exp,
    "poisson sqrt": lambda eta: torch.full_like(eta, 4.0),
    "binomial probit": lambda eta: (
        TRIALS * torch.exp(-(eta**2)) / (2 * math.pi) / (INVERSES["probit"](eta) * INVERSES["probit"](-eta))
    ),
    "gaussian, phi held": lambda eta: torch.full_like(eta, math.exp(-0.3)),
}


@pytest.mark.parametrize("case", [case for case in CASES if case.name in EXPECTED], ids=lambda case: case.name)
def test_expected_information_by_hand(case: Case) -> None:
    theta = case.theta()
    x = case.matrices[0].dense()
    weight = WEIGHT * EXPECTED[case.name](x @ theta + OFFSET)
    found = case.likelihood(7).expected(theta)
    assert found is not None
    torch.testing.assert_close(found, -(x.T * weight) @ x, rtol=1e-11, atol=1e-10)


def test_expected_information_with_two_predictors_has_no_cross_terms_and_keeps_the_other_block() -> None:
    case = next(case for case in CASES if case.name == "negative binomial")
    theta = case.theta()
    found, observed = case.likelihood().expected(theta), case.likelihood().derivatives(theta)[2]
    assert found is not None
    mean, alpha = case.columns
    assert float(found[mean[:, None], alpha].abs().max()) == 0
    assert torch.equal(found[alpha[:, None], alpha], observed[alpha[:, None], alpha])
    x, z = (m.dense() for m in case.matrices)
    mu, a = torch.exp(x @ theta[mean] + OFFSET), torch.exp(z @ theta[alpha])
    torch.testing.assert_close(found[mean[:, None], mean], -(x.T * (WEIGHT * mu / (1 + a * mu))) @ x)


@pytest.mark.parametrize("case", CASES[:4], ids=lambda case: case.name)
@pytest.mark.parametrize("kind", ["hc2", "hc3"])
def test_leverages_are_the_diagonal_of_the_hat_matrix(case: Case, kind: str) -> None:
    """A row of frequency f is f rows, each with the leverage of one."""
    theta, x = case.theta(), case.matrices[0].dense()
    each = WEIGHT / FREQUENCY
    root = torch.sqrt(each * EXPECTED[case.name](x @ theta + OFFSET))
    whole = torch.repeat_interleave(root[:, None] * x, FREQUENCY.long(), dim=0)
    hat = whole @ torch.linalg.solve(whole.T @ whole, whole.T)
    single = torch.repeat_interleave(scores(case, theta) / FREQUENCY[:, None], FREQUENCY.long(), dim=0)
    power = {"hc2": 0.5, "hc3": 1.0}[kind]
    scaled = single / ((1 - torch.diagonal(hat)) ** power)[:, None]
    eye = torch.eye(case.size, dtype=torch.float64)
    found = covariance(kind, case.likelihood(7), at(theta), eye, 1.0, Count(N, len(eye)), {})
    torch.testing.assert_close(found.matrix, scaled.T @ scaled, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", [CASES[0], CASES[3]], ids=lambda case: case.name)
@pytest.mark.parametrize("size", [1000, 7])
def test_the_root_of_the_information(case: Case, size: int) -> None:
    theta = case.theta()
    root = case.likelihood(size).information_root(theta)
    hessian = case.likelihood().derivatives(theta)[2]
    assert torch.equal(root, root.triu())
    torch.testing.assert_close(root.T @ root, -hessian, rtol=1e-11, atol=1e-11)


def test_rows_are_slices_that_add_up_to_the_rows() -> None:
    rows = CASES[6].rows
    chunks = rows.chunks(9)
    assert [len(chunk.y) for chunk in chunks] == [8, 8, 8, 8, 9]
    for name in ("y", "weight", "frequency"):
        assert torch.equal(torch.cat([getattr(chunk, name) for chunk in chunks]), getattr(rows, name))
    for k, predictor in enumerate(rows.predictors):
        assert torch.equal(torch.cat([chunk.predictors[k].X.dense() for chunk in chunks]), predictor.X.dense())


def row_cases() -> Sequence[tuple[str, Callable[..., Tensor], int]]:
    return (
        ("linear", lambda a, b: 2 * a - b, 2),
        ("one unused", lambda a, b: torch.sin(a), 2),
        ("crossed", lambda a, b, c: a * torch.exp(b) + torch.sin(b * c) - c**3, 3),
        ("constant", lambda a: torch.full_like(a, 4.0), 1),
    )


@pytest.mark.parametrize(("name", "f", "size"), row_cases(), ids=[case[0] for case in row_cases()])
def test_row_derivatives_are_those_of_each_row(name: str, f: Callable[..., Tensor], size: int) -> None:
    etas = [normal(5) for _ in range(size)]
    found = row_derivatives(f, etas)
    for i in range(5):
        at_row = torch.stack([eta[i] for eta in etas])

        def one(v: Tensor) -> Tensor:
            return f(*v)

        assert float(found.l[i]) == pytest.approx(float(one(at_row)), rel=1e-14)
        torch.testing.assert_close(found.g[i], torch.func.grad(one)(at_row), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(found.h[i], torch.func.hessian(one)(at_row), rtol=1e-12, atol=1e-13)
