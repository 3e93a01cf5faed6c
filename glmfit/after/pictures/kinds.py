"""The table of pictures: what each is called and needs, where its numbers come from, and what draws them.

    numbers(inputs, request) -> Frame        draw(frame) -> Figure        text(frame, width, signs) -> lines, if any

Nothing heavy is imported before numbers are asked for, so that a command line can list the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmfit.errors import UsageError, did_you_mean, shorten
from glmfit.reading import PLAIN, Reading
from glmfit.report import charts, unicode
from glmfit.report.pictures import coefficients, counts, curves, rows, scans
from glmfit.report.pictures.frame import Frame
from glmfit.report.pictures.render import Draw, to_svg

if TYPE_CHECKING:
    from glmfit.after.newdata import Asked
    from glmfit.after.saved import SavedModel
    from glmfit.report.terminal import Line
    from glmfit.result import Fitted
    from glmfit.table import Source

# What a kind needs: models; a model and rows; a model and the rows of its fit; the file of a scan, or of groups.
MODELS, ROWS, AGAIN, SCAN, GROUPS = "MODEL...", "MODEL DATA", "MODEL DATA of the fit", "SCAN", "GROUPS"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a picture is made from: of what a kind does not need there is none."""

    models: Mapping[str, Fitted] = field(default_factory=dict)
    model: SavedModel | None = None
    source: Source | None = None
    asked: Asked | None = None
    data: Any = None  # rows to fit to again, or the file of a scan or of groups
    family: str | None = None
    reading: Reading = PLAIN


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a picture; a kind takes the fields that it names, and the others are left as they are."""

    exp: bool = False
    terms: tuple[str, ...] = ()
    x: str | None = None
    by: str | None = None
    at: tuple[str, ...] = ()
    of: str | None = None
    partial: bool = False
    level: float | None = None
    seed: int = 1
    label: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table; `takes` are the fields of a request that mean something for it."""

    name: str
    summary: str
    needs: str
    takes: tuple[str, ...]
    numbers: Callable[[Inputs, Request], Frame]
    draw: Draw
    text: Callable[[Frame, int, unicode.Signs], Iterator[Line]] | None = None


