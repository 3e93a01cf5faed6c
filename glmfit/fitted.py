"""A fitted model in Python: the `Fit` that it is, shown as its table, and what can be done with it next."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from glmfit.result import Fitted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmfit.after.newdata import Asked
    from glmfit.after.saved import SavedModel
    from glmfit.table import Source


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class FittedModel(Fitted):
    """What `glmfit.fit` and `glmfit.load` return: every attribute of a `Fit`, and methods for what comes after."""

    file: str | None = None  # of the likelihood, where the caller has named it

    @classmethod
    def of(cls, fitted: Fitted, file: str | None = None) -> FittedModel:
        """A fit with the methods of this class."""
        return cls(**{field.name: getattr(fitted, field.name) for field in fields(Fitted)}, file=file)

    @classmethod
    def read(cls, path: str | os.PathLike[str], family: str | None = None) -> FittedModel:
        """The model in a file; `DataError` for any other."""
        from glmfit.after.saved import read_model

        return cls.of(read_model(os.fspath(path), family).fit, family)

    def __repr__(self) -> str:
        from glmfit.report import to_table
        from glmfit.report.random import without_modes

        return to_table(without_modes(self), plain=True).rstrip("\n")

    def _repr_html_(self) -> str:
        """The table of coefficients for a notebook."""
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"

    def to_frame(self) -> Any:
        """The coefficients as a pandas DataFrame, one row each, with the names of the JSON."""
        import pandas as pd

        from glmfit.result import Coefficient

        names = [field.name for field in fields(Coefficient)]
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.coefficients], columns=names)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that `glmfit.load` and the commands read; `OutputError` where that fails."""
        from glmfit.commands.output import write_file
        from glmfit.report.saved import model_json

        write_file(os.fspath(path), model_json(self))

    def predict(
        self,
        data: Any,
        of: str | None = None,
        *,
        interval: str | None = None,
        level: float | None = None,
        random: str | None = None,
        offset: str | float | None = None,
        exposure: str | float | None = None,
        missing: str = "error",
        **reading: Any,
    ) -> Any:
        """A pandas DataFrame of estimates, standard errors and intervals, one row for each row of `data`.

        `data` is a frame, a mapping of columns, or the path of a file; `of` and the others are the options of
        `glmfit predict`, `reading` those of reading the file: thousands, skip, sheet and so on. Probabilities of
        categories have a row for each level, with `row` from 1 and `level`.
        """
        from glmfit.after.predict import predictions

        asked, source = self._asked(data, offset, exposure, missing, reading)
        model = self.opened()
        return _frame(predictions(model, source, asked, of, interval, level, random), data)

    def test(self, *hypotheses: str, terms: bool = False, adjust: str | None = None, level: float | None = None) -> Any:
        """A pandas DataFrame of Wald tests, one row for each text, as `glmfit test` writes them.

        "x1 = x2", "g[T.b] = 0, g[T.c] = 0" (together), "exp(x1)/x2", "alpha = 1"; `terms` tests each term as well.
        """
        from glmfit.after.tested import wald_tests

        return wald_tests(self, hypotheses, terms=terms, adjust=adjust, level=level).frame()

    def confint(
        self,
        data: Any = None,
        method: str | None = None,
        *,
        terms: Sequence[str] = (),
        level: float | None = None,
        replicates: int | None = None,
        by: str | None = None,
        seed: int | None = None,
        **reading: Any,
    ) -> Any:
        """A pandas DataFrame of intervals, one row for each estimate, as `glmfit confint` writes them.

        `method` is profile, bootstrap or bca, which need the data of the fit again, or wald. `by` is what a bootstrap
        draws: rows, cluster:COLUMN or parametric. What became of the replicates is in `attrs` of the frame. `reading`
        are the options of reading the file.
        """
        from glmfit.after.confint import confidence_intervals
        from glmfit.reading import from_options

        records = confidence_intervals(
            self,
            data,
            method=method,
            terms=terms,
            level=level,
            replicates=replicates,
            by=by,
            seed=seed,
            family=self.file,
            reading=from_options(reading),
        )
        frame = records.frame()
        frame.attrs = {**records.facts, "warnings": list(records.findings)}
        return frame

    def residuals(
        self,
        data: Any,
        *,
        dfbeta: bool = False,
        seed: int = 1,
        offset: str | float | None = None,
        exposure: str | float | None = None,
        missing: str | None = None,
        random: str | None = None,
        **reading: Any,
    ) -> Any:
        """A pandas DataFrame of residuals and influence, one row for each row of `data`: see `glmfit residuals`."""
        from glmfit.after.residuals import residual_runs

        asked, source = self._asked(data, offset, exposure, missing, reading)
        return _frame(residual_runs(self.opened(), source, asked, seed, dfbeta, random)[1], data)

    def check(
        self,
        data: Any,
        *,
        seed: int = 1,
        offset: str | float | None = None,
        exposure: str | float | None = None,
        missing: str | None = None,
        random: str | None = None,
        **reading: Any,
    ) -> Any:
        """A pandas DataFrame of what residuals say of the fit, one row for each question, as `--check` writes them."""
        import pandas as pd

        from glmfit.after.diagnosis import diagnosis

        asked, source = self._asked(data, offset, exposure, missing, reading)
        records = diagnosis(self.opened(), source, asked, seed, random)
        return pd.DataFrame([dict(row) for row in records.rows], columns=list(records.columns))

    def simulate(
        self,
        data: Any,
        draws: int = 1,
        seed: int = 1,
        *,
        random: str | None = None,
        offset: str | float | None = None,
        exposure: str | float | None = None,
        missing: str = "error",
        **reading: Any,
    ) -> Any:
        """A pandas DataFrame of new responses, one row for each row of `data` and one column for each draw."""
        from glmfit.after.simulate import simulations

        asked, source = self._asked(data, offset, exposure, missing, reading)
        model = self.opened()
        return _frame(simulations(model, source, asked, draws, seed, random), data, wide=True)

    def margins(
        self,
        data: Any,
        *,
        terms: Sequence[str] = (),
        at: Any = (),
        pairwise: Sequence[str] = (),
        contrast: Sequence[str] = (),
        inverse: Any = (),
        by: Sequence[str] = (),
        of: str | None = None,
        ratio: bool = False,
        weights: str | float | None = None,
        offset: str | float | None = None,
        exposure: str | float | None = None,
        missing: str = "error",
        adjust: str | None = None,
        level: float | None = None,
        random: str | None = None,
        **reading: Any,
    ) -> Any:
        """A pandas DataFrame of average effects, contrasts and adjusted predictions, as `glmfit margins` writes them.

        `data` is as for `predict`. `at` and `inverse` are mappings, {"x": [0, 1, 2]}, or texts as the options take
        them: "x=0,1,2", "means", "observed". `missing` is "error" or "drop". Groups and held values have columns of
        their own, `by.g` and `at.x`.
        """
        import pandas as pd

        from glmfit.after.effects import Request
        from glmfit.after.margins import margins
        from glmfit.after.newdata import Asked
        from glmfit.reading import from_options
        from glmfit.spec import one_of
        from glmfit.table import open_data

        source = open_data(data, self.blueprint.reading.for_new_data(from_options(reading)))
        policy = "keep" if one_of("missing", missing, ("error", "drop")) == "drop" else "error"
        names = [(one,) if isinstance(one, str) else tuple(one) for one in (terms, pairwise, contrast, by)]
        request = Request(
            *(of, names[0], _texts(at), names[1], names[2], _texts(inverse), names[3], ratio, weights, level, adjust),
            random=random,
        )
        heading, body = margins(self.opened(), source, Asked(offset, exposure, policy), request).flat()
        return pd.DataFrame(body, columns=heading)

    def opened(self) -> SavedModel:
        """The model ready for new rows."""
        from glmfit.after.saved import open_model

        return open_model(self, self.file)

    def _asked(
        self,
        data: Any,
        offset: str | float | None,
        exposure: str | float | None,
        missing: str | None,
        reading: Mapping[str, Any],
    ) -> tuple[Asked, Source]:
        """What is said of new data, and the data opened."""
        from glmfit.after.newdata import POLICIES, Asked
        from glmfit.reading import from_options
        from glmfit.spec import one_of
        from glmfit.table import open_data

        source = open_data(data, self.blueprint.reading.for_new_data(from_options(reading)))
        policy = None if missing is None else one_of("missing", missing, POLICIES)
        return Asked(offset, exposure, policy), source


def _frame(runs: Iterator[Any], data: Any, *, wide: bool = False) -> Any:
    """Runs of rows as one frame, with the index of the data where these are a frame."""
    import pandas as pd

    from glmfit.commands.writers import columns

    frames, seen = [], 0
    for run in runs:
        frames.append(pd.DataFrame(columns(run, seen, wide=wide)))
        seen += run.n
    found = pd.concat(frames, ignore_index=True)
    if isinstance(data, pd.DataFrame) and len(found) == len(data):
        found.index = data.index
    return found


def _texts(asked: Any) -> tuple[str, ...]:
    """NAME=VALUES texts, of a mapping of names to a value or several."""
    if isinstance(asked, str):
        return (asked,)
    if not isinstance(asked, Mapping):
        return tuple(asked)
    found = []
    for name, values in asked.items():
        several = [values] if isinstance(values, str | int | float) else list(values)
        found.append(f"{name}=" + ",".join(f"`{one}`" if isinstance(one, str) else repr(float(one)) for one in several))
    return tuple(found)
