"""The words of a formula: transforms, contrasts, and what their arguments are called.

`TRANSFORMS` and `CONTRASTS` are all that a call in a formula can be; there is no way to any other function.
"""

from __future__ import annotations

from collections.abc import Mapping

TRANSFORMS: Mapping[str, str] = {
    "I": "arithmetic as it stands: I(x**2), I(a / b), I((x > 3) & (z < 2))",
    "log": "natural logarithm",
    "log2": "logarithm to base 2",
    "log10": "logarithm to base 10",
    "log1p": "log(1 + x)",
    "exp": "exponential",
    "expm1": "exp(x) - 1",
    "sqrt": "square root",
    "abs": "absolute value",
    "sin": "sine, x in radians",
    "cos": "cosine, x in radians",
    "ifelse": "one of two values: ifelse(x > 3, 3, x)",
    "pmin": "the smallest, row by row: pmin(x, z), pmin(x, 10)",
    "pmax": "the largest, row by row: pmax(x, 0)",
    "days": "days since the first date: days(d); since another one: days(d, origin='2024-01-01')",
    "year": "the year of a date, a number; C(year(d)) makes levels of years",
    "month": "the month of a date, 1 to 12; C(month(d)) makes levels of months",
    "weekday": "the day of the week, 1 (Monday) to 7 (Sunday); C(weekday(d)) makes levels of days",
    "hour": "the hour of a time, 0 to 23",
    "center": "x minus its mean",
    "scale": "x minus its mean, divided by its standard deviation (n - 1)",
    "standardize": "x minus its mean, divided by its standard deviation (n)",
    "poly": "orthogonal polynomials: poly(x, 3); poly(x, 3, raw=True) for plain powers",
    "bs": "B-splines: bs(x, df=6), bs(x, knots=[1, 2], degree=3)",
    "ns": "natural cubic splines, as R's splines::ns: ns(x, 3), ns(x, knots=[1, 2])",
    "cr": "natural cubic regression splines: cr(x, df=4), cr(x, df=4, constraints='center')",
    "cs": "the same as cr",
    "cc": "cyclic cubic regression splines: cc(x, df=4)",
    "s": "a smooth: s(x), s(x, k=20), s(x, bs='cr'), s(x, by=g), s(g, bs='re') for random intercepts",
    "te": "a smooth surface, a tensor product: te(x, z), te(x, z, k=[5, 8])",
    "C": "a factor: C(x), C(g, Treatment('b')), C(g, ref='b'), C(g, contr.sum), C(g, levels=['b', 'a'])",
    "factor": "the same as C: factor(x), factor(g, levels=['b', 'a'])",
    "as.factor": "the same as C",
    "cut": "a factor of intervals: cut(x, [0, 10, 20]), cut(x, 4), cut(x, [0, 1], right=False, labels=['low'])",
    "offset": "a term with coefficient 1: offset(log(years))",
}
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")
# What a call takes after its data argument; transforms without an entry take the data alone.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "scale": ("center", "scale", "ddof"),
    "standardize": ("center", "rescale", "ddof"),
    "poly": ("degree", "raw"),
    "bs": ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "extrapolation"),
    "ns": ("df", "knots", "intercept", "Boundary.knots"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "C": ("contrasts", "levels", "ref"),
    "factor": ("levels",),
    "cut": ("breaks", "labels", "include_lowest", "right"),
    "days": ("origin",),
}
SYNONYMS: Mapping[str, str] = {"factor": "C", "as.factor": "C"}  # other names, which canonical text does not keep
SMOOTHS = frozenset({"s", "te"})  # whose coefficients are penalised
_SEVERAL_COLUMNS = {"C", "cut", "poly", "bs", "ns", "cr", "cs", "cc"}  # which no arithmetic takes
OUTERMOST = frozenset({*_SEVERAL_COLUMNS, *SMOOTHS, *SYNONYMS})
DATES = frozenset({"days", "year", "month", "weekday", "hour"})  # these take a column of dates
LEARN = frozenset({"center", "scale", "standardize", *OUTERMOST})  # these depend on the rows that are used
SEVERAL: Mapping[str, tuple[int, int]] = {"ifelse": (3, 3), "pmin": (2, 100), "pmax": (2, 100)}  # arguments of these
CONTRASTS: Mapping[str, str] = {
    **{f"contr.{kind}": kind for kind in ("treatment", "SAS", "sum", "helmert", "poly", "diff")},
    **{kind.capitalize(): kind for kind in ("treatment", "sum", "helmert", "poly", "diff")},
}
CONTRAST_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "treatment": ("reference",),
    "SAS": ("reference",),
    "sum": (),
    "helmert": ("reverse", "scale"),
    "poly": ("scores",),
    "diff": ("backward",),
}
ALLOWED = "a formula holds columns, numbers, arithmetic, and the transforms " + ", ".join(TRANSFORMS)
