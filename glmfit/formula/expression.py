"""Expressions of a formula: tokens -> a small tree -> canonical text. Nothing is ever handed to Python's eval.

One grammar serves both readings of a formula, as in R: between terms `+ : * / **` are Wilkinson and Rogers' algebra,
inside a call they are arithmetic. The tree can hold names, numbers, strings, lists, operators and calls and nothing
else, and `check` admits only columns of the data and the transforms listed here, so a formula may come from anywhere.
Precedence is R's (`x > 1 & z < 2` needs no parentheses, `^` is a power); the canonical text is valid Python as well.
"""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from glmfit.errors import GlmfitError, ModelError, UsageError, column_hint, did_you_mean, shorten
from glmfit.formula.tokens import NAME, Token, syntax, tokenize

TRANSFORMS: Mapping[str, str] = {
    "I": "arithmetic as it stands: I(x**2), I(a / b), I((x > 3) & (z < 2))",
    "log": "natural logarithm",
    "log2": "logarithm to base 2",
    "log10": "logarithm to base 10",
    "log1p": "log(1 + x)",
    "exp": "exponential",
    "expm1": "exp(x) - 1",
    "sqrt": "square root",
    "abs": "absolute value",
    "sin": "sine, x in radians",
    "cos": "cosine, x in radians",
    "center": "x minus its mean",
    "scale": "x minus its mean, divided by its standard deviation (n - 1)",
    "standardize": "x minus its mean, divided by its standard deviation (n)",
    "poly": "orthogonal polynomials: poly(x, 3); poly(x, 3, raw=True) for plain powers",
    "bs": "B-splines: bs(x, df=6), bs(x, knots=[1, 2], degree=3)",
    "cr": "natural cubic regression splines: cr(x, df=4), cr(x, df=4, constraints='center')",
    "cs": "the same as cr",
    "cc": "cyclic cubic regression splines: cc(x, df=4)",
    "C": "a factor: C(x), C(g, Treatment('b')), C(g, ref='b'), C(g, contr.sum), C(g, levels=['b', 'a'])",
    "offset": "a term with coefficient 1: offset(log(years))",
}
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")
# What a call takes after its data argument; transforms without an entry take the data alone.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "scale": ("center", "scale", "ddof"),
    "standardize": ("center", "rescale", "ddof"),
    "poly": ("degree", "raw"),
    "bs": ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "extrapolation"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "C": ("contrasts", "levels", "ref"),
}
OUTERMOST = frozenset({"C", "poly", "bs", "cr", "cs", "cc"})  # these give several columns: no arithmetic on them
CONTRASTS: Mapping[str, str] = {
    **{f"contr.{kind}": kind for kind in ("treatment", "SAS", "sum", "helmert", "poly", "diff")},
    **{kind.capitalize(): kind for kind in ("treatment", "sum", "helmert", "poly", "diff")},
}
CONTRAST_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "treatment": ("reference",),
    "SAS": ("reference",),
    "sum": (),
    "helmert": ("reverse", "scale"),
    "poly": ("scores",),
    "diff": ("backward",),
}
_ELSEWHERE = {"factor": "C", "as.factor": "C", "ln": "log", "ns": "cr", "s": "cr", "pow": "I", "relevel": "C"}
_CONSTANTS = {"True": True, "TRUE": True, "False": False, "FALSE": False, "None": None, "NULL": None}
_ALLOWED = "a formula holds columns, numbers, arithmetic, and the transforms " + ", ".join(TRANSFORMS)
_UNEXPECTED = {  # what is probably meant
    ")": "remove it, or open it with '('",
    ",": "join terms with +",
    "=": "'=' stands between the name of an argument and its value, '~' between the response and its terms",
    "|": "random effects, as in (1 | g), cannot be fitted: take g as a factor, or --se cluster:g",
    **dict.fromkeys(("and", "or", "not"), "write & for and, | for or, (...) == 0 for not"),
}
_MAX_DEPTH = 80
_TERM = {"+": 10, "-": 10, "*": 20, "/": 20, "%in%": 25, ":": 30, "**": 50}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_ARITHMETIC = {"|": 2, "&": 4, **dict.fromkeys(_COMPARISONS, 6), "+": 10, "-": 10}
_ARITHMETIC |= {"*": 20, "/": 20, "//": 20, "%": 20, "**": 50}
# Python's own precedence, for the canonical text.
_PRINT = {**dict.fromkeys(_COMPARISONS, 5), "|": 6, "&": 8, "+": 12, "-": 12}
_PRINT |= {"*": 13, "/": 13, "//": 13, "%": 13, "unary": 14, "**": 15}
_BARE = re.compile(NAME)


