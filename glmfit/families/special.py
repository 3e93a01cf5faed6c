"""Functions that torch lacks, or has in a form whose derivatives overflow, each stable through two derivatives.

Both branches of a `where` are differentiated, so each gets an argument that is safe for it ("double where").
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from glmfit.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

TABLE = 2  # times as many rows as a table has entries
_SHORTEST_RUN = 16  # rows of the same parameter, on average, for which a table is made
_LARGE_SHAPE = 16.0  # from here on seven terms of the series leave an error below 1e-17


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), with every digit of its derivatives in both tails.

    torch's own turns linear at 20 and takes the second derivative from 1 - sigmoid, which is 0 above 37.
    """
    return softpluses(x)[0]


def softpluses(x: Tensor) -> tuple[Tensor, Tensor]:
    """softplus(x) and softplus(-x): minus the logs of 1 - p and of p, where x = logit p."""
    written = _written()
    if x.requires_grad and torch.is_grad_enabled():
        return written.Softplus.apply(x)[:2]
    return written.softplus_values(x)


def _written() -> Any:
    """The module of functions with written derivatives, which defines classes of torch."""
    from glmfit.families import written

    return written


def logaddexp(a: Tensor, b: Tensor) -> Tensor:
    """log(exp(a) + exp(b)), however far apart: torch's own has NaN for second derivatives beyond 709."""
    first = a >= b
    high, low = torch.where(first, a, b), torch.where(first, b, a)
    return high + softplus(low - high)


def log_ndtr(x: Tensor) -> Tensor:
    """log Phi(x), the log of the standard normal distribution function.

    torch's log_ndtr differentiates through erfcx(-x / sqrt 2), which overflows for x > 37.
    """
    return _written().LogNormal.apply(x)[0]


def log_gamma(x: Tensor) -> Tensor:
    """log Gamma(x) of x > 0; torch evaluates its derivatives anew in each pass."""
    if x.requires_grad and torch.is_grad_enabled():
        return _written().LogGamma.apply(x)[0]
    return torch.lgamma(x)


def log_factorial(y: Tensor) -> Tensor:
    """log y!, from a table where y (n,) are whole numbers, none of them large."""
    whole = _counts(y)
    if whole is None:
        return torch.lgamma(y + 1)
    return torch.lgamma(torch.arange(1.0, int(whole.max()) + 2, dtype=y.dtype)).index_select(0, whole)


def log_choose(m: Tensor, y: Tensor) -> Tensor:
    """log of the number of ways to choose y of m."""
    if m.numel() and bool(m.max() <= 1):
        return torch.zeros_like(y)
    return log_factorial(m) - log_factorial(y) - log_factorial(m - y)


def _counts(y: Tensor) -> Tensor | None:
    """y (n,) as int64, where these are more whole numbers from 0 up than there are different ones; else None."""
    if y.requires_grad or y.ndim != 1 or not len(y) or not bool(y.max() < len(y)):
        return None
    whole = y.to(torch.int64)
    return whole if bool(y.min() >= 0) and torch.equal(whole.to(y.dtype), y) else None


def logit_ndtr(x: Tensor) -> Tensor:
    """log Phi(x) - log Phi(-x)."""
    return _written().LogitNormal.apply(x)[0]


