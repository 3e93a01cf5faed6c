"""Functions whose derivatives are written out, so that value and derivatives are made of one evaluation.

Each has outputs that are closed under differentiation: softplus' = s, s' = s c, c' = -s c with c = 1 - s. Autograd
keeps them, and a derivative of any order is made of products of what is there. Outputs are exact to a few units of the
last digit in both tails, and so are the derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)
_BELOW = -5.0  # log Phi is looked at row by row below: erfc has fewer digits there
_FAR = -17.0  # Mills' series is exact from here on
_MILLS = tuple((-1.0) ** k * math.prod(range(1, 2 * k, 2)) for k in range(14))  # Abramowitz & Stegun 26.2.12
_SMALL = 0.3  # cumulative hazards of which the series is exact
_NEAR = 0.05  # from here down nine terms of a series leave an error below 1e-17
_CERTAIN = 350.0  # the square of exp(x) is still a double
_LARGE_SHAPE = 16.0  # from here on seven terms of the series leave an error below 1e-17
# Coefficients B_2k / (2k (2k - 1)) of Stirling's series; Abramowitz & Stegun 6.1.41.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
# Minus Bernoulli numbers B_2k / (2k)!, of t / (exp t - 1) = 1 - t/2 + sum_k B_2k t^2k / (2k)!
_BERNOULLI = (-1 / 12, 1 / 720, -1 / 30240, 1 / 1209600, -1 / 47900160, 691 / 1307674368000)


def _sum(*products: tuple[Tensor | None, Tensor]) -> Tensor | None:
    """The sum of what comes down to outputs times their derivatives; nothing comes down to those nobody used."""
    found = [gradient * slope for gradient, slope in products if gradient is not None]
    return sum(found[1:], found[0]) if found else None


class Softplus(Function):
    """x -> log(1 + exp(x)), log(1 + exp(-x)), and their slopes but for the sign: s = 1 / (1 + exp(-x)) and 1 - s."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        up, down = softplus_values(x)
        s, c = torch.sigmoid(x), torch.sigmoid(-x)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(s, c)
        return up, down, s, c

    @staticmethod
    def backward(ctx: Any, *down: Tensor | None) -> Tensor | None:
        s, c = ctx.saved_tensors
        of_s, of_c = down[2:]
        both = of_s if of_c is None else -of_c if of_s is None else of_s - of_c
        return _sum((down[0], s), (down[1], -c), (both, s * c)) if any(one is not None for one in down) else None


def softplus_values(x: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + exp(x)) and log(1 + exp(-x))."""
    common = torch.log1p(torch.exp(-x.abs()))
    return common + x.clamp(min=0), common - x.clamp(max=0)


def _normal(x: Tensor) -> tuple[Tensor, ...]:
    """Phi(x), its logarithm where it is small, r = phi(x) / Phi(x), d = x + r and u = 1 - r d."""
    below = 0.5 * torch.special.erfc(x * -_ROOT_HALF)
    r = torch.exp(-0.5 * (x * x)) / (_ROOT_TWO_PI * below)
    d = x + r
    outputs = below, torch.log(below), r, d, 1 - r * d
    low = x < _BELOW
    if bool(low.any()):
        for output, exact in zip(outputs[1:], _lower(x[low]), strict=True):
            output[low] = exact
    return outputs


class LogNormal(Function):
    """x -> log Phi(x), its slope r = phi(x) / Phi(x), d = x + r, u = 1 - r d: r' = -r d, d' = u, u' = r (d^2 - u)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        _, value, *others = _normal(x)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*others)
        return torch.where(x < 0, value, torch.log1p(-0.5 * torch.special.erfc(x * _ROOT_HALF))), *others

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, *others: Tensor | None) -> Tensor | None:
        r, d, u = ctx.saved_tensors
        of_r, of_d, of_u = others
        return _sum((value, r), (of_r, -r * d), (of_d, u), (of_u, r * (d * d - u)))


