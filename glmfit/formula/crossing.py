"""How the factors of crossed terms are coded so that ranks add up, and what the model matrix will hold.

`code_terms` decides between full and reduced coding: a term adds the part of its space that earlier terms do not span
already. With a- the reduced factor, space(a:b) = 1 + a- + b- + a-:b-, and what is left is collected again by the rule
t + t:a- = t:a.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import product

from glmfit.errors import ModelError, shorten
from glmfit.formula import contrasts
from glmfit.formula.evaluate import Evaluator, Levels, Numbers
from glmfit.formula.terms import Factor, Term

Scoped = tuple[tuple[Factor, bool], ...]  # factors of a coded term, each with: is it reduced?

_MOST_SUBSETS = 300_000  # of the factors of all terms, which the coding of crossed factors goes through
_MOST_COLLECTED = 128  # parts of a term: collecting them takes the cube of their number


@dataclass(frozen=True, slots=True)
class Extent:
    """What a model matrix holds: columns of numbers (n,), of codes (n,) and of what multiplies them, (n,) each; cells
    of contrast matrices; and the columns p that all these stand for."""

    numbers: int = 0
    codes: int = 0
    multipliers: int = 0
    contrasts: int = 0
    columns: int = 0

    def __add__(self, other: Extent) -> Extent:
        return Extent(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Extent)))


def code_terms(terms: Sequence[Term], spans: Callable[[Factor], bool]) -> list[list[Scoped]]:
    """For each term the coded parts it adds; `spans(factor)` says whether full coding contains the constant."""
    spanned: set[frozenset[tuple[Factor, bool]]] = set()
    coded: list[list[Scoped]] = []
    work = 0
    for term in terms:
        subsets = 2 ** sum(map(spans, term.factors))
        work += subsets
        if work > _MOST_SUBSETS:
            raise _too_crossed(term)
        choices: list[list[Scoped]] = [[((f, True),), ()] if spans(f) else [((f, False),)] for f in term.factors]
        span: list[Scoped] = [tuple(part for choice in pick for part in choice) for pick in product(*choices)]
        fresh = [scoped for scoped in span if frozenset(scoped) not in spanned]
        spanned.update(frozenset(scoped) for scoped in fresh)
        if len(fresh) == subsets:
            coded.append([tuple((factor, False) for factor in term.factors)])
        elif len(fresh) > _MOST_COLLECTED:
            raise _too_crossed(term)
        else:
            coded.append(_collect(fresh))
    return coded


def _too_crossed(term: Term) -> ModelError:
    what = f"the term '{shorten(term.name)}' crosses {len(term.factors)} factors, which is more than can be coded"
    return ModelError("too_many_columns", what, "cross fewer factors, or to a lower degree")


def _collect(parts: Sequence[Scoped]) -> list[Scoped]:
    """Join t and t:a- into t:a, as long as there is something to join."""
    out: list[Scoped] = []
    for part in sorted(parts, key=len):
        for i, shorter in enumerate(out):
            extra = set(part) - set(shorter)
            if len(part) == len(shorter) + 1 and len(extra) == 1 and (new := extra.pop())[1]:
                joined = tuple((f, False) if (f, r) == new else (f, r) for f, r in part)
                out = _collect([*out[:i], *out[i + 1 :], joined])
                break
        else:
            out.append(part)
    return out


def extent(terms: Sequence[Term], evaluator: Evaluator) -> Extent:
    """What the model matrix of `terms` holds, told before it is built."""
    coded = code_terms(terms, evaluator.spans)
    return sum((_extent(scoped, evaluator) for parts in coded for scoped in parts), Extent())


def _extent(scoped: Scoped, evaluator: Evaluator) -> Extent:
    """Of one coded part of a term."""
    factors = [(evaluator.factor(factor), reduce) for factor, reduce in scoped]
    numbers = math.prod(len(one.columns) - reduce for one, reduce in factors if isinstance(one, Numbers))
    leveled = [(one, reduce) for one, reduce in factors if isinstance(one, Levels)]
    if not leveled:
        return Extent(numbers=numbers, columns=numbers)
    columns = math.prod(len(one.levels) - reduce for one, reduce in leveled)
    indicators = all(one.kind in ("treatment", "SAS") or not reduce for one, reduce in leveled)
    return Extent(
        codes=1,
        multipliers=numbers if len(leveled) < len(factors) else 0,
        contrasts=0 if indicators else columns * math.prod(len(one.levels) for one, _ in leveled),
        columns=columns * numbers,
    )


def coding(name: str, factor: Levels, reduce: bool) -> contrasts.Coding:
    """The columns of a factor; raises ModelError where a single level leaves none."""
    if not reduce:
        return contrasts.full(factor.levels)
    if len(factor.levels) < 2:
        level = f"'{factor.levels[0]}'" if factor.levels else "none"
        what = f"the factor '{name}' has a single level in the rows used: {level}"
        raise ModelError("single_level", what, "leave it out of the model")
    return contrasts.reduced(factor.kind, factor.options, factor.levels, name)
