"""glmfit: generalized linear models, and any other likelihood that can be written in torch, from CSV files.

import glmfit
fit = glmfit.fit("y ~ x", frame, family="poisson")
"""

from __future__ import annotations

import os

# Threads of torch that wait for each other sleep soon: spinning, as they do by default, slows a busy machine
# many times. Whoever has loaded torch before has made their own choice.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from glmfit.version import __version__

TYPE_CHECKING = False  # not from typing: nothing is imported before the command line is ready for signals
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from glmfit.numerics.optimize import Trace
    from glmfit.result import Fit
    from glmfit.spec import ModelSpec


__all__ = ["__version__", "fit", "fit_spec"]

# Packages and modules that the documentation names: loaded when they are asked for, as `glmfit.report`.
_DOCUMENTED = ("errors", "explain", "families", "report", "result", "spec", "table")


def __getattr__(name: str) -> Any:
    if name not in _DOCUMENTED:
        raise AttributeError(f"module 'glmfit' has no attribute '{name}'")
    import importlib

    return importlib.import_module(f"glmfit.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_DOCUMENTED})


def fit(formula: str | Sequence[str], data: Any, *, family: str = "gaussian", **options: Any) -> Fit:
    """Fit one model to a file (its path), a pandas DataFrame, a pyarrow Table or a mapping of columns.

    `formula` is "response ~ terms", or a sequence of it and further "parameter ~ terms". `options` are the fields of
    `glmfit.spec.ModelSpec`: links, fixed, weights, offset, exposure, se, dispersion, level, optimizer and so on.
    Raises a `glmfit.errors.GlmfitError`.
    """
    from dataclasses import fields

    from glmfit.errors import UsageError, did_you_mean
    from glmfit.spec import ModelSpec

    _refuse_exchanged(formula, data)
    known = [field.name for field in fields(ModelSpec)]
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or f"options: {', '.join(known)}"
            raise UsageError("unknown_option", f"no option '{name}'", hint)
    formulas = tuple(formula) if isinstance(formula, list | tuple) else (formula,)
    return fit_spec(ModelSpec(formulas=formulas, family=family, **options), data)


def _refuse_exchanged(formula: Any, data: Any) -> None:
    """Raises for `fit(data, formula)`, and for a formula that is no text."""
    from glmfit.errors import UsageError

    texts = list(formula) if isinstance(formula, list | tuple) else [formula]
    given = list(data) if isinstance(data, list | tuple) else [data]
    formulas = [text for text in given if isinstance(text, str) and "~" in text]
    if formulas and len(formulas) == len(given) and not any(isinstance(text, str) and "~" in text for text in texts):
        hint = f"write fit({(formulas[0] if len(formulas) == 1 else formulas)!r}, data)"
        raise UsageError("usage", "the data stand where the formula belongs, and the formula where the data do", hint)
    for text in texts:
        if not isinstance(text, str):
            what = f"the formula is a {type(text).__module__}.{type(text).__name__} and no text".replace("builtins.", "")
            raise UsageError("invalid_value", what, "write fit('response ~ terms', data)")


def fit_spec(spec: ModelSpec, data: Any, trace: Trace | None = None) -> Fit:
    """Fit the model that `spec` describes to `data`: a path, an opened source, a frame or a mapping of columns.

    `trace` is called with the numbers of each iteration.
    """
    from glmfit.families.userfile import is_dense
    from glmfit.memory import running_out

    with running_out():
        if is_dense(spec.family):
            from glmfit.dense import fit_dense

            return fit_dense(spec, data, trace)
        from glmfit.rows import read

        rows = read(spec, data)  # what is wrong with the data is found before torch is imported
        from glmfit.estimate.pipeline import fit_data

        return fit_data(rows, trace)
