"""Wrong options, commands, formulas and outputs, hostile ones too: the exit status and the words that each gets.

One table: the name of a case, what follows `glmfit fit DATA` (or a whole command in which DATA is the file), the exit
status, the code, and words of the message or its hint, in any order and case.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_cases import Case, Cases

CASES = Cases()
case = CASES.add

# ---- Options ----

for option, value, *words in [
    ("--level", "0", "not between 0 and 1"),
    ("--level", "1", "not between 0 and 1"),
    ("--level", "95", "did you mean --level 0.95"),
    ("--level", "95%", "'95%'", "write 0.95"),
    ("--level", "-0.5", "-0.5"),
    ("--level", "0,95", "'0,95'", "decimal point"),
    ("--tol", "-1", "not a positive number"),
    ("--tol", "inf", "'inf'"),
    ("--max-iter", "-5", "'-5'", "0 or more"),
    ("--max-iter", "1e3", "'1e3'", "whole number"),
    ("--max-iter", "many", "'many'", "whole number"),
    ("--optimizer", "bgfs", "'bgfs'", "did you mean 'bfgs'"),
    ("--optimizer", "adam", "'adam'", "newton, bfgs"),
    ("--ci", "profil", "did you mean 'profile'"),
    ("--missing", "omit", "drop, error"),
    ("--separation", "keep", "report, drop"),
    ("--bias-reduction", "jeffreys", "firth"),
    ("--dispersion", "0", "positive"),
    ("--dispersion", "pearsn", "did you mean 'pearson'"),
    ("--se", "robust", "'robust'", "hc1"),
    ("--se", "sandwich", "'sandwich'", "--se hc0 --bread expected"),
    ("--se", "OPG", "'opg'", "--se hessian, the observed"),
    ("--small-sample", "cr3", "'cr3'", "did you mean 'cr"),
    ("--bread", "fisher", "'fisher'", "observed, expected"),
    ("--se", "cluster", "cluster:COL"),
    ("--format", "excel", "table, json, csv, markdown"),
    ("--fix", "phi", "P=VALUE"),
    ("--fix", "phi=big", "'big'", "finite number"),
    ("--start", "x", "TERM=VALUE"),
    ("--start", "x=1=2=a", "'a'"),
]:
    code = {"cluster": "bad_se"}.get(value, "invalid_value")
    case(f"{option} {value}", ["y ~ x", option, value], 2, code, option, *words)
for option, value, near in [
    ("--max-iterations", "50", "--max-iter"),
    ("--tolerance", "1e-9", "--tol"),
    ("--familly", "gaussian", "--family"),
    ("--fam", "gaussian", "--family"),
    ("--weight", "w", "--weights"),
    ("--out", "FOLDER/out.txt", "--output"),
    ("--FAMILY", "gaussian", "--family"),
    ("--robust", "w", "--se"),
]:
    case(option, ["y ~ x", option, value], 2, "unknown_option", option, near)
for name, arguments, code, *words in [
    ("two kinds of weights", ["--weights", "w", "--freq-weights", "w"], "two_weights", "give one"),
    ("dispersion twice", ["--dispersion", "2", "--fix", "phi=2"], "contradiction", "--fix phi and --dispersion"),
    ("event and censor", ["--event", "b", "--censor", "0,"], "contradiction", "--event and --censor"),
    ("dispersion of the censored", ["--event", "b", "--dispersion", "2"], "bad_dispersion", "--fix phi=VALUE"),
    ("expected of the censored", ["--event", "b", "--se", "expected"], "bad_se", "--se hessian"),
    ("sampling weights and hessian", ["--sampling-weights", "w", "--se", "hessian"], "bad_se", "hc1"),
    ("profile and robust", ["--ci", "profile", "--se", "hc1"], "contradiction", "--ci profile"),
    ("profile and sampling weights", ["--ci", "profile", "--sampling-weights", "w"], "contradiction", "--ci profile"),
    ("firth and robust", ["--bias-reduction", "firth", "--se", "hc1"], "bad_se", "leave --se out"),
    ("json and csv", ["--json", "--format", "csv"], "contradiction", "--json and --format csv"),
    ("quiet and verbose", ["-q", "-v"], "contradiction", "--quiet and --verbose"),
    ("fixed and modelled", ["phi ~ x", "--fix", "phi=1"], "fixed_and_modelled", "phi"),
    ("dispersion and modelled", ["phi ~ x", "--dispersion", "2"], "bad_dispersion", "phi has a formula"),
    ("three clusters", ["--se", "cluster:g,k,s"], "bad_se", "cluster:COLUMN1,COLUMN2"),
    ("hc3 with two predictors", ["phi ~ x", "--se", "hc3"], "bad_se", "hc1"),
    ("levels of numbers", ["--levels", "1,2"], "contradiction", "--levels"),
    ("groups for nothing", ["--group", "g"], "contradiction", "conditional-logit"),
    ("relaxed numbers", ["--relax", "x"], "contradiction", "ordinal"),
    ("exp of identity", ["--exp"], "exp_has_no_meaning", "identity"),
    ("fixed twice", ["--fix", "phi=1", "--fix", "phi=2"], "contradiction", "'phi' is given twice"),
    ("link twice", ["--link", "log", "--link", "mu=inverse"], "contradiction", "'mu' is given twice"),
    ("started twice", ["--start", "x=1", "--start", "x=2"], "contradiction", "'x' is given twice"),
    ("family twice", ["-f", "poisson", "-f", "gamma"], "contradiction", "--family", "twice"),
    ("fixed that is none", ["--fix", "alpha=1"], "unknown_parameter", "alpha", "phi"),
    ("fixed mean", ["--fix", "mu=1"], "unknown_parameter", "mu", "phi"),
    ("fixed coefficient", ["--fix", "x=1"], "unknown_parameter", "offset(x)"),
    ("fixed coefficient, not at 1", ["--fix", "x=-2.5"], "unknown_parameter", "offset(-2.5*x)"),
    ("fixed outside", ["--fix", "phi=-1"], "invalid_value", "positive"),
    ("link unknown", ["--link", "lgo"], "unknown_link", "'lgo'", "did you mean 'log'"),
    ("link unlike any", ["--link", "arctan"], "unknown_link", "'arctan'", "identity"),
    ("link without sense", ["--link", "logit"], "bad_link", "logit", "identity, log"),
    ("link of another", ["--link", "alpha=log"], "unknown_parameter", "alpha", "mu, phi"),
    ("power without number", ["--link", "power"], "bad_link", "power:0.5"),
    ("start of no term", ["--start", "xx=1"], "unknown_term", "xx", "'x'"),
    ("family misspelt", ["-f", "poison"], "unknown_family", "did you mean 'poisson'"),
    ("family that is a link", ["-f", "probit"], "unknown_family", "--family binomial --link probit"),
    ("family unlike any", ["-f", "qqq"], "unknown_family", "gaussian", "poisson"),
    ("family file missing", ["-f", "gumble.py"], "no_such_file", "gumble.py"),
    ("--x beside a formula", ["--x", "z"], "usage", "--x", "y ~ x", "leave --x out"),
    ("--y beside a formula", ["--y", "n"], "usage", "'n'", "'y'", "leave --y out"),
]:
    case(name, ["y ~ x", *arguments], 2, code, *words)
for option in (["--sampling-weights", "w"], ["--event", "b"], ["--separation", "drop"], ["--check-separation"]):
    words = ("--bias-reduction and " + " ".join(option[: 2 if option[-1] == "drop" else 1]), "exclude each other")
    case(f"firth and {option[0]}", ["b ~ x", "-f", "binomial", "--bias-reduction", "firth", *option], 2,
         "contradiction", *words)  # fmt: skip
case("relaxed that is no term", ["n ~ x", "-f", "ordinal", "--relax", "xx"], 2, "unknown_term", "did you mean 'x'")
case("hc3 of the negative binomial", ["n ~ x", "-f", "nb", "--se", "hc3"], 2, "bad_se", "--fix")
case("alpha of 0", ["n ~ x", "-f", "nb", "--fix", "alpha=0"], 2, "bad_fix", "alpha = 0")
case("dispersion of counts by ml", ["n ~ x", "-f", "poisson", "--dispersion", "ml"], 2, "bad_dispersion", "pearson")
case("separation of gamma", ["t ~ x", "-f", "gamma", "--separation", "drop"], 2, "bad_separation", "gamma")
case("offset of categories", ["g ~ x", "-f", "multinomial", "--offset", "z"], 2, "bad_offset", "each category")

# ---- The command as a whole ----

case("fit forgotten", ["DATA", "y ~ x"], 2, "usage", "write glmfit fit", "data.csv 'y ~ x'")
case("fit forgotten, options first", ["--family", "poisson", "DATA", "n ~ x"], 2, "unknown_option", "glmfit fit")
case("command misspelt", ["fitt", "DATA", "y ~ x"], 2, "usage", "'fitt'", "did you mean 'fit'")
case("command unlike any", ["regress", "DATA", "y ~ x"], 2, "usage", "'regress'", "fit, predict, compare")
case("family that is listed nowhere", ["glmfit", "families", "normall"], 2, "unknown_family", "'normall'")
case("no data", ["glmfit", "fit"], 2, "missing_argument", "DATA")
case("no model", ["fit", "DATA"], 2, "usage", "no model was given", "--y COLUMN")
case("data and formula exchanged", ["fit", "y ~ x", "DATA"], 3, "not_found", "formula", "data come first")
case("formula without quotes", ["fit", "DATA", "y", "~", "x"], 2, "formula", "quote", "'y ~ x'")
case(
    "formula without quotes, ~ made a folder", ["fit", "DATA", "y", os.path.expanduser("~"), "x"], 2, "formula", "quote"
)
case("formula half quoted", ["fit", "DATA", "y ~", "x"], 2, "formula", "quote", "'y ~ x'")
case("second formula without quotes", ["fit", "DATA", "y ~ x", "phi", "~", "x"], 2, "formula", "'y ~ x' 'phi ~ x'")
case("two files", ["fit", "DATA", "DATA", "y ~ x"], 2, "formula", "has no '~'", "one file")
case("--x of an empty variable", ["--y", "y", "--x", ""], 2, "invalid_value", "--x has an empty value")
case("--x without --y", ["--x", "x"], 2, "usage", "--y")
case("value missing", ["y ~ x", "--level"], 2, "usage", "--level")
case("check without a file of Python", ["check", "poisson", "DATA", "n ~ x"], 2, "invalid_value", "FILE.py")
case("check with the data first", ["check", "DATA", "own.py", "n ~ x"], 2, "invalid_value", "FILE.py first")

# ---- Formulas ----

for formula, code, *words in [
    ("y ~ (x + z", "formula", "missing", "character 11"),
    ("y ~ x)", "formula", "unexpected ')'", "character 6"),
    ("y ~ log(x", "formula", "')' is missing"),
    ("y ~ x +", "formula", "missing at the end"),
    ("y ~ x *", "formula", "missing at the end"),
    ("y ~ + ", "formula", "missing at the end"),
    ("y ~ x |", "formula", "unexpected '|'", "random"),
    ("y ~ x | g", "formula", "two parts", "'y ~ x + C(g)'", "'y ~ x' 'phi ~ g'"),
    ("y ~", "formula", "nothing to the right", "~ 1"),
    ("~ x", "formula", "names no response"),
    ("", "formula", "empty"),
    ("   ", "formula", "empty"),
    ("~", "formula", "nothing to the right"),
    ("y ~ x ~ z", "formula", "more than one '~'"),
    ("y", "formula", "no '~'", "y ~ x"),
    ("y = x", "formula", "no '~'", "y ~ x"),
    ("y == x", "formula", "no '~'", "y ~ x"),
    ("y <- x", "formula", "no '~'"),
    ("y ~ = x", "formula", "unexpected '='"),
    ("y ~ x, z", "formula", "','", "+"),
    ("y ~ x; z", "formula", "';'"),
    ("y ~ x & z", "formula", "'&'", "I(...)"),
    ("y ~ x \u2212 z", "formula", "'\u2212'", "write '-'"),
    ("y ~ x \u00d7 z", "formula", "'\u00d7'", "write '*'"),
    ("y \u223c x", "formula", "'\u223c'", "write '~'"),
    ("y ~ C(g, ref=\u2018a\u2019)", "formula", "'\u2018'", "straight quotes"),
    ("\u201cy ~ x\u201d", "formula", "'\u201c'", "straight quotes"),
    ("y ~ x\u200b + z", "formula", "U+200B", "invisible"),
    ("y ~ my col", "formula", "backticks", "`my col`"),
    ("my col ~ x", "formula", "backticks", "`my col`"),
    ("y ~ 2", "formula", "'2'", "`2`"),
    ("y ~ x + 5", "formula", "'5'", "intercept"),
    ("y ~ x^0", "formula", "positive whole number", "I(x**2)"),
    ("y ~ x + x^2", "formula", "'x^2' is 'x' alone", "write I(x ** 2)"),
    ("y ~ x**2 + z", "formula", "'x**2' is 'x' alone", "write I(x ** 2)"),
    ("y ~ x*x", "formula", "'x*x' is 'x' alone", "write I(x ** 2)"),
    ("y ~ x:x", "formula", "is 'x' alone", "write I(x ** 2)"),
    ("y ~ (log(x))^2", "formula", "'log(x)' alone", "write I(log(x) ** 2)"),
    ("y ~ I(x)^3", "formula", "alone", "write I(x ** 3)"),
    ("y ~ C(g)^2", "formula", "alone", "write C(g)"),
    ("y ~ x^z", "formula", "'x' alone", "I(x ** z)"),
    ("y ~ x**2.5", "formula", "'x' alone", "I(x ** 2.5)"),
    ("y ~ (x + z)^2.5", "formula", "positive whole number", "I(x**2)"),
    ("y ~ 2*x", "formula", "'2'", "I(...)"),
    ("y ~ x[1]", "formula", "subscripts"),
    ("y ~ 'x'", "formula", "'x'", "without quotes"),
    ('y ~ "my col"', "formula", "without quotes", "`my col`"),
    ("'y' ~ x", "formula", "'y'", "without quotes"),
    ("y ~ `nothing`", "unknown_column", "'nothing'"),
    ("y ~ `x", "formula", "what opens must close"),
    ("y ~ lgo(x)", "unknown_transform", "'lgo'", "did you mean 'log'"),
    ("y ~ frobnicate(x)", "unknown_transform", "the transforms are I, log"),
    ("y ~ categorical(g)", "unknown_transform", "write C(g)"),
    ("y ~ ln(x)", "unknown_transform", "write log(x)"),
    ("y ~ np.log(x)", "unknown_transform", "write log(x)"),
    ("y ~ lo(x)", "unknown_transform", "write s(x)"),
    ("y ~ ti(x, z)", "unknown_transform", "write te(x, z)"),
    ("y ~ rcs(x, 4)", "unknown_transform", "write ns(x, df=3)"),
    ("y ~ ncs(x, df=3)", "unknown_transform", "write ns(x, df=3)"),
    ("y ~ strata(k)", "unknown_transform", "C(k)", "--group k"),
    ("y ~ cluster(k)", "unknown_transform", "--se cluster:k"),
    ("y ~ interaction(k, g)", "unknown_transform", "write C(k):C(g)"),
    ("y ~ relevel(g, ref='b')", "unknown_transform", "write C(g, ref='b')"),
    ("ordered(o) ~ x", "unknown_transform", "is no response", "--family ordinal --levels"),
    ("factor(b) ~ x", "unknown_transform", "is no response", "--family binomial"),
    ("Surv(t, b) ~ x", "unknown_transform", "write t, with --event b"),
    ("y ~ i.k", "unknown_column", "'i.k'", "write C(k)"),
    ("y ~ ib3.k", "unknown_column", "write C(k, ref=3)"),
    ("y ~ c.x##i.k", "formula", "'#'", "write 'y ~ x*C(k)'"),
    ("y ~ x | z + g", "formula", "two parts", "'phi ~ z + g'"),
    ("y ~ C(g, contr.helmert)", "levels_needed", "no order", "C(g, contr.helmert, levels=['a', 'b', 'c'])"),
    ("y ~ C(g, Diff(backward=False))", "levels_needed", "no order", "Diff(backward=False), levels=['a', 'b', 'c'])"),
    ("y ~ C(g, Poly)", "levels_needed", "no order", "order these", "levels=['a', 'b', 'c']"),
    ("y ~ x:(1 | g)", "formula", "part of another term", "by itself"),
    ("y ~ x - (1 | g)", "formula", "cannot be taken away"),
    ("y ~ (0 | g)", "formula", "has no effect", "(1 | g)"),
    ("y ~ x + (1 | x)", "group_decimals", "numbers with decimals", "cut(x"),
    ("y ~ log()", "formula", "needs a column"),
    ("y ~ log(x, 2)", "formula", "too many arguments"),
    ("y ~ log(3)", "formula", "contains no column"),
    ("y ~ poly(x, 50)", "transform", "degree 50", "12", "lower it to 11"),
    ("y ~ poly(x, 0)", "transform", "positive whole number"),
    ("y ~ poly(x, z)", "formula", "must be a number"),
    ("y ~ poly(x, deg=2)", "formula", "'deg' is unknown", "degree, raw"),
    ("y ~ poly(g, 2)", "not_numeric", "'a' in row 1"),
    ("y ~ bs(x, df=1)", "transform", "bs(x, df=1)", "df"),
    ("y ~ bs(x, df='a')", "transform", "df"),
    ("y ~ bs(x, knots=['b'])", "transform", "knots"),
    ("y ~ bs(x, df=10000000000)", "transform", "df 10000000000", "12 distinct"),
    ("y ~ bs(x, degree=10000)", "transform", "degree 10000"),
    ("y ~ cr(x, df=100)", "transform", "cr(x, df=100)"),
    ("y ~ C(g, contr.summ)", "unknown_contrast", "did you mean 'contr.sum'"),
    ("y ~ C(g, ref='q')", "unknown_level", "'q'", "'a'"),
    ("y ~ C(g, levels=['a', 'b'])", "unknown_level", "'c'", "row 3"),
    ("y ~ C(g, levels='a')", "levels", "levels=['b', 'a']"),
    ("y ~ C(g, contr.sum, ref='a')", "reference", "treatment"),
    ("y ~ print", "unknown_column", "'print'"),
    ("y ~ print(x)", "unknown_transform", "'print'"),
    ("y ~ True", "formula", "True"),
    ("y ~ None", "formula", "None"),
    ("y ~ len", "unknown_column", "'len'"),
    ("y ~ y", "response_on_right", "'y'"),
    ("y ~ log(y)", "response_on_right", "'y'"),
    ("y ~ x:y", "response_on_right", "'y'"),
    ("3 ~ x", "formula", "no column"),
    ("y + ~ x", "formula", "missing"),
    ("cbind(n) ~ x", "formula", "cbind(successes, failures)"),
    ("y ~ offset(x):z", "formula", "a term by itself"),
    ("y ~ x - offset(z)", "formula", "leave it out"),
    ("y ~ I(1 < x < 3)", "formula", "(1 < x) & (x < 3)"),
    ("y ~ my long col", "formula", "`my long col`"),
    ("y ~ 1x", "formula", "`1x`"),
    ("y ~ data$x", "formula", "'$'", "column alone"),
    ("y ~ I(x \u2265 2)", "formula", "write '>='"),
    ("y ~ x\0", "formula", "U+0000"),
    ("y ~ `a\0b\nc`", "unknown_column", "no column 'a b c'"),
    ("y ~ " + "(" * 5000 + "x" + ")" * 5000, "formula", "nested too deeply"),
    ("y ~ " + "x + " * 250_000 + "z", "formula", "1000005 characters"),
    ("y ~ " + "x" * 1000, "unknown_column", "no column 'xxx", "..."),
]:
    name = formula if len(formula) < 40 else f"{formula[:30]} ... {len(formula)}"
    status = 2 if code in ("formula", "unknown_transform", "unknown_contrast", "levels_needed") else 3
    case(f"'{name}'", formula, status, code, *words)
case("a transform in --x misspelt", ["--y", "y", "--x", "lgo(x)"], 2, "unknown_transform", "did you mean 'log'")
case("a parameter that the family has not", ["n ~ x", "alpha ~ z", "-f", "poisson"], 2, "unknown_parameter", "mu")
case("a parameter twice", ["n ~ x", "alpha ~ z", "alpha ~ x", "-f", "nb"], 2, "formula", "two formulas")
case("a further formula without a parameter", ["n ~ x", "~ z", "-f", "nb"], 2, "formula", "names no parameter")
case("a further formula with a mistake", ["n ~ x", "alpha ~ lgo(z)", "-f", "nb"], 2, "unknown_transform", "'log'")
case("a further formula without terms", ["n ~ x", "alpha ~ 0", "-f", "nb"], 2, "formula", "alpha ~ 1")
case("phi of a quasi-likelihood", ["n ~ x", "phi ~ z", "-f", "quasi-poisson"], 3, "quasi_phi", "negative-binomial")

# ---- A file with a likelihood of one's own ----

GOOD = "import torch\ndef log_density(y, mu, log_sigma):\n    return -log_sigma - ((y - mu) / log_sigma.exp())**2 / 2\n"
for name, own, status, code, *words in [
    ("empty", "", 2, "no_density", "defines no likelihood", "def log_density"),
    ("syntax", "def log_density(y, mu:", 3, "user_code", "own.py:1", "SyntaxError"),
    ("import", "import nosuchmodule", 3, "user_code", "own.py:1", "nosuchmodule"),
    ("name", "def log_density(y, mu):\n    return nam", 3, "user_code", "own.py:2", "nam"),
    ("exit", "raise SystemExit(3)", 3, "user_code", "own.py:1", "SystemExit"),
    ("recursion", "def log_density(y, mu):\n    return log_density(y, mu)", 3, "user_code", "RecursionError"),
    ("no tensor", "def log_density(y, mu):\n    return None", 3, "bad_density", "no tensor"),
    ("one number", "def log_density(y, mu):\n    return -(y - mu).sum()", 3, "bad_density", "shape ()", "sum"),
    ("broadcast", "def log_density(y, mu):\n    return -(y[:, None] - mu)**2", 3, "bad_density", "(n, n)", "own.py:2"),
    ("float32", "def log_density(y, mu):\n    return -((y - mu)**2).float()", 3, "bad_density", "float32"),
    ("detached", "def log_density(y, mu):\n    return -((y - mu)**2).detach()", 3, "bad_density", "detach"),
    ("cumsum", "def log_density(y, mu):\n    return -(y - mu.cumsum(0))**2", 3, "not_row_wise", "log_likelihood"),
    ("in place", "def log_density(y, mu):\n    y[0] = 3\n    return -(y - mu)**2", 3, "bad_density", "in place"),
    ("stars", "def log_density(y, *mu):\n    return y", 2, "bad_signature", "*mu"),
    ("no predictor", "def log_density(y):\n    return y", 2, "bad_signature", "no linear predictor"),
    ("no column", "def log_density(y, mu, *, q):\n    return y", 3, "unknown_column", "'q'"),
    ("two", "def f(y, a):\n    return y\ndef g(y, a):\n    return y", 2, "no_density", "own.py:f"),
    ("NUL", "x = 1\0", 3, "user_code", "null bytes"),
]:
    case(f"own likelihood: {name}", ["y ~ x", "-f", "FOLDER/own.py"], status, code, *words, own=own)
    case(f"check of own likelihood: {name}", ["check", "FOLDER/own.py", "DATA", "y ~ x"], status, code, *words, own=own)
for name, arguments, status, code, *words in [
    ("no data", ["glmfit", "check", "FOLDER/own.py"], 2, "missing_argument", "DATA"),
    ("no formula", ["check", "FOLDER/own.py", "DATA"], 2, "usage", "no model was given"),
    ("no such file", ["check", "FOLDER/won.py", "DATA", "y ~ x"], 2, "no_such_file", "won.py"),
    ("no such name", ["check", "FOLDER/own.py:nope", "DATA", "y ~ x"], 2, "no_density", "log_density"),
    ("option of fit", ["check", "FOLDER/own.py", "DATA", "y ~ x", "--level", "0.9"], 2, "unknown_option", "--level"),
    ("formula before data", ["check", "FOLDER/own.py", "y ~ x", "DATA"], 3, "not_found", "data come first"),
    (
        "parameter twice",
        ["check", "FOLDER/own.py", "DATA", "y ~ x", "log_sigma ~ z", "log_sigma ~ x"],
        2,
        "formula",
        "two",
    ),
    ("folder", ["check", "FOLDER/", "DATA", "y ~ x"], 2, "no_such_file", "directory"),
    ("without its ending", ["DATA", "y ~ x", "-f", "own"], 2, "usage", "glmfit fit"),
]:
    case(f"check: {name}", arguments, status, code, *words, own=GOOD)
case(
    "family as R writes it", ["n ~ x", "-f", "poisson(link='log')"], 2, "unknown_family", "--family poisson --link log"
)
case("family that is no code", ["n ~ x", "-f", "FOLDER/data.csv"], 3, "user_code", "data.csv:2")

# ---- Slips ----

for name, arguments, status, code, *words in [
    (
        "event among the terms",
        ["t ~ b", "-f", "weibull", "--event", "b"],
        3,
        "response_on_right",
        "'b' is the response, or",
    ),
    ("response as the offset", ["y ~ x", "--offset", "y"], 3, "response_on_right", "'y'", "--offset"),
    ("response as the exposure", ["n ~ x", "-f", "poisson", "--exposure", "n"], 3, "response_on_right", "--exposure"),
    ("one bound misspelt", ["~ x", "-f", "weibull", "--censor", "t,uu"], 2, "bad_censoring", "'uu' is neither", "'u'"),
    ("one bound is one column", ["~ x", "-f", "weibull", "--censor", "t,"], 2, "bad_censoring", "'t' is a column"),
    ("three bounds", ["~ x", "-f", "weibull", "--censor", "t,u,x"], 2, "bad_censoring", "not two columns"),
    ("no bound", ["y ~ x", "--censor", ","], 2, "bad_censoring", "no range"),
    ("bounds and a response", ["y ~ x", "--censor", "t,u"], 2, "bad_censoring", "not 'y'", "'~ terms'"),
    ("censored counts", ["n ~ x", "-f", "poisson", "--event", "b"], 2, "bad_censoring", "poisson"),
    ("levels of other names", ["g ~ x", "-f", "ordinal", "--levels", "1,2,3"], 3, "unknown_level", "--levels a,b,c"),
    ("levels in quotes", ["g ~ x", "-f", "ordinal", "--levels", "'a','b','c'"], 3, "unknown_level", "--levels a,b,c"),
    ("group of each row", ["b ~ x", "-f", "conditional-logit", "--group", "y"], 3, "no_rows", "'y'", "compared"),
    (
        "relaxed groups",
        ["b ~ x", "-f", "conditional-logit", "--group", "k", "--relax", "x"],
        2,
        "contradiction",
        "ordinal",
    ),
    ("cluster of nothing", ["y ~ x", "--se", "cluster:"], 2, "bad_se", "cluster:COLUMN"),
    ("weights without a column", ["y ~ x", "--weights", "1+1"], 2, "formula", "--weights: '1+1' contains no column"),
    ("offset that cannot be read", ["y ~ x", "--offset", "log(m"], 2, "formula", "')' is missing"),
    ("offset of no transform", ["y ~ x", "--offset", "lgo(m)"], 2, "unknown_transform", "did you mean 'log'"),
    ("offset of an unknown column", ["y ~ x", "--offset", "log(mm)"], 3, "unknown_column", "'mm'", "'m'"),
    ("offset of the response", ["y ~ x", "--offset", "log(y)"], 3, "response_on_right", "'y'", "--offset"),
    ("group as arithmetic", ["b ~ x", "-f", "conditional-logit", "--group", "k+1"], 3, "unknown_column", "arithmetic"),
    ("interval twice", ["y ~ x", "--ci", "wald", "--ci", "profile"], 2, "contradiction", "--ci is given twice"),
    ("interval as a number", ["y ~ x", "--ci", "0.95"], 2, "invalid_value", "wald, profile"),
    ("value swallowed", ["y ~ x", "-o", "--exp"], 2, "invalid_value", "--output has no value", "--exp is an option"),
    ("flag with a value", ["y ~ x", "--exp=1"], 2, "usage", "--exp", "does not take a value"),
    ("output to -", ["y ~ x", "-o", "-"], 3, "bad_name", "standard output"),
    ("output below a file", ["y ~ x", "-o", "/dev/null/x"], 3, "no_folder", "not a folder"),
    ("output of a long name", ["y ~ x", "-o", "x" * 300], 3, "bad_name", "too long"),
    ("start of another parameter", ["y ~ x", "--start", "phi:x=1"], 2, "unknown_term", "phi:x"),
    ("start without value", ["y ~ x", "--start", "x="], 2, "invalid_value", "TERM=VALUE"),
    ("link without name", ["y ~ x", "--link", "mu="], 2, "invalid_value", "P=LINK"),
    ("two links in one", ["y ~ x", "--link", "log,log"], 2, "unknown_link", "'log,log'"),
    (
        "success of numbers",
        ["b ~ x", "-f", "binomial", "--success", "2"],
        2,
        "bad_success",
        "never 2",
        "--success 0 or --success 1",
    ),
    ("format in capitals", ["y ~ x", "--format", "JSON"], 2, "invalid_value", "did you mean 'json'"),
    (
        "help for no command",
        ["glmfit", "help", "frobnicate"],
        2,
        "usage",
        "no command 'frobnicate'",
        "the commands are",
    ),
    ("command in capitals", ["FIT", "DATA", "y ~ x"], 2, "usage", "did you mean 'fit'"),
    ("option before the command", ["-v", "fit", "DATA", "y ~ x"], 2, "unknown_option", "options follow a command"),
    ("no such code", ["glmfit", "explain", "sepration"], 2, "unknown_code", "did you mean 'separation'"),
    ("NUL in the data", ["glmfit", "fit", "a\0b", "y ~ x"], 3, "not_readable", "null byte"),
    ("NUL in the output", ["y ~ x", "-o", "a\0b"], 3, "bad_name", "names no file"),
    ("NUL in the family", ["y ~ x", "-f", "a\0b.py"], 2, "no_such_file", "null byte"),
    ("bytes in the formula", "\udcff ~ x", 2, "formula", "U+DCFF"),
    ("bytes in the data", ["glmfit", "fit", "\udcff", "y ~ x"], 3, "not_found", "no file"),
]:
    case(name, arguments, status, code, *words)

# ---- Output ----

case("output to a folder", ["y ~ x", "-o", "FOLDER"], 3, "is_folder", "give the name of a file")
case("output to no folder", ["y ~ x", "-o", "FOLDER/a/b"], 3, "no_folder", "create the folder")
case("output over the data", ["fit", "DATA", "y ~ x", "-o", "DATA"], 2, "overwrites_data", "another file")
case("output to nothing", ["y ~ x", "-o", ""], 2, "invalid_value", "--output has an empty value", "FILE")
for option in (
    "--weights",
    "--offset",
    "--exposure",
    "--group",
    "--event",
    "--censor",
    "--se",
    "--family",
    "--y",
    "--na",
):
    case(f"{option} of an empty variable", ["y ~ x", option, " "], 2, "invalid_value", f"{option} has an empty value")
if os.path.exists("/dev/full"):
    case("output to a full disk", ["y ~ x", "-o", "/dev/full"], 3, "disk_full", "no space is left")


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.name[:60])
def test_what_is_wrong_is_said(wrong: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong.check(tmp_path, capsys)


def test_the_table_is_whole() -> None:
    assert len(CASES) > 150
