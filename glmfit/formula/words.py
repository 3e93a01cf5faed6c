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
    "center": "x minus its mean",
    "scale": "x minus its mean, divided by its standard deviation (n - 1)",
    "standardize": "x minus its mean, divided by its standard deviation (n)",
    "poly": "orthogonal polynomials: poly(x, 3); poly(x, 3, raw=True) for plain powers",
    "bs": "B-splines: bs(x, df=6), bs(x, knots=[1, 2], degree=3)",
    "cr": "natural cubic regression splines: cr(x, df=4), cr(x, df=4, constraints='center')",
    "cs": "the same as cr",
    "cc": "cyclic cubic regression splines: cc(x, df=4)",
    "C": "a factor: C(x), C(g, Treatment('b')), C(g, ref='b'), C(g, contr.sum), C(g, levels=['b', 'a'])",
    "offset": "a term with coefficient 1: offset(log(years))",
}
_SPLINE = ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")
# What a call takes after its data argument; transforms without an entry take the data alone.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "scale": ("center", "scale", "ddof"),
    "standardize": ("center", "rescale", "ddof"),
    "poly": ("degree", "raw"),
    "bs": ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound", "extrapolation"),
    "cr": _SPLINE,
    "cs": _SPLINE,
    "cc": _SPLINE,
    "C": ("contrasts", "levels", "ref"),
}
OUTERMOST = frozenset({"C", "poly", "bs", "cr", "cs", "cc"})  # these give several columns: no arithmetic on them
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
ELSEWHERE = {"factor": "C", "as.factor": "C", "ln": "log", "ns": "cr", "s": "cr", "pow": "I", "relevel": "C"}
ALLOWED = "a formula holds columns, numbers, arithmetic, and the transforms " + ", ".join(TRANSFORMS)
