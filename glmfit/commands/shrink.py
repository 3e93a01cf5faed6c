"""The options of a penalty on coefficients, and what they ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from glmfit.commands.options import numbers, option, whole_number
from glmfit.commands.together import standing_for
from glmfit.errors import ModelError
from glmfit.shrinkage import CHOICES, PATH, Shrinkage

if TYPE_CHECKING:
    from glmfit.result import Fit

_P = "Penalty"
OPTIONS = {
    "ridge": Annotated[
        str | None, option(_P, "--ridge", metavar="LAMBDA", help="Penalise squares, at a strength; or path.")
    ],
    "lasso": Annotated[
        str | None, option(_P, "--lasso", metavar="LAMBDA", help="Penalise absolute values, at a strength; or path.")
    ],
    "elastic_net": Annotated[
        str | None,
        option(_P, "--elastic-net", metavar="ALPHA", help="Both, from 0 (ridge) to 1 (lasso): 100 strengths."),
    ],
    "strength": Annotated[
        str | None, option(_P, "--strength", metavar="WHICH", help="Of a path: min or 1se of --cv, or a number.")
    ],
    "cv": Annotated[str | None, option(_P, "--cv", metavar="K", help="Cross-validate a path with K folds.")],
    "cv_folds": Annotated[
        str | None, option(_P, "--cv-folds", metavar="COLUMN", help="Cross-validate with the folds that it has.")
    ],
    "cv_groups": Annotated[
        str | None, option(_P, "--cv-groups", metavar="COLUMN", help="Folds do not tear its groups apart.")
    ],
    "penalty_factor": Annotated[
        list[str] | None,
        option(_P, "--penalty-factor", metavar="TERM=V", help="Penalise V times as much; 0: not at all. Repeatable."),
    ],
    "group_terms": Annotated[
        bool, option(_P, "--group-terms", help="Keep or drop factors and other terms of many columns as a whole.")
    ],
    "group_categories": Annotated[
        bool, option(_P, "--group-categories", help="Of a multinomial: keep or drop coefficients in all categories.")
    ],
    "no_standardize": Annotated[
        bool, option(_P, "--no-standardize", help="Penalise coefficients of the columns as they are.")
    ],
}


def asked(
    *,
    ridge: str | None,
    lasso: str | None,
    elastic_net: str | None,
    strength: str | None,
    cv: str | None,
    cv_folds: str | None,
    cv_groups: str | None,
    penalty_factor: Sequence[str] | None,
    group_terms: bool,
    group_categories: bool,
    no_standardize: bool,
) -> Shrinkage | None:
    """What the options ask for; None where none was given."""
    if not any((*(one is not None for one in (ridge, lasso, elastic_net, strength, cv, cv_folds, cv_groups)),
                penalty_factor, group_terms, group_categories, no_standardize)):  # fmt: skip
        return None
    return Shrinkage(
        ridge=_strength("--ridge", ridge, (PATH,)),
        lasso=_strength("--lasso", lasso, (PATH,)),
        elastic_net=None if elastic_net is None else _number("--elastic-net", elastic_net, "write a share such as 0.5"),
        strength=_strength("--strength", strength, CHOICES),
        cv=None if cv is None else whole_number("--cv", cv),
        cv_folds=cv_folds,
        cv_groups=cv_groups,
        penalty_factors=numbers("--penalty-factor", "TERM=V", penalty_factor or ()),
        standardize=not no_standardize,
        group_terms=group_terms,
        group_categories=group_categories,
    )


def _strength(name: str, text: str | None, words: Sequence[str]) -> float | str | None:
    """A word that stands for a strength, or a number."""
    if text is None or text in words:
        return text
    return _number(name, text, f"write {name} {' or '.join(words)}, or a number such as 0.1")


def _number(name: str, text: str, hint: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ModelError("bad_strength", f"{name}: '{text}' is no number", hint) from None


takes_penalty = standing_for("penalty", OPTIONS, asked)


def check_alone(given: Mapping[str, bool]) -> None:
    """Raises for an option that has no meaning beside a penalty."""
    hints = {
        "--by": "fit one group at a time with --where",
        "--dask": "leave it out: a path is fitted on one machine",
        "--scan": "write all columns in one formula: the lasso chooses among them",
        "--exp": "leave it out, and take exp() of the estimates that you report",
        "--covariance": "leave it out: there is none",
        "--plot": "leave it out: the picture is of intervals, and there are none",
        "--report": "leave it out: its page is of tests and intervals; --json has the whole path",
    }
    for name, there in given.items():
        if there:
            raise ModelError("shrinkage_excludes", f"{name} does not go with a penalty on coefficients", hints[name])


def refuse_unchosen(fit: Fit) -> None:
    """Raises where a path without a choice among its strengths would be saved."""
    if fit.shrinkage is not None and fit.shrinkage.chosen is None:
        message = "the path has many models, and no strength says which is to be saved"
        raise ModelError("bad_strength", message, "add --cv 10, or --strength with a number of the path")
