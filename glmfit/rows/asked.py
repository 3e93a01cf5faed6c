"""What was asked for, checked against families, links and formulas before any row is read; no torch.

Whatever is wrong with a specification by itself it refuses when it is made; here is all that a family, or the header of
the data, can have against it. Only the categories of a response are not known yet: theirs follow it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from glmfit.errors import ModelError, UsageError, shell
from glmfit.families import Family, Link, Parameter, make_family
from glmfit.families.censored import censored
from glmfit.formula import Factor, ModelFormula, condition, for_family, parse
from glmfit.rows.censoring import Censoring, censoring
from glmfit.rows.mixed import check_random
from glmfit.rows.smooths import check_smooths
from glmfit.spec import ModelSpec, cluster_columns, drawn_columns

_BASE = "multinomial; of two levels write --success LEVEL for the one that counts as 1: the other is the base"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A model as asked for over the columns of some data: what is fitted, and how its response was observed.

    `links` are those of every parameter of the family.
    """

    spec: ModelSpec
    family: Family
    links: Mapping[str, Link]
    formula: ModelFormula
    observed: Censoring
    where: Factor | None = None  # the condition on rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the model uses, each once."""
        spec = self.spec
        of_rows = (name for factor in self.formula.roles.values() for name in factor.columns)
        group = (spec.group,) if spec.group else ()
        clusters = (*cluster_columns(spec.se), *drawn_columns(spec.bootstrap_by))
        folds = () if spec.shrinkage is None else spec.shrinkage.columns
        used = [*self.formula.variables, *of_rows, *group, *clusters, *spec.absorb]
        return tuple(dict.fromkeys((*used, *self.family.columns, *self.observed.columns, *folds)))

    @property
    def read(self) -> tuple[str, ...]:
        """Those, and the columns that choose rows, which need not be complete."""
        return self.columns if self.where is None else (*self.columns, *self.where.columns)

    def of_categories(self, levels: tuple[str, ...]) -> Asked:
        """The same once the categories of the response are known, which are the family's parameters."""
        link = self.links[self.family.main]
        family = self.family.of_categories(levels, link)
        family = family if self.spec.shrinkage is None else family.symmetric()
        # the link asked for is that of the main parameter, or of all where they share the formula
        main = {p.name: link for p in family.parameters if p.name == family.main or family.shared_formula}
        links = {p.name: main.get(p.name) or p.link(None, family.name) for p in family.parameters}
        return replace(self, family=family, links=links).checked()

    def checked(self) -> Asked:
        """The same with a formula for each parameter that has covariates; raises where they do not go together."""
        formula = for_family(self.formula, self.family, self.spec.relax, bool(self.spec.absorb))
        _check_model(self.spec, self.family, formula)
        return replace(self, formula=formula)


def ask(spec: ModelSpec, family: Family, links: Mapping[str, Link], header: Collection[str]) -> Asked:
    """The model over the columns in `header`; UsageError or ModelError for what cannot be."""
    family = family.of_columns(header)
    observed = censoring(spec, header)
    formula = parse(spec, header, family.columns, observed.columns, observed.bounds)
    where = None if spec.where is None else condition(spec.where, header)
    asked = Asked(spec, family, links, formula, observed, where)
    return asked if family.categories else asked.checked()


def resolve(spec: ModelSpec) -> tuple[Family, dict[str, Link]]:
    """The family and the links of its parameters; UsageError for what is wrong with a specification by itself."""
    family = make_family(spec.family, spec.fixed)
    asked = {family.parameter(name).name: link for name, link in spec.links.items()}
    links = {parameter.name: parameter.link(asked.get(parameter.name), family.name) for parameter in family.parameters}
    _check_kind(spec, family)
    if spec.event is not None or spec.censor is not None:
        family = censored(family)
    if spec.exposure and links[family.main].name != "log":
        raise UsageError(
            "bad_exposure",
            f"an exposure needs the log link, not {links[family.main].name}",
            f"use --link log, or {shell('--offset', spec.exposure)}",
        )
    return family, links


