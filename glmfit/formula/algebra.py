"""The algebra of terms, R's: a tree of Wilkinson and Rogers' operators -> terms, their offsets and the intercept.

`a*b` = a + b + a:b, `a/b` = a + a:b, `b %in% a` = a:b, `(a + b)^2` to degree 2, `-` removes, `0` or `-1` removes the
intercept, `.` is every other column; terms are sorted by degree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import product

from glmfit.errors import ModelError, UsageError, shorten
from glmfit.formula.admit import canonical, check
from glmfit.formula.expression import Node, render
from glmfit.formula.smooth import is_smooth
from glmfit.formula.terms import Factor, PredictorFormula, RandomTerm, Term
from glmfit.formula.words import OUTERMOST

_MAX_TERMS = 20_000
Terms = dict[frozenset[Factor], tuple[Factor, ...]]  # a term's factors as a set -> in the order written


def admitted(tree: Node, header: Collection[str], *, outer: bool = True) -> Factor:
    """The factor that a tree is, once it is checked; an exact column name wins over what it would mean."""
    if tree.kind != "name" and (name := render(tree)) in header:
        return Factor.of_column(name)
    check(tree, header, outer=outer)
    return Factor.of(canonical(tree))


def expand(
    parameter: str, trees: list[Node], header: Collection[str], dot: tuple[str, ...], intercept: bool
) -> PredictorFormula:
    """The terms of one parameter: the sum of `trees` over the columns in `header`.

    `dot` are those that `.` is, less those whose levels have random effects.
    """
    grouping = {name for tree in trees for name in _grouping(tree)}
    algebra = _Algebra(header, tuple(name for name in dot if name not in grouping))
    terms: Terms = {}
    for tree in trees:
        algebra.add(tree, terms)
    factors = sorted(terms.values(), key=len)
    for term in factors:
        _refuse_crossed(term)
    if algebra.intercept and intercept:
        factors.insert(0, ())
    random = tuple(dict.fromkeys(term for node in algebra.random for term in _random(node, header)))
    return PredictorFormula(parameter, tuple(Term(f) for f in factors), tuple(algebra.offsets), random=random)


def _grouping(tree: Node) -> Iterator[str]:
    """The names on the right of the bars of random effects; a sum may be thousands deep."""
    waiting = [(tree, False)]
    while waiting:
        node, inside = waiting.pop()
        if inside and node.kind == "name":
            yield str(node.value)
        for at, child in enumerate(node.args):
            waiting.append((child, inside or (node.kind == "random" and at == 1)))


def _random(node: Node, header: Collection[str]) -> Iterator[RandomTerm]:
    """The terms that (effects | group) stands for: one for each term of the group, g and g:h of g/h; with || one for
    each term of the effects."""
    effects, group = node.args
    written = f"({_plain(effects)} {node.value} {_plain(group)})"
    found = expand("", [effects], header, (), True)
    groups = expand("", [group], header, (), False)
    if found.offsets or groups.offsets or found.random or groups.random:
        hint = "write terms on the left of the bar and grouping columns on its right: (1 + x | g)"
        raise UsageError("formula", f"{written} holds more than effects and their groups", hint)
    if not found.terms or not groups.terms:
        what = "has no effect" if not found.terms else "names no group"
        raise UsageError(
            "formula", f"{written} {what}", "write (1 | g) for a random intercept, (x | g) for a slope too"
        )
    sets = [(term,) for term in found.terms] if node.value == "||" else [found.terms]
    for one in groups.terms:
        for terms in sets:
            yield RandomTerm(terms, Term(tuple(_levels_of(factor) for factor in one.factors)))


def _levels_of(factor: Factor) -> Factor:
    """A column as the levels that it has, whether or not they are numbers."""
    if factor.column is None:
        return factor
    return Factor.of(Node("call", "C", (factor.tree,), depth=factor.tree.depth + 1))


class _Algebra:
    """Expansion of a tree into terms; the intercept is one flag for the whole predictor, as in R."""

    def __init__(self, header: Collection[str], dot: tuple[str, ...]) -> None:
        self.header, self.dot = header, dot
        self.intercept = True
        self.offsets: list[Factor] = []
        self.random: list[Node] = []

    def add(self, tree: Node, terms: Terms) -> None:
        """Add the summands of a tree to `terms`, or take them away, from left to right."""
        summands: list[tuple[Node, bool]] = []
        keep = True
        while tree.kind in ("binary", "unary") and tree.value in ("+", "-"):
            # A long sum leans to the left: unrolled here, so that its length costs no recursion.
            summands.append((tree.args[-1], tree.value == "+"))
            if tree.kind == "unary":
                break
            tree = tree.args[0]
        else:
            summands.append((tree, keep))
        for node, plus in reversed(summands):
            while node.kind == "unary":
                node, plus = node.args[0], plus == (node.value == "+")
            self.summand(node, plus, terms)

    def summand(self, node: Node, plus: bool, terms: Terms) -> None:
        if node.kind == "number" and node.value in (0, 1):
            self.intercept = plus == (node.value == 1)
        elif node.kind == "call" and node.value == "offset":
            self.offset(node, plus)
        elif node.kind == "random":
            self.effects(node, plus)
        elif plus:
            terms.update((key, term) for key, term in self.expand(node).items() if key not in terms)
            _bound(len(terms), 0)
        else:
            for key in self.expand(node):
                terms.pop(key, None)

    def offset(self, node: Node, plus: bool) -> None:
        if not plus:
            raise UsageError("formula", f"'{render(node)}' cannot be taken away", "leave it out")
        if len(node.args) != 1 or node.keywords:
            raise UsageError(
                "formula", f"'{render(node)}' must have one argument", "write offset(x), and I(...) around arithmetic"
            )
        self.offsets.append(admitted(node.args[0], self.header, outer=False))

    def effects(self, node: Node, plus: bool) -> None:
        if not plus:
            raise UsageError("formula", f"'{_plain(node)}' cannot be taken away", "leave it out")
        self.random.append(node)

    def expand(self, node: Node) -> Terms:
        """The terms that one summand stands for."""
        if node.kind == "random":
            hint = f"add it by itself: ... + {shorten(_plain(node))}"
            raise UsageError("formula", f"{shorten(_plain(node))} cannot be part of another term", hint)
        if node.kind == "group":
            inside: Terms = {}
            self.add(node.args[0], inside)
            return inside
        if node.kind == "binary":
            if node.value == "**":
                return self.power(node)
            left, right = (self.expand(child) for child in node.args)
            if node.value in ("*", ":") and left.keys() == right.keys() and self.single(node.args[0], left):
                raise _square(node, left, 2)
            return self.combine(str(node.value), left, right)
        if node.kind == "unary" or node.kind == "number":
            hint = "0 or -1 drops the intercept; write arithmetic inside I(...)"
            if (name := _plain(node)) in self.header:
                hint = f"a column with that name goes in backticks: `{name}`; write arithmetic inside I(...)"
            raise UsageError("formula", f"'{shorten(_plain(node))}' cannot be part of a term", hint)
        if node.kind == "name" and node.value == "." and "." not in self.header:
            columns = [Factor.of_column(name) for name in self.dot]
        else:
            columns = [admitted(node, self.header)]
        return {frozenset((factor,)): (factor,) for factor in columns}

    def single(self, node: Node, terms: Terms) -> bool:
        """Whether terms are one factor by itself, of which the algebra makes no square as arithmetic does."""
        while node.kind == "group":
            node = node.args[0]
        dots = node.kind == "name" and node.value == "." and "." not in self.header
        return not dots and [len(term) for term in terms.values()] == [1]

    def combine(self, operator: str, left: Terms, right: Terms) -> Terms:
        if operator == ":":
            return self.product(left, right)
        if operator == "*":
            return {**left, **right, **self.product(left, right)}
        if operator == "/":
            return {**left, **self.product(self.joined(left), right)}
        return self.product(self.joined(right), left)  # left %in% right

    @staticmethod
    def joined(terms: Terms) -> Terms:
        """One term of all the factors."""
        factors = tuple(dict.fromkeys(f for term in terms.values() for f in term))
        return {frozenset(factors): factors}

    @staticmethod
    def product(left: Terms, right: Terms) -> Terms:
        out: Terms = {}
        work = 0
        for a, b in product(left.values(), right.values()):
            factors = tuple(dict.fromkeys(a + b))
            out.setdefault(frozenset(factors), factors)
            work += len(a) + len(b)
            _bound(len(out), work)
        return out

    def power(self, node: Node) -> Terms:
        base, exponent = self.expand(node.args[0]), node.args[1]
        if self.single(node.args[0], base) and not (exponent.kind == "number" and exponent.value in (0, 1)):
            raise _square(node, base, exponent)
        if exponent.kind != "number" or not isinstance(exponent.value, int) or exponent.value < 1:
            hint = "leave the power out, or write the square of a column x as I(x**2)"
            raise UsageError("formula", f"the power of '{shorten(_plain(node))}' must be a positive whole number", hint)
        terms = base
        for _ in range(exponent.value - 1):
            grown = self.product(terms, base)
            complete = len(grown) == len(terms)
            terms = grown
            if complete:
                break
        return terms


def _refuse_crossed(term: tuple[Factor, ...]) -> None:
    """A smooth is a term by itself: what it varies with is one of its arguments."""
    smooth = next((factor for factor in term if is_smooth(factor.tree)), None)
    if smooth is None or len(term) == 1:
        return
    others = [factor for factor in term if factor is not smooth]
    hint = "let it stand as a term by itself"
    if len(others) == 1 and not is_smooth(others[0].tree):
        call = replace(smooth.tree, keywords=(*smooth.tree.keywords, ("by", others[0].tree)))
        hint = f"write {others[0].spelled} + {render(call)}: a smooth for each level, or multiplied by the number"
    elif len(others) == 1:
        inside = ", ".join(render(arg) for factor in term for arg in factor.tree.args)
        hint = f"write te({inside}) for a surface over both"
    what = f"'{':'.join(factor.text for factor in term)}': a smooth cannot be crossed with other terms"
    raise ModelError("bad_smooth", what, hint)


def _square(node: Node, base: Terms, exponent: Node | int) -> UsageError:
    """The error for a power or a product with itself between terms, where R takes the factor alone in silence."""
    (factor,) = next(iter(base.values()))
    what = f"'{shorten(_plain(node))}' is '{factor.text}' alone: between terms ^ and * cross them, as in (a + b)^2"
    if factor.tree.kind == "call" and factor.tree.value in OUTERMOST:
        return UsageError("formula", what, f"write {factor.spelled}")
    power = Node("number", exponent) if isinstance(exponent, int) else exponent
    inner = factor.tree.args[0] if factor.tree.kind == "call" and factor.tree.value == "I" else factor.tree
    return UsageError("formula", what, f"write I({render(Node('binary', '**', (inner, power)))}) for a power of it")


def _bound(terms: int, work: int) -> None:
    """Raises ModelError as soon as there are too many terms, or too much work is done for them."""
    if terms > _MAX_TERMS or work > 100 * _MAX_TERMS:
        what = f"the formula expands to more than {_MAX_TERMS} terms"
        raise ModelError("too_many_terms", what, "cross fewer factors, or to a lower degree")


def _plain(node: Node) -> str:
    """A tree of terms as text for messages."""
    if node.kind == "group":
        return f"({_plain(node.args[0])})"
    if node.kind == "random":
        return f"({_plain(node.args[0])} {node.value} {_plain(node.args[1])})"
    if node.kind == "unary":
        return f"{node.value}{_plain(node.args[0])}"
    if node.kind == "binary" and node.typed:
        return node.typed
    if node.kind == "binary":
        return f"{_plain(node.args[0])} {node.value} {_plain(node.args[1])}"
    return render(node)
