"""What was asked for -> terms: the plain list (`--y y --x x1,x2`) and Wilkinson and Rogers' formulas give the same.

A model is a response and, for each parameter, a set of terms; a term is a product of factors; a factor is a column or a
checked expression of columns. The algebra is R's: `a*b` = a + b + a:b, `a/b` = a + a:b, `b %in% a` = a:b, `(a + b)^2`
to degree 2, `-` removes, `0` or `-1` removes the intercept, `.` is every other column; terms are sorted by degree.
Nothing heavy is imported: reading a formula takes microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import product

from glmfit.errors import ModelError, UsageError, did_you_mean, shorten
from glmfit.formula.expression import Node, check, columns_of, quote, read, render, unknown_column
from glmfit.formula.tokens import Token, split_list, tokenize
from glmfit.spec import ModelSpec

_MAX_TERMS = 20_000
Terms = dict[frozenset[str], tuple[str, ...]]  # a term's factors as a set -> in the order written


@dataclass(frozen=True, slots=True)
class Response:
    """The left-hand side: a value (y,), a ratio (successes, trials) or cbind (successes, failures)."""

    label: str
    kind: str  # value | ratio | cbind
    parts: tuple[str, ...]  # each a column's name or a checked expression


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors, each a column's name or a checked expression; no factors is the intercept."""

    factors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The term as reports show it."""
        return ":".join(self.factors) or "Intercept"


@dataclass(frozen=True, slots=True)
class PredictorFormula:
    """The linear predictor of one parameter: its terms and the expressions added with coefficient 1."""

    parameter: str
    terms: tuple[Term, ...]
    offsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelFormula:
    """A response, the linear predictors (the first is that of `mu`), and the columns of the data that they use."""

    response: Response
    predictors: tuple[PredictorFormula, ...]
    variables: tuple[str, ...]
    texts: tuple[str, ...]  # normalised, each can be read again


def parse(
    spec: ModelSpec, header: Collection[str], special: Collection[str] = (), outcome: Collection[str] = ()
) -> ModelFormula:
    """The response and terms that a specification asks for, over the columns in `header`.

    Columns that are `special` to the family are not among those that `.` stands for, nor are those of the `outcome`,
    which say more of the response and cannot be covariates either.
    Raises UsageError for what cannot be read or contradicts itself, ModelError for an unknown column.
    """
    header = dict.fromkeys(header).keys()  # in order, and quick to look up
    sides = [_sides(text) for text in spec.formulas]
    response, main, rest = _main(spec, sides, header)
    named = {spec.weights, spec.freq_weights, spec.sampling_weights, spec.offset, spec.exposure, *special, *outcome}
    excluded = named | {name for part in response.parts for name in _variables(part, header)}
    dot = tuple(name for name in header if name.strip() and name not in excluded)
    predictors = [_predictor("mu", main, header, dot, spec.intercept)]
    for text, left, right in rest:
        parameter = _parameter(text, left)
        if any(parameter == p.parameter for p in predictors):
            raise UsageError("formula", f"the parameter '{parameter}' has two formulas", "join their terms with +")
        predictors.append(_predictor(parameter, [right], header, dot, True))
    variables = dict.fromkeys(name for part in response.parts for name in _variables(part, header))
    answer = {*_variables(response.parts[0], header), *outcome}  # trials may well be a covariate, successes may not
    for option, name in (("--offset", spec.offset), ("--exposure", spec.exposure)):
        _refuse_response(answer, (name,), f"is {option} as well")
    for predictor in predictors:
        for text in (*(f for term in predictor.terms for f in term.factors), *predictor.offsets):
            used = dict.fromkeys(_variables(text, header))
            _refuse_response(answer, used, f"is also on the right, in '{text}'")
            variables.update(used)
    texts = tuple(
        f"{_spelled(response, header) if i == 0 else quote(p.parameter)} ~ {_right(p, header)}"
        for i, p in enumerate(predictors)
    )
    return ModelFormula(response, tuple(predictors), tuple(variables), texts)


def _refuse_response(answer: Collection[str], names: Iterable[str | None], what: str) -> None:
    for name in names:
        if name in answer:
            message = f"'{name}' is the response, or says more of it, and {what}"
            raise ModelError("response_on_right", message, "take it out: a response does not explain itself")


_Sides = tuple[str, Node | None, Node]  # the text, the left-hand side and the terms


def _main(spec: ModelSpec, sides: list[_Sides], header: Collection[str]) -> tuple[Response, list[Node], list[_Sides]]:
    """The response, the trees of the mean's terms, and the formulas left for other parameters."""
    if spec.y is None:
        if spec.x and sides:
            raise _two_lists(sides[0][0])
        if spec.x:
            raise UsageError("usage", "--x needs --y, the response", "add --y COLUMN, or write 'response ~ terms'")
        if not sides:
            raise UsageError("usage", "no model was given", "add --y COLUMN --x COLUMNS, or 'response ~ terms'")
        text, left, right = sides[0]
        if left is None:
            raise UsageError("formula", f"'{text}' names no response", "write 'response ~ terms'")
        return _response(left, header), [right], sides[1:]
    response = _plain_response(spec.y, header)
    if sides:
        text, left, right = sides[0]
        if left is None or _same(left, response):
            if spec.x:
                raise _two_lists(text)
            return response, [right], sides[1:]
        if left.kind != "name" or (not spec.x and left.value in header):
            raise UsageError(
                "usage", f"--y asks for the response '{spec.y}', the formula '{text}' for '{render(left)}'", "give one"
            )
    return response, [_item(text, header) for text in _items(spec.x, header)], sides