def _check_kind(spec: ModelSpec, family: Family) -> None:
    """Options that only some kinds of families take, and some that they do not."""
    if family.grouped and spec.group is None:
        raise UsageError("missing_group", f"the {family.name} family compares within groups", "add --group COLUMN")
    only = (
        ("--group", spec.group, family.grouped, "conditional-logit"),
        ("--levels", spec.levels, family.categories, "ordinal or multinomial"),
        ("--base", spec.base, family.shared_formula, _BASE if family.trials else "multinomial"),
        ("--relax", spec.relax, family.categories and family.location, "ordinal"),
    )
    for option, value, allowed, names in only:
        if value and not allowed:
            raise UsageError(
                "contradiction",
                f"{option} has no meaning for the {family.name} family",
                f"leave it out: it is for {names}",
            )
    if (spec.check_separation or spec.separation == "drop") and not family.has_recession:
        option = "--check-separation" if spec.check_separation else "--separation drop"
        message = f"{option} is not for the {family.name} family: separation is not decided for it"
        raise UsageError("bad_separation", message, "leave it out")
    if family.shared_formula and (spec.offset or spec.exposure):
        option = "--offset" if spec.offset else "--exposure"
        message = f"an offset is that of one linear predictor, and the {family.name} family has one for each category"
        hint = f"leave {option} out, or write offset(COLUMN) in the formula of a category"
        raise UsageError("bad_offset", message, hint)


def _check_model(spec: ModelSpec, family: Family, formula: ModelFormula) -> None:
    """Raises for parameters, dispersion and standard errors that the family and the formulas together exclude."""
    terms = {predictor.parameter: predictor.terms for predictor in formula.predictors}
    for name in terms:
        if name in spec.fixed:
            raise UsageError(
                "fixed_and_modelled", f"{name} has a formula and is fixed as well", f"leave --fix {name} out"
            )
        if not terms[name] and name != family.main and not family.shared_formula:
            raise UsageError("formula", f"the formula for {name} has no terms", f"write '{name} ~ 1'")
    if "phi" in terms and family.quasi:
        raise ModelError(
            "quasi_phi",
            f"the {family.name} family is a quasi-likelihood: it has no density in which phi could have a formula",
            "use gaussian, gamma, inverse-gaussian, or negative-binomial with a formula for alpha",
        )
    for parameter in family.parameters:
        if parameter.name in spec.fixed:
            _check_fixed(parameter, spec.fixed[parameter.name])
    _check_dispersion(spec, family, modelled="phi" in terms or family.joint_dispersion)
    # phi without a formula is found after the coefficients, which do not depend on it
    check_smooths(spec, family, formula)
    estimated = [p for p in family.parameters if p.name in terms or p.name not in {"phi", *spec.fixed}]
    _check_robust(spec, family, [p.name for p in estimated if p.name != family.main])
    check_random(spec, family, formula)
    if spec.absorb:
        _check_absorbed(spec, family, formula, [p.name for p in estimated])
    if spec.bias_reduction is not None:
        _check_bias_reduction(family, [p.name for p in estimated])


def _check_robust(spec: ModelSpec, family: Family, others: Sequence[str]) -> None:
    """Leverages are those of one linear predictor, and an expected information needs a variance."""
    if others and (spec.se in ("hc2", "hc3") or spec.small_sample == "cr2"):
        option = "--small-sample cr2" if spec.small_sample == "cr2" else f"--se {spec.se}"
        hint = "leave --small-sample out" if spec.small_sample == "cr2" else "use --se hc0 or hc1"
        message = f"{option} needs the leverage of a model with one linear predictor"
        held = " ".join(f"--fix {name}=VALUE" for name in others)
        raise UsageError("bad_se", message, f"{hint}, or hold what else is estimated with {held}")
    expected = {"--bread expected": spec.bread == "expected", "--small-sample cr2": spec.small_sample == "cr2"}
    for option, given in expected.items():
        if given and not (family.has_moments and family.orthogonal_mean):
            message = f"{option}: the {family.name} family has no expected information for this model"
            raise UsageError("bad_se", message, "leave it out: the observed information has no need of one")


