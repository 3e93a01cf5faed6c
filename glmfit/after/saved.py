"""A saved model opened for use: its family, links and formulas made again, and checked as those of a command are.

    eta_k = X_k theta[places_k] + offset_k        working or natural parameters from eta by the links

Formula text from a file is read by the grammar that reads all formulas: it names columns and documented transforms, or
it is refused. A user's likelihood is run only where the command names its file again, and the file is the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from glmfit.errors import DataError, GlmfitError, ModelError, UsageError, shell
from glmfit.estimate.blueprint import file_hash
from glmfit.families import LINKS, Family, Link, Special, make_family
from glmfit.families.userfile import is_path, split
from glmfit.formula import DesignState, Factor, PredictorFormula, parse
from glmfit.lazy import torch
from glmfit.report.saved import AGAIN, FAMILY, MOST_BYTES, model_from_json
from glmfit.result import Coefficient, Fitted
from glmfit.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

    from glmfit.after.variances import Variances
    from glmfit.inference import Reference

# A coefficient without an estimate of its own, and still no hole: its column adds nothing to those before it.
NOTHING_LOST = ("aliased",)
NODES_OF_ROW = 1_000  # numbers that a row stands for where its random part is integrated over, about


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A fit at work: `predictors` are the formulas of the estimated parameters, in the order of the family's."""

    fit: Fitted
    family: Family
    links: Mapping[str, Link]
    predictors: tuple[PredictorFormula, ...]
    trials: tuple[Factor, ...] = ()  # which add up to those of a response of successes
    name: str = "the model"  # of its file, for messages
    random: str = "zero"  # include, new, population or fresh: what the random effects of rows are
    moved: Tensor | None = None  # (p,) what theta has more than the estimates

    @property
    def grouping(self) -> frozenset[str]:
        """Columns that group random effects and are nothing else: their levels have no coefficients."""
        fixed = {name for one in self.predictors for factor in one.ungrouped for name in factor.columns}
        return frozenset(name for one in self.predictors for f in one.factors for name in f.columns) - fixed

    @property
    def state(self) -> DesignState:
        """Levels and transforms as the old rows left them; a copy, as evaluating may add to it."""
        blueprint = self.fit.blueprint
        transforms = {text: dict(state) for text, state in blueprint.transforms.items()}
        return DesignState(dict(blueprint.levels), transforms)

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, int]]:
        """For each parameter, its terms with the places of their coefficients."""
        found: dict[str, dict[str, int]] = {}
        for at, row in enumerate(self.fit.coefficients):
            found.setdefault(row.parameter, {})[row.term] = at
        return found

    @cached_property
    def theta(self) -> Tensor:
        """(p,) the coefficients: 0 where aliased, infinite where the data are separated, NaN where not identified.

        With random effects they are followed by those as `after.law` has them.
        """
        found = torch.tensor([*map(self._value, self.fit.coefficients), *self._beside()], dtype=torch.float64)
        return found if self.moved is None else found + self.moved

    def _beside(self) -> list[float]:
        """The entries of the covariances of random effects, as differences to their estimates, and the modes."""
        found, law = self.fit.random_effects, self.fit.blueprint.random
        if found is None or law is None or self.random in ("zero", "fresh"):
            return []
        entries = [0.0 for L in law.factors for row in range(len(L)) for _ in range(row + 1)]
        if self.random == "population":
            return entries
        return [*entries, *(mode.estimate for term in found.terms for mode in term.modes or ())]

    def _value(self, row: Coefficient) -> float:
        if row.status in NOTHING_LOST:
            return 0.0
        separation = self.fit.identification.separation
        if row.status == "infinite" and separation is not None:
            direction = next(
                (t.direction for t in separation.terms if (t.parameter, t.term) == (row.parameter, row.term)), 0
            )
            return math.copysign(math.inf, direction) if direction else math.nan
        return row.estimate

    @property
    def width(self) -> int:
        """Numbers that a row has in the model: coefficients, or those beside the levels that are set apart."""
        spreading = sum(bool(one.random) for one in self.estimated) if self.random in ("new", "population") else 0
        if spreading:
            return NODES_OF_ROW ** min(spreading, 2)
        return self.variances.width if self.fit.covariance.low_rank is not None else len(self.fit.coefficients)

    @cached_property
    def variances(self) -> Variances:
        """Those of theta, as they were saved."""
        from glmfit.after.variances import joint_variances, variances

        return variances(self.fit) if self.random in ("zero", "fresh") else joint_variances(self.fit, len(self.theta))

    @cached_property
    def reference(self) -> Reference:
        """The distribution of its statistics."""
        from glmfit.inference import Reference

        return Reference(self.fit.blueprint.df)

    @cached_property
    def held(self) -> Mapping[str, float]:
        """Natural values of the parameters that have no linear predictor: fixed, at a limit, or the dispersion."""
        found = {name: float(value) for name, value in self.fit.model.fixed.items()}
        if self.family.has_dispersion:
            found.setdefault("phi", self.fit.dispersion.estimate)
        found |= {name: end.value for name, end in self.ends.items()}
        estimated = {predictor.parameter for predictor in self.estimated}
        return {p.name: found[p.name] for p in self.family.parameters if p.name not in estimated}

    @cached_property
    def ends(self) -> Mapping[str, Special]:
        """The end of its range at which each parameter is that met one; an infinite end has no number in a file."""
        natural = {row.name: row.estimate for row in self.fit.auxiliary}
        found = {}
        for row in self.fit.coefficients:
            if row.status == "at_limit":
                ends = [special for special in self.family.parameter(row.parameter).special if special.end]
                finite = [end for end in ends if end.value == natural.get(row.parameter)]
                found[row.parameter] = next(iter(finite or [end for end in ends if math.isinf(end.value)] or ends))
        return found

    @cached_property
    def estimated(self) -> tuple[PredictorFormula, ...]:
        """The predictors that have coefficients, those at the end of a parameter's range apart."""
        return tuple(predictor for predictor in self.predictors if predictor.parameter not in self.ends)

    def natural(self, etas: Sequence[Tensor]) -> list[Tensor]:
        """The family's parameters on their natural scales, (n,) each, from the linear predictors of those estimated."""
        return [
            torch.full_like(etas[0], value) if eta is None else eta if p.scale == "predictor" else link.inverse(eta)
            for p, (link, eta, value) in zip(self.family.parameters, self._each(etas), strict=True)
        ]

    def working(self, etas: Sequence[Tensor]) -> list[Tensor]:
        """The same on the working scales of the density."""
        found = []
        for parameter, (link, eta, value) in zip(self.family.parameters, self._each(etas), strict=True):
            if eta is not None:
                found.append(link.to(parameter.scale, eta))
            elif parameter.name in self.ends:
                found.append(torch.full_like(etas[0], self.ends[parameter.name].working))
            else:
                found.append(LINKS[parameter.scale].link(torch.full_like(etas[0], value)))
        return found

    def _each(self, etas: Sequence[Tensor]) -> list[tuple[Link, Tensor | None, float]]:
        by_name = dict(zip((p.parameter for p in self.estimated), etas, strict=True))
        return [
            (self.links[p.name], by_name.get(p.name), self.held.get(p.name, math.nan)) for p in self.family.parameters
        ]


