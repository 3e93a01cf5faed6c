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
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from glmfit.fitted import FittedModel
    from glmfit.numerics import Trace
    from glmfit.result import Fitted
    from glmfit.spec import ModelSpec

    Progress = Callable[[int, int], None]
else:

    def __getattr__(name: str) -> object:
        """A module that the documentation names, such as `glmfit.report`, loaded when it is asked for."""
        if name not in ("errors", "families", "reading", "report", "result", "spec", "table"):
            raise AttributeError(f"module 'glmfit' has no attribute '{name}'")
        import importlib

        return importlib.import_module(f"glmfit.{name}")


__all__ = ["__version__", "anova", "compare", "fit", "fit_spec", "load", "step"]


def fit(formula: str | Sequence[str], data: Any, *, family: str = "gaussian", **options: Any) -> FittedModel:
    """Fit one model to a file (its path), a pandas DataFrame, a pyarrow Table or a mapping of columns.

    `formula` is "response ~ terms", or a sequence of it and further "parameter ~ terms". `options` are the fields of
    `glmfit.spec.ModelSpec`: links, fixed, weights, offset, exposure, se, dispersion, level, optimizer and so on; and
    those of `glmfit.reading.Reading`: na, thousands, decimal, comment, skip, separator, encoding, sheet; and those of
    `glmfit.shrinkage.Shrinkage`: ridge, lasso, elastic_net, strength, cv and so on.
    Raises a `glmfit.errors.GlmfitError`.
    """
    from glmfit.families.userfile import is_path
    from glmfit.fitted import FittedModel

    fitted = fit_spec(_asked(formula, data, family, options), data)
    return FittedModel.of(fitted, family if is_path(family) else None)


def _asked(formula: str | Sequence[str], data: Any, family: str, options: Mapping[str, Any]) -> ModelSpec:
    """What the arguments of a function ask for; `UsageError` for those that are none."""
    from dataclasses import fields, replace

    from glmfit.errors import UsageError, did_you_mean
    from glmfit.reading import PLAIN, Reading
    from glmfit.shrinkage import Shrinkage
    from glmfit.spec import ModelSpec

    of_reading, of_penalty = ({field.name for field in fields(of)} for of in (Reading, Shrinkage))
    known = [*(field.name for field in fields(ModelSpec)), *sorted(of_reading), *sorted(of_penalty)]
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or f"options: {', '.join(known)}"
            raise UsageError("unknown_option", f"no option '{name}'", hint)
    if not isinstance(formula, str | list | tuple) and isinstance(data, str | list | tuple):
        message = f"the formula stands where the data belong: {data!r:.60}"
        raise UsageError("invalid_value", message, "write (formula, data): the formula comes first")
    asked = {name: value for name, value in options.items() if name in of_reading}
    penalty = {name: value for name, value in options.items() if name in of_penalty}
    options = {name: value for name, value in options.items() if name not in {*asked, *penalty}}
    if asked:
        options["reading"] = replace(options.get("reading", PLAIN), **asked)
    if penalty:
        options["shrinkage"] = Shrinkage(**penalty)
    formulas = tuple(formula) if isinstance(formula, list | tuple) else (formula,)
    return ModelSpec(formulas=formulas, family=family, **options)


def load(path: str, *, family: str | None = None) -> FittedModel:
    """The model in a file that `save`, or `glmfit fit --save`, wrote; `family` names a likelihood's own file again."""
    from glmfit.fitted import FittedModel

    return FittedModel.read(path, family)


def anova(
    formula: str | Sequence[str],
    data: Any,
    *,
    family: str = "gaussian",
    type: int = 2,
    test: str | None = None,
    sum_contrasts: bool = False,
    **options: Any,
) -> Any:
    """A frame with a test of each term of a model: `type` 1, 2 or 3, `test` lr, f, wald or score; else as `fit`."""
    from glmfit.after.anova import analysis

    spec = _asked(formula, data, family, options)
    return analysis(spec, data, type=type, test=test, sum_contrasts=sum_contrasts)[0].frame()


def step(
    formula: str | Sequence[str],
    data: Any,
    *,
    family: str = "gaussian",
    criterion: str = "aic",
    direction: str | None = None,
    upper: str | Sequence[str] = (),
    lower: str | Sequence[str] = (),
    **options: Any,
) -> tuple[FittedModel, Any]:
    """The model that is left when terms are dropped and added for as long as AIC or BIC falls, and a frame of the way.

    `upper` and `lower` are the scope: formulas such as "~ a*b" and "alpha ~ a"; all else is as for `fit`.
    """
    from glmfit.after.stepwise import Asked, choose
    from glmfit.families.userfile import is_path
    from glmfit.fitted import FittedModel

    scope = [(one,) if isinstance(one, str) else tuple(one) for one in (upper, lower)]
    records, found = choose(_asked(formula, data, family, options), data, Asked(criterion, direction, *scope))
    return FittedModel.of(found, family if is_path(family) else None), records.frame()


def compare(*, data: Any = None, **models: FittedModel) -> tuple[Any, Any]:
    """Fits of the same data side by side: a frame of the models by name, and one of the tests between nested ones.

    With `data`, what they were fitted to, models that are not nested are compared by Vuong's test.
    """
    from glmfit.after.compared import compared
    from glmfit.after.vuong import Rows

    rows = None if data is None else Rows(data, {name: model.file for name, model in models.items()})
    first, second = compared(list(models.items()), rows)
    return first.frame(), second.frame()


def fit_spec(
    spec: ModelSpec,
    data: Any,
    trace: Trace | None = None,
    progress: Progress | None = None,
    dask: str | None = None,
) -> Fitted:
    """Fit the model that `spec` describes to `data`: a path, an opened source, a frame or a mapping of columns.

    `trace` is called with the numbers of each iteration, `progress` with how many replicates of how many are done.
    `dask` is the address of a scheduler, or "local:N": the rows of files are then read and summed by its workers.
    """
    from glmfit.families.userfile import is_dense
    from glmfit.lazy import load_meanwhile
    from glmfit.memory import running_out
    from glmfit.threads import settle

    settle()
    with running_out():
        if dask is not None:
            from glmfit.cluster import fit_on_cluster

            return fit_on_cluster(spec, data, dask, trace)
        if is_dense(spec.family):
            if spec.shrinkage is not None:
                from glmfit.shrink import fit_shrunk_whole

                return fit_shrunk_whole(spec, data, progress)
            from glmfit.dense import fit_dense

            return fit_dense(spec, data, trace, progress)
        from glmfit.rows import read

        # What is wrong with the data is found before torch is imported, but for large data, beside which it is.
        rows = read(spec, data, lambda: load_meanwhile("glmfit.estimate.pipeline"))
        if spec.shrinkage is not None:
            from glmfit.shrink import fit_shrunk

            return fit_shrunk(rows, progress)
        from glmfit.estimate.pipeline import fit_data

        return fit_data(rows, trace, progress, spend=True)
