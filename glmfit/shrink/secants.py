"""What steps have shown of the curvature since it was found: pairs of a step s and the change y of the slope along it.

    B = H - [HS Y] M^-1 [HS Y]'        M = [S'HS  L ; L'  -D]        L_ij = s_i'y_j for i > j, D = diag(s_i'y_i)

is the matrix of BFGS in its compact form (Byrd, Nocedal & Schnabel 1994, Mathematical Programming 63, 129-156): H with
the curvature that was seen along the steps in place of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

MOST = 5  # pairs that are kept


class Secants:
    """Pairs (size,) of all coefficients, the latest last."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self.last: tuple[Tensor, Tensor] | None = None

    def forget(self) -> None:
        """Leave all out: the curvature has been found anew."""
        self.pairs, self.last = [], None

    def see(self, u: Tensor, slope: Tensor) -> None:
        """All slopes at u: with those seen last they make a pair."""
        if self.last is not None:
            s, y = u - self.last[0], self.last[1] - slope
            if float(s @ y) > 0:
                self.pairs = [*self.pairs[1 - MOST :], (s, y)]
        self.last = u, slope

    def correction(self, H: Tensor, chosen: Tensor, l2: Tensor, share: float) -> tuple[Tensor, Tensor] | None:
        """[HS Y] (m, 2k) and M (2k, 2k) of the chosen coefficients, H having `share` of its curvature and l2 beside."""
        if not self.pairs:
            return None
        S = torch.stack([s[chosen] for s, _ in self.pairs], dim=1)
        Y = torch.stack([y[chosen] for _, y in self.pairs], dim=1) / share + l2[:, None] * S / share
        HS = H @ S
        inner = S.T @ Y
        lower, diagonal = torch.tril(inner, -1), torch.diagonal(inner)
        if not bool((diagonal > 0).all()):
            return None
        M = torch.cat([torch.cat([S.T @ HS, lower], dim=1), torch.cat([lower.T, -torch.diag(diagonal)], dim=1)])
        return torch.cat([HS, Y], dim=1), M