def refuse_absorbed(model: SavedModel, what: str) -> None:
    """Raises for a model with absorbed effects, whose own uncertainty `what` would need."""
    absorbed = model.fit.model.absorbed
    if absorbed:
        names = ", ".join(one.factor for one in absorbed)
        message = f"{model.name} has absorbed effects of {names}: {what} need their variances, which are not kept"
        hint = "test, compare, residuals and predict --interval none do without; or fit the factors as terms"
        raise ModelError("absorbed_effects", message, hint)


def read_model(path: str, family: str | None = None) -> SavedModel:
    """The model in a file; `family` names the file of a user's likelihood again. `DataError` for any other file."""
    return open_model(read_fitted(path), family, path)


def read_fitted(path: str) -> Fitted:
    """The fit in a file that `fit --save` wrote."""
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        hint = "the model comes first, then the data; write one with: glmfit fit DATA FORMULA --save model.json"
        raise DataError("not_found", f"no file {path}", hint) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        reason = getattr(error, "strerror", None) or error
        raise DataError("not_readable", f"{path!r} cannot be read: {reason}", "check the path") from error
    return model_from_json(text, path)


def is_model(path: str) -> bool:
    """Whether a file begins as saved models do; what is not there is none."""
    try:
        with open(path, "rb") as file:
            return FAMILY.encode() in file.read(100)
    except (OSError, ValueError):
        return path.endswith(".json") and not os.path.exists(path)


