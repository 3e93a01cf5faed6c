"""What was asked: the model specification, frozen, free of data and of torch, and whether it makes sense."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any

from glmfit import memory, shrinkage
from glmfit.errors import UsageError, did_you_mean
from glmfit.reading import PLAIN, Reading
from glmfit.shrinkage import Shrinkage

SE_KINDS = ("hessian", "expected", "hc0", "hc1", "hc2", "hc3", "cluster:COL", "cluster:COL1,COL2", "wild:COL")
SE_ALIASES = {"oim": "hessian", "observed": "hessian", "eim": "expected"}
SE_ELSEWHERE = {  # words of other programs, and the kinds that they may mean here
    "robust": "write --se hc1, as Stata's regress and fixest have it, or --se hc0, as R's sandwich()",
    "sandwich": "write --se hc0, or where the link is not canonical --se hc0 --bread expected, as R's sandwich()",
    "opg": "write --se hessian, the observed information, or --se hc0, which is robust: this one is not offered",
    "bootstrap": "write --ci bootstrap for intervals; or --se hc3, which is near, or of clusters --se wild:COLUMN",
    "jackknife": "write --se hc3, which is near to it",
}
SMALL_SAMPLES = ("cr1", "cr1s", "cr2")
WILD_WEIGHTS = ("rademacher", "webb")
SEED = 1  # of random numbers where none is asked for: the same command gives the same numbers
BREADS = ("observed", "expected")
OPTIMIZERS = ("newton", "bfgs", "l-bfgs", "trust-exact")
DISPERSIONS = ("pearson", "deviance", "ml")
MISSING = ("drop", "error")
SEPARATIONS = ("report", "drop")
BIAS_REDUCTIONS = ("firth",)
SMOOTHINGS = ("reml", "ml", "gcv")
INTERVALS = ("wald", "profile", "bootstrap", "bca")
BOOTSTRAPS = {"bootstrap": "percentile", "bca": "bca"}  # kinds of intervals from replicates
DRAWN = ("rows", "cluster:COL", "parametric")
# Fields that name columns.
_NAMES = ("formulas", "y", "x", "weights", "freq_weights", "sampling_weights", "offset", "exposure", "group", "event",
          "censor", "se", "relax", "where", "bootstrap_by", "absorb")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model as asked for; None means the default that the family or the data imply.

    Whatever could not make sense for any data is refused with a UsageError when it is made.
    Either `formulas` (the first is `response ~ terms`, each further one `parameter ~ terms`), or the plain way,
    `y` with `x`; further formulas for parameters may accompany the plain way too.
    """

    formulas: tuple[str, ...] = ()
    y: str | None = None
    x: tuple[str, ...] = ()  # each one or more terms, separated by top-level commas
    intercept: bool = True
    family: str = "gaussian"
    links: Mapping[str, str] = field(default_factory=dict)  # parameter -> link name; "mu" is the mean
    fixed: Mapping[str, float] = field(default_factory=dict)  # parameter -> value on its natural scale
    weights: str | None = None  # prior weights, a column or arithmetic of columns: Var(y) = phi V(mu) / w
    freq_weights: str | None = None  # a row seen w times
    sampling_weights: str | None = None  # inverse inclusion probabilities
    offset: str | None = None  # column, or arithmetic of columns, added to the mean's linear predictor
    exposure: str | None = None  # column whose logarithm is the offset
    success: str | None = None  # level of a two-level text response that counts as 1
    levels: tuple[str, ...] = ()  # categories of the response in order, the first the lowest, or the base
    base: str | None = None  # category of a multinomial response that the others are compared with
    relax: tuple[str, ...] = ()  # terms of an ordinal model with a coefficient at each cut point
    absorb: tuple[str, ...] = ()  # columns whose levels have effects that are fitted and not reported
    group: str | None = None  # column of the groups within which a conditional model compares
    event: str | None = None  # column: 1 where the response was observed, 0 where it is right-censored
    censor: str | None = None  # LOWER,UPPER: two columns that bound the response, or limits of its measurement
    dispersion: str | float | None = None  # one of DISPERSIONS or a number
    se: str | None = None  # one of SE_KINDS
    small_sample: str | None = None  # one of SMALL_SAMPLES: what few clusters are allowed for by
    wild_weights: str | None = None  # one of WILD_WEIGHTS: what residuals of clusters are multiplied by
    replicates: int | None = None  # samples of a bootstrap
    seed: int | None = None  # of the random numbers of a bootstrap
    bread: str | None = None  # one of BREADS: the information on either side of robust standard errors
    ci: str = "wald"  # one of INTERVALS, BOOTSTRAPS with `:B` replicates: how intervals of coefficients are found
    bootstrap_by: str | None = None  # one of DRAWN: what a replicate is made of; None: the clusters of `se`, or rows
    level: float = 0.95
    bias_reduction: str | None = None  # one of BIAS_REDUCTIONS
    reml: bool = False  # the coefficients of the mean are integrated too when variances of random effects are estimated
    quadrature: int | None = None  # nodes by which random effects of one factor are integrated; 1 is Laplace's
    shrinkage: Shrinkage | None = None  # a penalty on coefficients; also its fields by name
    smoothing: str | None = None  # one of SMOOTHINGS: what the strengths of smooth terms are chosen by
    where: str | None = None  # a condition: the rows in which it holds are the data
    missing: str = "drop"
    memory: int | str | None = None  # bytes that a fit may take, as 4G; None: what is free
    spill: str | None = None  # folder for temporary files of a fit that is larger; None: that of the system
    reading: Reading = PLAIN  # how the file is to be read where it does not say so itself
    optimizer: str = "newton"
    max_iter: int = 100
    tol: float = 1e-8  # on the scaled gradient and the Newton decrement, in standard-error units
    separation: str = "report"  # one of SEPARATIONS: what is done with rows that the model separates
    check_separation: bool = False  # look for separated rows even where the fit shows no sign of them
    start: Mapping[str, float] = field(default_factory=dict)  # "term" or "parameter:term" -> coefficient

    def __post_init__(self) -> None:
        _validate_types(self)
        for name in _NAMES:  # composed as the names in a header are
            object.__setattr__(self, name, _composed(getattr(self, name)))
        if self.se is not None:
            object.__setattr__(self, "se", _standard(self.se))
        if self.memory is not None:
            object.__setattr__(self, "memory", memory.size(str(self.memory)))
        object.__setattr__(self, "shrinkage", shrinkage.made(self.shrinkage))
        _validate(self)


