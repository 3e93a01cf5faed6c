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
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from glmfit.errors import UsageError
from glmfit.formula.tokens import NAME, Token, syntax, tokenize
from glmfit.formula.words import ALLOWED

_CONSTANTS = {"True": True, "TRUE": True, "False": False, "FALSE": False, "None": None, "NULL": None}
_UNEXPECTED = {  # what is probably meant
    ")": "remove it, or open it with '('",
    ",": "join terms with +",
    "=": "'=' stands between the name of an argument and its value, '~' between the response and its terms",
}
_MAX_DEPTH = 80
_TERM = {"+": 10, "-": 10, "*": 20, "/": 20, "%in%": 25, ":": 30, "**": 50}
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_TESTS = (*_COMPARISONS, "in", "not in")
_NEGATION = 5  # `not` binds closer than &, and not as close as what it denies
_ARITHMETIC = {"|": 2, "&": 4, **dict.fromkeys(_TESTS, 6), "+": 10, "-": 10}
_ARITHMETIC |= {"*": 20, "/": 20, "//": 20, "%": 20, "**": 50}
_SPELLED = {"and": "&", "or": "|", "in": "in", "%in%": "in"}  # operators that are words, inside calls
# Python's own precedence, for the canonical text.
_PRINT = {"not": 4, **dict.fromkeys(_TESTS, 5), "|": 6, "&": 8, "+": 12, "-": 12}
_PRINT |= {"*": 13, "/": 13, "//": 13, "%": 13, "unary": 14, "**": 15}
_BARE = re.compile(NAME)


@dataclass(frozen=True, slots=True)
class Node:
    """One node of an expression: `kind` is number, string, constant, name, list, call, unary, binary or random.

    `typed` is the text of a product or a power between terms, for messages.
    """

    kind: str
    value: Any
    args: tuple[Node, ...] = ()
    keywords: tuple[tuple[str, Node], ...] = ()
    depth: int = 0
    typed: str = field(default="", compare=False)


