"""Terms and columns -> the model matrix: blocks of torch tensors side by side, and their standardised form.

Consecutive numeric terms, the intercept among them, share one block, `Columns` as they are and `Dense` standardised; a
term with factors is one `Categorical` block for each numeric column that multiplies it. `places` says which columns of
the matrix each block fills: in poly(x, 2):g the columns of x vary fastest, so the two blocks interleave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from glmfit.design.blocks import Block, Categorical, Columns
from glmfit.design.standardize import (
    Standardization,
    multiplier_scale,
    standardize_alike,
    standardize_columns,
    unit_vector,
)
from glmfit.errors import ModelError
from glmfit.formula import (
    Coding,
    Evaluator,
    Factor,
    Levels,
    Numbers,
    PredictorFormula,
    Scoped,
    code_terms,
    coding,
    combined,
)
from glmfit.numerics import by_rows, rows_of
from glmfit.table import Table

CHUNK_ROWS = 65_536  # rows worked on together: torch splits what is longer than 32,768 among its threads
MOST_DENSE_COLUMNS = 1_000  # up to here the columns of a chunk may be laid side by side
MOST_COLUMNS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """A model matrix (n_rows, p): column places[b][j] is column j of blocks[b]; `names` (p,) are the columns' names."""

    blocks: tuple[Block, ...]
    places: tuple[Tensor, ...]  # int64
    names: tuple[str, ...]
    n_rows: int
    terms: tuple[str, ...] = ()  # (p,), the term that each column belongs to, where the matrix is one of terms

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, p)."""
        return self.n_rows, len(self.names)

    def matvec(self, beta: Tensor) -> Tensor:
        """X beta: (p,) -> (n,)."""
        out = torch.zeros(self.n_rows, dtype=torch.float64)
        for block, place in zip(self.blocks, self.places, strict=True):
            out += block.matvec(beta[place])
        return out

    def rmatvec(self, v: Tensor) -> Tensor:
        """X' v: (n,) -> (p,)."""
        out = torch.zeros(len(self.names), dtype=torch.float64)
        for block, place in zip(self.blocks, self.places, strict=True):
            out[place] = block.rmatvec(v)
        return out

    def sandwich(self, h: Tensor, other: Matrix | None = None) -> Tensor:
        """X' diag(h) Z: (p, q), with Z = X where there is no other; h (n,) may have any sign."""
        symmetric = other is None or other is self
        other = self if other is None else other
        out = torch.zeros(len(self.names), len(other.names), dtype=torch.float64)
        for i, (left, row) in enumerate(zip(self.blocks, self.places, strict=True)):
            for j, (right, column) in enumerate(zip(other.blocks, other.places, strict=True)):
                if symmetric and j < i:
                    continue
                part = left.sandwich(h, right)
                out[row[:, None], column] = part
                if symmetric and j > i:
                    out[column[:, None], row] = part.T
        return out

    def rows(self, part: slice | Tensor, shared: dict[int, Tensor] | None = None) -> Matrix:
        """Some of the rows, by a slice, which is no copy, or by their positions.

        `shared` are codes of which these rows were taken before, by their memory: blocks of one factor share them on.
        """
        shared = {} if shared is None else shared
        n = len(range(*part.indices(self.n_rows))) if isinstance(part, slice) else len(part)
        return Matrix(tuple(block.rows(part, shared) for block in self.blocks), self.places, self.names, n, self.terms)

    def select(self, columns: Sequence[int]) -> Matrix:
        """The columns listed, in that order."""
        wanted = {int(column): new for new, column in enumerate(columns)}
        blocks: list[Block] = []
        places: list[Tensor] = []
        for block, place in zip(self.blocks, self.places, strict=True):
            kept = [(j, wanted[column]) for j, column in enumerate(place.tolist()) if column in wanted]
            if len(kept) == block.shape[1]:
                blocks.append(block)
            elif kept:
                blocks.append(block.select([j for j, _ in kept]))
            if kept:
                places.append(torch.tensor([new for _, new in kept], dtype=torch.int64))
        names, terms = (tuple(texts[c] for c in wanted if texts) for texts in (self.names, self.terms))
        return Matrix(tuple(blocks), tuple(places), names, self.n_rows, terms)

    def dense(self) -> Tensor:
        """The whole matrix: (n, p)."""
        out = torch.zeros(self.shape, dtype=torch.float64)
        for block, place in zip(self.blocks, self.places, strict=True):
            out[:, place] = block.dense()
        return out

    def standardized_by(self, standardization: Standardization) -> Matrix:
        """The same with columns centred and scaled as those of other rows were."""
        blocks: list[Block] = []
        for block, place in zip(self.blocks, self.places, strict=True):
            center, scale = standardization.center[place], standardization.scale[place]
            if not isinstance(block, Categorical):
                columns = block.columns if isinstance(block, Columns) else list(block.values.T)
                blocks.append(standardize_alike(columns, center, scale))
            elif block.multiplier is not None:  # whose columns have one scale
                blocks.append(replace(block, multiplier=block.multiplier / float(scale[0])))
            else:
                blocks.append(block)
        return replace(self, blocks=tuple(blocks))

    def standardized(self, centre: bool = False, spend: bool = False) -> tuple[Matrix, Standardization]:
        """The same column space with numeric columns of mean 0 (where there is a constant) and standard deviation 1.

        Constant columns and factors are left alone, a factor's multiplier is scaled by its root mean square. `centre`
        says that the constant is elsewhere; with `spend` this matrix is of no use afterwards.
        """
        p = len(self.names)
        unit = unit_vector(self.blocks, self.places, p)
        center, scale = torch.zeros(p, dtype=torch.float64), torch.ones(p, dtype=torch.float64)
        has_constant = centre or bool(unit.any())
        blocks: list[Block] = []
        for block, place in zip(self.blocks, self.places, strict=True):
            if not isinstance(block, Categorical):
                columns = block.columns if isinstance(block, Columns) else list(block.values.T)
                working, center[place], scale[place] = standardize_columns(columns, has_constant, spend)
                blocks.append(working)
            elif block.multiplier is not None:
                factor = multiplier_scale(block.multiplier)
                scale[place] = factor
                multiplier = by_rows(lambda part, by=factor: part / by, block.multiplier)
                blocks.append(Categorical(block.codes, block.coding, block.levels, multiplier))
            else:
                blocks.append(block)
        standard = Matrix(tuple(blocks), self.places, self.names, self.n_rows, self.terms)
        return standard, Standardization(center, scale, unit)

    def unstandardized(self, back: Standardization) -> Matrix:
        """What this is the standardised form of; numeric columns are what they were, as nearly nothing was rounded."""
        blocks: list[Block] = []
        for block, place in zip(self.blocks, self.places, strict=True):
            center, scale = back.center[place], back.scale[place]
            if not isinstance(block, Categorical):
                columns = zip(block.dense().T, scale.tolist(), center.tolist(), strict=True)
                blocks.append(Columns([column * size + middle for column, size, middle in columns]))
            elif block.multiplier is not None:
                blocks.append(replace(block, multiplier=block.multiplier * float(scale[0])))
            else:
                blocks.append(block)
        return replace(self, blocks=tuple(blocks))


