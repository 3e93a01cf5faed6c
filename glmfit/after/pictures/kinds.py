"""The table of pictures: what each is called and needs, where its numbers come from, and what draws them.

    numbers(inputs, request) -> Frame        draw(frame) -> Figure        text(frame, width, signs) -> lines, if any

Nothing heavy is imported before numbers are asked for, so that a command line can list the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from glmfit.errors import UsageError, did_you_mean, shorten
from glmfit.report import unicode
from glmfit.report.pictures import coefficients, curves, rows
from glmfit.report.pictures.frame import Frame
from glmfit.report.pictures.render import Draw, to_svg

if TYPE_CHECKING:
    from glmfit.after.newdata import Asked
    from glmfit.after.saved import SavedModel
    from glmfit.report.terminal import Line
    from glmfit.result import Fitted
    from glmfit.table import Source

MODELS, ROWS = "MODEL...", "MODEL DATA"  # what a kind needs


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a picture is made from: of what a kind does not need there is none."""

    models: Mapping[str, Fitted] = field(default_factory=dict)
    model: SavedModel | None = None
    source: Source | None = None
    asked: Asked | None = None


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

    return residuals(*_rows(inputs), seed=request.seed)


def _qq(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.quantiles import qq

    return qq(*_rows(inputs), seed=request.seed)


def _effects(inputs: Inputs, request: Request) -> Frame:
    from glmfit.after.pictures.effects import Wanted, effects
    from glmfit.after.pictures.words import Labels

    wanted = Wanted(request.x, request.by, request.at, request.of, request.level, request.partial)
    return effects(*_rows(inputs), wanted, Labels.of(request.label))


def _rows(inputs: Inputs) -> tuple[SavedModel, Source, Asked]:
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
    Kind("qq", "quantile residuals against uniform quantiles, with bands", ROWS, ("seed",), _qq, rows.qq),
    Kind(
        "effects", "adjusted predictions over a covariate, lines by a factor", ROWS,
        ("x", "by", "at", "of", "partial", "level", "label"), _effects, curves.effects,
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
