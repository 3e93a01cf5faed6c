"""Hypotheses about a fit as text -> functions of its coefficients: "x1 = x2", "g[T.b] = 0, g[T.c] = 0", "exp(x1)/x2".

Names are those of the table, whatever signs they hold, the longest first; `parameter:term` where several parameters
have the term. A parameter without covariates stands on its natural scale, its link in the derivative. The rest is the
grammar of formulas inside a call: numbers, arithmetic, the functions listed here; never Python's eval.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from glmfit.errors import ModelError, UsageError, did_you_mean, shorten
from glmfit.families.links import find_link
from glmfit.formula.expression import Node, read
from glmfit.formula.tokens import Token, tokenize
from glmfit.result import Coefficient, Fit

Value = Callable[[Tensor], Tensor]  # of theta (p,): a number
FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "exp": torch.exp, "log": torch.log, "log2": torch.log2, "log10": torch.log10, "log1p": torch.log1p,
    "expm1": torch.expm1, "sqrt": torch.sqrt, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh,
    "logit": torch.logit, "expit": torch.sigmoid,
}  # fmt: skip
_OPERATORS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add, "-": torch.subtract, "*": torch.multiply, "/": torch.divide, "**": torch.pow,
}  # fmt: skip
NATURAL = "parameter"  # parameter:alpha is alpha on its natural scale, where a term is called alpha too
MOST_CHARACTERS = 10_000
MOST_HYPOTHESES = 1_000
NOT_ESTIMATED = ("aliased", "at_limit")
_WHOLE = re.compile(r"[^\s=,]+")


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """That `value(theta)` is `against`; `text` is how it was written, `stated` whether with an equals sign."""

    text: str
    value: Value
    against: float
    stated: bool


def hypotheses(text: str, names: Names) -> tuple[Hypothesis, ...]:
    """Those between the commas of a text; `UsageError` where it cannot be read, `ModelError` for an unknown name."""
    if len(text) > MOST_CHARACTERS:
        message = f"a hypothesis of {len(text)} characters; at most {MOST_CHARACTERS} are read"
        raise UsageError("formula", message, "test it in parts")
    parts = _split(tokenize(text, names.pattern), ",")
    found = []
    for tokens in parts:
        sides = _split(tokens, "=")
        if len(sides) > 2:
            raise _bad(text, "it has more than one =", "write a = b, b = c")
        written = text[tokens[0].start : tokens[-1].start].strip()
        found.append(_hypothesis(text, written, [_tree(text, side, names) for side in sides], names))
    return tuple(found)


def _hypothesis(text: str, written: str, sides: Sequence[Node], names: Names) -> Hypothesis:
    left = names.value(sides[0], text)
    if len(sides) == 1:
        return Hypothesis(written, left, 0.0, stated=False)
    right = names.value(sides[1], text)
    if _constant(sides[1]):
        return Hypothesis(written, left, float(right(torch.zeros(0, dtype=torch.float64))), stated=True)
    return Hypothesis(written, lambda theta: left(theta) - right(theta), 0.0, stated=True)


def _split(tokens: Sequence[Token], at: str) -> list[list[Token]]:
    """Runs of tokens between the signs that stand outside of all parentheses, each closed by an end."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[:-1]:
        sign = token.text if token.kind == "operator" else ""
        depth += (sign in ("(", "[")) - (sign in (")", "]"))
        if sign == at and depth == 0:
            parts[-1].append(Token("end", "", token.start))
            parts.append([])
        else:
            parts[-1].append(token)
    parts[-1].append(tokens[-1])
    return parts


def _tree(text: str, tokens: Sequence[Token], names: Names) -> Node:
    for name, bracket in pairwise(tokens):
        if name.kind == "name" and bracket.text == "[" and bracket.start == name.start + len(name.text):
            whole = _WHOLE.match(text, name.start)
            raise names.unknown(name.text if whole is None else whole.group())
    try:
        return read(text, list(tokens), arithmetic=True)
    except UsageError as error:
        hint = "write it as 'x1 = x2', 'g[T.b] = 0, g[T.c] = 0' or 'exp(x1)/x2', with names as in the table"
        raise UsageError("formula", error.message, hint) from error


def _constant(node: Node) -> bool:
    return node.kind != "name" and all(map(_constant, node.args))