def logit_cauchy(x: Tensor) -> Tensor:
    """log p - log(1 - p) with p = 1/2 + atan(x) / pi."""
    return _written().LogitCauchy.apply(x)[0]


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) for x < 0; NaN for x > 0."""
    if x.requires_grad and torch.is_grad_enabled():
        return _written().LogComplement.apply(x)[0]
    return _written().log_complement(x)


def log_rising(y: Tensor, log_alpha: Tensor) -> Tensor:
    """log of prod_{j<y} (1 + j alpha) = lgamma(y + r) - lgamma(r) - y log r with r = 1/alpha, for real y >= 0.

    Was: torch.lgamma(y + r) - torch.lgamma(r) - y * r.log(), which loses all digits as alpha tends to 0. For large r
    Stirling's formula gives (r + y - 1/2) log1p(y alpha) - y + S(r + y) - S(r), whose error is of the order of y eps.
    """
    found = _runs(y, log_alpha)
    if found is not None:
        whole, *runs, longest = found
        table = _written().Rising.apply(whole.clamp(max=longest), log_alpha, *runs, 0)[0]
        beyond = torch.nonzero(whole > longest)[:, 0]
        return table.index_put((beyond,), _rising(y[beyond], log_alpha[beyond])) if len(beyond) else table
    # The product has no factor but 1 at y = 0 as at y = 1: a rounding error is not small beside a probability of 0.
    return torch.where((y == 0) | (y == 1), 0.0, _rising(y, log_alpha))


def _runs(y: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor, int] | None:
    """Counts y (n,), which run (n,) of equal x each row is in and where (R,) these begin, and up to which count a table
    with a row a run is worth it: always where x is the same in all rows. None where y are no counts, or x no runs."""
    whole = _counts(y)
    if whole is None or x.shape != y.shape:
        return None
    begins = torch.ones(len(x), dtype=torch.bool)
    begins[1:] = x[1:] != x[:-1]
    first = torch.nonzero(begins)[:, 0]
    if len(first) > len(y) / _SHORTEST_RUN and len(first) > 1:
        return None
    longest = len(y) if len(first) == 1 else len(y) // (TABLE * len(first))
    return whole, torch.cumsum(begins, 0) - 1, first, min(int(whole.max()), longest)


def _rising(y: Tensor, log_alpha: Tensor) -> Tensor:
    threshold = -math.log(_LARGE_SHAPE)
    large = log_alpha < threshold
    if not bool(large.any()):  # as mostly, and each branch costs as much as all else in a density
        return _rising_direct(y, log_alpha)
    if bool(large.all()):
        return _rising_series(y, log_alpha)
    y, log_alpha, large = torch.broadcast_tensors(y, log_alpha, large)
    direct = _rising_direct(y, torch.where(large, threshold, log_alpha))
    return direct.index_put((large,), _rising_series(y[large], log_alpha[large]))


def _rising_direct(y: Tensor, log_alpha: Tensor) -> Tensor:
    # Was: torch.lgamma(y + r) - torch.lgamma(r) + y * log_alpha, whose last two terms are infinite for a small r.
    y = torch.where(y == 0, 1.0, y)
    r = torch.exp(-log_alpha)
    return log_gamma(y + r) - log_gamma(1 + r) + (y - 1) * log_alpha


def _rising_series(y: Tensor, log_alpha: Tensor) -> Tensor:
    alpha, stirling = torch.exp(log_alpha), _written().stirling
    r = 1.0 / alpha
    return (r + y - 0.5) * torch.log1p(y * alpha) - y + stirling(1 / (r + y)) - stirling(alpha)


def log_gamma_normaliser(log_phi: Tensor) -> Tensor:
    """k log k - k - lgamma(k) with k = 1/phi: what a gamma density of mean 1 has at y = 1; log k for a small k."""
    # Was: k * k.log() - k - torch.lgamma(k), whose terms cancel for a large shape.
    return _written().GammaNormaliser.apply(log_phi)[0]


# Asymptotic series of sqrt(pi) x erfcx(x) in 1/(2 x^2): (-1)^k (2k - 1)!!; Abramowitz & Stegun 7.1.23.
_ERFCX = tuple((-1.0) ** k * math.prod(range(1, 2 * k, 2)) for k in range(13))
_LARGE_ERFCX = 12.0  # from here on thirteen terms leave an error below 1e-17


def log_erfcx(x: Tensor) -> Tensor:
    """log of erfcx(x) = exp(x^2) erfc(x), for x >= 0.

    torch differentiates erfcx as 2 x erfcx(x) - 2 / sqrt(pi), a difference that loses x^2 digits, and again x^2 in the
    second derivative; for large x the asymptotic series has them all.
    """
    large = x > _LARGE_ERFCX
    far = torch.where(large, x, _LARGE_ERFCX)
    inverse = 0.5 / far**2
    total = torch.zeros_like(x)
    for coefficient in reversed(_ERFCX[1:]):
        total = (total + coefficient) * inverse
    series = torch.log1p(total) - torch.log(far) - 0.5 * math.log(math.pi)
    return torch.where(large, series, torch.log(torch.special.erfcx(torch.where(large, 0.0, x))))


def log_one_minus_exp_minus_exp(x: Tensor) -> Tensor:
    """log(1 - exp(-exp(x))): the log of the probability of an event whose cumulative hazard is exp(x)."""
    # Was: log1mexp(-torch.exp(x)), which is -inf below -745.
    return _written().LogEvent.apply(x)[0]


def logit_one_minus_exp_minus_exp(x: Tensor) -> Tensor:
    """The logit of the same probability."""
    return _written().LogEvent.apply(x)[1]


def relative_entropy(u: Tensor) -> Tensor:
    """r log r - r + 1 >= 0 at r = exp(u): what a Poisson mean r loses against a response of 1, near u^2/2 at 0.

    Was: u * torch.exp(u) - torch.expm1(u), whose digits cancel near 0, where it is sum_{k>1} (k - 1) u^k / k!.
    """
    near = u.abs() < 0.03
    inside = torch.where(near, u, 0.0)
    total = inside * (8 / math.factorial(9)) + 7 / math.factorial(8)
    for k in range(7, 1, -1):
        total = total * inside + (k - 1) / math.factorial(k)
    outside = torch.where(near, 0.03, u)
    return torch.where(near, total * inside * inside, outside * torch.exp(outside) - torch.expm1(outside))


def relative_loss(log_mu: Tensor, log_y: Tensor) -> Tensor:
    """mu log(mu / y) - mu + y >= 0: y relative_entropy(log(mu / y))."""
    return _written().Loss.apply(*torch.broadcast_tensors(log_mu, log_y))[0]


def _debye(terms: int) -> tuple[tuple[float, ...], ...]:
    """The polynomials v_k of Debye's expansion, u_k(p) = p^k v_k(p^2); Abramowitz & Stegun 9.3.9 and 9.3.10."""
    rows = [[Fraction(1)]]
    for k in range(terms - 1):
        # u_{k+1}(p) = p^2 (1 - p^2) u_k' / 2 + integral_0^p (1 - 5 t^2) u_k dt / 8
        following = [Fraction(0)] * (k + 2)
        for j, coefficient in enumerate(rows[-1]):
            power = k + 2 * j
            following[j] += coefficient * (Fraction(power, 2) + Fraction(1, 8 * (power + 1)))
            following[j + 1] -= coefficient * (Fraction(power, 2) + Fraction(5, 8 * (power + 3)))
        rows.append(following)
    return tuple(tuple(map(float, row)) for row in rows)