@dataclass(frozen=True, slots=True)
class Node:
    """One node of an expression: `kind` is number, string, constant, name, list, call, unary or binary."""

    kind: str
    value: Any
    args: tuple[Node, ...] = ()
    keywords: tuple[tuple[str, Node], ...] = ()
    depth: int = 0


class _Parser:
    """Operator precedence over the tokens; `arithmetic` tells the inside of a call from the algebra of terms."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text, self.tokens, self.place, self.nesting = text, tokens, 0, 0

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def fail(self, what: str, hint: str) -> UsageError:
        return syntax(self.text, self.token.start, what, hint)

    def too_deep(self) -> UsageError:
        return self.fail("the expression is nested too deeply", "remove parentheses, or make a column of it beforehand")

    def unexpected(self) -> UsageError:
        token = self.token
        if token.kind == "end":
            return self.fail("something is missing at the end", "complete the formula, or remove the sign at its end")
        if token.text == "[":
            return self.fail("subscripts are not allowed", _ALLOWED)
        hint = _UNEXPECTED.get(token.text, _ALLOWED)
        words = list(takewhile(lambda t: t.kind in ("name", "number"), self.tokens[max(self.place - 1, 0) :]))
        if hint is _ALLOWED and len(words) > 1 and not any(keyword.iskeyword(word.text) for word in words):
            name = self.text[words[0].start : words[-1].start] + words[-1].text
            hint = f"a column name with spaces goes in backticks: `{name}`"
        return self.fail(f"unexpected '{token.text}'", hint)

    def accept(self, text: str) -> bool:
        if self.token.kind == "operator" and self.token.text == text:
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            ended = self.token.kind == "end"
            raise self.fail(f"'{text}' is missing", "what opens must close") if ended else self.unexpected()

    def separated(self, close: str) -> None:
        """A comma, unless a list or a call ends here."""
        if self.token.text != close:
            self.expect("," if self.token.kind != "end" else close)

    def node(self, kind: str, value: Any, args: tuple[Node, ...], keywords: Any = (), flat: bool = False) -> Node:
        depths = [a.depth for a in args] + [k.depth for _, k in keywords]
        # A sum of terms is as deep as its deepest term: it may be as long as the data are wide.
        depth = max(depths[0], depths[1] + 1) if flat else 1 + max(depths, default=0)
        if depth > _MAX_DEPTH:
            raise self.too_deep()
        return Node(kind, value, args, tuple(keywords), depth)

    def expression(self, minimum: int, arithmetic: bool) -> Node:
        self.nesting += 1
        if self.nesting > _MAX_DEPTH:
            raise self.too_deep()
        powers = _ARITHMETIC if arithmetic else _TERM
        left = self.operand(arithmetic)
        while self.token.kind == "operator" and powers.get(operator := self.token.text, -1) >= minimum:
            self.place += 1
            right = self.expression(powers[operator] + (operator != "**"), arithmetic)
            left = self.node("binary", operator, (left, right), flat=not arithmetic and operator in "+-")
            if operator in _COMPARISONS and self.token.text in _COMPARISONS and self.token.kind == "operator":
                raise self.fail("comparisons cannot be chained", "write (1 < x) & (x < 3)")
        self.nesting -= 1
        return left

    def operand(self, arithmetic: bool) -> Node:
        token = self.token
        if token.kind == "operator":
            return self.prefixed(token, arithmetic)
        if token.kind == "end":
            raise self.unexpected()
        self.place += 1
        if token.kind == "quoted":
            return Node("name", token.text[1:-1])
        if token.kind == "string":
            return Node("string", re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL))
        if token.kind == "number":
            return self.number(token)
        if self.accept("("):
            return self.call(token.text)
        if token.text in _CONSTANTS:
            return Node("constant", _CONSTANTS[token.text])
        return Node("name", token.text)

    def prefixed(self, token: Token, arithmetic: bool) -> Node:
        self.place += 1
        if token.text in ("+", "-"):
            return self.node("unary", token.text, (self.expression(40 if arithmetic else 11, arithmetic),))
        if token.text == "(":
            inner = self.expression(0, arithmetic)
            self.expect(")")
            # Parentheses close a sum of terms: `a + (b - a)` keeps a.
            return inner if arithmetic else self.node("group", "", (inner,))
        if token.text == "[" and arithmetic:
            items = []
            while not self.accept("]"):
                items.append(self.expression(0, True))
                self.separated("]")
            return self.node("list", None, tuple(items))
        self.place -= 1
        raise self.unexpected()

    def number(self, token: Token) -> Node:
        whole = token.text.isdigit()
        if len(token.text) > 40 or not math.isfinite(float(token.text)):
            self.place -= 1
            raise self.fail(f"the number {token.text[:40]} is out of range", "write a shorter one")
        return Node("number", int(token.text) if whole else float(token.text))

    def call(self, name: str) -> Node:
        args: list[Node] = []
        keywords: list[tuple[str, Node]] = []
        while not self.accept(")"):
            ahead = self.tokens[min(self.place + 1, len(self.tokens) - 1)]
            if self.token.kind == "name" and ahead.kind == "operator" and ahead.text == "=":
                key = self.token.text
                self.place += 2
                if key in dict(keywords):
                    raise self.fail(f"'{key}' is given twice", "give it once")
                keywords.append((key, self.expression(0, True)))
            elif keywords:
                raise self.fail("an argument without a name follows one with a name", "name it, or move it forward")
            else:
                args.append(self.expression(0, True))
            self.separated(")")
        return self.node("call", name, tuple(args), tuple(keywords))


def read(text: str, tokens: list[Token] | None = None, *, arithmetic: bool) -> Node:
    """The tree of an arithmetic expression or of a sum of terms; raises UsageError with the place of the mistake."""
    parser = _Parser(text, tokenize(text) if tokens is None else tokens)
    node = parser.expression(0, arithmetic)
    if parser.token.kind != "end":
        if not arithmetic and parser.token.text in _ARITHMETIC and parser.token.text != "|":
            raise parser.fail(f"'{parser.token.text}' has no meaning between terms", "write arithmetic inside I(...)")
        if arithmetic and parser.token.text in _TERM:
            raise parser.fail(
                f"'{parser.token.text}' has no meaning in arithmetic", "it stands between terms, outside of I(...)"
            )
        raise parser.unexpected()
    return node


@lru_cache(maxsize=4096)
def read_arithmetic(text: str) -> Node:
    """`read(text, arithmetic=True)`, remembered."""
    return read(text, arithmetic=True)


def quote(name: str) -> str:
    """A column's name as a formula spells it: bare where the grammar can read it so, else in backticks."""
    return name if _BARE.fullmatch(name) and name not in _CONSTANTS else f"`{name}`"


