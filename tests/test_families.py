"""What every family promises, generated from what each declares: densities, derivatives, deviances and moments.

scipy's densities, sums over counts and trapezoids on the line are the judges; nothing here was printed by the package.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from glmfit.errors import UsageError
from glmfit.families.base import Family
from glmfit.families.catalogue import FAMILIES, find_family, make_family
from glmfit.likelihood import row_derivatives
from glmfit.links import LINKS, find_link

WHOLE_LINE = {
    "identity": ("identity",),
    "log": ("log",),
    "logit": ("logit", "probit", "cauchit", "cloglog", "loglog"),
}
POWERS = ("power:0.5", "power:-1", "power:2")
# Points inside the domain of every link, on the natural scale of a mean.
MEANS = {"identity": (0.4, 1.7, 6.0), "log": (0.05, 0.9, 7.5), "logit": (0.03, 0.5, 0.92)}
OTHERS = (0.02, 0.5, 3.0)  # phi and alpha


@dataclass(frozen=True)
class Case:
    """A family, responses inside its support, responses at its edges, and scipy's log-density where there is one."""

    family: Family
    inner: tuple[float, ...]
    edges: tuple[float, ...]
    reference: Callable[..., np.ndarray] | None = None
    columns: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        power = getattr(getattr(self.family, "like", None), "power", None)
        return self.family.name if power is None else f"{self.family.name}-{power:g}"


def tweedie(power: float) -> Family:
    return make_family("tweedie", {"power": power})


COUNTS, COUNT_EDGES = (1.0, 3.0, 12.0), (0.0, 1.0, 1e6)
POSITIVE, POSITIVE_EDGES = (0.2, 1.0, 4.5), (1e-300, 1e-12, 1e12)
CASES = (
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
    *(
        Case(tweedie(power), POSITIVE, (0.0, 1e-12, 1e12) if power < 2 else (1e-3, 1e3))
        for power in (1, 1.5, 2, 3, 2.6)
    ),
    Case(make_family("quasi-poisson", {}), (0.5, 1.0, 4.2), (0.0, 1e6)),
    Case(make_family("quasi-binomial", {}), (1.0, 3.0, 7.5), (0.0, 9.0), None, {"trials": 9.0}),
)
every = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
with_density = pytest.mark.parametrize(
    "case", [case for case in CASES if case.reference], ids=[case.id for case in CASES if case.reference]
)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def working(scale: str, values: Tensor) -> Tensor:
    return {"identity": values, "log": values.log(), "logit": torch.logit(values)}[scale]


def columns(case: Case, n: int) -> dict[str, Tensor]:
    return {name: torch.full((n,), value, dtype=torch.float64) for name, value in case.columns.items()}


def grid(case: Case, responses: tuple[float, ...]) -> tuple[Tensor, list[Tensor]]:
    """Every combination of responses and natural parameters: y (n,), and a vector (n,) for each parameter."""
    values = [MEANS[case.family.parameters[0].scale], *(OTHERS for _ in case.family.parameters[1:])]
    table = tensor(*(x for row in product(responses, *values) for x in row)).reshape(-1, 1 + len(values))
    return table[:, 0], list(table[:, 1:].T)


def to_working(case: Case, parameters: list[Tensor]) -> list[Tensor]:
    return [working(p.scale, value) for p, value in zip(case.family.parameters, parameters, strict=True)]


def test_every_family_is_here() -> None:
    assert {type(case.family) for case in CASES} == set(FAMILIES)
    assert {case.family.name for case in CASES if case.reference} == {
        family.name for family in FAMILIES if not family.quasi
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
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-10)


def support_points(case: Case) -> tuple[Tensor, Tensor]:
    """Points of the support and the weights that make sums of a function over them its sum or integral."""
    if case.family.trials:
        y = torch.arange(0, case.columns["trials"] + 1, dtype=torch.float64)
        return y, torch.ones_like(y)
    if case.family.support.integer:
        y = torch.arange(0, 3000, dtype=torch.float64)
        return y, torch.ones_like(y)
    if case.family.support.lower == 0:  # the trapezoid in log y, where dy = y dt
        t = torch.linspace(-30, 9, 8_001, dtype=torch.float64)
        return t.exp(), t.exp() * (t[1] - t[0])
    y = torch.linspace(-80, 80, 8_001, dtype=torch.float64)
    return y, torch.full_like(y, float(y[1] - y[0]))