class _Parser:
    """Operator precedence over the tokens; `arithmetic` tells the inside of a call from the algebra of terms."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self.text, self.tokens, self.place, self.nesting = text, tokens, 0, 0

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    @property
    def ahead(self) -> Token:
        return self.tokens[min(self.place + 1, len(self.tokens) - 1)]

    def fail(self, what: str, hint: str) -> UsageError:
        return syntax(self.text, self.token.start, what, hint)

    def too_deep(self) -> UsageError:
        return self.fail("the expression is nested too deeply", "remove parentheses, or make a column of it beforehand")

    def unexpected(self) -> UsageError:
        token = self.token
        if token.kind == "end":
            return self.fail("something is missing at the end", "complete the formula, or remove the sign at its end")
        if token.text == "[":
            return self.fail("subscripts are not allowed", ALLOWED)
        hint = self.random_effects() if token.text == "|" else _UNEXPECTED.get(token.text, ALLOWED)
        words = list(takewhile(lambda t: t.kind in ("name", "number"), self.tokens[max(self.place - 1, 0) :]))
        if hint is ALLOWED and len(words) > 1 and not any(keyword.iskeyword(word.text) for word in words):
            name = self.text[words[0].start : words[-1].start] + words[-1].text
            hint = f"a column name with spaces goes in backticks: `{name}`"
        return self.fail(f"unexpected '{token.text}'", hint)

    def random_effects(self) -> str:
        """What to write where a bar stands outside of parentheses."""
        after = self.tokens[self.place + 1]
        name = after.text if after.kind in ("name", "quoted") else "COLUMN"
        return f"a random effect stands in parentheses by itself: ... + (1 | {name})"

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
        start = self.place
        left = self.operand(arithmetic)
        while powers.get(operator := self.infix(arithmetic), -1) >= minimum:
            self.place += 1 + (operator == "not in")
            if operator in ("in", "not in"):
                left = self.node("binary", "in", (left, self.members()))
                left = left if operator == "in" else self.node("unary", "not", (left,))
            else:
                right = self.expression(powers[operator] + (operator != "**"), arithmetic)
                left = self.node("binary", operator, (left, right), flat=not arithmetic and operator in "+-")
                if not arithmetic and operator in ("**", "*", ":"):
                    left = replace(left, typed=self.text[self.tokens[start].start : self.token.start].strip())
            if operator in _TESTS and self.infix(arithmetic) in _TESTS:
                raise self.fail("comparisons cannot be chained", "write each by itself, as in (1 < x) & (x < 3)")
        self.nesting -= 1
        return left

    def infix(self, arithmetic: bool) -> str:
        """The operator that stands here between two operands; empty where none does."""
        word = self.token.text
        if self.token.kind == "operator" and not (arithmetic and word == "%in%"):
            return word
        if not arithmetic or self.token.kind not in ("operator", "name"):
            return ""
        return "not in" if word == "not" and self.ahead.text == "in" else _SPELLED.get(word, "")

    def members(self) -> Node:
        """The list after `in`: ('a', 'b'), ['a', 'b'], c('a', 'b'), or one value."""
        if self.accept("("):
            items = []
            while not self.accept(")"):
                items.append(self.expression(0, True))
                self.separated(")")
            return self.node("list", None, tuple(items))
        found = self.expression(_ARITHMETIC["in"] + 1, True)
        if found.kind == "call" and found.value == "c" and not found.keywords:
            return self.node("list", None, found.args)
        return found if found.kind == "list" else self.node("list", None, (found,))

    def operand(self, arithmetic: bool) -> Node:
        token = self.token
        if token.kind == "operator":
            return self.prefixed(token, arithmetic)
        if token.kind == "end":
            raise self.unexpected()
        self.place += 1
        if token.text == "not" and token.kind == "name" and arithmetic and self.begins():
            return self.node("unary", "not", (self.expression(_NEGATION, True),))
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

    def begins(self) -> bool:
        """Whether an operand begins here, so that a `not` before it is no name."""
        if self.token.kind == "operator":
            return self.token.text in ("(", "-", "+", "!")
        return self.token.kind != "end" and not (self.token.kind == "name" and self.token.text in _SPELLED)

    def prefixed(self, token: Token, arithmetic: bool) -> Node:
        self.place += 1
        if token.text == "!" and arithmetic:
            return self.node("unary", "not", (self.expression(_NEGATION, True),))
        if token.text in ("+", "-"):
            return self.node("unary", token.text, (self.expression(40 if arithmetic else 11, arithmetic),))
        if token.text == "(":
            inner = self.expression(0, arithmetic)
            if not arithmetic and self.token.text == "|":
                return self.random(inner)
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

    def random(self, effects: Node) -> Node:
        """The rest of (effects | group), or of (effects || group), whose effects are uncorrelated."""
        start = self.token.start
        self.place += 1
        group = self.expression(0, False)
        self.expect(")")
        return self.node("random", "||" if self.text.startswith("||", start) else "|", (effects, group))

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
            if self.token.kind == "name" and self.ahead.kind == "operator" and self.ahead.text == "=":
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


def quote(name: str) -> str:
    """A column's name as a formula spells it: bare where the grammar can read it so, else in backticks."""
    return name if _BARE.fullmatch(name) and name not in _CONSTANTS and name != "not" else f"`{name}`"


def calls(node: Node) -> Iterator[Node]:
    """The calls in an expression, the outer ones first."""
    if node.kind == "call":
        yield node
    for child in node.args:
        yield from calls(child)


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
        case "unary" if node.value == "not":
            (denied,) = node.args
            own, text = _PRINT["not"], render(denied, _PRINT["not"])
            # Was: no parentheses, as `not` has Python's last precedence; in a formula & and | come after it.
            text = f"not ({text})" if denied.kind == "binary" and denied.value in "&|" else f"not {text}"
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