def _standard(se: str) -> str:
    """A kind of standard errors as it is spelled here: `HC3` is hc3, and Stata's `oim` hessian; columns stay."""
    kind, colon, columns = se.strip().partition(":")
    kind = kind.strip().lower()
    return f"{kind}:{columns.strip()}" if colon else SE_ALIASES.get(kind, kind)


def cluster_columns(se: str | None) -> tuple[str, ...]:
    """The columns named by `cluster:COL`, `cluster:COL1,COL2` or `wild:COL`; none for other kinds."""
    kind, _, columns = (se or "").partition(":")
    if kind not in ("cluster", "wild"):
        return ()
    return tuple(name.strip() for name in columns.split(",") if name.strip())


def drawn_columns(bootstrap_by: str | None) -> tuple[str, ...]:
    """The column of the clusters that a bootstrap draws, where it draws any."""
    kind, _, column = (bootstrap_by or "").partition(":")
    return (column,) if kind == "cluster" else ()


def _composed(value: Any) -> Any:
    """Names with each letter and its accents as one character, whatever keyboard or file system they come from."""
    if isinstance(value, tuple | list):
        return tuple(map(_composed, value))
    return unicodedata.normalize("NFC", value) if isinstance(value, str) and not value.isascii() else value


def without_intervals(spec: ModelSpec) -> ModelSpec:
    """The same model without profiles or replicates of its estimates, for fits of which only the likelihood counts."""
    wild = (spec.se or "").startswith("wild:")
    replicates, seed = (spec.replicates, spec.seed) if wild else (None, None)
    return replace(spec, ci="wald", bootstrap_by=None, replicates=replicates, seed=seed)


def one_of(option: str, value: str, known: Sequence[str]) -> str:
    """`value` if it is one of the known ones; `UsageError` that lists them otherwise."""
    if value in known:
        return value
    hint = did_you_mean(value, known) or f"possible values: {', '.join(known)}"
    raise UsageError("invalid_value", f"{option}: '{value}' is not one of {', '.join(known)}", hint)