class LogitNormal(Function):
    """x -> z = log Phi(x) - log Phi(-x), its slope r + q, and r, d, u of x and q, e, v of -x, as in `LogNormal`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        _, below, *left = _normal(x)
        _, above, *right = _normal(-x)
        slope = left[0] + right[0]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(slope, *left, *right)
        return below - above, slope, *left, *right

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, of_slope: Tensor | None, *others: Tensor | None) -> Tensor | None:
        slope, r, d, u, q, e, v = ctx.saved_tensors
        of_r, of_d, of_u, of_q, of_e, of_v = others
        both: list[tuple[Tensor | None, Tensor]] = [] if of_slope is None else [(of_slope, q * e - r * d)]
        if any(one is not None for one in others):
            both += [(of_r, -r * d), (of_d, u), (of_u, r * (d * d - u))]
            both += [(of_q, q * e), (of_e, -v), (of_v, -q * (e * e - v))]
        return _sum((value, slope), *both)


class LogitCauchy(Function):
    """x -> z = log a - log b, with a and b pi times the Cauchy tails below and above x, its slope r + q, r = w / a,
    q = w / b, v = 2 x w and w = 1 / (1 + x^2): r' = -r (v + r), q' = q (q - v), v' = 2 w - v^2, w' = -v w."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        one = torch.ones_like(x)
        below, above = torch.atan2(one, -x), torch.atan2(one, x)  # accurate in both tails
        w = 1 / (1 + x * x)
        r, q, v = w / below, w / above, 2 * (x * w)
        slope = r + q
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(slope, r, q, v, w)
        return torch.log(below) - torch.log(above), slope, r, q, v, w

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, of_slope: Tensor | None, *others: Tensor | None) -> Tensor | None:
        slope, r, q, v, w = ctx.saved_tensors
        both: list[tuple[Tensor | None, Tensor]] = [] if of_slope is None else [(of_slope, q * (q - v) - r * (v + r))]
        if any(one is not None for one in others):
            of_r, of_q, of_v, of_w = others
            both += [(of_r, -r * (v + r)), (of_q, q * (q - v)), (of_v, 2 * w - v * v), (of_w, -v * w)]
        return _sum((value, slope), *both)


def _lower(x: Tensor) -> tuple[Tensor, ...]:
    """The same in the lower tail: by erfcx, and further out by the series S = Phi |x| / phi = 1 - 1/x^2 + ..."""
    scaled = torch.special.erfcx(-x * _ROOT_HALF)
    value = torch.log(0.5 * scaled) - 0.5 * (x * x)
    r = 2 / (_ROOT_TWO_PI * scaled)
    d = x + r
    u = 1 - r * d
    inverse = 1 / (x * x)
    above = torch.zeros_like(x)  # 1 + x^2 (S - 1), without the 1 - 1 that its terms begin with
    for coefficient in reversed(_MILLS[2:]):
        above = (above + coefficient) * inverse
    less = (above - 1) * inverse  # S - 1
    S = 1 + less
    far = x < _FAR
    return (
        torch.where(far, torch.log1p(less) - torch.log(-x) - math.log(_ROOT_TWO_PI) - 0.5 * (x * x), value),
        torch.where(far, -x / S, r),
        torch.where(far, x * less / S, d),
        torch.where(far, (above + less * (2 + less)) / (S * S), u),
    )


class LogEvent(Function):
    """x -> log(1 - exp(-t)) with t = exp(x), its slope r = t / (exp(t) - 1), d = 1 - t - r, and t; their logit and its
    slope, value + t and r + t. r' = r d, d' = -t - r d, t' = t."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        t = torch.exp(x.clamp(max=_CERTAIN))
        rest = torch.exp(-t)
        less = -torch.expm1(-t)
        value = torch.where(t > 0.7, torch.log1p(-rest), torch.log(less))
        r = t * rest / less
        small = t < _SMALL
        part = t.clamp(max=_SMALL)
        square = part * part
        series = torch.zeros_like(t)
        for coefficient in reversed(_BERNOULLI):
            series.add_(coefficient).mul_(square)
        d = torch.where(small, series - 0.5 * part, 1 - t - r)
        tiny = x < -36.0  # exp(-t) is 1, and exp(x) may be 0
        if bool(tiny.any()):
            value, r = torch.where(tiny, x - 0.5 * t, value), torch.where(tiny, 1 - 0.5 * t, r)
        slope = r + t
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(r, d, t, slope)
        return value, value + t, slope, r, d, t

    @staticmethod
    def backward(ctx: Any, *down: Tensor | None) -> Tensor | None:
        r, d, t, slope = ctx.saved_tensors
        value, logit, of_slope, of_r, of_d, of_t = down
        more = [] if of_slope is None else [(of_slope, r * d + t)]
        more += [] if of_r is None else [(of_r, r * d)]
        more += [] if of_d is None else [(of_d, -t - r * d)]
        return _sum((value, r), (logit, slope), (of_t, t), *more)


class LogComplement(Function):
    """x -> log(1 - exp(x)) for x < 0, and w = 1 / (exp(-x) - 1), minus its slope: w' = w (1 + w)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        w = 1 / torch.expm1(-x)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(w)
        return log_complement(x), w

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, of_w: Tensor | None) -> Tensor | None:
        (w,) = ctx.saved_tensors
        return _sum((value, -w)) if of_w is None else _sum((value, -w), (of_w, w * (1 + w)))


