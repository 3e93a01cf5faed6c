"""The words of a model: a response, and for each parameter a set of terms, which are products of factors.

A factor is a column or a checked expression of columns. It carries its tree, so that nobody reads its text again; the
text is its name, in reports and in the states of transforms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from glmfit.formula.admit import columns_of
from glmfit.formula.expression import Node, quote, render
from glmfit.formula.smooth import is_smooth


@dataclass(frozen=True, slots=True)
class Factor:
    """A column, whose `text` is its name whatever that looks like, or an expression, whose `text` is canonical."""

    text: str
    tree: Node = field(compare=False, repr=False)

    @classmethod
    def of_column(cls, name: str) -> Factor:
        """The factor that a column is by itself."""
        return cls(name, Node("name", name))

    @classmethod
    def of(cls, tree: Node) -> Factor:
        """The factor of a checked expression."""
        return cls(str(tree.value) if tree.kind == "name" else render(tree), tree)

    @property
    def column(self) -> str | None:
        """The column that the factor is, if it is no more than that."""
        return self.text if self.tree.kind == "name" else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it uses, each once, in order."""
        return tuple(dict.fromkeys(columns_of(self.tree)))

    @property
    def levels_of(self) -> str | None:
        """The column that it has the levels of, if it is that column or C() of it."""
        inner = self.tree.args[0] if self.tree.kind == "call" and self.tree.value == "C" else self.tree
        return str(inner.value) if inner.kind == "name" else None

    @property
    def spelled(self) -> str:
        """The text as a formula may hold it."""
        return self.text if self.column is None else quote(self.text)


@dataclass(frozen=True, slots=True)
class Response:
    """The left-hand side: a value (y,), a ratio (successes, trials), cbind (successes, failures) or an interval
    (lower, upper) that two columns of bounds say the response lies in."""

    label: str
    kind: str  # value | ratio | cbind | interval
    parts: tuple[Factor, ...]

    @classmethod
    def interval(cls, bounds: tuple[str, str]) -> Response:
        """The response that two columns of bounds hold."""
        return cls(f"[{', '.join(bounds)}]", "interval", tuple(map(Factor.of_column, bounds)))

    @property
    def spelled(self) -> str:
        """The response as a formula may hold it; an interval stands in an option."""
        if self.kind == "interval":
            return ""
        return self.parts[0].spelled if self.kind == "value" else self.label

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it uses, each once, in order."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.columns))


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors; no factors is the intercept."""

    factors: tuple[Factor, ...] = ()

    @property
    def name(self) -> str:
        """The term as reports show it."""
        return ":".join(factor.text for factor in self.factors) or "Intercept"


INTERCEPT = Term()


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """(terms | group): coefficients of `terms` drawn anew, and correlated, for each level of a product of factors."""

    terms: tuple[Term, ...]
    group: Term

    @property
    def spelled(self) -> str:
        """The term, normalised: it can be read again."""
        return f"({_summed(self.terms)} | {self.grouping})"

    @property
    def grouping(self) -> str:
        """What stands to the right of the bar, normalised."""
        return ":".join(_of_group(factor) for factor in self.group.factors)

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Those of all terms, then those of the group."""
        return (*(factor for term in self.terms for factor in term.factors), *self.group.factors)


def _of_group(factor: Factor) -> str:
    """A grouping factor, C() of a column written as the column: on this side of the bar that is what it means."""
    tree = factor.tree
    plain = tree.kind == "call" and tree.value == "C" and len(tree.args) == 1 and not tree.keywords
    return quote(str(tree.args[0].value)) if plain and tree.args[0].kind == "name" else factor.spelled


def _summed(terms: tuple[Term, ...]) -> str:
    """Terms as a formula spells them in a random effect, where the constant is always written."""
    pieces = [":".join(factor.spelled for factor in term.factors) or "1" for term in terms]
    return " + ".join(pieces if "1" in pieces else ["0", *pieces])


@dataclass(frozen=True, slots=True)
class PredictorFormula:
    """The linear predictor of one parameter: its terms, the expressions added with coefficient 1, and random effects.

    Terms `without` a coefficient have no columns: the others are coded as beside them all the same.
    """

    parameter: str
    terms: tuple[Term, ...]
    offsets: tuple[Factor, ...] = ()
    without: frozenset[Term] = frozenset()
    random: tuple[RandomTerm, ...] = ()

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Those of all terms, then the offsets, then the random effects."""
        fixed = (factor for term in self.terms for factor in term.factors)
        return (*fixed, *self.offsets, *(factor for term in self.random for factor in term.factors))

    @property
    def ungrouped(self) -> tuple[Factor, ...]:
        """The same, without those that group random effects."""
        effects = (factor for one in self.random for term in one.terms for factor in term.factors)
        return (*replace(self, random=()).factors, *effects)

    @property
    def smooths(self) -> tuple[Term, ...]:
        """The terms that are smooths."""
        return tuple(term for term in self.terms if any(is_smooth(factor.tree) for factor in term.factors))

    @property
    def spelled(self) -> str:
        """The right-hand side, normalised: it can be read again."""
        pieces = [":".join(factor.spelled for factor in term.factors) for term in self.terms]
        if "" not in pieces:
            pieces.insert(0, "0")
        elif len(pieces) > 1 or self.offsets:
            pieces.remove("")
        offsets = [f"offset({offset.spelled})" for offset in self.offsets]
        return " + ".join([piece or "1" for piece in pieces] + offsets + [term.spelled for term in self.random])


@dataclass(frozen=True, slots=True)
class ModelFormula:
    """A response, the linear predictors (the first is that of `mu`), and the columns of the data that they use."""

    response: Response
    predictors: tuple[PredictorFormula, ...]
    variables: tuple[str, ...]
    texts: tuple[str, ...]  # normalised, each can be read again
    roles: Mapping[str, Factor] = field(default_factory=dict)  # weights, offset, exposure by their options

    @property
    def smooths(self) -> tuple[Term, ...]:
        """The terms of all predictors that are smooths."""
        return tuple(term for predictor in self.predictors for term in predictor.smooths)