def _two_lists(text: str) -> UsageError:
    return UsageError("usage", f"both --x and the formula '{shorten(text)}' list terms", "give one of them")


def _sides(text: str) -> _Sides:
    """A formula split at its one tilde."""
    tokens = tokenize(text)
    tildes = [i for i, token in enumerate(tokens) if token.kind == "operator" and token.text == "~"]
    if len(tokens) == 1:
        raise UsageError("formula", "the formula is empty", "write 'response ~ terms', or use --y and --x")
    if not tildes:
        like = re.sub("==?|<-", " ~ ", text) if re.search("=|<-", text) else f"{text} ~ x"
        hint = f"write 'response ~ terms', for example '{shorten(' '.join(like.split()))}', or use --y and --x"
        raise UsageError("formula", f"the formula '{shorten(text)}' has no '~'", hint)
    if len(tildes) > 1:
        what = f"the formula '{shorten(text)}' has more than one '~'"
        raise UsageError("formula", what, "write one formula for each parameter, each in quotes of its own")
    cut = tildes[0]
    left = tokens[:cut]
    if tokens[cut + 1].kind == "end":
        hint = "write ~ 1 for an intercept alone"
        raise UsageError("formula", f"the formula '{shorten(text)}' has nothing to the right of '~'", hint)
    left_tree = read(text, [*left, Token("end", "", tokens[cut].start)], arithmetic=True) if left else None
    return text, left_tree, read(text, tokens[cut + 1 :], arithmetic=False)


def _plain_response(text: str, header: Collection[str]) -> Response:
    name = text if text in header else text.strip()
    if name in header:
        return Response(name, "value", (name,))
    try:
        tree = read(text, arithmetic=True)
    except UsageError as error:
        raise _or_column(error, text, header) from error
    return _response(tree, header)


def _items(texts: Iterable[str], header: Collection[str]) -> Iterable[str]:
    """The items of --x: an exact column name as it is, anything else split at its top-level commas."""
    for text in texts:
        yield from (text,) if text in header or text.strip() in header else split_list(text)


def _item(text: str, header: Collection[str]) -> Node:
    """One item of --x: an exact column name, or a term as in a formula."""
    name = text if text in header else text.strip()
    if name in header:
        return Node("name", name)
    try:
        return read(text, arithmetic=False)
    except UsageError as error:
        raise _or_column(error, text, header) from error


def _or_column(error: UsageError, text: str, header: Collection[str]) -> ModelError | UsageError:
    """What cannot be read is most often a column's name misspelt."""
    return unknown_column(text, header) if did_you_mean(text, header) else error  # type: ignore[return-value]


def _response(tree: Node, header: Collection[str]) -> Response:
    if tree.kind == "call" and tree.value == "cbind":
        kind, trees = "cbind", tree.args
        if len(trees) != 2 or tree.keywords:
            what = f"'{render(tree)}' does not name two columns"
            raise UsageError("formula", what, "write cbind(successes, failures), or successes/trials")
    elif tree.kind == "binary" and tree.value == "/":
        kind, trees = "ratio", tree.args
    else:
        kind, trees = "value", (tree,)
    for part in trees:
        check(part, header, outer=False)
    if not any(columns_of(trees[0])):
        raise UsageError("formula", f"the response '{render(tree)}' contains no column", "write 'response ~ terms'")
    label = render(tree) if tree.kind != "name" else tree.value
    return Response(label, kind, tuple(_text(part) for part in trees))


def _same(left: Node, response: Response) -> bool:
    return response.label == (left.value if left.kind == "name" else render(left))