def log_complement(x: Tensor) -> Tensor:
    """log(1 - exp(x)). Maechler (2012), Accurately computing log(1 - exp(-|a|))."""
    return torch.where(x > -math.log(2), torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))


def _once(x: Tensor, evaluate: Callable[[Tensor], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """What functions of x are, evaluated once where all x (n,) are the same."""
    alike = x.ndim == 1 and len(x) > 1 and bool((x == x[0]).all())
    return tuple(one.expand(x.shape) for one in evaluate(x[:1] if alike else x))


class LogGamma(Function):
    """x -> log Gamma(x) and its first two derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        outputs = _once(x, lambda x: (torch.lgamma(x), torch.digamma(x), trigamma(x)))
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, *outputs[1:])
        return outputs

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, *others: Tensor | None) -> Tensor | None:
        x, first, second = ctx.saved_tensors
        of_first, of_second = others
        more = [] if of_second is None else [(of_second, torch.polygamma(2, x))]
        return _sum((value, first), (of_first, second), *more)


class GammaNormaliser(Function):
    """x -> G(k) = k log k - k - log Gamma(k) with k = exp(-x), its slope -D, D = k (log k - psi(k)), and E = D + D'.

    E = k^2 psi'(k) - k. The terms of these cancel for a large k, where they are Stirling's series in 1/k.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, ...]:
        outputs = _once(x, _normaliser)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, *outputs[1:])
        return outputs

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, *others: Tensor | None) -> Tensor | None:
        x, slope, second = ctx.saved_tensors
        of_slope, of_second = others
        more = [] if of_slope is None else [(of_slope, -second - slope)]
        more += [] if of_second is None else [(of_second, _normaliser_third(x))]
        return _sum((value, slope), *more)


def _normaliser(x: Tensor) -> tuple[Tensor, ...]:
    large = x < -math.log(_LARGE_SHAPE)
    if bool(large.all()):
        return _normaliser_series(x)
    if not bool(large.any()):
        return _normaliser_direct(x)
    found = tuple(torch.where(large, one, 0.0) for one in _normaliser_series(x.clamp(max=-math.log(_LARGE_SHAPE))))
    for one, exact in zip(found, _normaliser_direct(x[~large]), strict=True):
        one[~large] = exact
    return found


def _normaliser_direct(x: Tensor) -> tuple[Tensor, ...]:
    k = torch.exp(-x)
    first, second = torch.digamma(1 + k), trigamma(1 + k)  # of 1 + k, which is not lost beside 1/k
    return -x - k * (x + 1) - torch.lgamma(1 + k), k * (x + first) - 1, 1 + k * (k * second - 1)


def _normaliser_series(x: Tensor) -> tuple[Tensor, ...]:
    inverse = torch.exp(x)
    value = -0.5 * (x + math.log(2 * math.pi)) - stirling(inverse)
    return value, -0.5 - stirling(inverse, lambda power: power), 0.5 + stirling(inverse, lambda p: p * (p + 1))


