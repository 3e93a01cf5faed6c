"""What is said about a fit in words, once for the table and for Markdown: the model, the rows, the errors, the end.

Each function returns plain sentences or (label, text) pairs and leaves their looks to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glmfit.report import numbers, random, shrunk
from glmfit.report.exponentiate import ratios
from glmfit.result import AbsorbedFactor, Auxiliary, Bootstrap, Coefficient, CovarianceSummary, Fit, WildBootstrap
from glmfit.smooths import Smoothing

DISPERSION_METHODS = {"pearson": "Pearson", "deviance": "deviance", "ml": "maximum likelihood"}
OTHER_KINDS = {
    "hessian": "observed information (hessian)",
    "expected": "expected information",
    "sampling": "linearized, for sampling weights",
    "bayesian": "Bayesian, given how smooth terms are",
}
MISSING = {
    "aliased": "(aliased)",
    "at_limit": "(at limit)",
    "infinite": "(infinite)",
    "not_identified": "(not identified)",
    "boundary": "(boundary)",
    "cluster_rank": "(too few clusters)",
    "exact_rows": "(fitted exactly)",
}
WHERE = ("where", "where_missing")  # the reasons that --where is
SMOOTHINGS = {
    "reml": "restricted maximum likelihood (reml)",
    "ml": "maximum likelihood (ml)",
    "gcv": "cross-validation (gcv)",
}
BIAS_REDUCTIONS = {"firth": "Firth (Jeffreys prior)"}
SHORT = {"relative risk ratio": "RRR"}  # headings of columns that would be wider than their numbers
ROBUST = {"hc0": "HC0", "hc1": "HC1", "hc2": "HC2", "hc3": "HC3"}


@dataclass(frozen=True, slots=True)
class Statistic:
    """One line of the fit statistics: label, number and a note such as its degrees of freedom."""

    label: str
    value: str
    note: str = ""


def facts(fit: Fit, *, exp: bool = False) -> list[tuple[str, str]]:
    """What was fitted to what, as (label, text) pairs."""
    model = fit.model
    lines = [("Formula" if i == 0 else "", formula) for i, formula in enumerate(model.formulas)]
    lines.append(("Family", _family(fit)))
    if model.success is not None:
        lines.append(("Success", f"{model.response} = {model.success}"))
    if model.levels:
        join = " < " if fit.model.main[0] not in model.levels else ", "
        lines.append(("Categories", join.join(model.levels)))
    if model.base is not None:
        lines.append(("Base", f"{model.base}, with which each of the others is compared"))
    if model.absorbed:
        lines.append(("Absorbed", ", ".join(absorbed(one) for one in model.absorbed)))
    data = fit.data
    rows = rows_in_words(data.rows_read, data.rows_used, data.dropped, model.where)
    lines.append(("Data", f"{data.source}: {rows}"))
    lines += [(label, text) for label, text in _roles(fit) if text is not None]
    if not math.isnan(fit.dispersion.estimate):
        lines.append(("Dispersion", dispersion(fit)))
    if fit.model.bias_reduction is not None:
        lines.append(("Bias reduction", BIAS_REDUCTIONS[fit.model.bias_reduction]))
    if fit.identification.not_separated:
        lines.append(("Separation", "none"))
    if fit.shrinkage is not None:
        return [*lines, *shrunk.facts(fit)]
    if fit.random_effects is not None:
        lines.append(("Estimation", random.estimation(fit.random_effects)))
    if fit.smoothing is not None:
        lines.append(("Smoothing", smoothing(fit.smoothing)))
    lines.append(("Std. errors", standard_errors(fit.covariance)))
    if fit.ci == "profile":
        lines.append(("Intervals", "profile likelihood; tests by likelihood ratio (signed root)"))
    if fit.bootstrap is not None:
        lines.append(("Intervals", resampled(fit.bootstrap, fit.random_effects is not None)))
    if fit.covariance.wild is not None:
        lines.append(("Bootstrap", bootstrap(fit.covariance.wild)))
    if exp:
        lines.append(("Shown", exponentiated(fit)))
    return lines


def smoothing(found: Smoothing) -> str:
    """How the strengths of penalties were chosen."""
    return f"{SMOOTHINGS[found.method]}, score {numbers.statistics([found.score])[0]}"


def smooth_headings(fit: Fit) -> list[str]:
    """The headings of the table of smooth terms."""
    return ["edf", "Ref. df", fit.smooths[0].statistic_kind, "p-value"]


def smooth_rows(fit: Fit) -> list[tuple[str, list[str]]]:
    """The smooth terms and their numbers; a parameter other than the main one stands in front of its own."""
    tests = numbers.test_statistics([one.statistic for one in fit.smooths])
    return [
        (
            (one.term if one.parameter in fit.model.main else f"{one.parameter}: {one.term}"),
            [f"{one.edf:.3f}", f"{one.ref_df:.3f}", test, numbers.p_value(one.p_value)],
        )
        for one, test in zip(fit.smooths, tests, strict=True)
    ]


def absorbed(one: AbsorbedFactor) -> str:
    """A factor whose effects are not reported: "firm (1,234 levels, 2 redundant)"."""
    redundant = f", {one.redundant:,} redundant" if one.redundant else ""
    return f"{one.factor} ({one.levels:,} level{'s' * (one.levels != 1)}{redundant})"


def sentence(fit: Fit, terms: Sequence[str]) -> str:
    """The model in a sentence; `terms` are those of its first formula."""
    model, data = fit.model, fit.data
    about = f" of {model.response}" if model.response else ""
    listed = [term for term in dict.fromkeys(terms) if term != "Intercept"]
    on = f" on {', '.join(listed[:-1])}{' and ' if len(listed) > 1 else ''}{listed[-1]}" if listed else ""
    if model.absorbed:
        on += f"{' and' if on else ' on'} absorbed effects of {' and '.join(one.factor for one in model.absorbed)}"
    others = [name for name in model.links if name not in model.main]
    link = model.links.get(model.main[0])
    how = "" if link is None or fit.dispersion.method == "none" else f", with {_article(link)} {link} link,"
    also = f" Covariates may act on {', '.join(others)} as well." if len(model.formulas) > 1 and others else ""
    penalised = model.bias_reduction is not None or fit.smoothing is not None
    method = "penalised maximum likelihood" if penalised else "maximum likelihood"
    used = f"{data.rows_used:,} of {data.rows_read:,}" if data.rows_used < data.rows_read else f"all {data.rows_used:,}"
    what = f"{_article(model.family).capitalize()} {model.family} model{about}{on}{how}"
    fitted = f"{what} was fitted to {used} rows of {data.source} by {method}"
    return f"{fitted}. Standard errors: {standard_errors(fit.covariance)}.{also}"


def verdict(fit: Fit) -> str:
    """Whether the numbers can be trusted, in a sentence."""
    if fit.exit_code == 4:
        return "The search did not end at a maximum: these numbers are not estimates to rely on."
    if fit.exit_code == 5:
        return "The data do not determine every coefficient: those without a standard error say nothing by themselves."
    many = len(fit.warnings)
    if not many:
        return "The fit converged, and nothing was found that speaks against its numbers."
    found = "one finding" if many == 1 else f"{many} findings"
    return f"The fit converged; {found} below should be read with its numbers."


def _article(word: str) -> str:
    return "an" if word[:1] in "aeio" else "a"


def resampled(found: Bootstrap, random: bool = False) -> str:
    """How intervals were found from replicates."""
    kind = "BCa bootstrap" if found.interval == "bca" else "percentile bootstrap"
    kind_of_unit, _, column = found.by.partition(":")
    drawn = {"rows": "rows", "cluster": f"clusters of {column}", "parametric": "responses"}[kind_of_unit]
    drawn = f"random effects and {drawn}" if random else drawn
    return f"{kind} of {drawn}, {found.replicates:,} replicates, seed {found.seed}; tests by standard errors"


def _family(fit: Fit) -> str:
    model = fit.model
    # A whole log-likelihood has parameters of its own, and no mean whose link would be that of the family.
    link = None if fit.dispersion.method == "none" else model.links.get(model.main[0])
    parts = [model.family] if link is None else [model.family, f"{link} link"]
    parts += [f"{name} fixed at {value:g}" for name, value in model.fixed.items()]
    return ", ".join(parts)


def rows_in_words(read: int, used: int, dropped: Mapping[str, Mapping[str, int]], where: str | None) -> str:
    """How many rows were read and used, and why which others were not."""
    text = f"{used} of {read} rows used"
    outside, unknown = (sum(dropped.get(reason, {}).values()) for reason in WHERE)
    if where is not None:
        text += f", {outside} outside --where" + (f" ({unknown} for missing values)" if unknown else "")
    lost = read - used - outside
    if not lost:
        return text
    reasons = [
        f"{reason.replace('_', ' ')}: " + ", ".join(f"{column} {count}" for column, count in columns.items())
        for reason, columns in dropped.items()
        if columns and reason not in WHERE
    ]
    return f"{text}, {lost} dropped" + (f" ({'; '.join(reasons)})" if reasons else "")


def _roles(fit: Fit) -> list[tuple[str, str | None]]:
    model = fit.model
    return [
        ("Where", model.where),
        ("Weights", model.weights and f"{model.weights} (prior weights)"),
        ("Weights", model.freq_weights and f"{model.freq_weights} (frequency weights)"),
        ("Weights", model.sampling_weights and f"{model.sampling_weights} (sampling weights)"),
        ("Censoring", censoring(fit) if fit.data.censoring else None),
        ("Offset", model.offset),
        ("Groups", model.group and f"{fit.data.groups} groups of {model.group}, rows are compared within them"),
        ("Exposure", model.exposure and f"log({model.exposure}) is added to the linear predictor"),
    ]


def censoring(fit: Fit) -> str:
    """How many responses were observed, and how many are known only to lie beyond a value or between two."""
    observed = "events" if fit.model.event else "observed"
    words = {"observed": observed, "right": "right-censored", "left": "left-censored", "interval": "interval-censored"}
    counts = fit.data.censoring or {}
    return ", ".join(f"{counts[kind]} {text}" for kind, text in words.items() if counts[kind] or kind == "observed")


def dispersion(fit: Fit) -> str:
    """The dispersion and where it comes from."""
    method = fit.dispersion.method
    if method == "modelled":
        return "modelled, see phi"
    return f"{numbers.short(fit.dispersion.estimate)} ({DISPERSION_METHODS.get(method, method)})"


def standard_errors(covariance: CovarianceSummary) -> str:
    """The kind of covariance, its clusters and its small-sample factor."""
    kind, _, _ = covariance.kind.partition(":")
    if kind in ROBUST:
        text = f"robust ({ROBUST[kind]})"
    elif covariance.clusters:
        groups = " and ".join(f"{column} ({count} clusters)" for column, count in covariance.clusters.items())
        text = f"clustered by {groups}"
    else:
        text = OTHER_KINDS.get(kind, covariance.kind)
    if covariance.bread == "expected":
        text += ", expected information"
    return text if covariance.correction is None else f"{text}, corrected by {covariance.correction}"


def bootstrap(wild: WildBootstrap) -> str:
    """How p-values and intervals were bootstrapped."""
    samples = f"all {wild.replicates}" if wild.enumerated else f"{wild.replicates}"
    seed = "" if wild.enumerated else f", seed {wild.seed}"
    return f"wild cluster, for p-values and intervals: {wild.of}, {samples} samples, {wild.weights} weights{seed}"


def exponentiated(fit: Fit) -> str:
    """What --exp has changed and what it has not."""
    names = "all categories" if len(fit.model.main) > 1 else fit.model.main[0]
    found = ratios(fit)
    short = SHORT.get(found.measure)
    measure = f"{found.measure}s" + (f", {short}" if short else "")
    baseline = "; exp of the intercept is a baseline" if any(c.term == "Intercept" for c in found.coefficients) else ""
    return (
        f"exponentiated coefficients of {names} ({measure}{baseline}), standard errors by the delta method; "
        f"{fit.statistic} and p-value are those of the coefficient itself"
    )


def estimate_heading(fit: Fit, parameter: str, exp: bool) -> str:
    """The heading of the column of estimates of one parameter."""
    if not (exp and parameter in fit.model.main):
        return "Estimate"
    measure = ratios(fit).measure
    return SHORT.get(measure, measure.capitalize())


def test_headings(fit: Fit) -> tuple[str, str]:
    """The headings of the test statistic and its p-value."""
    statistic = "signed root" if fit.ci == "profile" else f"{fit.statistic} value"
    return statistic, f"Pr(>|{fit.statistic}|)"


def interval_headings(level: float) -> tuple[str, str]:
    """The two tail probabilities that bound the interval, such as `2.5 %` and `97.5 %`."""
    tail = (1 - level) / 2
    return numbers.percent(tail), numbers.percent(1 - tail)


def groups(fit: Fit, rows: tuple[Coefficient, ...]) -> dict[str, list[Coefficient]]:
    """Coefficients by parameter; one that is only an intercept and has an auxiliary row is left to that row."""
    by_parameter: dict[str, list[Coefficient]] = {}
    for row in rows:
        by_parameter.setdefault(row.parameter, []).append(row)
    natural = {auxiliary.name for auxiliary in fit.auxiliary}
    return {name: found for name, found in by_parameter.items() if not (name in natural and len(found) == 1)}


def or_missing(fit: Fit, row: Coefficient | Auxiliary, cells: list[str]) -> list[str]:
    """The cells of a row, the estimate first, or in place of those that are missing the reason."""
    reason = missing(fit, row)
    if not reason:
        return cells
    shown = [reason] if math.isnan(row.estimate) else [cells[0], reason]
    return shown + [""] * (len(cells) - len(shown))


def missing(fit: Fit, row: Coefficient | Auxiliary) -> str:
    """Why a row has no standard error, in place of its numbers; nothing where it has one."""
    if isinstance(row, Coefficient):
        return MISSING.get(row.status or "", "")
    if row.fixed:
        return "(fixed)"
    of_it = {c.status for c in fit.coefficients if c.parameter == row.name} if math.isnan(row.std_error) else set()
    return next((text for status, text in MISSING.items() if status in of_it), "")


def group_heading(fit: Fit, parameter: str) -> str:
    """The heading of the coefficients of one parameter."""
    link = fit.model.links.get(parameter)
    return parameter if link is None else f"{parameter} ({link} link)"


def statistics(fit: Fit) -> tuple[list[Statistic], list[Statistic]]:
    """What rests on the likelihood, and what rests on deviance and residuals."""
    s = fit.fit
    log_likelihood, aic, bic = numbers.statistics([s.log_likelihood, s.aic, s.bic])
    likelihood = [
        Statistic(random.likelihood(fit.random_effects), log_likelihood, f"({_parameters(fit)})"),
        Statistic("AIC", aic),
        Statistic("BIC", bic),
    ]
    if fit.shrinkage is not None:
        likelihood = likelihood[:1] + shrunk_statistics(fit)
    if not math.isnan(s.penalised_log_likelihood):
        likelihood.insert(1, Statistic("Penalised", *numbers.statistics([s.penalised_log_likelihood])))
    if fit.random_effects is not None:
        return likelihood, [Statistic(*row) for row in random.shares(fit.random_effects)] or [Statistic("", "")]
    if all(math.isnan(v) for v in (s.null_deviance, s.deviance, s.pearson_chi2)):
        return likelihood, [Statistic("Residual df", _df(fit, s.df_residual))]
    null_deviance, deviance, pearson_chi2 = numbers.statistics([s.null_deviance, s.deviance, s.pearson_chi2])
    residual = [
        Statistic("Null deviance", null_deviance, f"on {s.df_null:.10g} df"),
        Statistic("Deviance", deviance, f"on {_df(fit, s.df_residual)} df"),
        Statistic("Pearson chi2", pearson_chi2, f"on {_df(fit, s.df_residual)} df"),
    ]
    if fit.smoothing is not None and math.isfinite(fit.smoothing.deviance_explained):
        residual.insert(2, Statistic("Explained", f"{100 * fit.smoothing.deviance_explained:.1f} %", "of deviance"))
    return likelihood, residual


def shrunk_tables(fit: Fit) -> list[tuple[str, list[str], list[list[str]], str]]:
    """Title, headings, rows and a note for each table of a penalised fit: the path where no strength is chosen, else
    the coefficients of each parameter that are not 0, and the parameters on their natural scale."""
    if shrunk.penalty(fit).chosen is None:
        heading, body, note = shrunk.path_table(fit)
        return [("", heading, body, note)]
    tables = []
    by_parameter = groups(fit, fit.coefficients)
    for name, found in by_parameter.items():
        shown, zeros = shrunk.left(fit, found)
        rows = [[c.term, text] for c, text in zip(shown, shrunk.estimates(shown), strict=True)]
        note = f"{zeros} more coefficient{'s are' if zeros > 1 else ' is'} 0" if zeros else ""
        tables.append((group_heading(fit, name) if len(by_parameter) > 1 else "", ["Term", "Estimate"], rows, note))
    if fit.auxiliary:
        values = shrunk.estimates(fit.auxiliary)
        own = [[a.name, text] for a, text in zip(fit.auxiliary, values, strict=True)]
        tables.append(("Parameters", ["Parameter", "Estimate"], own, ""))
    return tables


def shrunk_statistics(fit: Fit) -> list[Statistic]:
    """What a penalised fit has in place of AIC and BIC."""
    penalty = shrunk.penalty(fit)
    if penalty.chosen is None:
        return []
    point = penalty.path[penalty.chosen]
    explained = "" if math.isnan(point.explained) else f"{100 * point.explained:.2f} %"
    of = Statistic("Not 0", str(point.nonzero), f"(of {penalty.covariates})")
    return [of, *([Statistic("Explained", explained, "(of the deviance)")] if explained else [])]


def _parameters(fit: Fit) -> str:
    """How many parameters were estimated; effective ones where smooth terms are penalised."""
    many = fit.fit.n_parameters
    plain = fit.smoothing is None or fit.random_effects is not None  # beside these the likelihood is the integrated one
    return f"{many} parameters" if plain else f"{many:.2f} effective parameters"


def _df(fit: Fit, df: float) -> str:
    return f"{df:.10g}" if fit.smoothing is None else f"{df:.2f}"


def convergence(fit: Fit) -> str:
    """One sentence on how the search ended."""
    c = fit.convergence
    many = "" if c.iterations == 1 else "s"
    where = f"largest gradient component {numbers.small(c.gradient_max_abs)}"
    if fit.shrinkage is not None:
        where = f"optimal to {numbers.small(shrunk.missed(fit))} of the largest slope"
    if c.converged:
        return f"Converged: {c.optimizer}, {c.iterations} iteration{many}, {where}"
    text = f"NOT CONVERGED ({c.status}): {c.optimizer}, {c.iterations} iteration{many}, {where}"
    if math.isfinite(c.newton_decrement):
        text += f", about {numbers.short(c.newton_decrement)} standard errors from a maximum"
    return f"{text}. {c.message[0].upper()}{c.message[1:]}" if c.message else text
