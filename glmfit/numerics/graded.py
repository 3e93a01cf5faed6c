"""Singular values of a product of triangular matrices, the small ones to as many digits as the large ones.

    A = B^-1 D F        B^-1 D = Q R P', W = R P'F        A = Q U S V'  of  W = U S V'

Rounding an ordinary decomposition loses what is 1e16 times smaller than the rest. If B and F are well-conditioned, as
the factor F with rows of length 1 of a scaled matrix is, Jacobi's method does not, however large the ratios of D: the
scale is moved into the rows of W first (Demmel et al. 1999, Linear Algebra Appl. 299, 21-80; Drmac & Veselic 2008).
"""

from __future__ import annotations

import torch
from torch import Tensor

UNEVEN = 1e-6  # of singular values: below this ratio rounding takes more than six of ten digits from the smallest


def relative_singular(below: Tensor, lower: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values (p,), descending, and left singular vectors (p, p) of B^-1 L, both lower triangular."""
    ratio = torch.linalg.solve_triangular(below, lower, upper=False)
    vectors, sizes, _ = torch.linalg.svd(ratio)
    if float(sizes[-1]) >= UNEVEN * float(sizes[0]):
        return sizes, vectors
    return _by_jacobi(below, lower) or (sizes, vectors)


def _by_jacobi(below: Tensor, lower: Tensor) -> tuple[Tensor, Tensor] | None:
    """The same; None where the method fails, or numbers are out of its range."""
    from scipy.linalg import lapack, qr

    scale = torch.linalg.vector_norm(lower, dim=1)
    graded = torch.linalg.solve_triangular(below, torch.diag(scale), upper=False)
    unit = lower / scale[:, None]
    if not (bool(torch.isfinite(graded).all()) and bool(torch.isfinite(unit).all())):
        return None
    q, r, order = qr(graded.numpy(), pivoting=True)
    rows = r @ unit.numpy()[order]
    # Of W', whose columns are scaled: all digits (joba 0), its right vectors (jobv 0), no range cut off (jobr 0).
    sizes, _, right, work, _, info = lapack.dgejsv(rows.T, joba=0, jobu=3, jobv=0, jobr=0)
    if info != 0:
        return None
    return torch.from_numpy(sizes * (work[0] / work[1])), torch.from_numpy(q @ right)