def _validate(spec: ModelSpec) -> None:
    """Raises `UsageError` for a value that cannot be right, or for options that contradict each other."""
    if not 0 < spec.level < 1:
        hint = f"did you mean --level {spec.level / 100:g}?" if 1 < spec.level < 100 else "0.95 is usual"
        raise UsageError("invalid_value", f"--level: {spec.level:g} is not between 0 and 1", hint)
    if not (math.isfinite(spec.tol) and spec.tol > 0):
        raise UsageError("invalid_value", f"--tol: {spec.tol:g} is not a positive number", "1e-8 is usual")
    if spec.max_iter < 0:
        raise UsageError("invalid_value", f"--max-iter: {spec.max_iter} is negative", "write 0 or more, such as 100")
    one_of("--optimizer", spec.optimizer, OPTIMIZERS)
    one_of("--missing", spec.missing, MISSING)
    one_of("--separation", spec.separation, SEPARATIONS)
    if spec.smoothing is not None:
        one_of("--smoothing", spec.smoothing, SMOOTHINGS)
    _validate_dispersion(spec)
    _validate_errors(spec)
    _validate_censoring(spec)
    _validate_bias_reduction(spec)
    _validate_intervals(spec)
    _validate_absorbed(spec)
    if spec.shrinkage is not None:
        shrinkage.validate(spec)


def _validate_types(spec: ModelSpec) -> None:
    """From Python any value may come; what is not of the kind meant is refused by name."""
    kinds: dict[str, tuple[Any, str]] = {
        **dict.fromkeys(("family", "missing", "optimizer", "separation", "ci"), (str, "text")),
        **dict.fromkeys(("check_separation", "reml"), (bool, "True or False")),
        **dict.fromkeys(("y", "weights", "freq_weights", "sampling_weights"), (str | None, "the name of a column")),
        **dict.fromkeys(("offset", "exposure", "group", "event"), (str | None, "the name of a column")),
        **dict.fromkeys(
            ("success", "base", "se", "small_sample", "wild_weights", "bread", "bootstrap_by"), (str | None, "text")
        ),
        **dict.fromkeys(("censor", "bias_reduction", "smoothing", "where", "spill"), (str | None, "text")),
        **dict.fromkeys(("level", "tol"), (Real, "a number")),
        "max_iter": (Integral, "a whole number"),
        **dict.fromkeys(("replicates", "seed", "quadrature"), (Integral | None, "a whole number")),
        "dispersion": (str | Real | None, "a method or a number"),
        "memory": (str | Integral | None, "a size, such as '4G'"),
        **dict.fromkeys(("formulas", "x", "levels", "relax", "absorb"), (tuple | list, "a sequence of texts")),
        "reading": (Reading, "a Reading"),
        **dict.fromkeys(("links", "fixed", "start"), (Mapping, "a mapping")),
    }
    for name, (kind, meant) in kinds.items():
        value = getattr(spec, name)
        if not isinstance(value, kind):
            raise UsageError("invalid_value", f"{name}: {value!r:.60} is not {meant}", f"give {meant}")
    for value in (*spec.formulas, *spec.x, *spec.levels, *spec.relax, *spec.absorb, *spec.links.values()):
        if not isinstance(value, str):
            raise UsageError("invalid_value", f"{value!r:.60} is not text", "give text")
    for value in (*spec.fixed.values(), *spec.start.values()):
        if not isinstance(value, Real):
            raise UsageError("invalid_value", f"{value!r:.60} is not a number", "give a number")


def _validate_dispersion(spec: ModelSpec) -> None:
    asked = spec.dispersion
    if isinstance(asked, str) and asked not in DISPERSIONS:
        known = f"one of {', '.join(DISPERSIONS)} or a positive number"
        hint = did_you_mean(asked, DISPERSIONS) or "a number holds the dispersion at that value"
        raise UsageError("invalid_value", f"--dispersion: '{asked}' is not {known}", hint)
    for option, value in (("--dispersion", asked), ("--fix phi", spec.fixed.get("phi"))):
        if isinstance(value, Real) and not (math.isfinite(value) and value > 0):
            raise UsageError(
                "invalid_value", f"{option}: {value:g} is not a positive number", "write a number such as 1.5"
            )
    if asked is not None and "phi" in spec.fixed:
        raise UsageError("contradiction", "--fix phi and --dispersion contradict each other", "give one of them")


