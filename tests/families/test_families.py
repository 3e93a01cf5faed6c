"""What every family promises, generated from what each declares: densities, derivatives, deviances and moments.

scipy's densities, sums over counts and trapezoids on the line are the judges; nothing here was printed by the package.
"""

from __future__ import annotations

import math
from itertools import product

import family_cases
import family_cases_continuous
import family_cases_counts
import numpy as np
import pytest
import torch
from family_cases import Case
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glmfit.errors import UsageError
from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, find_family, make_family
from glmfit.families.links import LINKS, find_link
from glmfit.model.likelihood import row_derivatives

WHOLE_LINE = {
    "identity": ("identity",),
    "log": ("log",),
    "logit": ("logit", "probit", "cauchit", "cloglog", "loglog"),
    "logit12": ("logit12",),
    "log1p2": ("log",),
}
POWERS = ("power:0.5", "power:-1", "power:2")
CASES = (*family_cases.CASES, *family_cases_counts.CASES, *family_cases_continuous.CASES)


def each(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.id for case in cases])


every = each(list(CASES))
with_density = each([case for case in CASES if case.reference])
with_deviance = each([case for case in CASES if case.family.has_deviance])
# the score of the mean is (y - E y) / Var y times the slope of the mean: of quasi-likelihoods, and of what extends them
with_mean_score = each([case for case in CASES if case.family.orthogonal_mean and case.family.has_moments])


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def working(scale: str, values: Tensor) -> Tensor:
    if scale in ("logit12", "log1p2"):
        return LINKS[scale].link(values)
    return {"identity": values, "log": values.log(), "logit": torch.logit(values)}[scale]


def columns(case: Case, n: int) -> dict[str, Tensor]:
    return {name: torch.full((n,), value, dtype=torch.float64) for name, value in case.columns.items()}


def grid(case: Case, responses: tuple[float, ...], what: str = "values") -> tuple[Tensor, list[Tensor]]:
    """Every combination of responses and natural parameters: y (n,), and a vector (n,) for each parameter."""
    values = case.natural(what)
    table = tensor(*(x for row in product(responses, *values) for x in row)).reshape(-1, 1 + len(values))
    return table[:, 0], list(table[:, 1:].T)


def to_working(case: Case, parameters: list[Tensor]) -> list[Tensor]:
    return [working(p.scale, value) for p, value in zip(case.family.parameters, parameters, strict=True)]


def test_every_family_is_here() -> None:
    numeric = [family for family in FAMILIES if not family.categories and not family.grouped]
    assert {case.family.name for case in CASES} == {family.name for family in numeric}
    assert {case.family.name for case in CASES if case.reference} == {
        family.name for family in numeric if not family.quasi
    }


# ---- densities ----


@with_density
def test_the_density_is_scipys(case: Case) -> None:
    y, parameters = grid(
        case, tuple(v for v in (*case.inner, *case.edges[:1]) if v > 1e-9 or case.family.support.integer)
    )
    if case.family.support.integer:
        keep = y == y.round()
        y, parameters = y[keep], [p[keep] for p in parameters]
    found = case.family.log_density(y, *to_working(case, parameters), **columns(case, len(y)))
    assert case.reference is not None
    expected = case.reference(y.numpy(), *(p.numpy() for p in parameters), **case.columns)
    np.testing.assert_allclose(found.numpy(), expected, rtol=case.rtol, atol=case.rtol)