def parameter_points(case: Case) -> list[list[float]]:
    # Dispersions at which a gamma or inverse gaussian has its mass inside the points above.
    others = (0.02, 0.5, 0.9)
    return [
        list(point)
        for point in product(MEANS[case.family.parameters[0].scale], *(others for _ in case.family.parameters[1:]))
    ]


@with_density
def test_sums_integrals_moments_and_expected_information(case: Case) -> None:
    y, weight = support_points(case)
    family, extra = case.family, columns(case, len(y))
    for point in parameter_points(case):
        parameters = [torch.full_like(y, value) for value in point]
        rows = row_derivatives(
            lambda *w, extra=extra: family.log_density(y, *w, **extra),
            [working(p.scale, v) for p, v in zip(family.parameters, parameters, strict=True)],
        )
        mass = weight * rows.l.exp()
        assert float(mass.sum()) == pytest.approx(1, rel=1e-8), point
        mean = float(family.mean(*parameters, **extra)[0])
        named = [v for p, v in zip(family.parameters, parameters, strict=True) if p.name != "phi"]
        variance = float(family.variance(*named, **extra)[0]) * (point[1] if family.has_dispersion else 1.0)
        assert float((mass * y).sum()) == pytest.approx(mean, rel=1e-7, abs=1e-9), point
        assert float((mass * (y - mean) ** 2).sum()) == pytest.approx(variance, rel=1e-6), point
        # The score has mean 0 and variance -E(h), and no cross information: what `expected_rows` rests on.
        score = (mass[:, None] * rows.g).sum(dim=0)
        information = -(mass[:, None, None] * rows.h).sum(dim=0)
        outer = (mass[:, None, None] * rows.g[:, :, None] * rows.g[:, None, :]).sum(dim=0)
        size = float(information.abs().max())
        torch.testing.assert_close(score, torch.zeros_like(score), rtol=0, atol=1e-6 * size)
        torch.testing.assert_close(outer, information, rtol=1e-5, atol=1e-6 * size)
        assert float(information[0, 0]) == pytest.approx(_slope(case, point[0]) ** 2 / variance, rel=1e-6), point
        if len(point) > 1:
            assert float(information[0, 1]) == pytest.approx(0, abs=1e-6 * size), point


def _slope(case: Case, mu: float) -> float:
    """d E(y) / d working mu, by hand."""
    trials = case.columns.get("trials", 1.0)
    return trials * {"identity": 1.0, "log": mu, "logit": mu * (1 - mu)}[case.family.parameters[0].scale]


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
    y, parameters = grid(case, (*case.inner, *(edge for edge in case.edges if 1e-3 <= edge < 1e3 or edge == 0)))
    # a dispersion of 0.02 makes derivatives so large that differences say nothing
    keep = torch.stack([p > 0.03 for p in parameters[1:]] or [torch.ones_like(y, dtype=torch.bool)]).all(dim=0)
    y = y[keep]
    leaves = [w[keep].clone().requires_grad_(True) for w in to_working(case, parameters)]
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
    for y_value, (k, link), eta in product((*inner, *case.edges), link_cases(case), (-40.0, 0.0, 40.0)):
        for other in (-40.0, 0.0, 40.0):
            y = tensor(y_value)
            etas = [tensor(eta if j == k else other if j else 0.0) for j in range(len(case.family.parameters))]

            def density(*leaves: Tensor, y: Tensor = y, k: int = k, link: str = link) -> Tensor:
                on_scale = [
                    find_link(link).to(case.family.parameters[j].scale, leaf) if j == k else leaf
                    for j, leaf in enumerate(leaves)
                ]
                return case.family.log_density(y, *on_scale, **columns(case, 1))

            for part in row_derivatives(density, etas):
                assert bool(torch.isfinite(part).all()), (y_value, k, link, eta, other)


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


