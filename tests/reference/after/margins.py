"""Average slopes of Python's marginaleffects and statsmodels: python tests/reference/after/margins.py (from the root).

Needs statsmodels and marginaleffects, which the tests do not. Models are fitted by Newton's method to the last digits.
Intervals of marginaleffects are t's where the models are of z, and are left alone.
"""

import json
import warnings

import marginaleffects as me
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

warnings.simplefilter("ignore")
PATH = "tests/reference/data/interior.csv"
data = pd.read_csv(PATH)
for text in ("g", "h"):
    data[text] = data[text].astype("category")
cases = []


def frame(found):
    return found.to_dicts() if hasattr(found, "to_dicts") else found.to_dict("records")


def rows(found, by=None):
    out = []
    for one in frame(found):
        row = {"term": one["term"], "contrast": one.get("contrast"), "estimate": one["estimate"]}
        row |= {"std_error": one["std_error"], "statistic": one["statistic"]}
        if by:
            row["by"] = {by: one[by]}
        out.append(row)
    return out


def add(name, formula, spec, asked, found):
    cases.append({"name": name, "data": PATH, "spec": {"formulas": [formula], **spec}, "asked": asked, "rows": found})


if __name__ == "__main__":
    fit = smf.logit("binary ~ x * z + g", data).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    add("logit_slopes", "binary ~ x * z + g", {"family": "binomial"}, {}, rows(me.avg_slopes(fit)))
    add("logit_by", "binary ~ x * z + g", {"family": "binomial"}, {"terms": ["x"], "by": ["h"]},
        rows(me.avg_slopes(fit, variables="x", by="h", newdata=data), "h"))  # fmt: skip
    fit = smf.poisson("count ~ x * z + g", data).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    add("poisson_comparisons", "count ~ x * z + g", {"family": "poisson"}, {"pairwise": ["g"]},
        rows(me.avg_comparisons(fit, variables={"g": "pairwise"})))  # fmt: skip
    fit = smf.poisson("count ~ x + z + binary", data).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    for name, how, asked in (("overall", "overall", []), ("mean", "mean", ["means"])):
        found = fit.get_margeff(at=how, method="dydx", dummy=True).summary_frame()
        table = [
            {"term": term, "contrast": "1 - 0" if term == "binary" else None}
            | dict(zip(("estimate", "std_error", "statistic"), row.iloc[:3], strict=True))
            for term, row in found.iterrows()
        ]  # fmt: skip
        add(f"margeff_{name}", "count ~ x + z + binary", {"family": "poisson"},
            {"terms": ["x", "z", "binary"], "at": asked}, table)  # fmt: skip
    with open("tests/reference/after/margins_python.json", "w", encoding="utf-8") as file:
        json.dump(cases, file, indent=1, default=float)
    print(len(cases), "cases", me.__version__ if hasattr(me, "__version__") else "", sm.__name__, np.__version__)
