"""What was asked of a fit that shrinks its coefficients: the penalty, its strengths, and what chooses among these.

What could not make sense for any data is refused when it is made, each time with the reason and a way on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from glmfit.errors import ModelError, UsageError

PATH = "path"
CHOICES = ("min", "1se")
FOLDS = 10
_ADD = "add --ridge, --lasso or --elastic-net"


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """A penalty lambda sum_j v_j (alpha |b_j| + (1 - alpha) b_j^2 / 2) on standardised coefficients b_j, or on terms.

    One of `ridge`, `lasso`, a strength or "path", and `elastic_net`, the share alpha of the absolute values.
    """

    ridge: float | str | None = None
    lasso: float | str | None = None
    elastic_net: float | None = None
    strength: float | str | None = None  # what is reported of a path: one of CHOICES or a number
    cv: int | None = None  # folds of a cross-validation
    cv_folds: str | None = None  # a column that says the fold of each row
    cv_groups: str | None = None  # a column whose groups are not torn apart by folds
    penalty_factors: Mapping[str, float] = field(default_factory=dict)  # term or coefficient -> v
    standardize: bool = True
    group_terms: bool = False  # the coefficients of a term are 0 together, or none of them is,
    group_categories: bool = False  # and those of all categories of a response

    def __post_init__(self) -> None:
        given = [f"--{name.replace('_', '-')}" for name in ("ridge", "lasso", "elastic_net") if self.asked(name)]
        if not given:
            raise ModelError("bad_strength", "a penalty is chosen or weighed, and there is none", _ADD)
        if len(given) > 1:
            message = f"{' and '.join(given)} are two penalties"
            raise ModelError("bad_strength", message, "give one: --elastic-net ALPHA lies between them")
        for option in ("ridge", "lasso", "strength"):
            _check_strength(option, getattr(self, option))
        alpha = self.elastic_net
        if alpha is not None and not (_is_number(alpha) and 0 <= alpha <= 1):
            what = f"--elastic-net: {alpha} is no share of the absolute values, from 0 (ridge) to 1 (lasso)"
            raise ModelError("bad_strength", what, "write --elastic-net 0.5; strengths are found by themselves")
        for option, together in (("--group-terms", self.group_terms), ("--group-categories", self.group_categories)):
            if together and self.alpha == 0:
                message = f"{option} says which coefficients are set to 0 together, and ridge sets none to 0"
                raise ModelError("bad_strength", message, "leave it out, or use --lasso or --elastic-net")
        for name, value in self.penalty_factors.items():
            if not (_is_number(value) and value >= 0):
                message = f"--penalty-factor {name}: {value} is not 0 or a positive number"
                raise ModelError("bad_strength", message, "0 leaves a term unpenalised, 2 penalises it twice as much")
        self._check_choice()

    def asked(self, name: str) -> bool:
        return getattr(self, name) is not None

    def _check_choice(self) -> None:
        """What chooses among strengths needs several, and folds."""
        folds = self.cross_validated
        if not self.path and (folds or self.strength is not None):
            option = "--strength" if self.strength is not None else "--cv"
            message = f"{option} is for a path of strengths, and one strength is given"
            name = "ridge" if self.ridge is not None else "lasso"
            raise ModelError("bad_strength", message, f"write --{name} path, or leave {option} out")
        if self.strength in CHOICES and not folds:
            message = f"--strength {self.strength} is what cross-validation finds"
            raise ModelError("bad_strength", message, "add --cv 10, or give a number")
        if self.cv is not None and not (isinstance(self.cv, Integral) and self.cv >= 2):
            raise ModelError("bad_folds", f"--cv: {self.cv} is no number of folds, from 2 up", "10 is usual")
        if self.cv_folds is not None and (self.cv is not None or self.cv_groups is not None):
            option = "--cv" if self.cv is not None else "--cv-groups"
            message = f"--cv-folds says the fold of each row, and {option} would make others"
            raise ModelError("bad_folds", message, f"leave {option} out")

    @property
    def alpha(self) -> float:
        """The share of the absolute values in the penalty."""
        if self.elastic_net is not None:
            return float(self.elastic_net)
        return 0.0 if self.ridge is not None else 1.0

    @property
    def only(self) -> float | None:
        """The only strength, where one was given."""
        value = self.ridge if self.ridge is not None else self.lasso
        return float(value) if isinstance(value, Real) else None

    @property
    def path(self) -> bool:
        """Whether there are many strengths."""
        return self.only is None

    @property
    def cross_validated(self) -> bool:
        return self.cv is not None or self.cv_folds is not None or self.cv_groups is not None

    @property
    def folds(self) -> int:
        """How many folds are made."""
        return FOLDS if self.cv is None else int(self.cv)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it names."""
        return tuple(name for name in (self.cv_folds, self.cv_groups) if name is not None)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _check_strength(option: str, value: Any) -> None:
    """A strength is a positive number, or a word that stands for one."""
    words = CHOICES if option == "strength" else (PATH,)
    if value is None or value in words or (_is_number(value) and value > 0):
        return
    what = "negative" if _is_number(value) and value < 0 else "no positive number"
    hint = f"write --{option} {' or '.join(words)}, or a number such as 0.1"
    if _is_number(value) and value == 0:
        hint += "; without a penalty fit as usual"
    raise ModelError("bad_strength", f"--{option}: the strength {value} is {what}", hint)


def validate(spec: Any) -> None:
    """Raises `ModelError` where other options of a fit, a `ModelSpec`, have no meaning beside a penalty."""
    kind = spec.ci.partition(":")[0]
    none = "leave it out: a penalised fit has no standard errors"
    excluded = {
        f"--se {spec.se}": (spec.se is not None, none),
        f"--ci {kind}": (kind != "wald", none),
        "--bias-reduction firth": (spec.bias_reduction is not None, "give one of the two penalties"),
        "--absorb": (bool(spec.absorb), "write the column as a term; --penalty-factor TERM=0 leaves it unpenalised"),
        "--group": (spec.group is not None, "leave one of them out"),
        "--base": (spec.base is not None, "leave it out: with a penalty no category is the base of the others"),
        f"--optimizer {spec.optimizer}": (spec.optimizer != "newton", "leave it out: the search is proximal Newton"),
        "--start": (bool(spec.start), "leave it out: a path begins where all coefficients are 0"),
        "--separation drop": (spec.separation == "drop", "leave it out: a penalty keeps coefficients finite"),
        "--check-separation": (spec.check_separation, "leave it out: a penalty keeps coefficients finite"),
        "--dispersion ml": (spec.dispersion == "ml", "leave it out: phi does not enter the penalised fit"),
        "a formula for phi": (_models_phi(spec), "leave it out: phi does not enter the penalised fit"),
    }
    for option, (given, hint) in excluded.items():
        if given:
            raise ModelError("shrinkage_excludes", f"{option} does not go with a penalty on coefficients", hint)


def _models_phi(spec: Any) -> bool:
    return any(formula.partition("~")[0].strip() in ("phi", "log_phi") for formula in spec.formulas)


def made(value: Any) -> Shrinkage | None:
    """From what a specification is given: itself, or its fields by name."""
    if value is None or isinstance(value, Shrinkage):
        return value
    if isinstance(value, Mapping):
        return Shrinkage(**value)
    raise UsageError("invalid_value", f"shrinkage: {value!r:.60} is not a Shrinkage", "give one, or its fields by name")
