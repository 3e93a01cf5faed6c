"""The law of the random part of a row: in each linear predictor a normal number with a mean and a standard deviation.

    eta_k = x'beta + sum over known levels of z'b + s_k u_k,  u_k ~ N(0, 1),  s_k^2 = sum over any levels of z'L L'z

b and the entries omega of the L follow the coefficients in the theta of a model with random effects, omega as its
difference to the estimate: s_k is s + (d s / d omega) omega there, which is all that standard errors need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from glmfit.after.conditional import places
from glmfit.after.saved import SavedModel
from glmfit.design import Block, Categorical, Dense, Matrix, build
from glmfit.errors import DataError
from glmfit.formula import Evaluator, PredictorFormula
from glmfit.formula import RandomTerm as Written
from glmfit.report.saved import AGAIN
from glmfit.table import Table


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A random term of a model: L (d, d), and where its entries and its effects begin in theta."""

    written: Written
    at: int  # among the terms of the fit
    L: Tensor
    entries: int
    effects: int
    levels: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RandomPart:
    """What random effects of known levels add to a linear predictor: a matrix of them with its `places` in theta; and
    the `spread` of those of any level, None where there are none: s (n,), and the same of d s / d omega."""

    known: tuple[Matrix, Tensor] | None
    spread: tuple[Tensor, Matrix, Tensor] | None


def spreading(model: SavedModel) -> list[int]:
    """The places of the estimated predictors whose random part spreads, as levels are any."""
    if model.random not in ("new", "population"):
        return []
    return [k for k, formula in enumerate(model.estimated) if formula.random]


def random_part(
    model: SavedModel,
    formula: PredictorFormula,
    table: Table,
    evaluator: Evaluator,
    moved: Sequence[Tensor] | None = None,
) -> RandomPart:
    """That of some rows; with `moved`, the d z / d x of each term, that of the derivative in x."""
    terms = terms_of(model, formula)
    blocks: list[Block] = []
    at: list[Tensor] = []
    drawn: list[tuple[Term, Tensor, Tensor]] = []
    for i, term in enumerate(terms):
        z = multipliers(model, formula, term, table, evaluator)
        dz = z if moved is None else moved[i]
        if model.random == "population":
            drawn.append((term, z, dz))
            continue
        assert model.fit.random_effects is not None
        level = places(model, term.written, model.fit.random_effects.terms[term.at], table)
        seen = (level >= 0).to(torch.float64)
        own = torch.arange(term.levels)
        for j in range(len(term.L)):
            blocks.append(Categorical(level.clamp(min=0), own, term.levels, seen * dz[:, j]))
            at.append(term.effects + own * len(term.L) + j)
        if model.random == "new":
            unseen = (1 - seen)[:, None]
            drawn.append((term, unseen * z, unseen * dz))
    known = (_matrix(blocks, len(table)), torch.cat(at)) if blocks else None
    return RandomPart(known, _spread(drawn, moved is not None) if drawn else None)


def terms_of(model: SavedModel, formula: PredictorFormula) -> list[Term]:
    """The terms of a parameter, as the fit left them."""
    assert model.fit.random_effects is not None
    whole, law = model.fit.random_effects.terms, model.fit.blueprint.random
    own = [one.term for one in whole if one.parameter == formula.parameter]
    if law is None or len(law.factors) != len(whole) or own != [one.spelled for one in formula.random]:
        message = f"{model.name} is no whole model: its random effects are not those of its formulas"
        raise DataError("damaged_model", message, AGAIN)
    entries = len(model.fit.coefficients)
    effects = entries + sum(len(L) * (len(L) + 1) // 2 for L in law.factors)
    out: list[Term] = []
    for at, (one, factor) in enumerate(zip(whole, law.factors, strict=True)):
        L = torch.tensor(factor, dtype=torch.float64)
        if one.parameter == formula.parameter:
            names = tuple(deviation.effect for deviation in one.deviations)
            out.append(Term(formula.random[len(out)], at, L, entries, effects, one.levels, names))
        entries += len(L) * (len(L) + 1) // 2
        effects += len(L) * one.levels
    return out


def multipliers(model: SavedModel, formula: PredictorFormula, term: Term, table: Table, evaluator: Evaluator) -> Tensor:
    """z (n, d) of a term."""
    z, _ = build(PredictorFormula(formula.parameter, term.written.terms), table, evaluator)
    if z.names != term.names:
        message = f"{model.name} is no whole model: effects of {term.written.spelled} are missing"
        raise DataError("damaged_model", message, AGAIN)
    return z.dense()


def _matrix(blocks: Sequence[Block], n: int) -> Matrix:
    counts = [block.shape[1] for block in blocks]
    starts = [sum(counts[:i]) for i in range(len(counts))]
    columns = tuple(start + torch.arange(count) for start, count in zip(starts, counts, strict=True))
    return Matrix(tuple(blocks), columns, ("",) * sum(counts), n)


def _spread(drawn: Sequence[tuple[Term, Tensor, Tensor]], slope: bool) -> tuple[Tensor, Matrix, Tensor]:
    """s = |w|, w = L'z, with its derivatives in omega; or its slope w'w_x / s in x, w_x = L' dz/dx, with those."""
    w = torch.cat([z @ term.L for term, z, _ in drawn], dim=1)
    v = torch.cat([dz @ term.L for term, _, dz in drawn], dim=1)
    s = torch.linalg.vector_norm(w, dim=1)
    over = torch.where(s > 0, 1 / s, 0.0)  # where it is 0 nothing smooth depends on its sign
    value = s if not slope else (w * v).sum(dim=1) * over
    columns, at, start = [], [], 0
    for term, z, dz in drawn:
        d = len(term.L)
        own = slice(start, start + d)
        for place, (i, j) in enumerate(zip(*torch.tril_indices(d, d).tolist(), strict=True)):
            unit = term.L[i, i] if i == j else 1.0  # d L_ij / d omega
            of_s = w[:, own][:, j] * unit * z[:, i] * over
            if slope:
                both = (w[:, own][:, j] * dz[:, i] + v[:, own][:, j] * z[:, i]) * unit
                of_s = (both - value * of_s) * over
            columns.append(of_s)
            at.append(term.entries + place)
        start += d
    matrix = _matrix([Dense(torch.stack(columns, dim=1))], len(s))
    return value, matrix, torch.tensor(at, dtype=torch.int64)
