"""Every link against its definition in 60-digit arithmetic: values and two derivatives, round trips, domains."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from mpmath import mp
from torch import Tensor

from glmfit.errors import UsageError
from glmfit.families.catalogue import FAMILIES
from glmfit.families.links import ALIASES, LINKS, find_link, link_kind

POWERS = ("power:0.5", "power:2", "power:-1", "power:-2", "power:0.3333333333333333", "power:3", "power:-0.5")

# g^-1 as the definitions have it, written for mpmath.
INVERSES: dict[str, Callable[[Any], Any]] = {
    "identity": lambda eta: eta,
    "log": mpmath.exp,
    "logit": lambda eta: 1 / (1 + mpmath.exp(-eta)),
    "probit": mpmath.ncdf,
    "cauchit": lambda eta: mpmath.mpf(1) / 2 + mpmath.atan(eta) / mpmath.pi,
    "cloglog": lambda eta: 1 - mpmath.exp(-mpmath.exp(eta)),
    "loglog": lambda eta: mpmath.exp(-mpmath.exp(-eta)),
    "log-complement": lambda eta: 1 - mpmath.exp(eta),
    "inverse": lambda eta: 1 / eta,
    "inverse-squared": lambda eta: 1 / mpmath.sqrt(eta),
    "sqrt": lambda eta: eta**2,
    "logit12": lambda eta: 1 + 1 / (1 + mpmath.exp(-eta)),
    "log1p2": lambda eta: mpmath.expm1(eta) / 2,
}
INVERSES.update({name: lambda eta, k=float(name[6:]): eta ** (1 / mpmath.mpf(k)) for name in POWERS})
SCALES: dict[str, Callable[[Any], Any]] = {
    "identity": lambda mu: mu,
    "log": mpmath.log,
    "logit": lambda mu: mpmath.log(mu / (1 - mu)),
    "logit12": lambda mu: mpmath.log((mu - 1) / (2 - mu)),
    "log1p2": lambda mu: mpmath.log1p(2 * mu),
}
LINE = (-6.0, -2.5, -1.0, -0.3, 0.0, 0.2, 0.7, 1.5, 2.5, 3.5)
POSITIVE = (0.01, 0.2, 0.7, 1.0, 1.3, 4.0, 30.0)
NEGATIVE = (-30.0, -5.0, -1.0, -0.4, -0.05, -1e-6)
UNIT = (1e-6, 0.1, 0.5, 0.8, 0.999)


def pairs() -> list[tuple[str, str]]:
    """Every (link, scale) that some parameter of some family uses, power links with several exponents.

    A density in the linear predictor itself has its link turn probabilities into logits, so both are asked for.
    """
    found = {
        (name, "logit" if parameter.scale == "predictor" else parameter.scale)
        for family in FAMILIES
        for parameter in family.parameters
        for kind in parameter.links
        for name in (POWERS if kind == "power:K" else (kind,))
    }
    return sorted(found)


def domain(link: str, scale: str) -> tuple[float, ...]:
    """Points at which scale(g^-1(eta)) is defined."""
    if link in ("logit", "probit", "cauchit", "cloglog", "loglog", "logit12", "log1p2"):
        return LINE
    if link == "log":
        return NEGATIVE if scale == "logit" else LINE
    if link == "log-complement":
        return NEGATIVE
    if link == "identity":
        return {"identity": LINE, "log": POSITIVE, "log1p2": POSITIVE, "logit": UNIT}[scale]
    if link == "inverse" and scale == "identity":
        return (*NEGATIVE, *POSITIVE)
    return POSITIVE


def derivatives(f: Callable[[Tensor], Tensor], at: float) -> tuple[float, float, float]:
    """f and its first two derivatives by autograd."""
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    value = f(x)
    (first,) = torch.autograd.grad(value, x, create_graph=True)
    second = torch.autograd.grad(first, x)[0].item() if first.requires_grad else 0.0
    return value.item(), first.item(), second


def exact(f: Callable[[Any], Any], at: float) -> list[float]:
    with mp.workdps(60):
        return [float(mpmath.diff(f, mpmath.mpf(at), order)) for order in range(3)]


def test_every_link_is_used_and_defined_here() -> None:
    assert {link for link, _ in pairs()} == set(INVERSES) == {*LINKS, *POWERS}
    assert {scale for _, scale in pairs()} == set(SCALES)


@pytest.mark.parametrize(("name", "scale"), pairs())
def test_to_a_scale_is_its_definition_with_two_derivatives(name: str, scale: str) -> None:
    link = find_link(name)
    for eta in domain(name, scale):
        found = derivatives(lambda x: link.to(scale, x), eta)
        expected = exact(lambda x: SCALES[scale](INVERSES[name](x)), eta)
        assert found == pytest.approx(expected, rel=1e-11, abs=2e-13), eta


@pytest.mark.parametrize("name", sorted(INVERSES))
def test_the_inverse_is_its_definition_with_two_derivatives(name: str) -> None:
    link = find_link(name)
    for eta in domain(name, "identity" if name in ("identity", "inverse") else "log"):
        expected = exact(INVERSES[name], eta)
        assert derivatives(link.inverse, eta) == pytest.approx(expected, rel=1e-11, abs=1e-13), eta


@pytest.mark.parametrize("name", sorted(INVERSES))
def test_round_trip(name: str) -> None:
    link = find_link(name)
    eta = torch.tensor(domain(name, "identity" if name in ("identity", "inverse") else "log"), dtype=torch.float64)
    mu = link.inverse(eta)
    inside = (
        mu < 1 - 1e-9
        if name in ("cloglog", "logit", "probit", "loglog", "log-complement")
        else torch.ones_like(mu, dtype=torch.bool)
    )
    torch.testing.assert_close(link.link(mu)[inside], eta[inside], rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(link.inverse(link.link(mu))[inside], mu[inside], rtol=1e-9, atol=1e-12)
    assert int(inside.sum()) >= 5


# Where the mean rounds to 0, 1 or infinity the definition has nothing finite to say, and the limit is known exactly.
LIMITS = [
    ("log", "log", 800.0, 800.0),
    ("log", "log", -800.0, -800.0),
    ("log", "logit", -800.0, -800.0),
    ("logit", "logit", 800.0, 800.0),
    ("logit", "logit", -800.0, -800.0),
    ("cloglog", "logit", 40.0, math.exp(40.0)),
    ("cloglog", "logit", -40.0, -40.0),
    ("loglog", "logit", -40.0, -math.exp(40.0)),
    ("loglog", "logit", 40.0, 40.0),
    ("log-complement", "logit", -800.0, 800.0),
    ("sqrt", "log", 1e-100, -200 * math.log(10)),
    ("sqrt", "log", 1e200, 400 * math.log(10)),
    ("inverse-squared", "log", 1e300, -150 * math.log(10)),
    ("power:0.5", "log", 1e-100, -200 * math.log(10)),
]


@pytest.mark.parametrize(("name", "scale", "eta", "limit"), LIMITS)
def test_to_a_scale_has_its_limit_where_the_mean_has_rounded(name: str, scale: str, eta: float, limit: float) -> None:
    found = derivatives(lambda x: find_link(name).to(scale, x), eta)
    assert found[0] == pytest.approx(limit, rel=1e-13)
    assert all(math.isfinite(value) for value in found)


@pytest.mark.parametrize("eta", [-40.0, -12.0, 12.0, 40.0])
@pytest.mark.parametrize("name", ["probit", "cauchit"])
def test_tails_of_probit_and_cauchit(name: str, eta: float) -> None:
    def reference(x: Any) -> Any:
        if name == "probit":  # Phi(-x)/Phi(x) by erfc: no digit is lost in 1 - Phi
            return mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2))) - mpmath.log(mpmath.erfc(x / mpmath.sqrt(2)))
        return mpmath.log(mpmath.pi / 2 + mpmath.atan(x)) - mpmath.log(mpmath.pi / 2 - mpmath.atan(x))

    found = derivatives(lambda x: find_link(name).to("logit", x), eta)
    assert found == pytest.approx(exact(reference, eta), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "scale", "eta"),
    [
        ("identity", "log", -0.5),
        ("identity", "logit", -0.5),
        ("identity", "logit", 1.5),
        ("log", "logit", 0.5),
        ("log-complement", "logit", 0.5),
        ("inverse", "log", -0.5),
        ("inverse-squared", "log", -0.5),
        ("inverse-squared", "identity", -0.5),
        ("sqrt", "log", -0.5),
        ("sqrt", "identity", -0.5),
        ("power:0.5", "log", -0.5),
        ("power:0.5", "identity", -0.5),
        ("power:2", "identity", -0.5),
        ("power:-1", "log", -0.5),
    ],
)
def test_nan_outside_the_domain(name: str, scale: str, eta: float) -> None:
    assert math.isnan(find_link(name).to(scale, torch.tensor(eta, dtype=torch.float64)).item())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *ALIASES.items(),
        ("power:0", "log"),
        ("power:1", "identity"),
        ("power(0.5)", "power:0.5"),
        ("power=2", "power:2"),
        (" Log ", "log"),
        ("1/mu^2", "inverse-squared"),
    ],
)
def test_names(written: str, name: str) -> None:
    assert find_link(written).name == name


@pytest.mark.parametrize("exponent", [1 / 3, -0.1234567890123, 1e-3, 2.0])
def test_the_name_of_a_power_link_gives_the_same_link_back(exponent: float) -> None:
    link = find_link(f"power:{exponent!r}")
    assert link_kind(link) == "power:K"
    mu = torch.tensor([0.3, 2.0, 7.0], dtype=torch.float64)
    assert torch.equal(find_link(link.name).link(mu), mu**exponent)


@pytest.mark.parametrize("word", ["power:", "power:x", "power:inf", "power:nan"])
def test_a_power_link_needs_a_number(word: str) -> None:
    with pytest.raises(UsageError, match="needs a number") as caught:
        find_link(word)
    assert caught.value.hint == "write power:K, such as power:0.5"


def test_an_unknown_link_suggests_a_near_one_or_lists_all() -> None:
    with pytest.raises(UsageError, match="no link 'prbit'") as caught:
        find_link("prbit")
    assert caught.value.hint == "did you mean 'probit'?"
    with pytest.raises(UsageError) as caught:
        find_link("zzzz")
    assert all(name in (caught.value.hint or "") for name in (*LINKS, "power:K"))
