"""The options of the command line, each defined once, and the checks of their values that need no data.

An option is an `Annotated` alias that commands use in their signatures. A value that cannot be read is a `UsageError`;
what the values mean for a model is checked by `data.read`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from glmfit.errors import UsageError, shell
from glmfit.families.userfile import is_path, split
from glmfit.spec import ModelSpec, one_of

FORMATS = ("table", "json", "csv", "markdown")
ENDINGS = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown"}


def option(panel: str, *names: str, metavar: str | None = None, help: str) -> Any:
    """An option of a command; `panel` is the heading under which its help stands."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=panel, show_default=False)


_ARGUMENTS = {"rich_help_panel": "Arguments", "show_default": False}
Data = Annotated[
    str,
    typer.Argument(metavar="DATA", help="File: CSV, Parquet, .xlsx, .dta ...; folder; - reads stdin.", **_ARGUMENTS),
]
Formulas = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FORMULA]...", help="'response ~ terms'; each further one 'parameter ~ terms'.", **_ARGUMENTS
    ),
]
_M, _R, _I, _F, _O = "Model", "Rows and weights", "Inference", "Fitting", "Output"
Y = Annotated[str | None, option(_M, "--y", metavar="COLUMN", help="Response; dead/n for successes/trials.")]
X = Annotated[
    list[str] | None,
    option(_M, "--x", metavar="TERMS", help="Terms separated by commas: x1,C(g),I(x2**2). Repeatable."),
]
FamilyName = Annotated[
    str, option(_M, "--family", "-f", metavar="FAMILY", help="See 'glmfit families', or FILE.py; default gaussian.")
]
Link = Annotated[
    list[str] | None, option(_M, "--link", metavar="[P=]LINK", help="Link of the mean, or of parameter P. Repeatable.")
]
Fix = Annotated[
    list[str] | None, option(_M, "--fix", metavar="P=VALUE", help="Hold parameter P at a value: alpha=1. Repeatable.")
]
NoIntercept = Annotated[bool, option(_M, "--no-intercept", help="Leave out the intercept of the mean.")]
Offset = Annotated[str | None, option(_M, "--offset", metavar="COLUMN", help="Added to the linear predictor.")]
Exposure = Annotated[
    str | None, option(_M, "--exposure", metavar="COLUMN", help="Its logarithm is added to the linear predictor.")
]
Success = Annotated[
    str | None, option(_M, "--success", metavar="LEVEL", help="Which of two levels, or of two numbers, counts as 1.")
]
Levels = Annotated[
    list[str] | None, option(_M, "--levels", metavar="A,B,C", help="Categories of the response, lowest or base first.")
]
Base = Annotated[str | None, option(_M, "--base", metavar="LEVEL", help="Multinomial: what others are compared with.")]
Relax = Annotated[
    list[str] | None, option(_M, "--relax", metavar="TERMS", help="Ordinal: terms that act on each cut point.")
]
Absorb = Annotated[list[str] | None, option(_M, "--absorb", metavar="COL[,COL]", help="Effects fitted, not shown.")]
GroupColumn = Annotated[
    str | None, option(_M, "--group", metavar="COLUMN", help="Conditional logit: compare within these groups.")
]
Event = Annotated[
    str | None, option(_M, "--event", metavar="COLUMN", help="1: response observed, 0: right-censored there.")
]
Censor = Annotated[
    str | None,
    option(_M, "--censor", metavar="LOWER,UPPER", help="Columns that bound the response, or limits: 0, or ,100."),
]
Weights = Annotated[
    str | None, option(_R, "--weights", metavar="COLUMN", help="Prior weights: Var(y) = phi V(mu) / w.")
]
FreqWeights = Annotated[
    str | None, option(_R, "--freq-weights", metavar="COLUMN", help="Frequency weights: a row seen w times.")
]
SamplingWeights = Annotated[
    str | None, option(_R, "--sampling-weights", metavar="COLUMN", help="Survey weights; standard errors are robust.")
]
Where = Annotated[
    str | None, option(_R, "--where", metavar="CONDITION", help="Use rows where it holds: \"age >= 18 & g == 'a'\".")
]
By = Annotated[
    list[str] | None,
    option(_R, "--by", metavar="G[,H]", help="The same model in each group of rows, as JSON lines ..."),
]
Overall = Annotated[bool, option(_R, "--overall", help="With --by: the fit of all rows as well, at the end.")]
Dask = Annotated[
    str | None, option(_R, "--dask", metavar="ADDRESS", help="Fit on the workers of a scheduler, or of local:N.")
]
Missing = Annotated[
    str, option(_R, "--missing", metavar="drop|error", help="Rows with missing values: drop (default) or error.")
]
DispersionOption = Annotated[
    str | None,
    option(_I, "--dispersion", metavar="METHOD", help="pearson, deviance, ml, or a number; default by family."),
]
Se = Annotated[
    str | None,
    option(_I, "--se", metavar="KIND", help="hessian (default), expected, hc0 to hc3, cluster:COL[,COL2], wild:COL."),
]
SmallSample = Annotated[
    str | None, option(_I, "--small-sample", metavar="cr1|cr1s|cr2", help="Clusters: G/(G-1) (default), CR1S, or CR2.")
]
WildWeights = Annotated[
    str | None,
    option(
        _I, "--wild-weights", metavar="rademacher|webb", help="Of --se wild: signs (default), webb up to 12 clusters."
    ),
]
Replicates = Annotated[
    str | None,
    option(_I, "--replicates", metavar="B", help="Of a bootstrap: samples of --se wild (9999), or of --ci (2000)."),
]
Seed = Annotated[str | None, option(_I, "--seed", metavar="N", help="Of random numbers; default 1.")]
Bread = Annotated[
    str | None,
    option(_I, "--bread", metavar="KIND", help="Robust errors: observed (default) or expected information."),
]
Ci = Annotated[
    str, option(_I, "--ci", metavar="KIND", help="Intervals: wald (default), profile, bootstrap[:B] or bca[:B].")
]
BootstrapBy = Annotated[
    str | None, option(_I, "--bootstrap-by", metavar="UNIT", help="rows, cluster:COL or parametric: what is drawn.")
]
BiasReduction = Annotated[
    str | None, option(_I, "--bias-reduction", metavar="firth", help="Penalise the likelihood by Jeffreys' prior.")
]
Smoothing = Annotated[str | None, option(_F, "--smoothing", metavar="METHOD", help="reml (default), ml or gcv.")]
Level = Annotated[str, option(_I, "--level", metavar="SHARE", help="Level of the intervals; default 0.95.")]
OptimizerOption = Annotated[
    str, option(_F, "--optimizer", metavar="NAME", help="newton (default), bfgs, l-bfgs or trust-exact.")
]
MaxIter = Annotated[str, option(_F, "--max-iter", metavar="N", help="Most iterations; default 100.")]
Tol = Annotated[
    str, option(_F, "--tol", metavar="T", help="Distance to the maximum, in standard errors; default 1e-8.")
]
Start = Annotated[
    list[str] | None,
    option(_F, "--start", metavar="TERM=VALUE", help="Starting value; P:TERM=VALUE for parameter P. Repeatable."),
]
CheckSeparation = Annotated[
    bool, option(_F, "--check-separation", help="Look for separated rows even where the fit shows no sign of them.")
]
SeparationOption = Annotated[
    str, option(_F, "--separation", metavar="report|drop", help="Separated rows: report (default), or leave them out.")
]
Memory = Annotated[str | None, option(_F, "--memory", metavar="SIZE", help="Most to take, as 4G; default all free.")]
Spill = Annotated[str | None, option(_F, "--spill", metavar="DIR", help="For temporary files of larger fits.")]
Json = Annotated[bool, option(_O, "--json", help="The same as --format json.")]
Format = Annotated[str | None, option(_O, "--format", metavar="FORMAT", help="table (default), json, csv or markdown.")]
Save = Annotated[
    str | None, option(_O, "--save", metavar="MODEL.json", help="Write the model to a file, for predict and the like.")
]
Report = Annotated[
    str | None, option(_O, "--report", metavar="FILE.html", help="A page of the fit and its check; or FILE.md.")
]
Output = Annotated[str | None, option(_O, "--output", "-o", metavar="FILE", help="Write to FILE, whole or not at all.")]
Exp = Annotated[bool, option(_O, "--exp", help="Show exponentiated coefficients: rate, odds or hazard ratios.")]
Covariance = Annotated[
    bool, option(_O, "--covariance", help="Write the covariance in JSON also of more than 1,000 coefficients.")
]
AllLevels = Annotated[bool, option(_O, "--all-levels", help="Show every level of a factor, however many there are.")]
Plot = Annotated[bool, option(_O, "--plot", help="The coefficients with their intervals as a picture below the table.")]
Threads = Annotated[str | None, option(_F, "--threads", metavar="N", help="How many; default one a processor.")]
Quiet = Annotated[bool, option(_O, "--quiet", "-q", help="Nothing on stderr but errors.")]
Verbose = Annotated[bool, option(_O, "--verbose", "-v", help="Iterations on stderr; tracebacks of internal errors.")]
LikelihoodFile = Annotated[
    str, typer.Argument(metavar="FILE", help="FILE.py, or FILE.py:NAME, that defines a likelihood.", **_ARGUMENTS)
]
FamilyNames = Annotated[
    list[str] | None, typer.Argument(metavar="[FAMILY]...", help="Say all about these.", **_ARGUMENTS)
]
All = Annotated[bool, option(_O, "--all", help="Say all about every one.")]
Codes = Annotated[
    list[str] | None, typer.Argument(metavar="[CODE]...", help="Errors or findings, as separation.", **_ARGUMENTS)
]
AsJson = Annotated[bool, option(_O, "--json", help="As JSON.")]
AsMarkdown = Annotated[bool, option(_O, "--markdown", help="As Markdown: the page docs/explain.md.")]