def _check_absorbed(spec: ModelSpec, family: Family, formula: ModelFormula, estimated: Sequence[str]) -> None:
    """Absorbed effects are those of the main linear predictor, and of columns that stand nowhere else by themselves."""
    if family.shared_formula or family.location or family.main not in estimated:
        what = f"its {family.main} is held" if not family.location and not family.shared_formula else "it has several"
        raise UsageError(
            "absorb_family",
            f"--absorb is for effects in one linear predictor, and of the {family.name} family {what}",
            "for categories fit binomial models of pairs, or write the factor as a term; see glmfit families",
        )
    alone = {c for t in formula.predictors[0].terms if len(t.factors) == 1 for c in t.factors[0].columns}
    response = {name for part in formula.response.parts for name in part.columns}
    of_rows = {name: f"--{role.replace('_', '-')}" for role, factor in formula.roles.items() for name in factor.columns}
    for name in spec.absorb:
        also = "a term" if name in alone else "the response" if name in response else of_rows.get(name)
        if also is not None:
            message = f"--absorb {name}: the column is {also} as well"
            hint = "leave one of them out: what an absorbed column says of the mean is all in its effects"
            raise UsageError("absorbed_twice", message, hint)


def _check_bias_reduction(family: Family, estimated: Sequence[str]) -> None:
    """Jeffreys' penalty needs an expected information: of categories, or of one linear predictor, the mean's."""
    if family.categories:
        return
    if family.quasi or not (family.has_moments and family.orthogonal_mean):
        raise UsageError(
            "no_bias_reduction",
            f"--bias-reduction: the {family.name} family has no likelihood with an expected information of the mean",
            "it is for gaussian, binomial, multinomial, ordinal, poisson, gamma, inverse-gaussian, geometric and "
            "negative-binomial",
        )
    others = [name for name in estimated if name != family.main]
    if others or family.main not in estimated:
        raise UsageError(
            "no_bias_reduction",
            f"--bias-reduction is for the coefficients of {family.main} alone, and {' and '.join(others)} "
            "would be estimated as well",
            "hold it with " + " ".join(f"--fix {name}=VALUE" for name in others),
        )


def _check_fixed(parameter: Parameter, value: float) -> None:
    low, high = {
        "identity": (-math.inf, math.inf),
        "log": (0, math.inf),
        "logit": (0, 1),
        "logit12": (1, 2),
        "log1p2": (-0.5, math.inf),
    }[parameter.scale]
    if not low < value < high:
        raise UsageError(
            "bad_fix",
            f"{parameter.name} = {value:g} is outside its range",
            {"log": "give a positive value", "logit": "give a value between 0 and 1"}.get(
                parameter.scale, f"{parameter.name} lies on a {parameter.scale} scale: give a value inside"
            ),
        )


def _check_dispersion(spec: ModelSpec, family: Family, *, modelled: bool) -> None:
    if spec.dispersion is not None and modelled:
        raise UsageError("bad_dispersion", "phi has a formula, and a dispersion is given", "leave --dispersion out")
    if spec.dispersion == "ml" and (family.quasi or not family.has_dispersion):
        raise UsageError(
            "bad_dispersion",
            f"the {family.name} family has no density in which phi could be estimated by maximum likelihood",
            "use --dispersion pearson or deviance" if family.has_moments else "leave it out",
        )
    for method, rests_on, stated in (
        ("pearson", "variance", family.has_moments),
        ("deviance", "deviance", family.has_deviance),
    ):
        if spec.dispersion == method and not stated:
            message = f"--dispersion {method} rests on a {rests_on}, and the {family.name} family has none"
            raise UsageError("bad_dispersion", message, "leave it out, or write --se hc1, which allows for more spread")
