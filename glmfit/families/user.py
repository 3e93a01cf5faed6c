"""A user's own likelihood: a function or a `Family` subclass in a file becomes a family like any other.

    def log_density(y, mu, log_sigma, *, event): ...

The signature is the specification: arguments after the response are linear predictors (`log_x` and `logit_x` name the
working scale of parameter x), keyword-only arguments are columns of the data, left out where they have a default and
the data have no such column. Everything of the file runs guarded, so that its errors are told by its own lines.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from copy import copy
from functools import wraps
from types import ModuleType
from typing import Any, ClassVar

from glmfit.errors import GlmfitError, ModelError, UsageError, did_you_mean, shell
from glmfit.families.base import Family, Parameter, Support
from glmfit.families.links import POSITIVE_LINKS, REAL_LINKS, UNIT_LINKS
from glmfit.families.userfile import is_outside_domain, load, running, split, stem

SCALES = {"log": POSITIVE_LINKS, "logit": UNIT_LINKS}
REAL = Support(-math.inf, math.inf, text="numbers")
COUNTED = Support(0, math.inf, integer=True, text="successes between 0 and the trials")
# What a subclass may define, and glmfit calls.
TAILS = ("log_cdf", "log_survival")
METHODS = (*TAILS, "__init__", "log_density", "mean", "variance", "unit_deviance", "simulate")


class UserFamily(Family):
    """What families from files share: where they come from, and which columns they take if the data have them."""

    path: ClassVar[str]
    signature: ClassVar[str]  # of its log_density, as reports show it
    plain_density: ClassVar[Callable[..., Any]]  # as the file has it, called with the family first
    optional: ClassVar[tuple[str, ...]]  # columns that have a default
    summary = "from a file"
    example = "glmfit check FILE.py DATA FORMULA"
    support = REAL

    def of_columns(self, header: Collection[str]) -> Family:
        for name in self.columns:
            if name not in header:
                what = f"log_density of {self.path} takes a column '{name}', which the data do not have"
                hint = did_you_mean(name, header) or f"name the argument after a column, or write {name}=DEFAULT"
                raise ModelError("unknown_column", what, hint)
        family = copy(self)
        family.columns = (*self.columns, *(name for name in self.optional if name in header))
        return family


def user_family(text: str) -> type[Family]:
    """The family of `FILE.py` or `FILE.py:NAME`; UsageError where the file defines nothing of the kind."""
    path, name = split(text)
    found = _find(load(path), path, name)
    label = name if name and name != "log_density" else stem(path)
    return _from_class(found, path, label) if isinstance(found, type) else _from_function(found, path, label)


def _find(module: ModuleType, path: str, name: str | None) -> Any:
    """The function or class asked for by name, else `log_density`, else the only one that could be meant."""
    own = {key: value for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    classes = {key: value for key, value in own.items() if isinstance(value, type) and issubclass(value, Family)}
    functions = {key: value for key, value in own.items() if inspect.isfunction(value) and not key.startswith("_")}
    if name is not None:
        found = vars(module).get(name)
        if callable(found) and (not isinstance(found, type) or issubclass(found, Family)):
            return found
        what = f"{path} defines no '{name}'" if found is None else f"'{name}' in {path} is no function and no Family"
        known = [*functions, *classes]
        hint = did_you_mean(name, known) or (f"it defines: {', '.join(known)}" if known else "define log_density")
        raise UsageError("no_density", what, hint)
    if callable(vars(module).get("log_density")):
        return vars(module)["log_density"]
    for candidates in (classes, functions):
        if len(candidates) == 1:
            return next(iter(candidates.values()))
        if candidates:
            what = f"{path} defines {', '.join(candidates)}: which of them is the likelihood?"
            raise UsageError("no_density", what, f"write {shell(f'{path}:{next(iter(candidates))}')} for {shell(path)}")
    raise UsageError("no_density", f"{path} defines no likelihood", "define: def log_density(y, mu, ...)")


def _from_function(function: Callable[..., Any], path: str, label: str) -> type[Family]:
    parameters, columns, optional = _read_signature(function, path, bound=True)

    def plain(self: Family, y: Any, *working: Any, **columns: Any) -> Any:
        return function(y, *working, **columns)

    return _make(UserFamily, plain, path, label, _signature_text(function), parameters, columns, optional)


def _from_class(cls: type[Family], path: str, label: str) -> type[Family]:
    if cls.log_density is Family.log_density:
        raise UsageError("no_density", f"{cls.__name__} in {path} defines no log_density", "define it")
    stated = getattr(cls, "parameters", None)
    if not (isinstance(stated, tuple) and stated and all(isinstance(p, Parameter) for p in stated)):
        hint = 'write parameters = (Parameter("mu", "identity", REAL_LINKS),)'
        raise UsageError("bad_signature", f"{cls.__name__} in {path} states no tuple of parameters", hint)
    for parameter in stated:
        if parameter.scale not in ("identity", *SCALES):
            what = f"{cls.__name__} in {path}: the scale of {parameter.name} is '{parameter.scale}'"
            raise UsageError("bad_signature", what, "a scale is identity, log or logit")
        parameter.link(None, label)  # its default is a link, and one of its links
    _, columns, optional = _read_signature(cls.log_density, path, bound=False)
    columns = tuple(dict.fromkeys((*cls.columns, *columns)))
    base = type(cls.__name__, (cls, UserFamily), {})
    label, text = vars(cls).get("name", label), _signature_text(cls.log_density)
    return _make(base, cls.log_density, path, label, text, stated, columns, optional)


def _make(
    base: type[UserFamily],
    plain: Callable[..., Any],
    path: str,
    label: str,
    signature: str,
    parameters: tuple[Parameter, ...],
    columns: tuple[str, ...],
    optional: tuple[str, ...],
) -> type[Family]:
    """The class itself, its methods guarded; phi, where it is a parameter, is estimated by maximum likelihood."""
    facts: dict[str, Any] = {
        name: (_guarded_density if name in TAILS else _guarded)(getattr(base, name), path)
        for name in METHODS
        if getattr(base, name) not in (getattr(Family, name), getattr(UserFamily, name))
    }
    facts |= {"log_density": _guarded_density(plain, path), "start": _guarded_start(base.start, path)}
    facts |= {"name": label, "path": path, "signature": signature, "plain_density": plain}
    needed, spare = (tuple(name for name in names if name != "trials") for names in (columns, optional))
    facts |= {"parameters": parameters, "columns": needed, "optional": spare}
    if base is UserFamily:  # made of a function alone
        facts["has_mean"] = False
    if "trials" in (*columns, *optional) or base.trials:
        facts |= {"trials": True} | ({"support": COUNTED} if base.support is REAL else {})
    if base.variance is Family.variance and "phi" in [parameter.name for parameter in parameters]:
        facts["joint_dispersion"] = True
    return type(base.__name__, (base,), facts)


def _guarded(method: Callable[..., Any], path: str) -> Callable[..., Any]:
    @wraps(method)
    def guarded(*arguments: Any, **columns: Any) -> Any:
        with running(path):
            return method(*arguments, **columns)

    return guarded


def _guarded_density(density: Callable[..., Any], path: str) -> Callable[..., Any]:
    """A log-density or a tail, NaN outside its domain: a trial step that goes too far is no error."""

    @wraps(density)
    def guarded(self: Family, y: Any, *working: Any, **columns: Any) -> Any:
        try:
            with running(path):
                return density(self, y, *working, **columns)
        except ModelError as error:
            if is_outside_domain(error):
                return y + math.nan
            raise

    return guarded


def _guarded_start(start: Callable[..., Any], path: str) -> Callable[..., dict[str, float]]:
    """`start` with its values as finite numbers under the parameters' own names."""

    @wraps(start)
    def guarded(self: Family, y: Any, weight: Any, **columns: Any) -> dict[str, float]:
        with running(path, "gave no starting values"):
            found = start(self, y, weight, **columns)
            if not isinstance(found, Mapping):
                raise TypeError("start must return {parameter: natural value}")
            return {self.parameter(name).name: float(value) for name, value in found.items()}

    return guarded


