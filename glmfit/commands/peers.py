"""Options as R, Stata, statsmodels and others call them, and what they mean here.

Told by this table and never by spelling, which would lead to an option of another meaning. Capitals, `_` and `.` do not
count. In a meaning `{WORD}` stands for the value that was given, and for WORD where there was none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

from glmfit.errors import shell

TABLE = {
    "formula model": "'response ~ terms' without an option, after the file",
    "data file input infile in csv-file": "the file first, without an option: glmfit fit DATA 'response ~ terms'",
    "csv tsv": "--format csv for a result as CSV; the data come first, without an option",
    "summary print": "nothing: the table is the summary",
    "markdown md": "--format markdown",
    "table text": "--format table, the default",
    "delimiter delim sep header": "the file alone: its delimiter is found by itself, and the first line is the header",
    "dist distribution error errors fam-name": "--family {FAMILY}",
    "linkfun link-function": "--link {LINK}",
    "response dependent outcome endog target dv depvar": "--y {COLUMN}",
    "predictors covariates exog features independent indepvars regressors terms": "--x {COLUMN,COLUMN}",
    "factor factors categorical class dummies": "C({COLUMN}) in the formula, or --x 'C({COLUMN})'",
    "interaction interactions": "'response ~ a*b', or a:b for the interaction alone",
    "contrasts contrast": "C(COLUMN, contr.sum) in the formula, for each factor",
    "ref reference baseline": "C(COLUMN, ref='LEVEL') in the formula; --levels orders those of the response",
    "noconstant no-constant nocons noint no-int nointercept fit-intercept": "--no-intercept",
    "trials size denominator": "--y SUCCESSES/{TRIALS}",
    "subset if filter rows": "--where {CONDITION}",
    "fweight fweights fw freq frequency frequencies counts-weights": "--freq-weights {COLUMN}",
    "pweight pweights pw svy survey survey-weights probability-weights": "--sampling-weights {COLUMN}",
    "aweight aweights aw var-weights prior-weights iweight iweights": "--weights {COLUMN}",
    "na-action missing-values": "--missing drop, or --missing error",
    "na-strings na-values null-values": "--na {TEXT}",
    "cov-type vce vcov se-type std-errors errors-type": "--se {KIND}",
    "robust": "--se hc1, as Stata's regress has it",
    "sandwich": "--se hc0, and --bread expected where the link is not canonical",
    "hc": "--se hc0, hc1, hc2 or hc3",
    "bootstrap boot": "--se wild:{COLUMN} where rows come in clusters, or --se hc3, which is near to it",
    "jackknife": "--se hc3, which is near to it",
    "cluster clusters cluster-se id": "--se cluster:{COLUMN}",
    "oim observed": "--se hessian",
    "boottest wildboot wild wild-bootstrap fwildclusterboot": "--se wild:{COLUMN}",
    "reps nreps nboot nsim boot-reps": "--replicates {B}",
    "seed-number random-state rng": "--seed {N}",
    "eim expected fisher": "--se expected",
    "conf conf-level confidence confidence-level conf-int ci-level conflevel": "--level {SHARE}",
    "confint profile": "--ci profile",
    "bootstrap boot bs": "--ci bootstrap",
    "anova": "glmfit anova DATA FORMULA, which tests each term",
    "stepwise stepaic selection select": "glmfit step DATA FORMULA",
    "drop1 type2 type-ii": "glmfit anova DATA FORMULA --type 2",
    "type3 type-iii": "glmfit anova DATA FORMULA --type 3",
    "lrt lr-test lrtest": "--save MODEL.json for both models, then: glmfit compare SMALL.json LARGE.json",
    "lincom linear-hypothesis testparm wald": "--save MODEL.json, then: glmfit test MODEL.json 'x1 = x2'",
    "predict predictions fitted newdata": "--save MODEL.json, then: glmfit predict MODEL.json DATA",
    "margins dydx ame margeff marginal-effects": "--save MODEL.json, then: glmfit margins MODEL.json DATA",
    "residuals resid residual influence": "--save MODEL.json, then: glmfit residuals MODEL.json DATA",
    "simulate simulations": "--save MODEL.json, then: glmfit simulate MODEL.json DATA",
    "vif collinearity collin": "nothing: terms that follow from others are found and named by every fit",
    "lambda l1 l2 penalty l1-ratio": "--ridge, --lasso or --elastic-net, and --bias-reduction firth against separation",
    "ridge": "glmfit fit DATA FORMULA --ridge {LAMBDA}: only fit has penalties, and tests need fits without",
    "lasso": "glmfit fit DATA FORMULA --lasso {LAMBDA}: only fit has penalties, and tests need fits without",
    "elastic-net": "glmfit fit DATA FORMULA --elastic-net {ALPHA}: only fit has penalties, and tests need fits without",
    "k-fold kfold nfolds folds": "--cv {N}, beside --lasso, --ridge or --elastic-net",
    "random re mixed": "(1 | {COLUMN}) in the formula; --ranef shows each level",
    "correlation corstr": "--se cluster:COLUMN: rows are independent but for clusters",
    "irr or hr rrr rr eform exponentiate odds-ratio odds-ratios": "--exp",
    "strata stratum panel": "--group {COLUMN} with --family conditional-logit, or C({COLUMN}) in the formula",
    "fixef fe fixed-effects": "--absorb {COLUMN}",
    "inflate ziformula zi zero-inflation": "'zero ~ x' as a further formula, with --family zero-inflated-poisson",
    "dispformula lnalpha": "'phi ~ x' or 'alpha ~ x' as a further formula",
    "alpha": "--fix alpha={VALUE} for the negative binomial's alpha, --level 0.95 for the intervals",
    "theta": "--fix alpha=VALUE, where alpha = 1/theta",
    "power var-power p xi": "--family tweedie --fix power={VALUE}",
    "scale disp-method": "--dispersion pearson",
    "overdispersion phi": "--dispersion pearson, or --family quasi-poisson or negative-binomial",
    "firth brglm penalized penalised logistf": "--bias-reduction firth",
    "status death failure fail died censored": "--event {COLUMN}",
    "ll left lower": "--censor {LIMIT},",
    "ul right upper": "--censor ,{LIMIT}",
    "maxit maxiter iterate iterations n-iter niter maxeval": "--max-iter {N}",
    "tolerance epsilon eps ftol gtol reltol nrtolerance": "--tol {T}",
    "method solver algorithm technique": "--optimizer {NAME}",
    "init inits from start-params starting-values etastart mustart": "--start TERM=VALUE",
    "silent nolog no-log": "--quiet",
    "trace debug": "--verbose",
    "digits precision": "--json, which has every digit",
    "outfile output-file to": "--output {FILE}",
}
MEANINGS = {name: meaning for names, meaning in TABLE.items() for name in names.split()}
_OTHER_COMMAND = re.compile(r"glmfit [a-z]+ [^,;:]*")
NEAR = 0.8  # how like an option's name a misspelling of it is at least,
LONGER = 0.6  # and a longer form of it
SHORTEST = 3  # letters that may stand for a longer name


def meaning(option: str, value: str | None, known: Collection[str]) -> str | None:
    """What to write for an option of another program; None where there is nothing here, or not in this command."""
    found = MEANINGS.get(_plain(option))
    if found is None or not set(re.findall(r"--[a-z][a-z-]*", _OTHER_COMMAND.sub("", found))) <= set(known):
        return None
    if found.startswith("--se {"):
        value = None if value is None else _kind(value)
    write = "" if found.startswith("nothing") else "write "
    return write + re.sub(r"\{([A-Z,]+)\}", lambda slot: slot[1] if value is None else shell(value), found)


def near(option: str, known: Collection[str]) -> str | None:
    """The option that `option` abbreviates, lengthens or misspells; None rather than one that only looks like it."""
    word, names = _plain(option), sorted(name[2:] for name in known if name.startswith("--"))
    if word in names:
        return f"--{word}"
    likeness = {name: difflib.SequenceMatcher(None, word, name).ratio() for name in names}
    found = [name for name in names if len(word) >= SHORTEST and name.startswith(word)]
    found = found or [name for name in names if word.startswith(name) and likeness[name] >= LONGER]
    found = found or [name for name in names if likeness[name] >= NEAR]
    return f"--{max(found, key=likeness.__getitem__)}" if found else None


def _plain(option: str) -> str:
    return re.sub("[_.]", "-", option.lstrip("-").casefold())


def _kind(value: str) -> str:
    """The kind of standard errors that Stata or statsmodels calls `value`."""
    word = value.casefold()
    kinds = {"robust": "hc1", "nonrobust": "hessian", "oim": "hessian", "eim": "expected", "sandwich": "hc0"}
    return "cluster:COLUMN" if word == "cluster" else kinds.get(word, word)
