"""What a formula may contain: columns of the data, and the transforms with the arguments that they take.

An expression that `check` has admitted can be evaluated without further questions; nothing else ever is.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from glmfit.errors import GlmfitError, ModelError, UsageError, column_hint, did_you_mean, shorten
from glmfit.formula.expression import Node, quote, render
from glmfit.formula.peers import call_hint
from glmfit.formula.smooth import is_smooth, parts, smooth_of
from glmfit.formula.stata import name_hint
from glmfit.formula.words import (
    ALLOWED,
    CONTRAST_PARAMETERS,
    CONTRASTS,
    DATES,
    OUTERMOST,
    PARAMETERS,
    SEVERAL,
    SMOOTHS,
    SYNONYMS,
    TRANSFORMS,
)

COMPARISONS = ("<", "<=", ">", ">=", "==", "!=", "in")
_SAME = {"include.lowest": "include_lowest", "boundary_knots": "Boundary.knots"}  # other spellings of arguments


def columns_of(node: Node) -> Iterator[str]:
    """The columns an expression uses, in order, with repeats; a factor's contrasts are not columns."""
    if node.kind == "name":
        yield node.value
    if is_smooth(node):
        children: Iterable[Node] = parts(node)
    else:
        children = node.args[:1] if node.kind == "call" and node.value in PARAMETERS else node.args
    for child in children:
        yield from columns_of(child)


def check(node: Node, columns: Collection[str], *, outer: bool = True) -> None:
    """Admit an expression of known columns and documented transforms; raise UsageError or ModelError for any other."""
    if node.kind == "name":
        if node.value not in columns:
            raise unknown_name(node.value, columns)
    elif node.kind in ("string", "constant", "list"):
        hint = f"write the name of a column without quotes: {quote(node.value)}" if node.kind == "string" else ALLOWED
        raise UsageError("formula", f"{render(node)} stands where a number or a column is needed", hint)
    elif node.kind == "call":
        _check_call(node, columns, outer)
    elif node.kind == "binary" and node.value in COMPARISONS:
        _check_comparison(node, columns)
    else:
        if node.kind == "binary" and node.value == "**" and not any(columns_of(node)):
            raise UsageError("formula", f"the power {render(node)} contains no column", "write its value instead")
        for child in node.args:
            check(child, columns, outer=False)


def _check_comparison(node: Node, columns: Collection[str]) -> None:
    """A comparison of expressions, or of a column with a value that is text, a truth value or one of a list."""
    left, right = node.args
    if node.value == "in":
        check(left, columns, outer=False)
        values = literal(right)
        if not values:
            raise UsageError("formula", f"the list in '{render(node)}' is empty", "write x in (1, 2)")
        if any(isinstance(value, str) for value in values):
            _check_column_of(node, left)
    else:
        plain = [side for side in node.args if side.kind not in ("string", "constant")]
        if len(plain) == 1:
            check(plain[0], columns, outer=False)
            if any(side.kind == "string" for side in node.args):
                _check_column_of(node, plain[0])
        else:
            _check_sides(node, columns)
    if not any(columns_of(node)):
        raise UsageError("formula", f"the comparison '{render(node)}' contains no column", "compare a column")


def _check_sides(node: Node, columns: Collection[str]) -> None:
    """Both sides of a comparison; a name that is no column may be text whose quotes are missing."""
    for side, other in zip(node.args, reversed(node.args), strict=True):
        unknown = side.kind == "name" and side.value not in columns and other.kind == "name" and other.value in columns
        if unknown and did_you_mean(side.value, columns) is None:
            hint = f"a value that is text stands in quotes: {quote(other.value)} {node.value} '{shorten(side.value)}'"
            raise ModelError("unknown_column", f"no column '{shorten(side.value)}'", hint)
    for side in node.args:
        check(side, columns, outer=False)


def _check_column_of(node: Node, side: Node) -> None:
    if side.kind != "name":
        what = f"'{render(node)}' compares text with something other than a column"
        raise UsageError("formula", what, "compare a column of text or dates with it, or write a number")


def unknown_name(name: str, columns: Collection[str]) -> GlmfitError:
    """The error for a name that is no column of the data."""
    if name == ".":
        return UsageError("formula", "'.' stands for columns only as a term by itself", "name the columns instead")
    if keyword.iskeyword(name) or any(part.startswith("__") for part in name.split(".")):
        return UsageError("formula", f"'{name}' is no column, and a formula is no Python", ALLOWED)
    return ModelError(
        "unknown_column", f"no column '{shorten(name)}'", name_hint(name, columns) or column_hint(name, columns)
    )


