"""What a smooth term asks for: `s(x, k=10, bs="tp", by=g)` and `te(x, z, k=5)`, read from the tree of its call.

The words and their defaults are mgcv's. What cannot be is refused here as far as the header of the data can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from glmfit.errors import ModelError, did_you_mean
from glmfit.formula.expression import Node, render
from glmfit.formula.words import SMOOTHS

BASES = ("tp", "cr", "ps", "re")
_COLUMNS = {"s": 10, "te": 5}  # of each marginal basis, by default
FEWEST = {"cr": 3, "ps": 4, "tp": 3}  # columns of a basis
_ARGUMENTS = ("k", "bs", "by")
_ELSEWHERE = {  # bases of mgcv that are not among these
    **dict.fromkeys(("ts", "cs"), "tp or cr, whose straight line is not penalised"),
    **dict.fromkeys(("cc", "cp"), "cc(x, df=4), a cyclic spline without a penalty"),
    **dict.fromkeys(("fs", "sz"), "s(x, by=g) with s(g, bs='re')"),
    **dict.fromkeys(("ad", "gp", "ds", "bs", "so", "mrf"), "tp, cr or ps"),
}


@dataclass(frozen=True, slots=True)
class Smooth:
    """A smooth of one `variable` or, as a tensor product, of several; `k` columns in each marginal basis."""

    variables: tuple[Node, ...]
    bs: str
    k: tuple[int, ...]
    by: Node | None

    @property
    def random(self) -> bool:
        """Whether it is of independent effects of the levels of a factor."""
        return self.bs == "re"


def is_smooth(node: Node) -> bool:
    """Whether a tree is the call of a smooth."""
    return node.kind == "call" and node.value in SMOOTHS


def parts(node: Node) -> Iterator[Node]:
    """The expressions of data in the call of a smooth: its variables, and what it is multiplied by."""
    yield from node.args
    yield from (value for name, value in node.keywords if name == "by")


def smooth_of(node: Node) -> Smooth:
    """What the call of a smooth asks for; ModelError for what it cannot."""
    given: dict[str, Node] = {}
    for name, value in node.keywords:
        if name not in _ARGUMENTS or name in given:
            hint = did_you_mean(name, _ARGUMENTS) or "a smooth takes k, bs and by, as in s(x, k=20, bs='cr', by=g)"
            raise _bad(node, f"the argument '{name}' is {'given twice' if name in given else 'unknown'}", hint)
        given[name] = value
    _check_variables(node)
    _check_by(node, given.get("by"))
    bs = _basis(node, given.get("bs"))
    if bs == "re" and "k" in given:
        raise _bad(node, "k has no meaning for bs='re'", "leave it out: there is an effect for each level")
    return Smooth(node.args, bs, _sizes(node, bs, given.get("k")), given.get("by"))


def not_random(node: Node) -> ModelError:
    """The error for random effects of numbers."""
    inner = render(node.args[0])
    hint = f"write s(C({inner}), bs='re') for an effect of each value, or s({inner}) for a smooth"
    return ModelError("bad_smooth", f"'{render(node)}': '{inner}' is a number, and random effects are of levels", hint)


def too_long(node: Node) -> ModelError:
    """The error for rows that lie in temporary files."""
    what = f"'{render(node)}': smooth terms need the rows in memory, and these are too many"
    hint = "give more room with --memory, a sample of rows with --where, or write ns(x, df=4), a spline of a fixed size"
    return ModelError("smooth_excludes", what, hint)


def of_factor(node: Node, variable: Node) -> ModelError:
    """The error for a smooth of a factor."""
    inner = render(variable)
    what = f"'{render(node)}': '{inner}' has levels, over which nothing is smooth"
    hint = f"write {inner} for a coefficient of each level, s({inner}, bs='re') for random effects of them"
    return ModelError("bad_smooth", what, f"{hint}, or s(x, by={inner}) for a smooth of x in each")


def _check_variables(node: Node) -> None:
    count = len(node.args)
    if node.value == "te" and count == 1:
        (inner,) = node.args
        hint = f"write s({render(inner)}) for a smooth of one column, or te({render(inner)}, OTHER) for a surface"
        raise _bad(node, "a tensor product needs two columns or more", hint)
    if count == 0:
        raise _bad(node, "it names no column", "write s(x), or te(x, z)")
    if node.value == "s" and count > 1:
        if node.args[1].kind in ("number", "string"):
            name = "k" if node.args[1].kind == "number" else "bs"
            what = f"{render(node.args[1])} needs its name"
            raise _bad(node, what, f"write s({render(node.args[0])}, {name}={render(node.args[1])})")
        inside = ", ".join(map(render, node.args))
        hint = f"write te({inside}) for a surface over them, or {' + '.join(f's({render(a)})' for a in node.args)}"
        raise _bad(node, "a smooth s() is of one column", hint)
    if any(is_smooth(arg) for arg in node.args):
        raise _bad(node, "a smooth cannot be of another smooth", "name the columns inside: te(x, z)")


def _check_by(node: Node, by: Node | None) -> None:
    if by is not None and by.kind not in ("name", "call", "binary", "unary"):
        raise _bad(node, f"by={render(by)} is no column", "write the name of a column: by=g")
    if by is not None and is_smooth(by):
        raise _bad(node, "a smooth cannot multiply another", "write te(x, z) for a surface over two columns")


def _basis(node: Node, given: Node | None) -> str:
    default = "tp" if node.value == "s" else "cr"
    if given is None:
        return default
    if given.kind == "list" or (given.kind == "call" and given.value == "c"):
        raise _bad(node, f"bs={render(given)} is a list", "the margins of te() are cubic regression splines: bs='cr'")
    name = given.value if given.kind in ("string", "name") else render(given)
    if node.value == "te":
        if name != "cr":
            hint = "its margins are cubic regression splines, bs='cr'"
            raise _bad(node, f"bs='{name}' is no basis of te() here", hint)
        return "cr"
    if name not in BASES:
        other = _ELSEWHERE.get(name)
        hint = f"write {other}" if other else did_you_mean(name, BASES) or f"the bases are {', '.join(BASES)}"
        raise _bad(node, f"no basis '{name}'", hint)
    return str(name)


def _sizes(node: Node, bs: str, given: Node | None) -> tuple[int, ...]:
    """The number of columns in each marginal basis."""
    count = len(node.args)
    if bs == "re":
        return ()
    if given is None:
        return (_COLUMNS[node.value],) * count
    listed = given.kind == "list" or (given.kind == "call" and given.value == "c")
    items = given.args if listed else (given,) * count
    sizes = [item.value for item in items if item.kind == "number" and isinstance(item.value, int)]
    if len(sizes) < len(items) or len(sizes) != count or min(sizes) < FEWEST[bs]:
        each = f" for each of {count} columns" if count > 1 else ""
        hint = f"write k={_COLUMNS[node.value]}, the number of columns of the basis: what it may bend, not what it will"
        raise _bad(node, f"k must be a whole number of {FEWEST[bs]} or more{each}", hint)
    return tuple(sizes)


def _bad(node: Node, what: str, hint: str) -> ModelError:
    return ModelError("bad_smooth", f"'{render(node)}': {what}", hint)
