"""Which columns are linear combinations of earlier ones: they are left out and named, as R reports NA.

Columns are taken in formula order. Column j is aliased where the part of it that earlier columns do not explain is less
than TOLERANCE of its own length, after centring and scaling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain

import torch
from torch import Tensor

from glmfit import memory
from glmfit.design.border import Structure, add_bordered, structure
from glmfit.design.dependent import dependent_columns
from glmfit.design.matrix import CHUNK_ROWS, MOST_DENSE_COLUMNS, Matrix, Standardization
from glmfit.numerics import Bordered, Symmetric, constant, curvature, stacked_root, structured, unit_diagonal
from glmfit.spill import runs

TOLERANCE = 1e-10
CLEARLY_INDEPENDENT = 1e-2  # unexplained parts this long are seen safely in X'X, which squares them
NO_PART = 1e-7  # share of an aliased column's length below which an earlier column has no part in it
LARGEST_DENOMINATOR = 12  # of the coefficients that are written out
EXACT = 1e-7  # relative difference of a coefficient from such a fraction
MOST_TERMS = 6  # that are written out
Combination = tuple[tuple[str, float], ...]  # columns with their coefficients
BORDER_INDEPENDENT = 1e-5  # the same of the columns beside those of a large factor, which never meet each other
REFINEMENTS = 3  # of coefficients that X'X gives: each takes its condition number times eps off their error
GRAM_TOLERANCE = 1e-6  # with too many columns for QR X'X decides alone, at a tolerance above its rounding error


def aliased_columns(standard: Matrix, penalty: Tensor | None = None) -> list[int]:
    """Positions of the columns of a standardised matrix that are linear combinations of those before them.

    With the root of a `penalty` (r, p), rows that tell apart what it touches, those that are so there as well.
    """
    size = standard.shape[1]
    if penalty is not None:
        memory.check_square(size)
        length = torch.sqrt(torch.diagonal(_gram(standard)) + penalty.square().sum(dim=0))
        length = torch.where(length > 0, length, 1.0)
        return _from_root(_root(standard, length, penalty))
    apart = structure([(standard, torch.arange(size))], size)
    if apart is not None:
        square = _bordered(standard, apart)
        lower = curvature.cholesky(square)
        if lower is not None and lower.well_conditioned(BORDER_INDEPENDENT):
            return []
        found = dependent_columns(standard, apart, square)
        if found is not None:
            return found
    memory.check_square(size)
    correlation, length = unit_diagonal(_gram(standard))
    empty = torch.diagonal(correlation) == 0  # a column of zeros
    if not bool(empty.any()) and _first_dependent(correlation, CLEARLY_INDEPENDENT) is None:
        return []
    if size > MOST_DENSE_COLUMNS:
        return _from_correlation(correlation)
    return _from_root(_root(standard, length))


def _products(standard: Matrix) -> Symmetric:
    """X'X (p, p), with the levels of a large factor set apart where there is one."""
    apart = structure([(standard, torch.arange(standard.shape[1]))], standard.shape[1])
    return _gram(standard) if apart is None else _bordered(standard, apart)


def _bordered(standard: Matrix, apart: Structure) -> Bordered:
    square, columns = apart.zeros(), torch.arange(standard.shape[1])
    for part in runs(standard.n_rows, CHUNK_ROWS):
        some = standard.rows(part)
        add_bordered(square, apart, [(some, columns)], constant(1.0, some.n_rows)[:, None, None])
    return square


def _gram(standard: Matrix) -> Tensor:
    """X'X (p, p)."""
    gram = torch.zeros((standard.shape[1], standard.shape[1]), dtype=torch.float64)
    for part in runs(standard.n_rows, CHUNK_ROWS):
        some = standard.rows(part)
        gram += some.sandwich(constant(1.0, some.n_rows), some)
    return gram


def _root(standard: Matrix, length: Tensor, below: Tensor | None = None) -> Tensor:
    """The R of a QR factorisation of the columns, with the rows `below` them, each divided by its length."""
    n, size = standard.shape
    rows = (standard.rows(part).dense() / length for part in runs(n, CHUNK_ROWS))
    return stacked_root(chain(rows, () if below is None else (below / length,)), size)


def combinations(
    standard: Matrix, standardization: Standardization, kept: Sequence[int], out: Sequence[int]
) -> dict[int, Combination]:
    """What the aliased columns `out` of a matrix are of the columns `kept`, both as they are."""
    if not kept or not out:
        return {}
    wide = standard.shape[1] > MOST_DENSE_COLUMNS
    square = _products(standard) if wide else _gram(standard)
    length = torch.sqrt(curvature.diagonal(square))
    length = torch.where(length > 0, length, 1.0)
    found = {}
    for j, part in _of_products(standard, square, kept, out) if wide else _of_root(standard, length, kept, out):
        part[part.abs() * length < NO_PART * length[j]] = 0.0
        # x_j = scale_j (its working column) + center_j, and the working columns as combinations of those as they are
        scale, center = standardization.scale[j], standardization.center[j]
        raw = scale * standardization.coefficients(part) + center * standardization.unit
        size = raw.abs() * (length * standardization.scale + standard.n_rows**0.5 * standardization.center.abs())
        raw[size < NO_PART * float(size.max())] = 0.0
        found[j] = tuple((standard.names[k], float(raw[k])) for k in torch.nonzero(raw)[:, 0].tolist())
    return found