def render(node: Node, precedence: int = 0) -> str:
    """The canonical text of an expression, spaced and parenthesised as Python's own printer does it."""
    match node.kind:
        case "name":
            return quote(node.value)
        case "list":
            return "[" + ", ".join(render(a) for a in node.args) + "]"
        case "call":
            args = [render(a) for a in node.args] + [f"{k}={render(v)}" for k, v in node.keywords]
            return f"{node.value}({', '.join(args)})"
        case "unary":
            own, text = _PRINT["unary"], node.value + render(node.args[0], _PRINT["unary"])
        case "binary":
            own = _PRINT[node.value]
            # Comparisons do not associate; ** associates to the right.
            left, right = (own + 1, own) if node.value == "**" else (own + (own == 5), own + 1)
            text = f"{render(node.args[0], left)} {node.value} {render(node.args[1], right)}"
        case _:
            return repr(node.value)
    return f"({text})" if own < precedence else text


def columns_of(node: Node) -> Iterator[str]:
    """The columns an expression uses, in order, with repeats; a factor's contrasts are not columns."""
    if node.kind == "name":
        yield node.value
    for child in node.args[:1] if node.kind == "call" and node.value in PARAMETERS else node.args:
        yield from columns_of(child)


def check(node: Node, columns: Collection[str], *, outer: bool = True) -> None:
    """Admit an expression of known columns and documented transforms; raise UsageError or ModelError for any other."""
    if node.kind == "name":
        if node.value not in columns:
            raise unknown_column(node.value, columns)
    elif node.kind in ("string", "constant", "list"):
        hint = f"write the name of a column without quotes: {quote(node.value)}" if node.kind == "string" else _ALLOWED
        raise UsageError("formula", f"{render(node)} stands where a number or a column is needed", hint)
    elif node.kind == "call":
        _check_call(node, columns, outer)
    else:
        if node.kind == "binary" and node.value == "**" and not any(columns_of(node)):
            raise UsageError("formula", f"the power {render(node)} contains no column", "write its value instead")
        for child in node.args:
            check(child, columns, outer=False)


