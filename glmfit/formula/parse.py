"""What was asked for -> terms: the plain list (`--y y --x x1,x2`) and Wilkinson and Rogers' formulas give the same.

A model is a response and, for each parameter, a set of terms. Text is read here and nowhere else: what comes out are
trees that know their columns. Nothing heavy is imported: reading a formula takes microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from glmfit.errors import ModelError, UsageError, did_you_mean, shell, shorten
from glmfit.formula.admit import columns_of, unknown_name
from glmfit.formula.algebra import admitted, expand
from glmfit.formula.expression import Node, quote, read, render
from glmfit.formula.peers import response_hint, two_parts
from glmfit.formula.roles import row_factors
from glmfit.formula.terms import Factor, ModelFormula, Response
from glmfit.formula.tokens import Token, split_list, tokenize
from glmfit.spec import ModelSpec


def parse(
    spec: ModelSpec,
    header: Collection[str],
    special: Collection[str] = (),
    outcome: Collection[str] = (),
    bounds: tuple[str, str] | None = None,
) -> ModelFormula:
    """The response and terms that a specification asks for, over the columns in `header`.

    Columns that are `special` to the family are not among those that `.` stands for, nor are those of the `outcome`,
    which say more of the response and cannot be covariates either. `bounds` are two columns that hold the response:
    then a formula needs none. Raises UsageError for what cannot be read or contradicts itself, ModelError for an
    unknown column.
    """
    header = dict.fromkeys(header).keys()  # in order, and quick to look up
    asked, main, rest = _main(spec, [_sides(text, spec.family) for text in spec.formulas], header, bounds)
    response = _interval(asked, bounds) if bounds is not None else _given(asked, spec.formulas)
    roles = row_factors(spec, header)
    named = {name for factor in roles.values() for name in factor.columns}
    excluded = {*named, *special, *outcome, *response.columns}
    dot = tuple(name for name in header if name.strip() and name not in excluded)
    predictors = [expand("mu", main, header, dot, spec.intercept)]
    for text, left, right in rest:
        parameter = _parameter(text, left)
        if any(parameter == p.parameter for p in predictors):
            raise UsageError("formula", f"the parameter '{parameter}' has two formulas", "join their terms with +")
        predictors.append(expand(parameter, [right], header, dot, True))
    variables = dict.fromkeys(response.columns)
    answer = {*response.parts[0].columns, *outcome}  # trials may well be a covariate, successes may not
    for role in ("offset", "exposure"):
        if role in roles:
            _refuse_response(answer, roles[role].columns, f"is --{role} as well", f"leave --{role} out")
    for predictor in predictors:
        for factor in predictor.factors:
            _refuse_response(answer, factor.columns, f"is also on the right, in '{factor.text}'", "take it out")
            variables.update(dict.fromkeys(factor.columns))
    lefts = [response.spelled, *(quote(p.parameter) for p in predictors[1:])]
    texts = tuple(f"{left} ~ {p.spelled}".lstrip() for left, p in zip(lefts, predictors, strict=True))
    return ModelFormula(response, tuple(predictors), tuple(variables), texts, roles)


def asks_for_random(spec: ModelSpec) -> bool:
    """Whether random effects are written in a specification, told before there are data."""
    nodes = [_sides(text, spec.family)[2] for text in spec.formulas]
    items = (item for text in spec.x for item in split_list(text))
    nodes += [read(item, arithmetic=False) for item in items if re.search(r"\(.*\|.*\)", item)]
    while nodes:  # a sum may be longer than a recursion can be
        node = nodes.pop()
        if node.kind == "random":
            return True
        nodes += node.args
    return False


def _refuse_response(answer: Collection[str], names: Iterable[str], what: str, remedy: str) -> None:
    for name in names:
        if name in answer:
            message = f"'{name}' is the response, or says more of it, and {what}"
            raise ModelError("response_on_right", message, f"{remedy}: a response does not explain itself")


def _given(asked: Response | None, formulas: Sequence[str]) -> Response:
    """The response, which must be there."""
    if asked is None:
        raise UsageError("formula", f"'{formulas[0]}' names no response", "write 'response ~ terms'")
    return asked


def _interval(asked: Response | None, bounds: tuple[str, str]) -> Response:
    """The response that two columns hold, whichever of them was named."""
    if asked is not None and (asked.kind != "value" or asked.parts[0].column not in bounds):
        message = f"--censor says that {bounds[0]} and {bounds[1]} hold the response, not '{asked.label}'"
        raise UsageError("bad_censoring", message, "write the formula without a response: '~ terms'")
    return Response.interval(bounds)


_Sides = tuple[str, Node | None, Node]  # the text, the left-hand side and the terms


def _main(
    spec: ModelSpec, sides: list[_Sides], header: Collection[str], bounds: Sequence[str] | None
) -> tuple[Response | None, list[Node], list[_Sides]]:
    """The response, the trees of the mean's terms, and the formulas left for other parameters.

    There need be no response where two columns of bounds hold it.
    """
    y = bounds[0] if bounds is not None and spec.y is None and spec.x else spec.y
    if y is None:
        if spec.x and sides:
            raise _two_lists(sides[0][0])
        if spec.x:
            raise UsageError("usage", "--x needs --y, the response", "add --y COLUMN, or write 'response ~ terms'")
        if not sides:
            raise UsageError("usage", "no model was given", "add --y COLUMN --x COLUMNS, or 'response ~ terms'")
        _, left, right = sides[0]
        return None if left is None else _response(left, header), [right], sides[1:]
    response = _plain_response(y, header)
    if sides:
        text, left, right = sides[0]
        if left is None or _same(left, response):
            if spec.x:
                raise _two_lists(text)
            return response, [right], sides[1:]
        if left.kind != "name" or (not spec.x and left.value in header):
            raise UsageError(
                "usage", f"--y asks for the response '{y}', the formula '{text}' for '{render(left)}'", "leave --y out"
            )
    return response, [_item(text, header) for text in _items(spec.x, header)], sides


def _two_lists(text: str) -> UsageError:
    return UsageError(
        "usage", f"both --x and the formula '{shorten(text)}' list terms", "leave --x out, and name all terms there"
    )


def _sides(text: str, family: str) -> _Sides:
    """A formula split at its one tilde; what is wrong with it is told as it concerns the family."""
    tokens = tokenize(text)
    tildes = [i for i, token in enumerate(tokens) if token.kind == "operator" and token.text == "~"]
    if len(tokens) == 1:
        raise UsageError("formula", "the formula is empty", "write 'response ~ terms', or use --y COLUMN --x COLUMNS")
    if not tildes:
        hint = "write 'response ~ terms', such as 'y ~ x', or use --y COLUMN --x COLUMNS"
        if len(sides := re.split("==?|<-", text)) == 2:
            hint = f"write {shell(shorten(' ~ '.join(side.strip() for side in sides)))}"
        raise UsageError("formula", f"the formula '{shorten(text)}' has no '~'", hint)
    if len(tildes) > 1:
        what = f"the formula '{shorten(text)}' has more than one '~'"
        raise UsageError("formula", what, "write one formula for each parameter, each in quotes of its own")
    cut = tildes[0]
    left = tokens[:cut]
    if tokens[cut + 1].kind == "end":
        hint = f"write {shell(shorten(f'{text.strip()} 1'))} for an intercept alone"
        raise UsageError("formula", f"the formula '{shorten(text)}' has nothing to the right of '~'", hint)
    if error := two_parts(text, tokens[cut + 1 : -1], text[: tokens[cut].start].strip(), family):
        raise error
    left_tree = read(text, [*left, Token("end", "", tokens[cut].start)], arithmetic=True) if left else None
    return text, left_tree, read(text, tokens[cut + 1 :], arithmetic=False)


def _plain_response(text: str, header: Collection[str]) -> Response:
    name = text if text in header else text.strip()
    if name in header:
        return Response(name, "value", (Factor.of_column(name),))
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
    return unknown_name(text, header) if did_you_mean(text, header) else error  # type: ignore[return-value]


def _response(tree: Node, header: Collection[str]) -> Response:
    if tree.kind == "call" and (hint := response_hint(tree)):
        raise UsageError("unknown_transform", f"'{render(tree)}' is no response", hint)
    if tree.kind == "call" and tree.value == "cbind":
        kind, trees = "cbind", tree.args
        if len(trees) != 2 or tree.keywords:
            what = f"'{render(tree)}' does not name two columns"
            raise UsageError("formula", what, "write cbind(successes, failures), or successes/trials")
    elif tree.kind == "binary" and tree.value == "/":
        kind, trees = "ratio", tree.args
    else:
        kind, trees = "value", (tree,)
    parts = tuple(admitted(part, header, outer=False) for part in trees)
    if not any(columns_of(trees[0])):
        raise UsageError("formula", f"the response '{render(tree)}' contains no column", "write 'response ~ terms'")
    label = render(tree) if tree.kind != "name" else tree.value
    return Response(label, kind, parts)


def _same(left: Node, response: Response) -> bool:
    return response.label == (left.value if left.kind == "name" else render(left))


def _parameter(text: str, left: Node | None) -> str:
    if left is None or left.kind != "name":
        what = "names no parameter" if left is None else f"has '{render(left)}' on its left"
        raise UsageError("formula", f"the formula '{shorten(text)}' {what}", "a further formula is 'parameter ~ terms'")
    return str(left.value)
