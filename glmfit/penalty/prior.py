"""Gaussian priors of coefficients by their precision, as functions of working parameters omega on the whole line.

    Covariance: P = (L L')^-1, L lower triangular with diagonal exp(omega), the rest omega itself, row by row
    Strengths:  P = sum_j exp(omega_j) S_j, S_j positive semidefinite and known; log |P|_+ over the range of sum_j S_j

Derivatives in omega are written out: they are those of matrices of a few rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

FADED = 1e-3  # of a variance times what the rows say of its coefficients, below which it is on the way to 0,
NOTHING = 1e-11  # and where it is as good as 0: its share of the likelihood is then less than this;
NEARLY = 1e-8  # the same of one of several, where a precision as large would cost the others their digits
BESIDE = 1e-5  # the same of a strength beside a far smaller one of the same coefficients, which loses more;
SMALLEST = 1e-300
LONGEST = 4.0  # step in the logarithm of a strength, without an end or far from where the likelihood is concave
RANK_TOLERANCE = 1e-10  # of eigenvalues, relative to the largest


class Jet(NamedTuple):
    """P (d, d), its derivatives (k, d, d) and (k, k, d, d), and those of log |P|_+: (), (k,), (k, k)."""

    P: Tensor
    first: Tensor
    second: Tensor
    log_det: Tensor
    slope: Tensor
    curvature: Tensor
    root: Tensor | None = None  # M with P = M'M, where P itself would lose digits of M b

    def times(self, b: Tensor) -> Tensor:
        """P b for each row of b (m, d)."""
        return b @ self.P if self.root is None else (b @ self.root.T) @ self.root

    def square(self, b: Tensor) -> float:
        """The sum of b'Pb."""
        return float((b * self.times(b)).sum() if self.root is None else (b @ self.root.T).square().sum())


