"""What R and others write in formulas and this grammar does not have, with what to write here instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from glmfit.errors import UsageError, shell, shorten
from glmfit.families import find_family
from glmfit.families.userfile import is_path
from glmfit.formula.expression import Node, render
from glmfit.formula.tokens import Token

# What a call is written as, {x} being its first argument and {y} its second.
_CALLS = {
    **dict.fromkeys(("categorical", "Categorical", "dummy", "i", "one_hot"), "C({x})"),
    "relevel": "C({x}, ref={level})",
    **dict.fromkeys(("as.numeric", "as.integer", "as.double", "identity"), "{x}"),
    **dict.fromkeys(
        ("ordered", "as.ordered"), "C({x}, Poly), of text with its order: levels=['LOW', 'MIDDLE', 'HIGH']"
    ),
    **dict.fromkeys(("square", "sqr", "sq"), "I({x} ** 2)"),
    "cube": "I({x} ** 3)",
    **dict.fromkeys(("pow", "power"), "I({x} ** {y})"),
    "ln": "log({x})",
    "rcs": "ns({x}, df={df})",
    "ncs": "ns({x}, df={y})",
    **dict.fromkeys(("pspline", "lo", "smooth", "gam.s", "smooth.spline"), "s({x})"),
    **dict.fromkeys(("ti", "t2"), "te({inside})"),
    "strata": "C({x}), or leave it out and add --family conditional-logit --group {column}",
    **dict.fromkeys(("cluster", "frailty"), "nothing in its place, and add --se {clusters}"),
    "interaction": "{cells}",
}
_RESPONSES = {  # as a response
    **dict.fromkeys(("ordered", "as.ordered"), "{x}, with --family ordinal --levels LOW,MIDDLE,HIGH"),
    **dict.fromkeys(("factor", "as.factor", "C"), "{x}, with --family binomial for two levels, multinomial for more"),
    "Surv": "{x}, with --event {second} and --family weibull",
    "as.numeric": "{x}",
}


def call_hint(node: Node) -> str | None:
    """What to write for a call of another program in a term."""
    return _hint(node, _CALLS)


def response_hint(node: Node) -> str | None:
    """What to write for a call of another program as the response."""
    return _hint(node, _RESPONSES)


def _hint(node: Node, known: Mapping[str, str]) -> str | None:
    name = str(node.value).rsplit("::", 1)[-1]
    if name not in known or not node.args:
        return None
    second = render(node.args[1]) if len(node.args) > 1 else next((render(v) for _, v in node.keywords[:1]), "2")
    inside = ", ".join(map(render, node.args))
    slots = {"inside": inside, "x": render(node.args[0]), "y": second, "df": second}
    column, event = slots["x"].strip("`"), second.strip("`")
    slots |= {"column": shell(column), "clusters": shell(f"cluster:{column}"), "second": shell(event)}
    slots["level"] = second if len(node.args) > 1 or node.keywords else "'LEVEL'"
    slots["cells"] = ":".join(f"C({render(x)})" if x.kind == "name" else render(x) for x in node.args)
    if name == "rcs" and second.isdigit():  # whose argument counts knots
        slots["df"] = str(max(int(second) - 1, 1))
    return "write " + known[name].format_map(slots)


def two_parts(text: str, right: Sequence[Token], left: str, family: str) -> UsageError | None:
    """The error for terms in two parts, `y ~ x | z`, which R's packages give to two parameters, or to fixed effects."""
    depth, bar = 0, None
    for token in right:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]")) if token.kind == "operator" else 0
        if token.kind == "operator" and token.text == "|" and depth == 0 and bar is None:
            bar = token.start
    if bar is None:
        return None
    before, after = text[right[0].start : bar].strip(), text[bar + 1 :].strip()
    if not before or not after:
        return None
    effects = f"write {shell(f'{left} ~ {before} + C({after})')} for fixed effects of {after}"
    if not re.fullmatch(r"[\w.]+", after):
        effects = "write C(COLUMN) among the terms for fixed effects"
    second = "PARAMETER" if is_path(family) else _second(family)
    hint = effects
    if second is not None:
        both = f"write {shell(f'{left} ~ {before}', f'{second} ~ {after}')}, a formula for each parameter"
        hint = both if second in ("zero", "precision", "PARAMETER") else f"{effects}, or {both.removeprefix('write ')}"
    return UsageError("formula", f"the formula '{shorten(text)}' has two parts", hint)


def _second(family: str) -> str | None:
    """The last parameter of a family, which R's packages model in a second part."""
    parameters = find_family(family).parameters
    return parameters[-1].name if len(parameters) > 1 else None
