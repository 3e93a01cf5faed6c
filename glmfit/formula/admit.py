"""What a formula may contain: columns of the data, and the transforms with the arguments that they take.

An expression that `check` has admitted can be evaluated without further questions; nothing else ever is.
"""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterator
from typing import Any

from glmfit.errors import GlmfitError, ModelError, UsageError, column_hint, did_you_mean, shorten
from glmfit.formula.expression import Node, quote, render
from glmfit.formula.words import ALLOWED, CONTRAST_PARAMETERS, CONTRASTS, ELSEWHERE, OUTERMOST, PARAMETERS, TRANSFORMS


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
            raise unknown_name(node.value, columns)
    elif node.kind in ("string", "constant", "list"):
        hint = f"write the name of a column without quotes: {quote(node.value)}" if node.kind == "string" else ALLOWED
        raise UsageError("formula", f"{render(node)} stands where a number or a column is needed", hint)
    elif node.kind == "call":
        _check_call(node, columns, outer)
    else:
        if node.kind == "binary" and node.value == "**" and not any(columns_of(node)):
            raise UsageError("formula", f"the power {render(node)} contains no column", "write its value instead")
        for child in node.args:
            check(child, columns, outer=False)


def unknown_name(name: str, columns: Collection[str]) -> GlmfitError:
    """The error for a name that is no column of the data."""
    if name == ".":
        return UsageError("formula", "'.' stands for columns only as a term by itself", "name the columns instead")
    if keyword.iskeyword(name) or any(part.startswith("__") for part in name.split(".")):
        return UsageError("formula", f"'{name}' is no column, and a formula is no Python", ALLOWED)
    return ModelError("unknown_column", f"no column '{shorten(name)}'", column_hint(name, columns))


def _check_call(node: Node, columns: Collection[str], outer: bool) -> None:
    name = node.value
    if name not in TRANSFORMS:
        word = name.rsplit(".", 1)[-1]
        hint = did_you_mean(word, TRANSFORMS) or "the transforms are " + ", ".join(TRANSFORMS)
        if name in ELSEWHERE or word in TRANSFORMS:
            hint = f"write {ELSEWHERE.get(name, word)}(...)"
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