def unknown_column(name: str, columns: Collection[str]) -> GlmfitError:
    """The error for a name that is no column of the data."""
    if name == ".":
        return UsageError("formula", "'.' stands for columns only as a term by itself", "name the columns instead")
    if keyword.iskeyword(name) or any(part.startswith("__") for part in name.split(".")):
        return UsageError("formula", f"'{name}' is no column, and a formula is no Python", _ALLOWED)
    return ModelError("unknown_column", f"no column '{shorten(name)}'", column_hint(name, columns))


def _check_call(node: Node, columns: Collection[str], outer: bool) -> None:
    name = node.value
    if name not in TRANSFORMS:
        word = name.rsplit(".", 1)[-1]
        hint = did_you_mean(word, TRANSFORMS) or "the transforms are " + ", ".join(TRANSFORMS)
        if name in _ELSEWHERE or word in TRANSFORMS:
            hint = f"write {_ELSEWHERE.get(name, word)}(...)"
        raise UsageError("unknown_transform", f"no transform '{name}' in '{render(node)}'", hint)
    if name == "offset":
        raise UsageError("formula", f"'{render(node)}' can only stand as a term by itself", "add it: ... + offset(x)")
    if name in OUTERMOST and not outer:
        what = f"'{render(node)}' gives several columns and cannot be part of another expression"
        raise UsageError("formula", what, "let it stand as a term, with transforms inside: poly(log(x), 2)")
    usage = f"{name}: {TRANSFORMS[name]}"
    if not node.args:
        raise UsageError("formula", f"'{render(node)}' needs a column or an expression as its first argument", usage)
    check(node.args[0], columns, outer=False)
    if not any(columns_of(node.args[0])):
        raise UsageError("formula", f"'{render(node)}' contains no column", usage)
    given = arguments(node)
    if isinstance(contrasts := given.pop("contrasts", None), Node):
        given |= contrast_of(contrasts)[1]
    for value in given.values():
        literal(value)


def arguments(node: Node) -> dict[str, Node]:
    """The arguments of a transform after its data, by name; raises UsageError for one it does not take."""
    return _bind(node, node.args[1:], PARAMETERS.get(node.value, ()))


def _bind(node: Node, positional: tuple[Node, ...], parameters: tuple[str, ...]) -> dict[str, Node]:
    takes = f"it takes {', '.join(parameters)}" if parameters else "it takes no further argument"
    if len(positional) > len(parameters):
        raise UsageError("formula", f"too many arguments in '{render(node)}'", takes)
    given = dict(zip(parameters, positional, strict=False))
    for key, value in node.keywords:
        key = "reference" if "reference" in parameters and key in ("base", "ref") else key
        key = "ref" if "ref" in parameters and key in ("reference", "base") else key
        if key not in parameters or key in given:
            fault = "given twice" if key in given else "unknown"
            raise UsageError("formula", f"the argument '{key}' is {fault} in '{render(node)}'", takes)
        given[key] = value
    return given


def contrast_of(node: Node) -> tuple[str, dict[str, Node]]:
    """The kind of contrasts that the second argument of C() names, and its arguments."""
    if node.kind not in ("name", "call") or node.value not in CONTRASTS:
        hint = did_you_mean(str(node.value), CONTRASTS) or "the contrasts are " + ", ".join(CONTRASTS)
        raise UsageError("unknown_contrast", f"'{render(node)}' is not a kind of contrasts", hint)
    kind = CONTRASTS[node.value]
    return kind, _bind(node, node.args, CONTRAST_PARAMETERS[kind])


def literal(node: Node) -> Any:
    """The value of a constant argument: a number, text, True, False, None, or a list of these."""
    if node.kind in ("number", "string", "constant"):
        return node.value
    if node.kind == "list" or (node.kind == "call" and node.value == "c" and not node.keywords):
        return [literal(item) for item in node.args]
    if node.kind == "unary" and node.args[0].kind == "number":
        return -node.args[0].value if node.value == "-" else node.args[0].value
    what = f"the argument '{render(node)}' must be a number, a text or a list of them"
    raise UsageError("formula", what, "columns stand in the first argument only")