def _of_root(standard: Matrix, length: Tensor, kept: Sequence[int], out: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """Each of the columns `out` with its coefficients (p,) on those `kept`, by QR of the rows."""
    root, inside = _root(standard, length), torch.tensor(kept)
    for j in out:
        part = torch.zeros(standard.shape[1], dtype=torch.float64)
        part[inside] = torch.linalg.lstsq(root[:, inside], root[:, j, None], driver="gelsd").solution[:, 0]
        yield j, length[j] * part / length


def _of_products(
    standard: Matrix, square: Symmetric, kept: Sequence[int], out: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """The same of a matrix too wide to be laid side by side, by X'X; what its rounding leaves is solved for again."""
    inside = torch.zeros(standard.shape[1], dtype=torch.float64)
    inside[list(kept)] = 1.0
    lower = curvature.cholesky(_within(square, inside))
    if lower is None:
        return
    for j in out:
        unit, part = torch.zeros_like(inside), torch.zeros_like(inside)
        unit[j] = 1.0
        for _ in range(REFINEMENTS):
            part += inside * curvature.solve(lower, inside * _normal(standard, unit - part))
        yield j, part


def _within(square: Symmetric, inside: Tensor) -> Symmetric:
    """The matrix of the columns `inside` (p,), 1 there, with a diagonal of 1 in place of the others."""
    if not isinstance(square, Bordered):
        dense = structured(square).matrix()
        return dense * torch.outer(inside, inside) + torch.diag(1 - inside)
    inner, outer = inside[square.inner], inside[square.outer]
    some = replace(
        square,
        blocks=square.blocks * inner[:, :, None] * inner[:, None, :],
        border=square.border * inner[:, :, None] * outer,
        corner=square.corner * torch.outer(outer, outer),
    )
    return some.plus_diagonal(1 - inside)


def _normal(standard: Matrix, beta: Tensor) -> Tensor:
    """X'X beta (p,), by the rows."""
    out = torch.zeros_like(beta)
    for part in runs(standard.n_rows, CHUNK_ROWS):
        some = standard.rows(part)
        out += some.rmatvec(some.matvec(beta))
    return out


def written(terms: Combination) -> str:
    """A combination as reports show it: "= 2 wt", "= 1 - a - b", and "(from a, b, c)" where its coefficients are not
    few and simple fractions."""
    coefficients = [_simple(abs(value)) for _, value in terms]
    if len(terms) > MOST_TERMS or None in coefficients:
        more = f" and {len(terms) - MOST_TERMS} more" if len(terms) > MOST_TERMS else ""
        return f"(from {', '.join(name for name, _ in terms[:MOST_TERMS])}{more})"
    text = ""
    for size, (name, value) in zip(coefficients, terms, strict=True):
        sign = (" - " if text else "-") if value < 0 else (" + " if text else "")
        text += sign + (str(size) if name == "Intercept" else name if size == "1" else f"{size} {name}")
    return f"= {text or '0'}"


def _simple(value: float) -> str | None:
    """A positive number as a fraction or a decimal of few digits, if it is one."""
    fraction, decimal = Fraction(value).limit_denominator(LARGEST_DENOMINATOR), f"{value:.6g}"
    near = (text for text in (str(fraction), decimal) if abs(float(Fraction(text)) - value) <= EXACT * value)
    return next(near, None)


def _first_dependent(correlation: Tensor, tolerance: float) -> int | None:
    """The first column whose unexplained part, the diagonal of the Cholesky factor, is below the tolerance."""
    factor, info = torch.linalg.cholesky_ex(correlation)
    valid = int(info) - 1 if int(info) > 0 else len(correlation)
    short = torch.nonzero(torch.diagonal(factor)[:valid] < tolerance)
    if len(short):
        return int(short[0])
    return valid if valid < len(correlation) else None


def _from_correlation(correlation: Tensor) -> list[int]:
    kept = torch.nonzero(torch.diagonal(correlation))[:, 0]
    aliased = torch.nonzero(torch.diagonal(correlation) == 0)[:, 0].tolist()  # columns of zeros, as of empty cells
    while (at := _first_dependent(correlation[kept][:, kept], GRAM_TOLERANCE)) is not None:
        aliased.append(int(kept[at]))
        kept = torch.cat([kept[:at], kept[at + 1 :]])
    return sorted(aliased)


def _from_root(root: Tensor) -> list[int]:
    """From the R of a QR factorisation of unit columns, whose own columns have the same lengths and angles."""
    basis = torch.zeros_like(root)
    rank, aliased = 0, []
    for j in range(root.shape[1]):
        rest = root[:, j]
        for _ in range(2):  # twice is enough: once leaves rounding errors of the size of what is looked for
            rest = rest - basis[:, :rank] @ (basis[:, :rank].T @ rest)
        unexplained = float(torch.linalg.vector_norm(rest))
        if unexplained < TOLERANCE or rank == len(root):
            aliased.append(j)
        else:
            basis[:, rank] = rest / unexplained
            rank += 1
    return aliased