@every
def test_the_score_is_that_of_a_quasi_likelihood_under_every_link(case: Case) -> None:
    """dl / d eta = (y - E y) / (phi V) dE(y)/d eta holds for every family here, the others' parameters held."""
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


@with_density
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


@every
def test_the_unit_deviance_is_zero_at_the_response(case: Case) -> None:
    y = tensor(*case.inner)
    working_mean = saturated(case, y) if case.family.parameters[0].scale != "identity" else y
    others = [torch.zeros_like(y) for p in case.family.parameters[1:] if p.name != "phi"]
    found = case.family.unit_deviance(y, working_mean, *others, **columns(case, len(y)))
    torch.testing.assert_close(found, torch.zeros_like(y), rtol=0, atol=1e-13)


@every
@settings(derandomize=True, max_examples=40, deadline=None)
@given(share=st.floats(0.001, 0.999), log_mean=st.floats(-12, 12), log_alpha=st.floats(-12, 6))
def test_the_unit_deviance_is_never_negative(case: Case, share: float, log_mean: float, log_alpha: float) -> None:
    trials = case.columns.get("trials")
    y = tensor(share * trials if trials else 10 * share)
    others = [tensor(log_alpha) for p in case.family.parameters[1:] if p.name != "phi"]
    found = case.family.unit_deviance(y, tensor(log_mean), *others, **columns(case, 1))
    assert float(found) >= -1e-12 * max(1.0, math.exp(-log_alpha) * 1e-3)


@pytest.mark.parametrize("power", [1.2, 1.5, 1.8, 2.4, 3.0])
def test_a_tweedie_deviance_is_the_integral_that_defines_it(power: float) -> None:
    from scipy.integrate import quad

    for y, mu in product((0.3, 1.0, 4.0), (0.5, 2.0, 9.0)):
        expected = 2 * quad(lambda t, y=y: (y - t) / t**power, mu, y)[0]
        found = tweedie(power).unit_deviance(tensor(y), tensor(mu).log())
        assert float(found) == pytest.approx(expected, rel=1e-9)


def test_tweedie_meets_the_families_it_contains() -> None:
    y, log_mu = tensor(0.5, 2.0, 6.0), tensor(0.3, 0.3, 1.0)
    for power, name in ((1, "poisson"), (2, "gamma"), (3, "inverse-gaussian")):
        expected = make_family(name, {}).unit_deviance(y, log_mu)
        torch.testing.assert_close(tweedie(power).unit_deviance(y, log_mu), expected, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(
            tweedie(power).variance(log_mu.exp()), make_family(name, {}).variance(log_mu.exp()), rtol=1e-14, atol=0
        )


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
    if not family.support.lower_open and family.support.lower == 0:
        samples += [(0.0, 0.0, 0.0)]
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
    wrong += [-1e-9] if support.lower == 0 else []
    wrong += [0.0] if support.lower_open else []
    wrong += [9.000001] if case.family.trials else []
    for value in wrong:
        assert support.violations(np.array([value]), upper).all(), value


@pytest.mark.parametrize("power", [0.5, 0.0, -1.0, math.nan, math.inf])
def test_a_tweedie_power_below_1_is_refused(power: float) -> None:
    with pytest.raises(UsageError, match="no Tweedie variance power"):
        tweedie(power)


def test_a_tweedie_without_its_power_says_how_to_give_it() -> None:
    with pytest.raises(UsageError, match="needs its power") as caught:
        make_family("tweedie", {})
    assert caught.value.hint == "add --fix power=VALUE"


@pytest.mark.parametrize(("name", "fixed"), [("poisson", "alpha"), ("poisson", "mu"), ("negative-binomial", "phi")])
def test_fixing_what_is_not_a_parameter(name: str, fixed: str) -> None:
    with pytest.raises(UsageError, match=f"--fix {fixed}: not a parameter of {name}"):
        make_family(name, {fixed: 1.0})


def test_an_unknown_family_suggests_a_near_one() -> None:
    with pytest.raises(UsageError, match="no family 'poison'") as caught:
        find_family("poison")
    assert (caught.value.hint or "").startswith("did you mean 'poisson'")
