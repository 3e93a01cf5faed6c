"""A(t, nu) = log sum exp(t d - nu r), and t such that dA/dt = mu - c, c known, with derivatives of any order.

    dA_ij / dt = A_i+1,j    dA_ij / dnu = -A_i,j+1    dt / dlog mu = mu / A_20    dt / dnu = A_11 / A_20

A_ij are the joint cumulants of (d, r) among the terms of the sum. Autograd asks for those that it needs: no graph runs
through sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import comb
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

Order = tuple[int, int]


class Cumulants:
    """A_ij (n,) from central moments: `known` ones, and those of higher orders from `more`, once they are asked for."""

    def __init__(self, first: Mapping[Order, Tensor], known: Mapping[Order, Tensor], more: Callable[[], Any]) -> None:
        self.found = dict(first)  # A itself, and the means
        self.central = dict(known)
        self.more = more

    def __call__(self, i: int, j: int) -> Tensor:
        if (i, j) not in self.found:
            self.found[i, j] = self._from_moments(i, j)
        return self.found[i, j]

    def _moment(self, i: int, j: int) -> Tensor | float:
        if i + j < 2:
            return float(i + j == 0)
        if (i, j) not in self.central:
            self.central |= self.more()
        return self.central[i, j]

    def _from_moments(self, i: int, j: int) -> Tensor:
        """m_ij less the sum over smaller blocks that hold the first variable: of d where there is one, else of r."""
        total = self._moment(i, j)
        assert isinstance(total, Tensor)
        for a in range(i + 1):
            for b in range(j + 1):
                held = (a > 0 if i else b > 0) and 2 <= a + b < i + j and i + j - a - b > 1
                if held:
                    ways = comb(i - 1, a - 1) * comb(j, b) if i else comb(j - 1, b - 1)
                    total = total - ways * self(a, b) * self._moment(i - a, j - b)
        return total


class LogSum(Function):
    """A_ij at (t, nu)."""

    @staticmethod
    def forward(ctx: Any, t: Tensor, nu: Tensor, cumulants: Cumulants, i: int, j: int) -> Tensor:
        ctx.save_for_backward(t, nu)
        ctx.of = cumulants, i, j
        return cumulants(i, j).clone()

    @staticmethod
    def backward(ctx: Any, down: Tensor) -> tuple[Tensor | None, ...]:
        (t, nu), (cumulants, i, j) = ctx.saved_tensors, ctx.of
        along_t, along_nu = ctx.needs_input_grad[:2]
        of_t = down * LogSum.apply(t, nu, cumulants, i + 1, j) if along_t else None
        of_nu = -down * LogSum.apply(t, nu, cumulants, i, j + 1) if along_nu else None
        return of_t, of_nu, None, None, None


class Natural(Function):
    """t at (log mu, nu), where it is known to be `t`."""

    @staticmethod
    def forward(ctx: Any, log_mu: Tensor, nu: Tensor, t: Tensor, cumulants: Cumulants) -> Tensor:
        out = t + torch.where(torch.isnan(log_mu), log_mu, 0.0)
        ctx.save_for_backward(log_mu, nu, out)
        ctx.cumulants = cumulants
        return out

    @staticmethod
    def backward(ctx: Any, down: Tensor) -> tuple[Tensor | None, ...]:
        log_mu, nu, t = ctx.saved_tensors
        variance = LogSum.apply(t, nu, ctx.cumulants, 2, 0)
        of_nu = down * (LogSum.apply(t, nu, ctx.cumulants, 1, 1) / variance) if ctx.needs_input_grad[1] else None
        return down * (torch.exp(log_mu) / variance), of_nu, None, None  # a mean may be as small as doubles are