def _normaliser_third(x: Tensor) -> Tensor:
    large = x < -math.log(_LARGE_SHAPE)
    k = torch.exp(-torch.where(large, 0.0, x))
    direct = k * (1 - 2 * k * trigamma(1 + k) - k * k * torch.polygamma(2, 1 + k))
    inverse = torch.exp(torch.where(large, x, -math.log(_LARGE_SHAPE)))
    return torch.where(large, stirling(inverse, lambda power: power * power * (power + 1)), direct)


def stirling(inverse: Tensor, factor: Callable[[int], float] = lambda power: 1) -> Tensor:
    """sum_j c_j factor(2j - 1) / z^(2j-1), from 1/z for z >= 16: for factors of 1 Stirling's remainder."""
    square = inverse * inverse
    total = torch.zeros_like(inverse)
    for j in range(len(_STIRLING), 0, -1):
        total = total * square + _STIRLING[j - 1] * factor(2 * j - 1)
    return total * inverse


def trigamma(x: Tensor) -> Tensor:
    """psi'(x) of x > 0, as sum_j<10 1/(x + j)^2 and, of z = x + 10, 1/z + 1/(2 z^2) + sum_j B_2j / z^(2j+1).

    Was: torch.polygamma(1, x), whose series is cut at z^-7 of a z that may be 6: wrong by up to 1e-9.
    """
    total, z = torch.zeros_like(x), x
    for _ in range(10):
        total = total + (z * z).reciprocal()
        z = z + 1
    inverse = z.reciprocal()
    return total + inverse * (1 + inverse * (0.5 + stirling(inverse, lambda power: power * (power + 1))))


class Loss(Function):
    """x, v -> m (x - v) - m + exp(v) >= 0 with m = exp(x), and m: in x the slope of the first is m (x - v)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        m = torch.exp(x)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, v, m)
        return loss(x, v, m), m

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, of_m: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        x, v, m = ctx.saved_tensors
        in_v = value * (torch.exp(v) - m) if value is not None and ctx.needs_input_grad[1] else None
        return _sum((value, m * (x - v)), (of_m, m)), in_v


def loss(x: Tensor, v: Tensor, m: Tensor) -> Tensor:
    """m (x - v) - m + exp(v): exp(v) (r log r - r + 1) with r = exp(x - v), by a series where r is near to 1."""
    ratio = x - v
    near = ratio.abs() < _NEAR
    small = ratio.clamp(-_NEAR, _NEAR)
    total = torch.full_like(x, 9 / math.factorial(10))
    for k in range(9, 1, -1):
        total.mul_(small).add_((k - 1) / math.factorial(k))
    y = torch.exp(v)
    return torch.where(near, y * total.mul_(small).mul_(small), m * (ratio - 1) + y)


class Rising(Function):
    """y, x -> sum_{j<y} of derivatives of softplus(x + log j), of three orders from `order` up: those of log prod_{j<y}
    (1 + j alpha) in x = log alpha.

    y are whole numbers int64 (n,), and `run` (n,) says which of the distinct values of x (n,) a row has, the places of
    whose first rows are `first` (R,): what is summed is a table (R, max y).
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, run: Tensor, first: Tensor, order: int) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            steps = torch.arange(1.0, max(1.0, float(y.max())), dtype=x.dtype).log()
            at = (x.detach()[first][:, None] + steps).requires_grad_(order > 0)
            up, _, s, c = Softplus.apply(at)
            terms = [up, s, s * c]
            for _ in range(order):
                terms = [torch.autograd.grad(one.sum(), at, create_graph=True)[0] for one in terms]
        before = x.new_zeros((len(first), 2))  # of none for y = 0, of j = 0 for y = 1
        outputs = tuple(torch.cat([before, torch.cumsum(one.detach(), 1)], dim=1)[run, y] for one in terms)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(y, x, run, first, *outputs[1:])
        ctx.order = order
        return outputs

    @staticmethod
    def backward(ctx: Any, value: Tensor | None, *others: Tensor | None) -> tuple[Tensor | None, ...]:
        *given, slope, second = ctx.saved_tensors
        of_slope, of_second = others
        more = [] if of_second is None else [(of_second, Rising.apply(*given, ctx.order + 3)[0])]
        return None, _sum((value, slope), (of_slope, second), *more), None, None, None