def output_format(json: bool, format: str | None, output: str | None = None) -> str:
    """The format asked for, `--json` being short for one of them; else that of the name of the file."""
    named = ENDINGS.get(os.path.splitext(output or "")[1].casefold(), "table")
    chosen = one_of("--format", format or ("json" if json else named), FORMATS)
    if json and chosen != "json":
        raise UsageError("contradiction", f"--json and --format {chosen} contradict each other", "give one of them")
    return chosen


def assignments(option: str, form: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """NAME=VALUE texts split at their last `=`, as a term may contain one; a name may occur once."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.rpartition("="))
        if not (name and equals and value):
            raise UsageError("invalid_value", f"{option}: '{text}' is not of the form {form}", f"write {option} {form}")
        if name in found:
            raise UsageError("contradiction", f"{option}: '{name}' is given twice", "give it once")
        found[name] = value
    return list(found.items())


def number(what: str, text: str) -> float:
    """A finite number; `UsageError` otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError("invalid_value", f"{what}: '{text}' is not a finite number", _meant(text))
    return value


def _meant(text: str) -> str:
    """The hint for a text that is no number."""
    try:
        value = float(text.replace(",", ".").rstrip("% ")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    return f"write {value:g}, with a decimal point" if math.isfinite(value) else "write a number such as 0.5"


def numbers(option: str, form: str, texts: Sequence[str]) -> dict[str, float]:
    """NAME=NUMBER texts as a mapping."""
    return {name: number(f"{option} {name}", text) for name, text in assignments(option, form, texts)}


def likelihood_file(text: str, data: str) -> str:
    """FILE.py or FILE.py:NAME; `UsageError` for the name of a family that needs no check, or the data in its place."""
    if not is_path(text) or (split(data)[0].endswith(".py") and not split(text)[0].endswith(".py")):
        hint = "FILE.py first, then the data: glmfit check FILE.py DATA FORMULA"
        raise UsageError("invalid_value", f"'{text}' is not a file of Python", hint)
    return text


def whole_number(what: str, text: str) -> int:
    """A whole number from 0 up; `UsageError` otherwise."""
    if not (text.isascii() and text.isdigit()):
        raise UsageError("invalid_value", f"{what}: '{text}' is not a whole number", "write 0 or more, such as 100")
    return int(text)


def maybe_whole(what: str, text: str | None) -> int | None:
    """The same, or None where the option was not given."""
    return None if text is None else whole_number(what, text)


def items(texts: Sequence[str] | None) -> tuple[str, ...]:
    """The items of a repeatable option, separated by top-level commas."""
    from glmfit.formula import split_list

    return tuple(item for text in texts or () for item in split_list(text))


def levels(texts: Sequence[str] | None) -> tuple[str, ...]:
    """Names of categories, as they stand in the data: an apostrophe is part of one, a comma within backticks too."""
    from glmfit.formula import split_list

    found = (name for text in texts or () for name in split_list(text, quotes="`"))
    return tuple(name[1:-1] if len(name) > 1 and name[0] == name[-1] == "`" else name for name in found)


def whole_formulas(texts: Sequence[str]) -> tuple[str, ...]:
    """The formulas; `UsageError` for the pieces that a shell makes of one without quotes, `~` a folder perhaps."""
    pieces = ["~" if text == os.path.expanduser("~") else text for text in texts]
    broken = [piece for piece in pieces if "~" not in piece or piece.rstrip().endswith("~")]
    if len(pieces) > 1 and broken:
        hint = f"quote each formula as a whole: {shell(*_joined(pieces))}"
        if os.path.isfile(broken[0]):
            hint = "give one file of data, and the formulas after it; quote a pattern of several: 'part-*.csv'"
        raise UsageError("formula", f"'{broken[0]}' is no formula: it has no '~' between two sides", hint)
    return tuple(texts)


def _joined(pieces: Sequence[str]) -> list[str]:
    """Formulas from their pieces: a whole one stands for itself, and a word before a lone `~` begins another."""
    formulas: list[str] = []
    for at, piece in enumerate(pieces):
        whole = [text for text in (*formulas[-1:], piece) if "~" in text.rstrip().rstrip("~")]
        begins = at + 1 < len(pieces) and pieces[at + 1] == "~"
        if not formulas or (whole and (begins or len(whole) > 1 or piece in whole)):
            formulas.append(piece)
        else:
            formulas[-1] += f" {piece}"
    return formulas


def links(texts: Sequence[str]) -> dict[str, str]:
    """Parameter -> link, a link alone being that of mu."""
    return dict(assignments("--link", "P=LINK", [text if "=" in text else f"mu={text}" for text in texts]))


def dispersion(text: str | None) -> str | float | None:
    """A method or a number."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def model_spec(
    *,
    formulas: Sequence[str] | None,
    x: Sequence[str] | None,
    no_intercept: bool,
    link: Sequence[str] | None,
    fix: Sequence[str] | None,
    start: Sequence[str] | None,
    **others: Any,
) -> ModelSpec:
    """What was asked for, from the options of a command; `others` are fields of it as they are."""
    return ModelSpec(
        formulas=whole_formulas(formulas or ()),
        x=tuple(x or ()),
        intercept=not no_intercept,
        links=links(link or ()),
        fixed=numbers("--fix", "P=VALUE", fix or ()),
        start=numbers("--start", "TERM=VALUE", start or ()),
        **others,
    )


def check(spec: ModelSpec, *, exp: bool, quiet: bool, verbose: bool) -> None:
    """What can be wrong with the options of the report; reading the data checks those of the model."""
    if quiet and verbose:
        raise UsageError("contradiction", "--quiet and --verbose contradict each other", "give one of them")
    if exp and not is_path(spec.family):  # what is in a file is for the report to judge
        from glmfit.report.exponentiate import check_measure
        from glmfit.rows import resolve

        family, links = resolve(spec)
        link = links[family.main].name
        check_measure(family.exp_measure(link), family.name, link)