_LARGE_RADIUS = 40.0  # of (nu, z); from here on these terms leave an error below 1e-16
_DEBYE = _debye(16)
_BLOCK_ROWS = 1024  # at a time, so that tensors of (rows, terms) stay in the processor's cache
_TRAPEZOID = (-60.0, 60.0, 0.1)  # the integral of K at an order that is no half-integer, for a smaller radius


def log_bessel_polynomial(n: Tensor, log_x: Tensor) -> Tensor:
    """log B_n(x), B_n(x) = sum_{k<=n} (n + k)! / (k! (n - k)!) (x/2)^k = sqrt(2 z / pi) exp(z) K_{n+1/2}(z) at z = 1/x.

    It is 0 for n = 0 and n = -1. For large n or z Debye's uniform expansion of K is exact; between whole numbers n the
    integral of K(z) = int exp(-z cosh t + nu t) dt / 2 takes the place of the sum.
    """
    nu = n + 0.5
    with torch.no_grad():
        large = torch.hypot(nu, torch.exp(-log_x)) >= _LARGE_RADIUS
        some = (n != 0) & (n != -1)
        whole = n == n.round()
        parts = ((_bessel_debye, large), (_bessel_sum, ~large & whole), (_bessel_integral, ~large & ~whole))
    found = torch.zeros_like(n + log_x)
    for evaluate, where in parts:
        rows = torch.nonzero(some & where)[:, 0]
        for block in rows[torch.argsort(n[rows])].split(_BLOCK_ROWS):  # neighbours need about as many terms
            if len(block):
                found = found.index_put((block,), evaluate(nu[block], log_x[block]))
    return found


def _bessel_sum(nu: Tensor, log_x: Tensor) -> Tensor:
    n = nu[:, None] - 0.5
    k = torch.arange(float(n.max()) + 1, dtype=nu.dtype)
    inside = k <= n
    left = torch.where(inside, n - k, 0.0)
    coefficients = torch.lgamma(n + k + 1) - torch.lgamma(k + 1) - torch.lgamma(left + 1)
    terms = coefficients + k * (log_x[:, None] - math.log(2))
    return torch.logsumexp(torch.where(inside, terms, -math.inf), dim=1)


def _bessel_debye(nu: Tensor, log_x: Tensor) -> Tensor:
    z = torch.exp(-log_x)
    ratio = nu * torch.exp(log_x)
    r = torch.hypot(nu, z)
    square = (nu / r) ** 2
    total = torch.zeros_like(r)
    for coefficients in reversed(_DEBYE[1:]):
        inner = torch.zeros_like(r)
        for coefficient in reversed(coefficients):
            inner = inner * square + coefficient
        total = -(inner + total) / r
    return -0.25 * torch.log1p(ratio**2) - nu**2 / (r + z) + nu * torch.asinh(ratio) + torch.log1p(total)


def _bessel_integral(nu: Tensor, log_x: Tensor) -> Tensor:
    low, high, step = _TRAPEZOID
    t = torch.arange(low, high, step, dtype=nu.dtype)
    z = torch.exp(-log_x)[:, None]
    log_k = torch.logsumexp(nu[:, None] * t - z * torch.cosh(t), dim=1) + math.log(0.5 * step)
    return log_k + torch.exp(-log_x) - 0.5 * (log_x + math.log(0.5 * math.pi))


def expm1_ratio(x: Tensor) -> Tensor:
    """(exp(x) - 1) / x, which is 1 + x/2 + x^2/6 + ... near 0."""
    near = x.abs() < 0.03
    inside = torch.where(near, x, 0.0)
    total = inside / math.factorial(9) + 1 / math.factorial(8)
    for k in range(7, 0, -1):
        total = total * inside + 1 / math.factorial(k)
    outside = torch.where(near, 0.03, x)
    return torch.where(near, total, torch.expm1(outside) / outside)
