"""Gaussian priors of coefficients by their precision, as functions of working parameters omega on the whole line.

    Covariance: P = (L L')^-1, L lower triangular with diagonal exp(omega), the rest omega itself, row by row
    Strengths:  P = sum_j exp(omega_j) S_j, S_j positive semidefinite and known; log |P|_+ over the range of sum_j S_j

Derivatives in omega are torch's, by forward mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

FADED = 1e-3  # of a variance times what the rows say of its coefficients, below which it is on the way to 0,
NOTHING = 1e-11  # and where it is as good as 0
SMALLEST = 1e-300
RANK_TOLERANCE = 1e-10  # of eigenvalues, relative to the largest


class Prior(Protocol):
    """Of a block of d coefficients, with k working parameters; `rank` is that of the precision."""

    @property
    def size(self) -> int:
        """k."""

    @property
    def rank(self) -> int: ...

    def precision(self, omega: Tensor) -> Tensor:
        """P (d, d) at omega (k,), which torch can differentiate twice."""

    def log_det(self, omega: Tensor) -> Tensor:
        """() log |P|_+, the product of the eigenvalues that are not 0 whatever omega is."""

    def ended(self, omega: Tensor, gradient: Tensor, information: Tensor) -> tuple[Tensor, Tensor] | None:
        """omega and (k,) bool of it at an end of its range, where the likelihood falls with all that is left of it.

        `information` (d,) is the most that rows say of each coefficient; None where no end is near.
        """

    def returned(self, omega: Tensor, held: Tensor, information: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Ways back from an end: (k,) bool of what is free again, and omega (k,) from where to go on."""


class Jet(NamedTuple):
    """P (d, d), its derivatives (k, d, d) and (k, k, d, d), and those of log |P|_+: (), (k,), (k, k)."""

    P: Tensor
    first: Tensor
    second: Tensor
    log_det: Tensor
    slope: Tensor
    curvature: Tensor


def jet(prior: Prior, omega: Tensor) -> Jet:
    """A prior at omega, with two derivatives."""
    from torch.func import jacfwd

    first, second = jacfwd(prior.precision)(omega), jacfwd(jacfwd(prior.precision))(omega)
    slope, curvature = jacfwd(prior.log_det)(omega), jacfwd(jacfwd(prior.log_det))(omega)
    return Jet(
        prior.precision(omega),
        first.movedim(-1, 0),
        second.movedim((-2, -1), (0, 1)),
        prior.log_det(omega),
        slope,
        curvature,
    )


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

    def precision(self, omega: Tensor) -> Tensor:
        eye = torch.eye(self.d, dtype=torch.float64)
        half = torch.linalg.solve_triangular(self.factor(omega), eye, upper=False)
        return half.T @ half

    def log_det(self, omega: Tensor) -> Tensor:
        return -2 * omega[self.diagonal].sum()

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
        for j in torch.nonzero(gone)[:, 0].tolist():
            if j + 1 < self.d:
                below = torch.linalg.qr(L[j + 1 :, j:].T, mode="r").R.T  # (d - j - 1, d - j - 1), lower triangular
                L[j + 1 :, j], L[j + 1 :, j + 1 :] = 0.0, below * torch.sign(torch.diagonal(below))
            L[j, j] = torch.sqrt(NOTHING / information[j].clamp(min=SMALLEST))
            at_end |= self.column(j)
        return self.omega(L), at_end

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

    def precision(self, omega: Tensor) -> Tensor:
        return (torch.exp(omega)[:, None, None] * torch.stack(self.matrices)).sum(dim=0)

    def log_det(self, omega: Tensor) -> Tensor:
        if self.size == 1:  # to the last digit, and without a matrix
            S = self.range.T @ self.matrices[0] @ self.range
            return self.rank * omega[0] + torch.linalg.slogdet(S).logabsdet
        return torch.linalg.slogdet(self.range.T @ self.precision(omega) @ self.range).logabsdet

    def ended(self, omega: Tensor, gradient: Tensor, information: Tensor) -> tuple[Tensor, Tensor] | None:
        """A strength beside which what the rows say is nothing leaves nothing but what it does not penalise."""
        most = information.max().clamp(min=SMALLEST)
        least = torch.stack([_least(S) for S in self.matrices])
        gone = (torch.exp(omega) * least > most / FADED) & (gradient >= 0)
        if not bool(gone.any()):
            return None
        return torch.where(gone, torch.log(most / (NOTHING * least)), omega), gone

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