def _validate_errors(spec: ModelSpec) -> None:
    kinds = [name for name in (spec.weights, spec.freq_weights, spec.sampling_weights) if name]
    if len(kinds) > 1:
        raise UsageError(
            "two_weights",
            "prior, frequency and sampling weights mean different things and cannot be combined",
            "give one of --weights, --freq-weights, --sampling-weights",
        )
    _validate_robust(spec)
    if spec.se is None:
        return
    kind = spec.se.partition(":")[0]
    if kind in ("cluster", "wild"):
        columns = len(cluster_columns(spec.se))
        if columns not in ((1, 2) if kind == "cluster" else (1,)):
            hint = (
                "write --se cluster:COLUMN or cluster:COLUMN1,COLUMN2"
                if kind == "cluster"
                else "write --se wild:COLUMN"
            )
            raise UsageError("bad_se", f"'{spec.se}' names {'no' if not columns else 'too many'} clusters", hint)
        return
    if spec.se in SE_ELSEWHERE:
        known = ", ".join((*SE_KINDS[:6], "cluster:COL", "wild:COL"))
        raise UsageError("invalid_value", f"--se: '{spec.se}' is not one of {known}", SE_ELSEWHERE[spec.se])
    one_of("--se", spec.se, (*SE_KINDS[:6], "cluster:COL", "wild:COL"))
    if spec.sampling_weights and spec.se in ("hessian", "expected"):
        raise UsageError(
            "bad_se",
            f"--se {spec.se} is not valid with sampling weights: the log-likelihood is not that of the sample",
            "leave --se out for linearized standard errors, or write --se hc0, hc1 or cluster:COLUMN",
        )


def _validate_robust(spec: ModelSpec) -> None:
    """What is an option of some robust standard errors alone."""
    kind = (spec.se or ("sampling" if spec.sampling_weights else "hessian")).partition(":")[0]
    if spec.small_sample is not None:
        one_of("--small-sample", spec.small_sample, SMALL_SAMPLES)
        if kind != "cluster":
            hint = "add --se cluster:COLUMN, or leave it out: other kinds have a factor of their own, or none"
            raise UsageError("contradiction", "--small-sample is for clustered standard errors", hint)
        if spec.small_sample == "cr2" and len(cluster_columns(spec.se)) == 2:
            raise UsageError("bad_se", "--small-sample cr2 takes clusters of one way", "cluster by one column")
        if spec.small_sample == "cr2" and spec.sampling_weights:
            hint = "leave --small-sample out"
            raise UsageError("bad_se", "--small-sample cr2 does not go with sampling weights", hint)
    if spec.wild_weights is not None:
        one_of("--wild-weights", spec.wild_weights, WILD_WEIGHTS)
    of_bootstrap = {"--wild-weights": spec.wild_weights, "--replicates": spec.replicates, "--seed": spec.seed}
    drawn = spec.ci.partition(":")[0] in BOOTSTRAPS
    for option, value in of_bootstrap.items():
        folds = option == "--seed" and spec.shrinkage is not None and spec.shrinkage.cross_validated
        if value is not None and kind != "wild" and not folds and not (drawn and option != "--wild-weights"):
            hint = f"add --se wild:COLUMN, or leave {option} out"
            raise UsageError("contradiction", f"{option} is for the wild cluster bootstrap", hint)
    for option, value in (("--replicates", spec.replicates), ("--seed", spec.seed)):
        if value is not None and value < (option == "--replicates"):
            raise UsageError(
                "invalid_value",
                f"{option}: {value} is too small",
                "write a number of replicates, and any seed from 0 up",
            )
    if spec.bread is not None:
        one_of("--bread", spec.bread, BREADS)
        if kind in ("hessian", "expected"):
            hint = "add --se hc0, hc1, hc2, hc3 or cluster:COLUMN, or leave it out"
            raise UsageError("contradiction", "--bread is for robust standard errors", hint)


def _validate_censoring(spec: ModelSpec) -> None:
    if spec.event is None and spec.censor is None:
        return
    if spec.event is not None and spec.censor is not None:
        hint = "give the bounds of all rows in two columns, with --censor LOWER,UPPER alone"
        raise UsageError("contradiction", "--event and --censor are two ways to say what was observed", hint)
    if spec.dispersion is not None:
        raise UsageError(
            "bad_dispersion",
            "of censored responses phi is estimated together with the coefficients, by maximum likelihood",
            "leave --dispersion out, or hold it with --fix phi=VALUE",
        )
    of_variance = {"--bread expected": spec.bread == "expected", "--small-sample cr2": spec.small_sample == "cr2"}
    of_variance[f"--se {spec.se}"] = spec.se in ("expected", "hc2", "hc3")
    for option, given in of_variance.items():
        if given:
            raise UsageError(
                "bad_se",
                f"{option} rests on the variance of the response, and censored responses have none",
                "use --se hessian, hc0, hc1 or cluster:COLUMN",
            )