class _Assembly:
    """Blocks in the making: numeric columns wait until a factor, or the end, closes their block."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.n = len(evaluator.table)
        self.names: list[str] = []
        self.blocks: list[Block] = []
        self.places: list[Tensor] = []
        self.waiting: list[np.ndarray] = []

    def close(self) -> None:
        if self.waiting:
            start = len(self.names) - len(self.waiting)
            self.blocks.append(Columns([_tensor(column) for column in self.waiting]))
            self.places.append(torch.arange(start, len(self.names)))
            self.waiting = []

    def add(self, scoped: Scoped) -> None:
        """One coded part of a term: the products of its factors' columns, those of the first varying fastest."""
        codings: dict[Factor, Coding] = {}
        numeric: dict[Factor, Numbers] = {}
        labels: list[list[str]] = []
        for factor, reduce in scoped:
            found = self.evaluator.factor(factor)
            if isinstance(found, Levels):
                codings[factor] = coding(factor.text, found, reduce)
                labels.append([factor.text + label for label in codings[factor].labels])
            else:
                first = 1 if reduce else 0
                numeric[factor] = Numbers(found.labels[first:], found.columns[first:])
                labels.append([factor.text + label for label in found.labels[first:]])
        sizes = [len(label) for label in labels]
        total = int(np.prod(sizes, dtype=object)) if sizes else 1
        if total + len(self.names) > MOST_COLUMNS:
            term = ":".join(factor.text for factor, _ in scoped)
            what = f"the term '{term}' would add {total} columns to the model matrix"
            raise ModelError("too_many_columns", what, f"at most {MOST_COLUMNS} columns can be fitted")
        if codings:
            self.close()
            self.factors(scoped, sizes, codings, numeric)
        else:
            self.waiting += self.products(numeric)
        self.names += [":".join(reversed(pick)) for pick in product(*reversed(labels))] if labels else ["Intercept"]

    def products(self, numeric: dict[Factor, Numbers]) -> list[np.ndarray]:
        """Products of one column of each numeric factor, the first varying fastest; a one for none at all."""
        out = []
        for pick in product(*(factor.columns for factor in reversed(numeric.values()))):
            column = np.broadcast_to(1.0, self.n) if not pick else pick[-1]
            for other in reversed(pick[:-1]):
                column = column * other
            out.append(column)
        return out

    def factors(
        self, scoped: Scoped, sizes: list[int], codings: dict[Factor, Coding], numeric: dict[Factor, Numbers]
    ) -> None:
        matrix, levels = combined(list(codings.values()))
        codes = torch.from_numpy(self.evaluator.crossed(tuple(codings)))
        # Column numbers of the term as an array with an axis per factor, the numeric axes moved to the front.
        axes = [i for i, (factor, _) in enumerate(scoped) if factor in numeric]
        axes = axes[::-1] + [i for i, (factor, _) in enumerate(scoped) if factor in codings][::-1]
        grid = np.arange(int(np.prod(sizes))).reshape(sizes[::-1])
        grid = grid.transpose([len(sizes) - 1 - i for i in axes]).reshape(-1, matrix.shape[-1])
        multipliers = self.products(numeric) if numeric else [None]
        for place, multiplier in zip(grid, multipliers, strict=True):
            scaled = None if multiplier is None else _tensor(multiplier)
            self.blocks.append(Categorical(codes, torch.from_numpy(matrix), levels, scaled))
            self.places.append(torch.from_numpy(place.copy()) + len(self.names))


