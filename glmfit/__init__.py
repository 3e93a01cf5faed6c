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


def fit(formula: str | Sequence[str], data: Any, *, family: str = "gaussian", **options: Any) -> Fit:
    """Fit one model to a file (its path), a pandas DataFrame, a pyarrow Table or a mapping of columns.

    `formula` is "response ~ terms", or a sequence of it and further "parameter ~ terms". `options` are the fields of
    `glmfit.spec.ModelSpec`: links, fixed, weights, offset, exposure, se, dispersion, level, optimizer and so on; and
    those of `glmfit.reading.Reading`: na, thousands, decimal, comment, skip, separator, encoding, sheet.
    Raises a `glmfit.errors.GlmfitError`.
    """
    from dataclasses import fields, replace

    from glmfit.errors import UsageError, did_you_mean
    from glmfit.reading import PLAIN, Reading
    from glmfit.spec import ModelSpec

    of_reading = {field.name for field in fields(Reading)}
    known = [*(field.name for field in fields(ModelSpec)), *sorted(of_reading)]
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or f"options: {', '.join(known)}"
            raise UsageError("unknown_option", f"no option '{name}'", hint)
    asked = {name: options.pop(name) for name in list(options) if name in of_reading}
    if asked:
        options["reading"] = replace(options.get("reading", PLAIN), **asked)
    formulas = tuple(formula) if isinstance(formula, list | tuple) else (formula,)
    return fit_spec(ModelSpec(formulas=formulas, family=family, **options), data)


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
        from glmfit.rows.data import read

        rows = read(spec, data)  # what is wrong with the data is found before torch is imported
        from glmfit.estimate.pipeline import fit_data

        return fit_data(rows, trace)