class Prior(Protocol):
    """Of a block of d coefficients, with k working parameters; `rank` is that of the precision."""

    @property
    def size(self) -> int:
        """k."""

    @property
    def rank(self) -> int: ...

    @property
    def longest(self) -> float:
        """How far omega may move in a step of a search."""

    def jet(self, omega: Tensor) -> Jet:
        """The precision P at omega (k,) and log |P|_+, the product of the eigenvalues that are not 0 whatever omega is,
        with two derivatives."""

    def ended(self, omega: Tensor, gradient: Tensor, information: Tensor) -> tuple[Tensor, Tensor] | None:
        """omega and (k,) bool of it at an end of its range, where the likelihood falls with all that is left of it.

        `information` (d,) is the most that rows say of each coefficient; None where no end is near.
        """

    def beyond(self, gradient: Tensor, held: Tensor) -> float:
        """What the likelihood gains between the end itself and where it is held."""

    def returned(self, omega: Tensor, held: Tensor, information: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Ways back from an end: (k,) bool of what is free again, and omega (k,) from where to go on."""


@dataclass(frozen=True, slots=True)
class Covariance:
    """Any covariance of d coefficients, by its Cholesky factor."""

    d: int

    @property
    def size(self) -> int:
        return self.d * (self.d + 1) // 2

    @property
    def rank(self) -> int:
        return self.d

    @property
    def longest(self) -> float:
        return math.inf

    @property
    def diagonal(self) -> Tensor:
        """(d,) the places of the logarithms among omega."""
        return torch.tensor([j * (j + 3) // 2 for j in range(self.d)])

    def factor(self, omega: Tensor) -> Tensor:
        """L (d, d)."""
        rows, columns = torch.tril_indices(self.d, self.d)
        values = torch.where(rows == columns, torch.exp(torch.where(rows == columns, omega, 0.0)), omega)
        out = omega.new_zeros(self.d * self.d).index_put((rows * self.d + columns,), values)
        return out.reshape(self.d, self.d)

    def omega(self, L: Tensor) -> Tensor:
        """The inverse of `factor`."""
        rows, columns = torch.tril_indices(self.d, self.d)
        values = L[rows, columns]
        return torch.where(rows == columns, torch.log(torch.where(rows == columns, values, 1.0)), values)

    def jet(self, omega: Tensor) -> Jet:
        """With M = L^-1 and D_a = dL / d omega_a: P = M'M, P_a = -(P D_a M) - (P D_a M)'."""
        k, diagonal = self.size, self.diagonal
        rows, columns = torch.tril_indices(self.d, self.d)
        L = self.factor(omega)
        M = torch.linalg.solve_triangular(L, torch.eye(self.d, dtype=torch.float64), upper=False)
        P = M.T @ M
        D = torch.zeros((k, self.d, self.d), dtype=torch.float64)
        D[torch.arange(k), rows, columns] = torch.where(rows == columns, L[rows, columns], 1.0)
        moved = P @ D @ M
        first = -(moved + moved.transpose(1, 2))
        second = first[None] @ D[:, None] @ M - moved[:, None] @ (D @ M)[None]
        for at in diagonal.tolist():
            second[at, at] += moved[at]
        second = -(second + second.transpose(2, 3))
        slope, nothing = torch.zeros(k, dtype=torch.float64), torch.zeros((k, k), dtype=torch.float64)
        slope[diagonal] = -2.0
        return Jet(P, first, second, -2 * omega[diagonal].sum(), slope, nothing, M)

    @property
    def end(self) -> float:
        """Where a variance is held that is estimated at 0."""
        return NOTHING if self.d == 1 else NEARLY

    def column(self, j: int) -> Tensor:
        """(k,) bool: the entries of column j of L among omega."""
        return torch.tril_indices(self.d, self.d)[1] == j

    def ended(self, omega: Tensor, gradient: Tensor, information: Tensor) -> tuple[Tensor, Tensor] | None:
        """A diagonal entry that is all but 0 is put to 0, and what is below it is carried over to later columns."""
        size = torch.exp(2 * omega[self.diagonal]) * information
        gone = (size < FADED) & (gradient[self.diagonal] <= 0)
        if not bool(gone.any()):
            return None
        L, at_end = self.factor(omega), torch.zeros(self.size, dtype=torch.bool)
        for j in range(self.d):
            if not (bool(gone[j]) or float(L[j, j] ** 2 * information[j]) <= self.end):
                continue
            if j + 1 < self.d:
                below = torch.linalg.qr(L[j + 1 :, j:].T, mode="r").R.T  # (d - j - 1, d - j - 1), lower triangular
                L[j + 1 :, j], L[j + 1 :, j + 1 :] = 0.0, below * torch.where(torch.diagonal(below) < 0, -1.0, 1.0)
            L[j, j] = torch.sqrt(self.end / information[j].clamp(min=SMALLEST))
            at_end |= self.column(j)
        return self.omega(L), at_end

    def beyond(self, gradient: Tensor, held: Tensor) -> float:
        at = self.diagonal[held[self.diagonal]]  # v = exp(2 omega): v d/dv is d/d omega / 2
        return 0.5 * float(gradient[at].sum())

    def returned(self, omega: Tensor, held: Tensor, information: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for j, at in enumerate(self.diagonal.tolist()):
            if bool(held[at]):
                back = omega.clone()
                back[at] = 0.5 * torch.log(FADED / information[j].clamp(min=SMALLEST))
                yield self.column(j), back


@dataclass(frozen=True, slots=True, eq=False)
class Strengths:
    """A sum of known matrices (d, d), each with a strength exp(omega_j); scaled to the range of their sum.

    With U a basis of that range, |P|_+ = |U'PU|: eigenvalues are never told from 0 at some omega.
    """

    matrices: tuple[Tensor, ...]
    range: Tensor  # U (d, rank)

    @classmethod
    def of(cls, matrices: Sequence[Tensor]) -> Strengths:
        """The prior with these matrices, whose common range is found."""
        total = torch.stack([S / torch.linalg.matrix_norm(S) for S in matrices]).sum(dim=0)
        values, vectors = torch.linalg.eigh(total)
        return cls(tuple(matrices), vectors[:, values > RANK_TOLERANCE * values[-1]])

    @property
    def size(self) -> int:
        return len(self.matrices)

    @property
    def rank(self) -> int:
        return self.range.shape[1]

    @property
    def longest(self) -> float:
        return LONGEST

    def jet(self, omega: Tensor) -> Jet:
        first = torch.exp(omega)[:, None, None] * torch.stack(self.matrices)
        second = torch.zeros((self.size, *first.shape), dtype=torch.float64)
        own = torch.arange(self.size)
        second[own, own] = first
        P = first.sum(dim=0)
        lower = torch.linalg.cholesky(self.range.T @ P @ self.range)
        shares = torch.cholesky_solve(self.range.T @ first @ self.range, lower)
        slope = torch.diagonal(shares, dim1=1, dim2=2).sum(dim=1)
        curvature = torch.diag(slope) - torch.einsum("ade,bed->ab", shares, shares)
        return Jet(P, first, second, 2 * torch.diagonal(lower).log().sum(), slope, curvature)

    def start(self, information: Tensor) -> Tensor:
        """omega (k,) at which penalties are as large as the information (d,) of the coefficients that they touch."""
        size = information.clamp(min=0).mean()
        ratio = torch.stack([size / torch.diagonal(S).mean() for S in self.matrices])
        return torch.where(ratio > 0, ratio, 1.0).log()

    def ended(self, omega: Tensor, gradient: Tensor, information: Tensor) -> tuple[Tensor, Tensor] | None:
        """A strength beside which what the rows say is nothing leaves nothing but what it does not penalise."""
        most = information.max().clamp(min=SMALLEST)
        least = torch.stack([_least(S) for S in self.matrices])
        gone = (torch.exp(omega) * least > most / FADED) & (gradient >= 0)
        if not bool(gone.any()):
            return None
        end = NOTHING if self.size == 1 else BESIDE
        return torch.where(gone, torch.log(most / (end * least)), omega), gone

    def beyond(self, gradient: Tensor, held: Tensor) -> float:
        return -float(gradient[held].sum())  # v = exp(-omega)

    def returned(self, omega: Tensor, held: Tensor, information: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for j, S in enumerate(self.matrices):
            if bool(held[j]):
                back, places = omega.clone(), torch.zeros(self.size, dtype=torch.bool)
                back[j] = torch.log(information.max().clamp(min=SMALLEST) / (FADED * _least(S)))
                places[j] = True
                yield places, back


def _least(S: Tensor) -> Tensor:
    """() the least eigenvalue that is not 0."""
    values = torch.linalg.eigvalsh(S)
    return values[values > RANK_TOLERANCE * values[-1]][0]
