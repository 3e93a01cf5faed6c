"""What pyfixest 0.60.0 says of panel.csv, at tolerances far below its defaults. Run in this folder: python write.py.

Small-sample factors: CR1S is its default, ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="min"), (n-1)/(n-k) and
G/(G-1); CR1 has k_adj=False.
"""

import json
import warnings

import pandas as pd
import pyfixest as pf

warnings.simplefilter("ignore")
data = pd.read_csv("panel.csv")
tight = {"fixef_tol": 1e-13, "iwls_tol": 1e-13, "fixef_maxiter": 1_000_000, "iwls_maxiter": 200}
cr1s = pf.ssc(k_adj=True, k_fixef="nonnested", G_adj=True, G_df="conventional")
cr1 = pf.ssc(k_adj=False, G_adj=True, G_df="conventional")
CASES = {
    "poisson": ("count", "firm"),
    "poisson_two": ("count", "firm + year"),
    "poisson_three": ("count", "year + firm + sector"),
    "poisson_nested": ("count", "firm + town + year"),
    "gaussian": ("level", "firm + year"),
    "gaussian_town": ("level", "town + year"),
}


def fitted(y: str, absorb: str, vcov: object, ssc: object) -> object:
    formula = f"{y} ~ x1 + x2 + kind | {absorb}"
    if y == "count":
        return pf.fepois(formula, data, vcov=vcov, ssc=ssc, fixef_rm="singleton", **tight)
    return pf.feols(formula, data, vcov=vcov, ssc=ssc, fixef_rm="singleton", fixef_tol=1e-13, fixef_maxiter=1_000_000)


found = []
for name, (y, absorb) in CASES.items():
    fits = {
        "cr1": fitted(y, absorb, {"CRV1": "firm"}, cr1),
        "cr1s": fitted(y, absorb, {"CRV1": "firm"}, cr1s),
        "cr1s_town": fitted(y, absorb, {"CRV1": "town"}, cr1s),
        "cr1s_year": fitted(y, absorb, {"CRV1": "year"}, cr1s),
        "two": fitted(y, absorb, {"CRV1": "firm + year"}, cr1),
    }
    one = fits["cr1"]
    found.append(
        {
            "name": name,
            "response": y,
            "absorb": absorb.split(" + "),
            "rows": int(one._N),
            "terms": list(one.coef().index),
            "estimates": list(one.coef()),
            **{kind: list(fit.se()) for kind, fit in fits.items()},
        }
    )
with open("pyfixest.json", "w") as file:
    json.dump(found, file, indent=2)