def _validate_bias_reduction(spec: ModelSpec) -> None:
    if spec.bias_reduction is None:
        return
    one_of("--bias-reduction", spec.bias_reduction, BIAS_REDUCTIONS)
    if spec.se not in (None, "expected"):
        raise UsageError(
            "bad_se",
            f"--se {spec.se} is for the maximum of the likelihood itself, not for that of a penalised one",
            "leave --se out: standard errors are those of the expected information at the estimate",
        )
    excluded = {
        "--sampling-weights": spec.sampling_weights is not None,
        "--event": spec.event is not None,
        "--censor": spec.censor is not None,
        "--separation drop": spec.separation == "drop",
        "--check-separation": spec.check_separation,
    }
    for option, given in excluded.items():
        if given:
            raise UsageError("contradiction", f"--bias-reduction and {option} exclude each other", "give one of them")


def _validate_intervals(spec: ModelSpec) -> None:
    kind, colon, count = spec.ci.partition(":")
    one_of("--ci", kind, INTERVALS)
    if colon and not (kind in BOOTSTRAPS and count.isascii() and count.isdigit() and int(count) > 0):
        hint = f"write {kind}:2000, for that many replicates" if kind in BOOTSTRAPS else f"write --ci {kind}"
        raise UsageError("invalid_value", f"--ci: '{spec.ci}' is no kind of intervals", hint)
    if kind in BOOTSTRAPS and (spec.se or "").startswith("wild:"):
        message = f"--se {spec.se} makes intervals of its own, and so does --ci {kind}"
        raise UsageError("contradiction", message, "give one of them; cluster:COLUMN goes with --ci bootstrap")
    if count and spec.replicates is not None:
        raise UsageError("contradiction", "--replicates says again what --ci says", f"write --ci {kind}")
    if spec.bootstrap_by is not None:
        drawn, _, column = spec.bootstrap_by.partition(":")
        if spec.bootstrap_by not in DRAWN and not (drawn == "cluster" and column):
            hint = "write rows, cluster:COLUMN or parametric"
            raise UsageError("invalid_value", f"--bootstrap-by: '{spec.bootstrap_by}' cannot be drawn", hint)
        if kind not in BOOTSTRAPS:
            hint = "add --ci bootstrap, or leave it out"
            raise UsageError("contradiction", "--bootstrap-by is for intervals by the bootstrap", hint)
        if drawn == "parametric" and kind == "bca":
            message = "BCa intervals leave out each unit in turn, and a parametric bootstrap has no units"
            raise UsageError("contradiction", message, "write --ci bootstrap, or draw rows")
    if kind in BOOTSTRAPS and spec.bias_reduction is None and spec.separation == "drop":
        message = "--separation drop leaves out rows that each replicate would choose anew"
        raise UsageError("contradiction", message, "leave it out: separated replicates are counted")
    if spec.ci == "profile" and (spec.sampling_weights or spec.se not in (None, "hessian", "expected")):
        raise UsageError(
            "contradiction",
            "profile intervals rest on the likelihood alone, not on robust standard errors",
            "leave --ci profile out" + ("" if spec.sampling_weights else f", or leave --se {spec.se} out"),
        )


def _validate_absorbed(spec: ModelSpec) -> None:
    """What rests on the whole likelihood, or on all of its coefficients, does not go with effects that are not kept."""
    if not spec.absorb:
        return
    twice = [name for name in spec.absorb if spec.absorb.count(name) > 1]
    if twice:
        raise UsageError("contradiction", f"--absorb: '{twice[0]}' is given twice", "give it once")
    kind = (spec.se or "").partition(":")[0]
    excluded = {
        f"--ci {spec.ci}": (spec.ci != "wald", "intervals are Wald's: leave it out"),
        "--bias-reduction firth": (spec.bias_reduction is not None, "leave it out, or write the column as a term"),
        f"--se {spec.se}": (kind == "wild", "use --se hc1, hc3 or cluster:COLUMN"),
        "--small-sample cr2": (spec.small_sample == "cr2", "write --small-sample cr1 or cr1s"),
        f"--optimizer {spec.optimizer}": (spec.optimizer != "newton", "leave it out: the search is Newton's"),
        "--start": (bool(spec.start), "leave it out: the effects have no starting values"),
        "--group": (spec.group is not None, "leave one out: a conditional likelihood has no effects of its groups"),
    }
    for option, (given, hint) in excluded.items():
        if given:
            message = f"{option} does not go with --absorb, whose effects are fitted and not reported"
            raise UsageError("absorb_excludes", message, hint)