def _tensor(column: np.ndarray) -> Tensor:
    """The tensor over a column (n,), which torch wants to be one that can be written to."""
    return rows_of(column if column.strides == (0,) else np.require(column, requirements=["C", "W"]))


def build(formula: PredictorFormula, table: Table, evaluator: Evaluator | None = None) -> tuple[Matrix, Tensor]:
    """The model matrix of one linear predictor and its offset (n,), the sum of its offset() terms.

    Predictors of one model share evaluated factors through one `evaluator`, whose `state` serves new data later.
    Raises DataError where an expression is not finite, ModelError where a factor has a single level.
    """
    evaluator = Evaluator(table) if evaluator is None else evaluator
    assembly = _Assembly(evaluator)
    terms: list[str] = []
    for term, parts in zip(formula.terms, code_terms(formula.terms, evaluator.spans), strict=True):
        for scoped in parts if term not in formula.without else ():
            assembly.add(scoped)
        terms += [term.name] * (len(assembly.names) - len(terms))
    assembly.close()
    names = tuple(assembly.names)
    matrix = Matrix(tuple(assembly.blocks), tuple(assembly.places), names, len(table), tuple(terms))
    offset = np.broadcast_to(0.0, len(table))
    for part in formula.offsets:
        offset = offset + evaluator.numbers(part)
    return matrix, rows_of(offset)