def _forest(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.forest import forest
    from glmfit.after.pictures.words import Labels

    labels = Labels.of(request.label)
    return forest(inputs.models, exp=request.exp, terms=request.terms, level=request.level, labels=labels)


def _residuals(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.quantiles import residuals

    return residuals(*_rows(inputs, request), seed=request.seed)


def _qq(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.quantiles import qq

    return qq(*_rows(inputs, request), seed=request.seed)


def _effects(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.effects import Wanted, effects
    from glmfit.after.pictures.words import Labels

    wanted = Wanted(request.x, request.by, request.at, request.of, request.level, request.partial)
    return effects(*_opened(inputs), wanted, Labels.of(request.label))


def _rootogram(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.counts import rootogram
    from glmfit.after.pictures.words import Labels

    return rootogram(*_rows(inputs, request), Labels.of(request.label))


def _calibration(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.binary import calibration

    return calibration(*_rows(inputs, request), level=request.level)


def _roc(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.binary import roc

    return roc(*_rows(inputs, request), level=request.level)


def _influence(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.influence import influence

    return influence(*_rows(inputs, request))


def _profile(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.searches import profile
    from glmfit.after.pictures.words import Labels

    ((name, fit),) = inputs.models.items()
    return profile(
        fit, inputs.data, terms=request.terms, level=request.level, family=inputs.family, name=name,
        reading=inputs.reading, labels=Labels.of(request.label),
    )  # fmt: skip


def _trace(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.searches import trace

    ((name, fit),) = inputs.models.items()
    return trace(fit, inputs.data, family=inputs.family, name=name, reading=inputs.reading)


def _volcano(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.scans import volcano
    from glmfit.after.pictures.words import Labels

    return volcano(str(inputs.data), Labels.of(request.label))


def _manhattan(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.scans import manhattan
    from glmfit.after.pictures.words import Labels

    return manhattan(str(inputs.data), x=request.x, by=request.by, labels=Labels.of(request.label))


def _caterpillar(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.groups import caterpillar
    from glmfit.after.pictures.words import Labels

    name, fit = next(iter(inputs.models.items()), (str(inputs.data), None))
    return caterpillar(name, fit, terms=request.terms, exp=request.exp, labels=Labels.of(request.label))


def _rows(inputs: Inputs, request: Request) -> tuple[SavedModel, Source, Asked]:
    """The model, with random effects as in checks of the fit, and its rows."""
    from glmfit.after.conditional import OF_CHECKS, with_random

    model, source, asked = _opened(inputs)
    return with_random(model, None, OF_CHECKS, request.seed), source, asked


def _opened(inputs: Inputs) -> tuple[SavedModel, Source, Asked]:
    assert inputs.model is not None
    assert inputs.source is not None
    assert inputs.asked is not None
    return inputs.model, inputs.source, inputs.asked


KINDS = (
    Kind(
        "forest", "estimates with their intervals, of several models side by side", MODELS,
        ("exp", "terms", "level", "label"), _forest, coefficients.forest, unicode.forest,
    ),
    Kind(
        "residuals", "uniform quantile residuals against predictions", ROWS,
        ("seed",), _residuals, rows.residuals, unicode.histogram,
    ),
    Kind(
        "qq", "quantile residuals against uniform quantiles, with bands", ROWS,
        ("seed",), _qq, rows.qq, charts.qq,
    ),
    Kind(
        "rootogram", "counts seen, hanging from counts expected", ROWS,
        ("label",), _rootogram, counts.rootogram, unicode.rootogram,
    ),
    Kind(
        "effects", "adjusted predictions over a covariate, lines by a factor", ROWS,
        ("x", "by", "at", "of", "partial", "level", "label"), _effects, curves.effects, charts.effects,
    ),
    Kind(
        "calibration", "observed shares against predicted probabilities", ROWS,
        ("level",), _calibration, curves.calibration, charts.calibration,
    ),
    Kind("roc", "true against false positive rates, with the area", ROWS, ("level",), _roc, curves.roc, charts.roc),
    Kind(
        "influence", "Cook's distance against leverage, the worst rows named", ROWS,
        (), _influence, rows.influence, charts.influence,
    ),
    Kind(
        "profile", "the profile likelihood of a coefficient", AGAIN,
        ("terms", "level", "label"), _profile, curves.profile, charts.profile,
    ),
    Kind("trace", "the way of the optimiser to the maximum", AGAIN, (), _trace, curves.trace, charts.trace),
    Kind(
        "volcano", "p-values of a scan against its estimates", SCAN,
        ("label",), _volcano, scans.volcano, charts.volcano,
    ),
    Kind(
        "manhattan", "p-values of a scan in their order, or by position", SCAN,
        ("x", "by", "label"), _manhattan, scans.manhattan, charts.manhattan,
    ),
    Kind(
        "caterpillar", "one coefficient in all groups, or the random effects of all levels, by size", GROUPS,
        ("exp", "terms", "label"), _caterpillar, coefficients.caterpillar, unicode.caterpillar,
    ),
)  # fmt: skip
BY_NAME = {kind.name: kind for kind in KINDS}


def find(name: str) -> Kind:
    """A kind by its name; `UsageError` for another."""
    if name not in BY_NAME:
        listed = ", ".join(BY_NAME)
        hint = did_you_mean(name, BY_NAME) or f"they are {listed}"
        raise UsageError("invalid_value", f"there is no picture called '{shorten(name)}'", hint)
    return BY_NAME[name]


def svg(kind: str, frame: Frame) -> str:
    """The picture of a frame as an `<svg>` element with a title and a description, to be put into a page."""
    return to_svg(find(kind).draw, frame)


__all__ = ["KINDS", "Inputs", "Kind", "Request", "find", "svg"]