@with_density
def test_sums_integrals_scores_and_moments(case: Case) -> None:
    y, weight = case.points()
    family, extra = case.family, columns(case, len(y))
    for point in product(*case.natural("contained")):
        parameters = [torch.full_like(y, value) for value in point]
        rows = row_derivatives(
            lambda *w, extra=extra: family.log_density(y, *w, **extra),
            [working(p.scale, v) for p, v in zip(family.parameters, parameters, strict=True)],
        )
        mass = weight * rows.l.exp()
        assert float(mass.sum()) == pytest.approx(1, rel=1e-8), point
        # The score has mean 0 and variance -E(h).
        score = (mass[:, None] * rows.g).sum(dim=0)
        information = -(mass[:, None, None] * rows.h).sum(dim=0)
        outer = (mass[:, None, None] * rows.g[:, :, None] * rows.g[:, None, :]).sum(dim=0)
        size = float(information.abs().max())
        torch.testing.assert_close(score, torch.zeros_like(score), rtol=0, atol=1e-6 * max(size, size**0.5))
        torch.testing.assert_close(outer, information, rtol=1e-5, atol=1e-6 * size)
        if not family.has_moments:
            continue
        mean, variance = moments(case, point)
        assert float((mass * y).sum()) == pytest.approx(mean, rel=1e-7, abs=1e-9), point
        assert float((mass * (y - mean) ** 2).sum()) == pytest.approx(variance, rel=1e-6), point
        if family.orthogonal_mean:  # what `expected_rows` rests on
            assert float(information[0, 0]) == pytest.approx(_slope(case, point[0]) ** 2 / variance, rel=1e-6), point
            for other in range(1, len(point)):
                assert float(information[0, other]) == pytest.approx(0, abs=1e-6 * size), point


def moments(case: Case, point: tuple[float, ...]) -> tuple[float, float]:
    """Mean and variance as the family states them, phi included."""
    family, extra = case.family, columns(case, 1)
    parameters = [tensor(value) for value in point]
    phi = point[1] if family.has_dispersion else 1.0
    return float(family.mean(*parameters, **extra)), phi * float(family.variance(*parameters, **extra))


def _slope(case: Case, mu: float) -> float:
    """d E(y) / d working mu, by hand."""
    trials = case.columns.get("trials", 1.0)
    return trials * {"identity": 1.0, "log": mu, "logit": mu * (1 - mu)}[case.family.parameters[0].scale]


# ---- draws ----


@each([case for case in CASES if case.reference and type(case.family).simulate is not Family.simulate])
def test_draws_follow_the_density(case: Case) -> None:
    """Means over draws lie within five standard errors of their expectations, both by the density's sum or integral."""
    y, weight = case.points()
    size = 20_000
    for point in product(*case.natural("simulated")):
        extra = {name: np.full(size, value) for name, value in case.columns.items()}
        random = np.random.default_rng(7)
        draws = case.family.simulate(random, *(np.full(size, value) for value in point), **extra)
        assert draws.shape == (size,)
        assert draws.dtype == np.float64
        assert not case.family.support.violations(draws, extra.get("trials")).any()
        drawn = torch.from_numpy(draws)
        mass = weight * log_density_at(case, y, point).exp()
        for of_points, of_draws in (
            (log_density_at(case, y, point), log_density_at(case, drawn, point)),
            (torch.atan(y), torch.atan(drawn)),
            (torch.log1p(y.abs()), torch.log1p(drawn.abs())),
        ):
            expected = float((mass * of_points).sum())
            spread = math.sqrt(float((mass * (of_points - expected) ** 2).sum()) / size)
            assert float(of_draws.mean()) == pytest.approx(expected, abs=5 * spread + 1e-9), point


def log_density_at(case: Case, y: Tensor, point: tuple[float, ...]) -> Tensor:
    parameters = to_working(case, [torch.full_like(y, value) for value in point])
    return case.family.log_density(y, *parameters, **columns(case, len(y)))


# ---- derivatives ----