def _parameter(text: str, left: Node | None) -> str:
    if left is None or left.kind != "name":
        what = "names no parameter" if left is None else f"has '{render(left)}' on its left"
        raise UsageError("formula", f"the formula '{shorten(text)}' {what}", "a further formula is 'parameter ~ terms'")
    return str(left.value)


def _text(node: Node) -> str:
    """A factor's expression: a column's own name as it is, anything else in canonical form."""
    return str(node.value) if node.kind == "name" else render(node)


def _variables(text: str, header: Collection[str]) -> Iterable[str]:
    """The columns of a factor's expression; an exact column name always wins over parsing."""
    return (text,) if text in header else columns_of(read(text, arithmetic=True))


def _spelled(response: Response, header: Collection[str]) -> str:
    return quote(response.label) if response.label in header else response.label


def _right(predictor: PredictorFormula, header: Collection[str]) -> str:
    """The right-hand side, normalised."""
    pieces = [":".join(quote(f) if f in header else f for f in term.factors) for term in predictor.terms]
    if "" not in pieces:
        pieces.insert(0, "0")
    elif len(pieces) > 1 or predictor.offsets:
        pieces.remove("")
    offsets = [f"offset({quote(o) if o in header else o})" for o in predictor.offsets]
    return " + ".join([piece or "1" for piece in pieces] + offsets)


def _predictor(
    parameter: str, trees: list[Node], header: Collection[str], dot: tuple[str, ...], intercept: bool
) -> PredictorFormula:
    algebra = _Algebra(header, dot)
    terms: Terms = {}
    for tree in trees:
        algebra.add(tree, terms)
    factors = sorted(terms.values(), key=len)
    if algebra.intercept and intercept:
        factors.insert(0, ())
    return PredictorFormula(parameter, tuple(Term(f) for f in factors), tuple(algebra.offsets))


class _Algebra:
    """Expansion of a tree into terms; the intercept is one flag for the whole predictor, as in R."""

    def __init__(self, header: Collection[str], dot: tuple[str, ...]) -> None:
        self.header, self.dot = header, dot
        self.intercept = True
        self.offsets: list[str] = []

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
        check(node.args[0], self.header, outer=False)
        self.offsets.append(_text(node.args[0]))

    def expand(self, node: Node) -> Terms:
        """The terms that one summand stands for."""
        if node.kind == "group":
            inside: Terms = {}
            self.add(node.args[0], inside)
            return inside
        if node.kind == "binary":
            if node.value == "**":
                return self.power(node)
            left, right = (self.expand(child) for child in node.args)
            return self.combine(str(node.value), left, right)
        if node.kind == "unary" or node.kind == "number":
            hint = "0 or -1 drops the intercept; write arithmetic inside I(...)"
            if (name := _plain(node)) in self.header:
                hint = f"a column with that name goes in backticks: `{name}`; write arithmetic inside I(...)"
            raise UsageError("formula", f"'{shorten(_plain(node))}' cannot be part of a term", hint)
        if node.kind == "name" and node.value == "." and "." not in self.header:
            return {frozenset((name,)): (name,) for name in self.dot}
        if node.kind != "name" and render(node) in self.header:
            return self.single(render(node))
        if node.kind == "name" and node.value not in self.header:
            raise unknown_column(node.value, self.header)
        check(node, self.header)
        return self.single(_text(node))

    @staticmethod
    def single(factor: str) -> Terms:
        return {frozenset((factor,)): (factor,)}

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
        if exponent.kind != "number" or not isinstance(exponent.value, int) or exponent.value < 1:
            hint = "write I(x**2) for the square of a column"
            raise UsageError("formula", f"the power of '{shorten(_plain(node))}' must be a positive whole number", hint)
        terms = base
        for _ in range(exponent.value - 1):
            grown = self.product(terms, base)
            complete = len(grown) == len(terms)
            terms = grown
            if complete:
                break
        return terms


def _bound(terms: int, work: int) -> None:
    """Raises ModelError as soon as there are too many terms, or too much work is done for them."""
    if terms > _MAX_TERMS or work > 100 * _MAX_TERMS:
        what = f"the formula expands to more than {_MAX_TERMS} terms"
        raise ModelError("too_many_terms", what, "cross fewer factors, or to a lower degree")


def _plain(node: Node) -> str:
    """A tree of terms as text for messages."""
    if node.kind == "group":
        return f"({_plain(node.args[0])})"
    if node.kind == "unary":
        return f"{node.value}{_plain(node.args[0])}"
    if node.kind == "binary":
        return f"{_plain(node.args[0])} {node.value} {_plain(node.args[1])}"
    return render(node)