def _bad(text: str, what: str, hint: str) -> UsageError:
    return UsageError("formula", f"cannot read '{shorten(text, 120)}': {what}", hint)


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """What the names in a hypothesis mean in one fit: values by name; `several` are names of more than one thing."""

    values: Mapping[str, Value]
    several: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unestimated: Mapping[str, str] = field(default_factory=dict)  # and why

    @property
    def pattern(self) -> re.Pattern[str]:
        """All names, the longest first, with any spaces where they have one."""
        known = {*self.values, *self.several, *self.unestimated} - {""}
        known_first = sorted(known, key=len, reverse=True)
        return re.compile("|".join(map(_spelled, known_first)) or r"(?!)")

    def value(self, node: Node, text: str) -> Value:
        """The function of theta that an expression is."""
        match node.kind:
            case "number":
                number = torch.tensor(float(node.value), dtype=torch.float64)
                return lambda theta: number
            case "name":
                return self.named(node.value)
            case "unary":
                inner, sign = self.value(node.args[0], text), -1.0 if node.value == "-" else 1.0
                return lambda theta: sign * inner(theta)
            case "binary" if node.value in _OPERATORS:
                operate = _OPERATORS[node.value]
                left, right = (self.value(side, text) for side in node.args)
                return lambda theta: operate(left(theta), right(theta))
            case "binary" if node.value == "==":
                raise _bad(text, "== compares", "write a single =")
            case "call" if node.value in FUNCTIONS and len(node.args) == 1 and not node.keywords:
                function, of = FUNCTIONS[node.value], self.value(node.args[0], text)
                return lambda theta: function(of(theta))
            case "call":
                hint = did_you_mean(node.value, FUNCTIONS) or f"the functions, of one value, are {', '.join(FUNCTIONS)}"
                raise _bad(text, f"'{node.value}(...)' is none of the functions known here, nor a term", hint)
        what = f"'{node.value}'" if node.kind in ("binary", "string") else f"a {node.kind}"
        hint = "a hypothesis holds names of the table, numbers, + - * / ^, and functions such as exp"
        raise _bad(text, f"{what} has no place in it", hint)

    def named(self, name: str) -> Value:
        """The value of a name; `ModelError` where there is none, or more than one."""
        known = {*self.values, *self.several, *self.unestimated}
        if name not in known:
            squeezed = "".join(name.split())
            name = next((one for one in known if "".join(one.split()) == squeezed), name)
        if name in self.several:
            ways = " or ".join(f"'{way}'" for way in self.several[name])
            raise ModelError("ambiguous_term", f"'{name}' may mean more than one thing in this model", f"write {ways}")
        if name in self.unestimated:
            what = f"'{name}' was not estimated: {self.unestimated[name]}"
            raise ModelError("not_estimated", what, "test terms that have a standard error in the table")
        if name not in self.values:
            raise self.unknown(name)
        return self.values[name]

    def unknown(self, name: str) -> ModelError:
        """The error for a name that nothing has."""
        known = sorted(
            dict.fromkeys([*self.values, *self.several]), key=lambda one: ":" in one
        )  # without a parameter first
        hint = did_you_mean(name, known) or f"it has {', '.join(known[:12])}" + (", ..." if len(known) > 12 else "")
        return ModelError("no_such_term", f"the model has no term '{shorten(name)}'", hint)


def _spelled(name: str) -> str:
    """The pattern of a name: not the beginning of a longer word, and spaces between signs are free."""
    pieces = name.split()
    out = re.escape(pieces[0]) if pieces else re.escape(name)
    for before, after in pairwise(pieces):
        between = r"\s+" if _is_word(before[-1]) and _is_word(after[0]) else r"\s*"
        out += between + re.escape(after)
    return out + (r"(?![\w.])" if _is_word(name[-1:]) else "")


def _is_word(mark: str) -> bool:
    return mark.isalnum() or mark in "_."


# ---- The names of a fit ----


def names_of(fit: Fit) -> Names:
    """Terms and parameters of a fit by the names of its table."""
    natural = {one.name for one in fit.auxiliary if not one.fixed}
    bare: dict[str, list[str]] = {}
    values: dict[str, Value] = {}
    why: dict[str, str] = {}
    for at, row in enumerate(fit.coefficients):
        whole, own = f"{row.parameter}:{row.term}", _auxiliary_of(row, natural)
        if own is not None:
            values[f"{NATURAL}:{own}"] = _natural(fit, row, at)
            bare.setdefault(own, []).append(f"{NATURAL}:{own}")
            if whole == own:
                continue  # sigma:short of a log_likelihood(params, data): the table shows it on its natural scale
        else:
            bare.setdefault(row.term, []).append(whole)
        values[whole] = _coefficient(at)
        if row.status in NOT_ESTIMATED:
            why[whole] = "it is a combination of earlier terms" if row.status == "aliased" else "it is at a limit"
    why |= {one.name: "it was held at a value" for one in fit.auxiliary if one.fixed}
    why |= dict.fromkeys(fit.model.fixed, "it was held at a value")
    if fit.dispersion.method in ("pearson", "deviance"):
        why["phi"] = "it is found from the residuals, and has no standard error"
    several = {name: tuple(ways) for name, ways in bare.items() if len(ways) > 1}
    single = {name: ways[0] for name, ways in bare.items() if len(ways) == 1}
    values |= {name: values[way] for name, way in single.items()}
    why |= {name: why[way] for name, way in single.items() if way in why}
    return Names(values, several, {name: text for name, text in why.items() if name not in several})


def _auxiliary_of(row: Coefficient, natural: set[str]) -> str | None:
    """The name of the parameter without covariates that a coefficient is, on the scale of its link."""
    whole = f"{row.parameter}:{row.term}"
    if whole in natural:
        return whole
    return row.parameter if row.parameter in natural and row.term == "Intercept" else None


def _coefficient(at: int) -> Value:
    return lambda theta: theta[at]


def _natural(fit: Fit, row: Coefficient, at: int) -> Value:
    link = find_link(fit.model.links[row.parameter])
    return lambda theta: link.inverse(theta[at])
