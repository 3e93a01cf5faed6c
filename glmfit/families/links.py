"""Links: eta = g(mu), mu = g^-1(eta), and `to(scale, eta)` = scale(g^-1(eta)) in a form that does not overflow.

A log-density is written on a working scale of each parameter (identity, log or logit), and the link maps the linear
predictor there directly: with the log link `to("log", eta)` is eta itself, so no exp is ever undone by a log.
Outside a link's domain (eta <= 0 for the square root, say) the results are NaN. No derivative is written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmfit.errors import UsageError, did_you_mean
from glmfit.families.special import (
    log1mexp,
    log_ndtr,
    logit_cauchy,
    logit_ndtr,
    logit_one_minus_exp_minus_exp,
    softplus,
)
from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    Transform = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Link:
    """A link function: `link` is g, `inverse` is g^-1, `scales` the stable forms of scale(g^-1(eta)).

    A working scale is a link as well, and goes by its name: the definition of scale is LINKS[scale].link.
    """

    name: str
    link: Transform
    inverse: Transform
    scales: Mapping[str, Transform] = field(default_factory=dict)
    formula: str = ""

    def to(self, scale: str, eta: Tensor) -> Tensor:
        """scale(g^-1(eta)), elementwise; the stable form where there is one, else by its definition.

        The scale `predictor` is eta itself, for densities in which the link is not that of one parameter.
        """
        if scale == "predictor":
            return eta
        stable = self.scales.get(scale)
        return stable(eta) if stable is not None else LINKS[scale].link(self.inverse(eta))


def _positive(eta: Tensor) -> Tensor:
    """eta where it is positive, else NaN: the domain of links that are not one-to-one on the whole line."""
    return torch.where(eta > 0, eta, math.nan)


def _hazard(eta: Tensor) -> Tensor:
    """exp(eta), finite: beyond, an event is as certain as at 1e304, and 0 times an infinite derivative would be NaN."""
    return torch.exp(eta.clamp(max=700.0))


def _power(exponent: float) -> Link:
    if exponent == 0:
        return LINKS["log"]
    if exponent == 1:
        return LINKS["identity"]
    text = repr(exponent).removesuffix(".0")  # every digit: the name gives the same link back
    return Link(
        f"power:{text}",
        link=lambda mu: mu**exponent,
        inverse=lambda eta: _positive(eta) ** (1 / exponent),
        scales={"log": lambda eta: torch.log(eta) / exponent},
        formula=f"eta = mu^{text}",
    )


LINKS: Mapping[str, Link] = {
    link.name: link
    for link in (
        Link("identity", lambda mu: mu, lambda eta: eta, {"identity": lambda eta: eta}, "eta = mu"),
        Link(
            "log",
            lambda mu: torch.log(mu),
            lambda eta: torch.exp(eta),
            {
                "log": lambda eta: eta,
                "logit": lambda eta: eta - log1mexp(eta),
                "log1p2": lambda eta: softplus(eta + math.log(2)),
            },
            "eta = log(mu)",
        ),
        Link(
            "logit",
            lambda mu: torch.log(mu) - torch.log1p(-mu),
            lambda eta: torch.sigmoid(eta),
            {"logit": lambda eta: eta, "log": lambda eta: torch.nn.functional.logsigmoid(eta)},
            "eta = log(mu / (1 - mu))",
        ),
        Link(
            "probit",
            lambda mu: torch.special.ndtri(mu),
            lambda eta: torch.special.ndtr(eta),
            {"logit": lambda eta: logit_ndtr(eta), "log": lambda eta: log_ndtr(eta)},
            "eta = Phi^-1(mu)",
        ),
        Link(
            "cauchit",
            lambda mu: torch.tan(math.pi * (mu - 0.5)),
            # 1/2 + atan(eta)/pi, kept accurate in the lower tail
            lambda eta: torch.atan2(torch.ones_like(eta), -eta) / math.pi,
            {"logit": lambda eta: logit_cauchy(eta)},
            "eta = tan(pi (mu - 1/2))",
        ),
        Link(
            "cloglog",
            lambda mu: torch.log(-torch.log1p(-mu)),
            lambda eta: -torch.expm1(-_hazard(eta)),
            {"logit": lambda eta: logit_one_minus_exp_minus_exp(eta)},
            "eta = log(-log(1 - mu))",
        ),
        Link(
            "loglog",
            lambda mu: -torch.log(-torch.log(mu)),
            lambda eta: torch.exp(-_hazard(-eta)),
            {"logit": lambda eta: -logit_one_minus_exp_minus_exp(-eta), "log": lambda eta: -_hazard(-eta)},
            "eta = -log(-log(mu))",
        ),
        Link(
            "log-complement",
            lambda mu: torch.log1p(-mu),
            lambda eta: -torch.expm1(eta),
            {"logit": lambda eta: log1mexp(eta) - eta},
            "eta = log(1 - mu)",
        ),
        Link(
            "inverse",
            lambda mu: 1 / mu,
            lambda eta: 1 / eta,
            {"log": lambda eta: -torch.log(eta)},
            "eta = 1 / mu",
        ),
        Link(
            "inverse-squared",
            lambda mu: mu**-2,
            lambda eta: torch.rsqrt(eta),
            {"log": lambda eta: -0.5 * torch.log(eta)},
            "eta = 1 / mu^2",
        ),
        Link(
            "sqrt",
            lambda mu: torch.sqrt(mu),
            lambda eta: _positive(eta) ** 2,
            {"log": lambda eta: 2 * torch.log(eta)},
            "eta = sqrt(mu)",
        ),
        Link(
            "log1p2",  # from -1/2 up: log((1 + a) / (1 - a)) of a = mu / (1 + mu) between -1 and 1
            lambda mu: torch.log1p(2 * mu),
            lambda eta: 0.5 * torch.expm1(eta),
            {"log1p2": lambda eta: eta},
            "eta = log(1 + 2 mu)",
        ),
        Link(
            "logit12",  # between 1 and 2; both p - 1 and 2 - p keep their digits on this scale
            lambda mu: torch.log(mu - 1) - torch.log(2 - mu),
            lambda eta: 1 + torch.sigmoid(eta),
            {"logit12": lambda eta: eta},
            "eta = log((mu - 1) / (2 - mu))",
        ),
    )
}

POSITIVE_LINKS = ("log", "identity", "sqrt", "inverse", "inverse-squared", "power:K")
REAL_LINKS = ("identity", "log", "inverse", "sqrt", "inverse-squared", "power:K")
SHAPE_LINKS = ("log", "identity", "sqrt", "inverse")
UNIT_LINKS = ("logit", "probit", "cauchit", "cloglog", "loglog", "log", "log-complement", "identity")

ALIASES = {
    "1/mu": "inverse",
    "1/mu^2": "inverse-squared",
    "inverse_squared": "inverse-squared",
    "reciprocal": "inverse",
    "logc": "log-complement",
    "log_complement": "log-complement",
    "cauchy": "cauchit",
    "c-log-log": "cloglog",
}


def find_link(name: str) -> Link:
    """The link called `name`; `power:K` (or R's `power(K)`) is mu^K. Raises UsageError for an unknown one."""
    key = ALIASES.get(name.strip().lower(), name.strip().lower())
    if key in LINKS:
        return LINKS[key]
    if key.startswith("power"):
        text = key[len("power") :].strip(":=() ")
        try:
            exponent = float(text)
        except ValueError:
            exponent = math.nan
        if math.isfinite(exponent):
            return _power(exponent)
        raise UsageError("bad_link", f"the power link needs a number, not '{name}'", "write power:K, such as power:0.5")
    known = [*LINKS, "power:K"]
    raise UsageError("unknown_link", f"no link '{name}'", did_you_mean(key, known) or f"links: {', '.join(known)}")


def domain(link: Link, scale: str) -> tuple[float, float]:
    """The ends of eta at which a parameter meets 0 or 1 at a finite linear predictor; infinite where it never does.

    An end at which the parameter is infinite (eta = 0 of the inverse link) is none: no likelihood is highest there.
    """
    name = link.name
    power = float(name.removeprefix("power:")) if name.startswith("power:") else None
    if scale == "log" and (name in ("identity", "sqrt") or (power is not None and power > 0)):
        return 0.0, math.inf
    if scale == "logit" and name == "identity":
        return 0.0, 1.0
    if scale == "logit" and name in ("log", "log-complement"):
        return -math.inf, 0.0
    return -math.inf, math.inf


def link_kind(link: Link) -> str:
    """The name under which lists of allowed links have it: every power link is `power:K`."""
    return "power:K" if link.name.startswith("power:") else link.name
