"""`glmfit report`: a page of one model or several, with what their data add: effects, and the check of the fit.

Sums of rows and pictures alone come into it, which of many rows draw hexagons: its size does not grow with the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from glmfit.after.chosen import Chosen
from glmfit.after.compared import compared
from glmfit.after.diagnosis import diagnosis
from glmfit.after.newdata import Asked
from glmfit.after.pictures.kinds import KINDS, ROWS, Inputs, Request, find, svg
from glmfit.after.refit import dense_rows_of, rows_of
from glmfit.after.saved import SavedModel
from glmfit.errors import GlmfitError, ModelError
from glmfit.formula import condition
from glmfit.reading import PLAIN, Reading
from glmfit.report import words
from glmfit.report.page import fitted
from glmfit.report.page.parts import Grid, Page, Part, Picture, Section, Text, cells
from glmfit.report.pictures.frame import Frame
from glmfit.report.records import Records, records_csv, shown
from glmfit.result import Fitted
from glmfit.spill import Spill
from glmfit.table import Source, open_data

MOST_EFFECTS = 6  # pictures of effects, of the covariates in the order of the formula
CHECKS = ("residuals", "qq", "rootogram", "calibration", "roc", "influence")


@dataclass(frozen=True, slots=True)
class Rows:
    """The data of the models, opened anew for each pass; `reading` is how, `family` the file of a likelihood."""

    name: str
    asked: Asked
    reading: Reading = PLAIN
    family: str | None = None

    def source(self, model: SavedModel) -> Source:
        """The rows of the fit: those that its --where chose."""
        found = open_data(self.name, model.fit.blueprint.reading.for_new_data(self.reading), spool=Spill())
        where = model.fit.model.where
        return found if where is None else Chosen(found, condition(where, found.header))

    def check(self, name: str, model: SavedModel) -> None:
        """`DataError` where the data are not those that the model was fitted to."""
        rows = rows_of if model.fit.blueprint.predictors else dense_rows_of
        rows(model.fit, self.name, self.family, name, self.reading)


def report(models: Mapping[str, SavedModel], rows: Rows | None, seed: int) -> Page:
    """The page of some models by their names."""
    several = len(models) > 1
    fits = {name: model.fit for name, model in models.items()}
    first = next(iter(models.values())).fit
    sections: list[Section] = []
    if several:
        sections.append(Section("comparison", "The models side by side", tuple(_comparison(fits))))
    for at, (name, model) in enumerate(models.items(), start=1):
        own = list(_sections(name, model, rows, seed))
        if several:
            heading = Section(f"m{at}", f"{name}: {fitted.title(model.fit)}", tuple(map(Text, _lead(model.fit))))
            own = [heading, *(replace(one, anchor=f"m{at}-{one.anchor}", level=3) for one in own)]
        sections += own
    sections.append(fitted.again(list(fits.values()), None if rows is None else seed))
    if several:
        return Page("Models of " + (first.model.response or "a likelihood"), (", ".join(models),), tuple(sections))
    return Page(fitted.title(first), _lead(first), tuple(sections))


def _lead(fit: Fitted) -> tuple[str, str]:
    blueprint = fit.blueprint
    main = [
        term for term, row in zip(blueprint.terms, fit.coefficients, strict=False) if row.parameter in fit.model.main
    ]
    return words.sentence(fit, main), words.verdict(fit)


def _sections(name: str, model: SavedModel, rows: Rows | None, seed: int) -> Iterator[Section]:
    fit = model.fit
    yield Section("done", "What was done", tuple(fitted.done(fit)))
    yield Section("findings", "Findings", tuple(fitted.findings(fit.warnings)))
    forest = _forest(name, {name: fit}, "Estimates with their intervals, on the scale of the table.")
    yield Section("coefficients", "Coefficients", (*fitted.tables(fit), forest))
    if fit.random_effects is not None:
        yield Section("random", "Random effects", (*fitted.random(fit), *_modes(name, fit)))
    joint = fitted.joint(fit)
    if joint:
        yield Section("terms", "Tests of terms", tuple(joint))
    yield Section("statistics", "Fit", tuple(fitted.statistics(fit)))
    if rows is None:
        missing = "Effects and the check of the fit need the data: glmfit report MODEL DATA -o FILE."
        yield Section("rows", "Effects and check", (Text(missing),))
        return
    chosen = fit.model.where
    which = [Text(f"Of the rows where {chosen}, as the fit.")] if chosen else []
    yield Section("effects", "Effects", (*which, *_effects(name, model, rows)))
    yield Section("check", "Check of the fit", (*which, *_check(name, model, rows, seed)))


def _effects(name: str, model: SavedModel, rows: Rows) -> Iterator[Part]:
    """A picture for each covariate; in place of one that cannot be, why."""
    covariates = [one.name for one in model.fit.blueprint.variables if one.name not in model.grouping]
    if not covariates:
        yield Text("The model has no covariates.")
    for covariate in covariates[:MOST_EFFECTS]:
        request = Request(x=covariate)
        yield _of_rows(name, "effects", model, rows, request, f"Adjusted predictions over {covariate}.", covariate)
    if len(covariates) > MOST_EFFECTS:
        left = ", ".join(covariates[MOST_EFFECTS:])
        yield Text(f"Not drawn: {left}. Each has its picture by glmfit plot effects MODEL DATA --x COLUMN.")


def _check(name: str, model: SavedModel, rows: Rows, seed: int) -> Iterator[Part]:
    """What residuals say, as a table of verdicts and as pictures."""
    try:
        yield _grid(diagnosis(model, rows.source(model), rows.asked, seed), "What residuals say of the fit")
    except GlmfitError as error:
        yield Text(f"There are no residuals to check: {error.message}.")
        return
    known = {kind.name: kind for kind in KINDS if kind.needs == ROWS}
    for kind in CHECKS:
        if kind in known:
            request = Request(seed=seed) if "seed" in known[kind].takes else Request()
            summary = known[kind].summary
            part = _of_rows(name, kind, model, rows, request, f"{summary[0].upper()}{summary[1:]}.")
            if isinstance(part, Picture):  # a picture that the model has not got is no news here
                yield part


def _of_rows(
    name: str, kind: str, model: SavedModel, rows: Rows, request: Request, caption: str, suffix: str = ""
) -> Part:
    inputs = Inputs(model=model, source=rows.source(model), asked=rows.asked)
    try:
        return _picture(name, kind, inputs, request, caption, suffix)
    except GlmfitError as error:
        return Text(f"{caption} Not drawn: {error.message}.")


def _forest(name: str, fits: Mapping[str, Fitted], caption: str) -> Part:
    """The forest of some models; where they have no coefficient to draw, that."""
    try:
        return _picture(name, "forest", Inputs(models=fits), Request(), caption)
    except ModelError as error:
        if error.code != "no_picture":
            raise
        return Text(f"{caption} Not drawn: {error.message}.")


def _modes(name: str, fit: Fitted) -> Iterator[Part]:
    """A caterpillar for each random effect."""
    assert fit.random_effects is not None
    for term in fit.random_effects.terms:
        for one in term.deviations:
            effect = f"{one.effect} | {term.group}"
            request = Request(terms=(effect,))
            caption = f"{effect}: modes by their size, with intervals for known coefficients and variances."
            try:
                yield _picture(name, "caterpillar", Inputs(models={name: fit}), request, caption, effect)
            except GlmfitError as error:
                yield Text(f"{caption} Not drawn: {error.message}.")


def _picture(name: str, kind: str, inputs: Inputs, request: Request, caption: str, suffix: str = "") -> Picture:
    frame: Frame = find(kind).numbers(inputs, request)
    parts = [part for part in (_stem(name), kind, _stem(suffix)) if part]
    return Picture("-".join(parts), svg(kind, frame), caption, frame.description)


def _stem(text: str) -> str:
    """A text as a part of the name of a file."""
    last = text.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in last.removesuffix(".json"))


def _comparison(fits: Mapping[str, Fitted]) -> Iterator[Part]:
    """Criteria and tests, and the estimates of all in one picture."""
    try:
        criteria, tests = compared(list(fits.items()))
    except GlmfitError as error:
        yield Text(f"They are not compared: {error.message}.")
        return
    yield _grid(criteria, "Information criteria: the smallest is the best")
    if tests.rows:
        yield _grid(tests, "Tests of one model against a larger one")
    yield from fitted.findings([*criteria.findings, *tests.findings]) if criteria.findings or tests.findings else ()
    yield _forest("models", fits, "Estimates of all models with their intervals.")


def _grid(records: Records, caption: str) -> Grid:
    """A table of records."""
    heading, body, texts = shown(records)
    rows = tuple(cells(row, [None] * texts + [_number(text) for text in row[texts:]]) for row in body)
    return Grid(caption, tuple(heading), rows, texts, records_csv(records))


def _number(text: str) -> float | None:
    try:
        return float(text.removeprefix("<"))
    except ValueError:
        return None


def named(models: Sequence[str]) -> list[str]:
    """Names of models by their files, as short as tells them apart."""
    short = [one.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".json") for one in models]
    return short if len(set(short)) == len(short) else list(models)