def _read_signature(
    function: Callable[..., Any], path: str, *, bound: bool
) -> tuple[tuple[Parameter, ...], tuple[str, ...], tuple[str, ...]]:
    """Parameters, columns that are needed and columns with a default, from the arguments of a log-density."""

    def refuse(what: str, hint: str) -> GlmfitError:
        return UsageError("bad_signature", f"{path}: {getattr(function, '__name__', 'the density')} {what}", hint)

    parameters: dict[str, Parameter] = {}
    columns: list[str] = []
    optional: list[str] = []
    arguments = list(inspect.signature(function).parameters.values())[0 if bound else 1 :]
    positional = [a for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)]
    for argument in arguments:
        if argument.kind is argument.KEYWORD_ONLY:
            (columns if argument.default is argument.empty else optional).append(argument.name)
        elif argument not in positional and bound:
            what = f"takes {'*' if argument.kind is argument.VAR_POSITIONAL else '**'}{argument.name}"
            raise refuse(what, "name every linear predictor, and every column of the data after a *")
    for argument in positional[1:] if bound else ():
        if argument.default is not argument.empty:
            hint = f"a column of the data stands after a *: def ...(y, ..., *, {argument.name})"
            raise refuse(f"gives the linear predictor {argument.name} a default", hint)
        scale, _, name = argument.name.partition("_")
        if scale not in SCALES or not name:
            scale, name = "identity", argument.name
        if name in parameters:
            raise refuse(f"has the parameter {name} twice", "give each linear predictor its own name")
        parameters[name] = Parameter(name, scale, SCALES.get(scale, REAL_LINKS))
    if bound and not parameters:
        raise refuse("takes no linear predictor", "write the response first: def log_density(y, mu, ...)")
    return tuple(parameters.values()), tuple(columns), tuple(optional)


def _signature_text(function: Callable[..., Any]) -> str:
    """`log_density(y, mu, log_sigma)`, without annotations."""
    signature = inspect.signature(function)
    names = [a.replace(annotation=a.empty) for a in signature.parameters.values() if a.name != "self"]
    plain = signature.replace(parameters=names, return_annotation=signature.empty)
    return f"{getattr(function, '__name__', 'log_density')}{plain}"
