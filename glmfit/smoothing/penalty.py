"""The penalty b'S b / 2 of all smooths, S = sum_j exp(rho_j) S_j, in coordinates in which it is nearly diagonal.

Coefficients are theta = Q b with |det Q| = 1. Of each smooth Q has the eigenvectors of its penalties together, so that
a strength without end touches its own coordinates alone and costs the others no digits (Wood 2011, JRSS B 73, 3-36).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from glmfit.model import NOTHING, SmoothBlock


class Penalty:
    """S of the strengths rho (m,); `penalised` (size,) says which coordinates b it touches, `rank` of them."""

    def __init__(self, blocks: Sequence[SmoothBlock], size: int, moves: Tensor) -> None:
        """`moves` (size, size) are the coordinates before smooths turn theirs, in which the penalties are given."""
        self.blocks, self.size = blocks, size
        turn = torch.eye(size, dtype=torch.float64)
        self.parts: list[tuple[Tensor, Tensor]] = []  # places (d,) of the touched coordinates, S_j (d, d) over them
        self.owners: list[int] = []  # the block that each strength belongs to
        self.penalised = torch.zeros(size, dtype=torch.bool)
        for at, block in enumerate(blocks):
            together = sum((one / torch.linalg.matrix_norm(one) for one in block.penalties), torch.zeros(()))
            values, vectors = torch.linalg.eigh(together)
            touched = values > NOTHING * values[-1]
            turn[block.places[:, None], block.places] = vectors
            inside = block.places[touched]
            self.penalised[inside] = True
            for one in block.penalties:
                own = vectors[:, touched].T @ one @ vectors[:, touched]
                self.parts.append((inside, 0.5 * (own + own.T)))
                self.owners.append(at)
        self.turn = moves @ turn

    @property
    def rank(self) -> int:
        return int(self.penalised.sum())

    def theta(self, b: Tensor) -> Tensor:
        return self.turn @ b

    def matrix(self, rho: Tensor) -> Tensor:
        """S (size, size)."""
        out = torch.zeros((self.size, self.size), dtype=torch.float64)
        for strength, (places, one) in zip(rho.exp(), self.parts, strict=True):
            out.index_put_((places[:, None], places), strength * one, accumulate=True)
        return out

    def moved(self, rho: Tensor, b: Tensor) -> Tensor:
        """(m, size) exp(rho_j) S_j b."""
        out = torch.zeros((len(self.parts), self.size), dtype=torch.float64)
        for row, strength, (places, one) in zip(out, rho.exp(), self.parts, strict=True):
            row[places] = strength * (one @ b[places])
        return out

    def traces(self, rho: Tensor, matrix: Tensor) -> Tensor:
        """(m,) exp(rho_j) tr(M S_j) for a symmetric M (size, size)."""
        found = [
            strength * (matrix[places[:, None], places] * one).sum()
            for strength, (places, one) in zip(rho.exp(), self.parts, strict=True)
        ]
        return torch.stack(found) if found else torch.zeros(0, dtype=torch.float64)

    def log_det(self, rho: Tensor) -> tuple[float, Tensor]:
        """log |S| over the coordinates that it touches, and its derivatives (m,)."""
        total, slopes = 0.0, torch.zeros(len(self.parts), dtype=torch.float64)
        for at in range(len(self.blocks)):
            own = [j for j, owner in enumerate(self.owners) if owner == at]
            pieces = torch.stack([rho[j].exp() * self.parts[j][1] for j in own])
            whole, scale = _unit_diagonal(pieces.sum(dim=0))
            lower = torch.linalg.cholesky(whole)
            total += 2 * float(torch.diagonal(lower).log().sum() + scale.log().sum())
            inverse = torch.cholesky_inverse(lower) / torch.outer(scale, scale)
            slopes[own] = (pieces * inverse).sum(dim=(1, 2))
        return total, slopes

    def start(self, information: Tensor) -> Tensor:
        """rho (m,) at which penalties are as large as the information (size, size) of the coefficients they touch."""
        found = []
        for places, one in self.parts:
            size = torch.diagonal(information)[places].clamp_min(0).mean() / torch.diagonal(one).mean()
            found.append(torch.log(size) if float(size) > 0 else torch.zeros((), dtype=torch.float64))
        return torch.stack(found)


def _unit_diagonal(matrix: Tensor) -> tuple[Tensor, Tensor]:
    scale = torch.diagonal(matrix).sqrt()
    return matrix / torch.outer(scale, scale), scale