def open_model(fit: Fitted, family: str | None = None, name: str = "the model") -> SavedModel:
    """A fit made ready for new rows; `DataError` where its blueprint is not one that a fit leaves."""
    blueprint = fit.blueprint
    if not blueprint.predictors:  # a log_likelihood(params, data): there is nothing to make
        return SavedModel(fit, Family(), {}, (), (), name)
    chosen = likelihood_file(fit, family, name)
    header, trial_columns = [variable.name for variable in blueprint.variables], blueprint.trial_columns
    try:
        made = make_family(chosen, fit.model.fixed).of_columns(header)
        asked = {made.parameter(name).name: link for name, link in _links(fit, made).items()}
        if made.categories:
            link = made.parameters[0].link(asked.get(made.main), made.name)
            made = made.of_categories(fit.model.levels, link)
            made = made if fit.shrinkage is None else made.symmetric()
            asked = dict(fit.model.links)
        links = {p.name: p.link(asked.get(p.name), made.name) for p in made.parameters}
        predictors = tuple(
            _predictor(predictor.parameter, predictor.formula, header) for predictor in blueprint.predictors
        )
        for predictor in predictors:
            made.parameter(predictor.parameter)
        trials = _predictor(
            "trials", " + ".join(["0", *(f"offset({text})" for text in blueprint.trials)]), trial_columns
        )
    except (UsageError, ModelError) as error:
        if is_path(chosen) and error.code in ("no_such_file", "user_code", "no_density", "bad_signature"):
            raise
        raise DataError("damaged_model", f"{name} is no whole model: {error.message}", AGAIN) from error
    _check_order(predictors, made, fit, name)
    return SavedModel(fit, made, links, predictors, trials.offsets, name)


def _links(fit: Fitted, family: Family) -> dict[str, str]:
    """The links of the parameters that the family knows before its categories are."""
    if not family.categories:
        return dict(fit.model.links)
    main = fit.model.links.get(fit.model.main[0])
    return {} if main is None else {family.main: main}


def _predictor(parameter: str, text: str, header: Sequence[str]) -> PredictorFormula:
    """The right-hand side of one parameter, over the columns that the model knows and no others."""
    response = "y"
    while response in header:
        response += "_"
    (found,) = parse(ModelSpec(formulas=(f"{response} ~ {text}",)), [response, *header]).predictors
    return PredictorFormula(parameter, found.terms, found.offsets, random=found.random)


def _check_order(predictors: Sequence[PredictorFormula], family: Family, fit: Fitted, name: str) -> None:
    order = list(dict.fromkeys(parameter.name for parameter in family.parameters))
    given = [predictor.parameter for predictor in predictors]
    known = {row.parameter for row in fit.coefficients}
    if given != [one for one in order if one in given] or (given and not known <= set(given)):
        raise DataError("damaged_model", f"{name} is no whole model: its predictors are not the family's", AGAIN)


def likelihood_file(fit: Fitted, given: str | None, name: str) -> str:
    """The family to make: that of the model, or of the file named again, which must be the same file."""
    asked = fit.blueprint.family
    if not is_path(asked):
        if given is not None and make_family(given, {}).name != fit.model.family:
            message = f"{name} is a model of the {fit.model.family} family, not of '{given}'"
            raise UsageError("contradiction", message, "leave out --family: the model knows its family")
        return asked
    if given is None:
        message = f"the likelihood of {name} is in {asked}, which is code and is run only where it is named again"
        raise UsageError("family_file", message, f"add {shell('--family', asked)}")
    try:
        same = file_hash(given) == fit.blueprint.file_sha256
    except (OSError, ValueError) as error:
        message = f"cannot read {given}: {getattr(error, 'strerror', None) or error}"
        raise UsageError("no_such_file", message, "check the path of the file") from error
    if not same:
        message = f"{split(given)[0]} is not the file that {name} was fitted with: it was changed since"
        raise DataError("other_file", message, "fit again with --save, or give the file as it was")
    return given


__all__ = [
    "GlmfitError",
    "SavedModel",
    "likelihood_file",
    "open_model",
    "read_fitted",
    "read_model",
]