def _check_call(node: Node, columns: Collection[str], outer: bool) -> None:
    name = node.value
    if name not in TRANSFORMS:
        word = name.rsplit(".", 1)[-1]
        hint = did_you_mean(
            word, [name for name in TRANSFORMS if name not in SMOOTHS]
        ) or "the transforms are " + ", ".join(TRANSFORMS)
        if word in TRANSFORMS:
            hint = f"write {render(replace(node, value=word))}"
        hint = call_hint(node) or hint
        raise UsageError("unknown_transform", f"no transform '{name}' in '{render(node)}'", hint)
    if name == "offset":
        raise UsageError("formula", f"'{render(node)}' can only stand as a term by itself", "add it: ... + offset(x)")
    if name in OUTERMOST and not outer:
        what = f"'{render(node)}' gives several columns and cannot be part of another expression"
        raise UsageError("formula", what, "let it stand as a term, with transforms inside: poly(log(x), 2)")
    usage = f"{name}: {TRANSFORMS[name]}"
    if is_smooth(node):
        return _check_smooth(node, columns, usage)
    if name in SEVERAL:
        return _check_several(node, columns, usage)
    if not node.args:
        raise UsageError("formula", f"'{render(node)}' needs a column or an expression as its first argument", usage)
    cuts = node.args[0].kind == "call" and node.args[0].value == "cut"
    check(node.args[0], columns, outer=name == "C" and cuts)
    if name in DATES and node.args[0].kind != "name":
        raise UsageError("formula", f"'{render(node)}' needs a column of dates as its argument", usage)
    if not any(columns_of(node.args[0])):
        raise UsageError("formula", f"'{render(node)}' contains no column", usage)
    given = arguments(node)
    if isinstance(contrasts := given.pop("contrasts", None), Node):
        given |= contrast_of(contrasts)[1]
    for value in given.values():
        literal(value)


def _check_smooth(node: Node, columns: Collection[str], usage: str) -> None:
    """A smooth of columns or of arithmetic of them; of a factor only where it is one of random effects."""
    asked = smooth_of(node)
    for part in parts(node):
        levels = (asked.random or part is asked.by) and part.kind == "call" and part.value in ("C", *SYNONYMS)
        check(part, columns, outer=levels)
        if not any(columns_of(part)):
            raise UsageError("formula", f"'{render(node)}' contains no column", usage)


def _check_several(node: Node, columns: Collection[str], usage: str) -> None:
    """A call whose arguments are all data."""
    fewest, most = SEVERAL[node.value]
    if node.keywords or not fewest <= len(node.args) <= most:
        count = str(fewest) if fewest == most else f"at least {fewest}"
        raise UsageError("formula", f"'{render(node)}' must have {count} arguments without names", usage)
    for child in node.args:
        check(child, columns, outer=False)
    if not any(columns_of(node)):
        raise UsageError("formula", f"'{render(node)}' contains no column", usage)


def canonical(node: Node) -> Node:
    """A checked expression without the words that only other languages have: factor(x) is C(x)."""
    if is_smooth(node):
        keywords = tuple((name, canonical(value)) for name, value in node.keywords)
        return replace(node, args=tuple(map(canonical, node.args)), keywords=keywords)
    if node.kind != "call" or node.value not in SYNONYMS:
        return node
    return replace(node, value=SYNONYMS[node.value], args=node.args[:1], keywords=tuple(arguments(node).items()))


def arguments(node: Node) -> dict[str, Node]:
    """The arguments of a transform after its data, by name; raises UsageError for one it does not take."""
    return _bind(node, node.args[1:], PARAMETERS.get(node.value, ()))


def _bind(node: Node, positional: tuple[Node, ...], parameters: tuple[str, ...]) -> dict[str, Node]:
    takes = f"it takes {', '.join(parameters)}" if parameters else "it takes no further argument"
    if len(positional) > len(parameters):
        raise UsageError("formula", f"too many arguments in '{render(node)}'", takes)
    given = dict(zip(parameters, positional, strict=False))
    for key, value in node.keywords:
        key = _SAME.get(key, key)
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


def _is_number(node: Node) -> bool:
    """Whether a constant argument is a number; Inf is R's name of one."""
    return node.kind == "number" or (node.kind == "name" and node.value in ("Inf", "inf"))


def literal(node: Node) -> Any:
    """The value of a constant argument: a number, text, True, False, None, or a list of these."""
    if node.kind in ("number", "string", "constant"):
        return node.value
    if node.kind == "list" or (node.kind == "call" and node.value == "c" and not node.keywords):
        return [literal(item) for item in node.args]
    if node.kind == "unary" and node.value in ("+", "-") and _is_number(node.args[0]):
        value = literal(node.args[0])
        return -value if node.value == "-" else value
    if _is_number(node):
        return math.inf
    what = f"the argument '{render(node)}' must be a number, a text or a list of them"
    raise UsageError("formula", what, "columns stand in the first argument only")