@every
def test_rows_do_not_interact(case: Case) -> None:
    y, parameters = grid(case, case.inner)
    leaves = [w.requires_grad_(True) for w in to_working(case, parameters)]
    value = case.family.log_density(y, *leaves, **columns(case, len(y)))
    assert value.shape == y.shape
    assert value.dtype == torch.float64
    weight = torch.rand(len(y), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = torch.autograd.grad(value.sum(), leaves, retain_graph=True)
    weighted = torch.autograd.grad((weight * value).sum(), leaves)
    for one, other in zip(weighted, whole, strict=True):
        torch.testing.assert_close(one, weight * other, rtol=1e-12, atol=1e-14)


@every
def test_first_and_second_derivatives_by_differences(case: Case) -> None:
    responses = (*case.inner, *(edge for edge in case.edges if 1e-3 <= edge < 1e3 or edge == 0))
    y, parameters = grid(case, responses, "smooth")
    leaves = [w.clone().requires_grad_(True) for w in to_working(case, parameters)]
    extra = columns(case, len(y))

    def density(*w: Tensor) -> Tensor:
        return case.family.log_density(y, *w, **extra)

    assert torch.autograd.gradcheck(density, leaves, rtol=1e-5, atol=1e-6)
    assert torch.autograd.gradgradcheck(density, leaves, rtol=1e-5, atol=1e-6)


def link_cases(case: Case) -> list[tuple[int, str]]:
    """(parameter, link) for every link that maps the whole line into the parameter's range."""
    return [
        (k, link)
        for k, parameter in enumerate(case.family.parameters)
        for link in parameter.links
        if link in WHOLE_LINE[parameter.scale]
    ]


@every
def test_value_gradient_and_hessian_are_finite_far_out_and_at_the_edges(case: Case) -> None:
    assert link_cases(case)
    inner = tuple(v for v in case.inner if v == round(v)) if case.family.support.integer else case.inner
    far = case.far or tuple((-40.0, 0.0, 40.0) for _ in case.family.parameters)
    for y_value, (k, link), end, others in product((*inner, *case.edges), link_cases(case), range(3), range(3)):
        y = tensor(y_value)
        etas = [tensor(far[j][end] if j == k else far[j][others] if j else 0.0) for j in range(len(far))]

        def density(*leaves: Tensor, y: Tensor = y, k: int = k, link: str = link) -> Tensor:
            on_scale = [
                find_link(link).to(case.family.parameters[j].scale, leaf) if j == k else leaf
                for j, leaf in enumerate(leaves)
            ]
            return case.family.log_density(y, *on_scale, **columns(case, 1))

        parts = row_derivatives(density, etas)
        if case.underflows and bool(parts.l == -math.inf):
            continue
        for part in parts:
            assert bool(torch.isfinite(part).all()), (y_value, k, link, [float(eta) for eta in etas])


@pytest.mark.parametrize("case", [case for case in CASES if case.family.canonical_link], ids=lambda case: case.id)
def test_cumulants_under_the_canonical_link_are_the_density_but_for_a_constant(case: Case) -> None:
    family, y = case.family, torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    columns = {"trials": torch.full_like(y, 3.0)} if family.trials else {}
    etas = [torch.full_like(y, value) for value in (-30.0, -2.0, 0.1, 3.0)]
    rests = []
    for eta in etas:
        assert family.canonical is not None
        b, mean, variance = family.canonical.cumulants(eta, **columns)
        found = row_derivatives(lambda eta: family.log_density(y, eta, **columns), [eta])
        assert torch.allclose(y - mean, found.g[:, 0], rtol=1e-14, atol=0)
        assert torch.allclose(-variance, found.h[:, 0, 0], rtol=1e-14, atol=0)
        rests.append(found.l - (y * eta - b))
    assert all(torch.allclose(rest, rests[0], rtol=1e-13, atol=1e-13) for rest in rests)


def test_information_keeps_its_digits_in_both_tails() -> None:
    # -h = m p (1 - p), with p(1 - p) = e^-|z| / (1 + e^-|z|)^2
    z = tensor(-45.0, -20.0, 20.0, 45.0)
    trials = torch.ones_like(z)
    family = make_family("binomial", {})
    for y in (torch.zeros_like(z), torch.ones_like(z)):
        h = row_derivatives(lambda w, y=y: family.log_density(y, w, trials=trials), [z]).h[:, 0, 0]
        small = torch.exp(-z.abs())
        torch.testing.assert_close(-h, small / (1 + small) ** 2, rtol=1e-13, atol=0)
    # alpha -> 0 is the Poisson family, whose information is mu
    log_mu, log_alpha = tensor(-1.0, 0.0, 2.0), torch.full((3,), -38.0, dtype=torch.float64)
    nb = make_family("negative-binomial", {})
    h = row_derivatives(lambda w: nb.log_density(tensor(0.0, 1.0, 9.0), w, log_alpha), [log_mu]).h[:, 0, 0]
    torch.testing.assert_close(-h, log_mu.exp(), rtol=1e-12, atol=0)


# ---- the score of the mean, for every link ----


@with_mean_score
def test_the_score_is_that_of_a_quasi_likelihood_under_every_link(case: Case) -> None:
    """dl / d eta = (y - E y) / (phi V) dE(y)/d eta, the other parameters held."""
    family = case.family
    mean_parameter = family.parameters[0]
    names = [n for kind in mean_parameter.links for n in (POWERS if kind == "power:K" else (kind,))]
    y, parameters = grid(case, case.inner)
    extra = columns(case, len(y))
    held = to_working(case, parameters)[1:]
    named = [v for p, v in zip(family.parameters, parameters, strict=True) if p.name != "phi"]
    phi = parameters[1] if family.has_dispersion else torch.ones_like(y)
    for name in names:
        link = find_link(name)
        eta = link.link(parameters[0]).detach().requires_grad_(True)
        score = row_derivatives(
            lambda e, link=link: family.log_density(y, link.to(mean_parameter.scale, e), *held, **extra), [eta]
        ).g[:, 0]
        mean = family.mean(link.inverse(eta), *named[1:], **extra)
        (slope,) = torch.autograd.grad(mean.sum(), eta)
        expected = (y - mean.detach()) / (phi * family.variance(*named, **extra)) * slope
        torch.testing.assert_close(score, expected, rtol=1e-8, atol=1e-9)


# ---- deviance ----


def saturated(case: Case, y: Tensor) -> Tensor:
    """The working mean at mu = y; where it is infinite, so far out that nothing is left of the difference."""
    mean = y / case.columns.get("trials", 1.0)
    return working(case.family.parameters[0].scale, mean).clamp(-700, 700)


@each([case for case in CASES if case.reference and case.family.has_deviance])
def test_the_unit_deviance_is_twice_the_log_likelihood_ratio_at_phi_1(case: Case) -> None:
    responses = (*case.inner, *(edge for edge in case.edges if 0 <= edge < 100 and edge in (0.0, 9.0)))
    y, parameters = grid(case, responses)
    if case.family.has_dispersion:
        parameters[1] = torch.ones_like(y)
    on_scale, extra = to_working(case, parameters), columns(case, len(y))
    best = [saturated(case, y) if case.family.parameters[0].scale != "identity" else y, *on_scale[1:]]
    ratio = case.family.log_density(y, *best, **extra) - case.family.log_density(y, *on_scale, **extra)
    found = case.family.unit_deviance(y, *_without_phi(case, on_scale), **extra)
    torch.testing.assert_close(found, 2 * ratio, rtol=1e-9, atol=1e-10)


def _without_phi(case: Case, values: list[Tensor]) -> list[Tensor]:
    return [v for p, v in zip(case.family.parameters, values, strict=True) if p.name != "phi"]


@with_deviance
def test_the_unit_deviance_is_zero_at_the_response(case: Case) -> None:
    y = tensor(*case.inner)
    working_mean = saturated(case, y) if case.family.parameters[0].scale != "identity" else y
    others = [torch.full_like(y, values[0]) for values in case.natural()[1:]]
    on_scale = [working(p.scale, v) for p, v in zip(case.family.parameters[1:], others, strict=True)]
    found = case.family.unit_deviance(y, working_mean, *_without_phi(case, [y, *on_scale])[1:], **columns(case, len(y)))
    torch.testing.assert_close(found, torch.zeros_like(y), rtol=0, atol=1e-13)


@with_deviance
@settings(derandomize=True, max_examples=40, deadline=None)
@given(share=st.floats(0.001, 0.999), log_mean=st.floats(-12, 12), log_alpha=st.floats(-12, 6))
def test_the_unit_deviance_is_never_negative(case: Case, share: float, log_mean: float, log_alpha: float) -> None:
    trials = case.columns.get("trials")
    y = tensor(share * trials if trials else 10 * share)
    others = [tensor(log_alpha) for p in case.family.parameters[1:] if p.name != "phi"]
    found = case.family.unit_deviance(y, tensor(log_mean), *others, **columns(case, 1))
    assert float(found) >= -1e-12 * max(1.0, math.exp(-log_alpha) * 1e-3)


# ---- facts ----


def test_names_and_aliases_are_unique_and_resolve() -> None:
    names = [name for family in FAMILIES for name in (family.name, *family.aliases)]
    assert len(names) == len(set(names))
    for family in FAMILIES:
        for name in (family.name, *family.aliases, family.name.upper(), family.name.replace("-", "_")):
            assert find_family(name) is family


@every
def test_links_parse_and_the_first_is_the_default(case: Case) -> None:
    for parameter in case.family.parameters:
        assert parameter.link(None, case.family.name).name == parameter.links[0]
        for kind in parameter.links:
            name = "power:0.5" if kind == "power:K" else kind
            assert parameter.link(name, case.family.name).name == name


@every
def test_a_link_that_makes_no_sense_lists_those_that_do(case: Case) -> None:
    for parameter in case.family.parameters:
        for name in set(LINKS) - set(parameter.links):
            with pytest.raises(UsageError, match="makes no sense for") as caught:
                parameter.link(name, case.family.name)
            assert caught.value.hint == f"links for {parameter.name}: {', '.join(parameter.links)}"


@every
def test_starts_are_inside_every_link(case: Case) -> None:
    family = case.family
    samples = [case.inner, (case.inner[-1],) * 3]
    if not family.support.lower_open and family.support.lower > -math.inf:
        samples += [(family.support.lower,) * 3]
    if family.trials:
        samples += [(9.0, 9.0, 9.0)]
    for sample in samples:
        y = tensor(*sample)
        values = family.start(y, torch.ones_like(y), **columns(case, len(y)))
        for parameter in family.parameters:
            if parameter.name not in values:
                continue
            for kind in parameter.links:
                eta = find_link("power:0.5" if kind == "power:K" else kind).link(tensor(values[parameter.name]))
                assert bool(torch.isfinite(eta).all()), (sample, parameter.name, kind)


@every
def test_support(case: Case) -> None:
    support = case.family.support
    upper = np.array([case.columns["trials"]]) if case.family.trials else None
    for value in (*case.inner, *case.edges):
        assert not support.violations(np.array([value]), upper).any(), value
    wrong = [math.nan, math.inf, -math.inf]
    wrong += [support.lower - 1e-9] if support.lower > -math.inf else []
    wrong += [support.lower] if support.lower_open else []
    wrong += [support.upper + 1e-9] if support.upper < math.inf else []
    wrong += [support.upper] if support.upper_open else []
    wrong += [9.000001] if case.family.trials else []
    for value in wrong:
        assert support.violations(np.array([value]), upper).all(), value


@pytest.mark.parametrize(("name", "fixed"), [("poisson", "alpha"), ("poisson", "mu"), ("negative-binomial", "phi")])
def test_fixing_what_is_not_a_parameter(name: str, fixed: str) -> None:
    with pytest.raises(UsageError, match=f"--fix {fixed}: not a parameter of {name}"):
        make_family(name, {fixed: 1.0})


def test_an_unknown_family_suggests_a_near_one() -> None:
    with pytest.raises(UsageError, match="no family 'poison'") as caught:
        find_family("poison")
    assert (caught.value.hint or "").startswith("did you mean 'poisson'")
