"""Responses that are one of J categories: multinomial, ordinal, and the conditional choice of rows within groups.

multinomial  Pr(y = j) = exp(eta_j) / sum_k exp(eta_k), eta = 0 for the base       ordinal  g(Pr(y <= j)) = cut_j - eta
conditional  Pr(the chosen | how many) = exp(sum of the chosen's eta) / sum over all choices of as many rows
Cut points and categories are parameters like any other, so each may have a formula of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from glmfit.families.base import Family, Parameter, Support
from glmfit.families.links import LINKS, Link
from glmfit.families.recession import Face
from glmfit.families.special import log1mexp, softplus
from glmfit.lazy import torch

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

CUMULATIVE_LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
MOST_PAIRS = 5_000  # of a row chosen and one that was not, whose order is looked at
IMPOSSIBLE = -1e30  # the log of a probability of 0, finite so that its derivatives are 0 and not NaN


class Multinomial(Family):
    """log f = eta_y - log(1 + sum_j exp(eta_j)), j over the categories but the first."""

    name = "multinomial"
    aliases = ("mlogit", "multinom", "softmax")
    summary = "one of several unordered categories; the first is the base of comparison"
    example = (
        'glmfit fit sample_data/housing.csv "Sat ~ Infl + Type + Cont" --levels Low,Medium,High --freq-weights Freq '
        "--family multinomial"
    )
    support = Support(0, 0, integer=True, text="categories")
    parameters: tuple[Parameter, ...] = (Parameter("category", "predictor", ("logit",)),)
    categories = True
    shared_formula = True

    def __init__(self, levels: Sequence[str] = ()) -> None:
        self.levels = tuple(levels)
        if levels:
            self.parameters = tuple(Parameter(level, "predictor", ("logit",)) for level in levels[1:])

    def of_categories(self, levels: Sequence[str], link: Link) -> Family:
        return Multinomial(levels)

    def symmetric(self) -> Family:
        return SymmetricMultinomial(self.levels)

    def exp_measure(self, link: str) -> str | None:
        return "relative risk ratio"

    def log_density(self, y: Tensor, *etas: Tensor) -> Tensor:  # type: ignore[override]
        scores = torch.stack([torch.zeros_like(y), *etas], dim=1)
        return scores.gather(1, y.long()[:, None])[:, 0] - torch.logsumexp(scores, dim=1)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        """The score of the category observed rises at least as much as that of any other."""
        observed = torch.nn.functional.one_hot(y.long(), self.n_categories).double()
        never = torch.zeros_like(y, dtype=torch.bool)
        for other in range(observed.shape[1]):
            change = observed.clone()
            change[:, other] -= 1
            yield Face(change[:, -len(self.parameters) :], never)

    @property
    def n_categories(self) -> int:
        return len(self.parameters) + 1

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        shares = _shares(y, weight, self.n_categories)
        logs = torch.log(shares / shares[0])
        return {parameter.name: float(torch.sigmoid(v)) for parameter, v in zip(self.parameters, logs[1:], strict=True)}

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        import numpy as np

        shares = torch.exp(self.log_probabilities(*map(torch.from_numpy, natural))).numpy()
        bounds = np.cumsum(shares, axis=1)
        return (random.random((len(bounds), 1)) > bounds[:, :-1]).sum(axis=1).astype(float)


class SymmetricMultinomial(Multinomial):
    """log f = eta_y - log sum_j exp(eta_j), j over all categories: no base, so that a penalty treats them alike."""

    def __init__(self, levels: Sequence[str]) -> None:
        super().__init__(levels)
        self.parameters = tuple(Parameter(level, "predictor", ("logit",)) for level in levels)

    def exp_measure(self, link: str) -> str | None:
        return None

    def log_density(self, y: Tensor, *etas: Tensor) -> Tensor:  # type: ignore[override]
        scores = torch.stack(etas, dim=1)
        return scores.gather(1, y.long()[:, None])[:, 0] - torch.logsumexp(scores, dim=1)

    @property
    def n_categories(self) -> int:
        return len(self.parameters)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        logs = torch.log(_shares(y, weight, self.n_categories))
        logs = logs - logs.mean()
        return {parameter.name: float(torch.sigmoid(v)) for parameter, v in zip(self.parameters, logs, strict=True)}


class Ordinal(Family):
    """Pr(y <= j) = F(cut_j - eta), F the inverse of the link; log f = log(F(cut_y - eta) - F(cut_{y-1} - eta)).

    With a = logit F(upper) and b = logit F(lower) the difference is (1 - exp(b - a)) F(upper) (1 - F(lower)), so no
    digits cancel in either tail; McCullagh (1980), Journal of the Royal Statistical Society B 42, 109-142.
    """

    name = "ordinal"
    aliases = ("ologit", "cumulative", "clm", "polr", "proportional-odds")
    summary = "one of several ordered categories: cumulative logit, probit or cloglog"
    example = (
        'glmfit fit sample_data/housing.csv "Sat ~ Infl + Type + Cont" --levels Low,Medium,High --freq-weights Freq '
        "--family ordinal"
    )
    support = Support(0, 0, integer=True, text="ordered categories")
    parameters: tuple[Parameter, ...] = (Parameter("location", "predictor", CUMULATIVE_LINKS),)
    categories = True
    location = True
    link: Link = LINKS["logit"]

    def __init__(self, levels: Sequence[str] = (), link: Link | None = None) -> None:
        if link is not None:
            cuts = (Parameter(f"cut{j}", "identity", ("identity",)) for j in range(1, len(levels)))
            self.parameters = (*Ordinal.parameters, *cuts)
            self.link = link

    def of_categories(self, levels: Sequence[str], link: Link) -> Family:
        return Ordinal(levels, link)

    def exp_measure(self, link: str) -> str | None:
        return {"logit": "odds ratio"}.get(link)

    def log_density(self, y: Tensor, location: Tensor, *cuts: Tensor) -> Tensor:  # type: ignore[override]
        bounds = torch.stack(cuts, dim=1) - location[:, None]
        at, last = y.long(), len(cuts)
        upper = bounds.gather(1, at.clamp(max=last - 1)[:, None])[:, 0]
        lower = bounds.gather(1, (at - 1).clamp(min=0)[:, None])[:, 0]
        first, middle = at == 0, (at > 0) & (at < last)
        # Each branch gets arguments that are safe for it: unit distance where there is no lower or no upper bound.
        a = self.link.to("logit", upper)
        b = self.link.to("logit", lower)
        between = log1mexp(torch.where(middle, b - a, -1.0))
        below = torch.where(at < last, -softplus(-a), 0.0)
        above = torch.where(first, 0.0, -softplus(b))
        return below + above + torch.where(middle, between, 0.0)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face]:
        """The bounds of the category observed do not come nearer to the location: the upper rises, the lower falls."""
        cuts = torch.nn.functional.one_hot(y.long(), len(self.parameters)).double()
        never = torch.zeros_like(y, dtype=torch.bool)
        upper, lower = cuts[:, :-1], cuts[:, 1:]
        yield Face(torch.cat([-upper.sum(dim=1, keepdim=True), upper], dim=1), never)
        yield Face(torch.cat([lower.sum(dim=1, keepdim=True), -lower], dim=1), never)

    @property
    def n_categories(self) -> int:
        return len(self.parameters)

    def start(self, y: Tensor, weight: Tensor, **columns: Tensor) -> dict[str, float]:
        shares = _shares(y, weight, self.n_categories)
        cumulative = torch.cumsum(shares, dim=0)[:-1] / shares.sum()
        cuts = self.link.link(cumulative).tolist()
        return {parameter.name: cut for parameter, cut in zip(self.parameters[1:], cuts, strict=True)}

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        import numpy as np

        location, *cuts = map(torch.from_numpy, natural)
        below = np.stack([self.link.inverse(cut - location).numpy() for cut in cuts], axis=1)
        return (random.random((len(below), 1)) > below).sum(axis=1).astype(float)


class ConditionalLogit(Family):
    """Rows of a group compete: log f = sum of eta over the chosen - log e_d(exp(eta)), d the number of chosen.

    e_d is the elementary symmetric polynomial, the coefficient of z^d in prod(1 + exp(eta) z), in logarithms.
    y is (n, K): 1 for the chosen of a group of up to K rows, 0 for the others, -1 where the group is smaller. Gail,
    Lubin & Rubinstein (1981), Biometrika 68, 703-707.
    """

    name = "conditional-logit"
    aliases = ("clogit", "conditional", "fixed-effects-logit", "mcfadden")
    summary = "0/1 compared within groups (matched sets, choices): --group COLUMN"
    example = (
        'glmfit fit sample_data/infert.csv "case ~ spontaneous + induced" --family conditional-logit --group stratum'
    )
    support = Support(0, 1, integer=True, text="0/1, or two levels")
    parameters: tuple[Parameter, ...] = (Parameter("mu", "predictor", ("logit",)),)
    location = True
    grouped = True

    def __init__(self, size: int = 1) -> None:
        self.parameters = ConditionalLogit.parameters * size

    def of_groups(self, size: int) -> Family:
        return ConditionalLogit(size)

    def recession(self, y: Tensor, links: Mapping[str, Link], **columns: Tensor) -> Iterator[Face] | None:
        """The predictor of a chosen row rises at least as much as that of any row of its group that was not."""
        chosen, other = (y == 1).double(), (y == 0).double()
        pairs = torch.nonzero(chosen.T @ other).tolist()
        if len(pairs) > MOST_PAIRS:
            return None
        never = torch.zeros(len(y), dtype=torch.bool)

        def face(first: int, second: int) -> Face:
            both = chosen[:, first] * other[:, second]
            weights = torch.zeros_like(chosen)
            weights[:, first], weights[:, second] = both, -both
            return Face(weights, never)

        return (face(first, second) for first, second in pairs)

    def exp_measure(self, link: str) -> str | None:
        return "odds ratio"

    def simulate(self, random: np.random.Generator, *natural: np.ndarray, **columns: np.ndarray) -> np.ndarray:
        """(n, K) as many rows of each group as were chosen there; the column `given` is the response (n, K) observed.

        From the first row to the last: it is chosen in proportion to exp(eta) e_{d-1}(the rows after it), against
        e_d(those) if it is not, d being how many are still to be chosen.
        """
        import numpy as np

        given, eta = columns["given"], np.stack(natural, axis=1)
        competing = np.where(given >= 0, eta, -np.inf)
        left = (given == 1).sum(axis=1)
        sums = [np.where(np.arange(left.max() + 1) == 0, 0.0, -np.inf) + np.zeros((len(eta), 1))]  # log e_0, e_1, ...
        for row in competing.T[:0:-1]:
            with_it = sums[-1].copy()
            with_it[:, 1:] = np.logaddexp(sums[-1][:, 1:], row[:, None] + sums[-1][:, :-1])
            sums.append(with_it)
        drawn = given.copy()
        rows = np.arange(len(eta))
        for k, after in enumerate(reversed(sums)):
            chosen = np.where(left > 0, competing[:, k] + after[rows, np.maximum(left - 1, 0)], -np.inf)
            total = np.logaddexp(chosen, after[rows, left])
            take = random.random(len(eta)) < np.exp(chosen - np.where(total > -np.inf, total, 0.0))
            drawn[:, k] = np.where(given[:, k] >= 0, take, -1.0)
            left = left - take
        return drawn

    def log_density(self, y: Tensor, *etas: Tensor) -> Tensor:  # type: ignore[override]
        eta = torch.stack(etas, dim=1)
        chosen = (y == 1).sum(dim=1)
        competing = torch.where(y >= 0, eta, IMPOSSIBLE)
        top = torch.where(y == 1, eta, 0.0).sum(dim=1)
        most = int(chosen.max())
        if most == 1:
            return top - torch.logsumexp(competing, dim=1)
        # The polynomial in z of one row is 1 + exp(eta) z, that of two sets of rows the product of theirs.
        logs = torch.stack([torch.zeros_like(competing), competing], dim=2)
        while logs.shape[1] > 1:
            if logs.shape[1] % 2:
                one = torch.full_like(logs[:, :1], IMPOSSIBLE)
                one[:, :, 0] = 0.0
                logs = torch.cat([logs, one], dim=1)
            logs = _product(logs[:, ::2], logs[:, 1::2], most)
        return top - logs[:, 0].gather(1, chosen[:, None])[:, 0]


def _product(a: Tensor, b: Tensor, most: int) -> Tensor:
    """Logs of the coefficients of z^0 .. z^most of the product of polynomials, from those of both (..., size)."""
    size = a.shape[-1]
    other = torch.arange(min(2 * size - 1, most + 1))[:, None] - torch.arange(size)
    inside = (other >= 0) & (other < size)
    terms = a[..., None, :] + b[..., other.clamp(0, size - 1)]
    return torch.logsumexp(torch.where(inside, terms, IMPOSSIBLE), dim=-1)


def _shares(y: Tensor, weight: Tensor, categories: int) -> Tensor:
    """(categories,) the sum of weights in each."""
    return torch.zeros(categories, dtype=weight.dtype).index_add_(0, y.long(), weight)
