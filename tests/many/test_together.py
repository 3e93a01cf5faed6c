"""Groups in a batch are what single fits of them are: every number to 1e-10, each finding and status to the letter."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmfit.many.fits import BatchRecord, FitRecord
from glmfit.many.groups.run import GroupedFit, fit_groups
from glmfit.spec import ModelSpec

GROUPS = 40
# How many steps it took, and what is left of a gradient, is not what was found.
ROUNDING = {("seconds",), *(("convergence", key) for key in ("iterations", "gradient_max_abs", "newton_decrement"))}
GUMBEL = """
import torch
def log_density(y, mu, log_sigma):
    z = (y - mu) * torch.exp(-log_sigma)
    return -log_sigma - z - torch.exp(-z)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Groups of 1 to 200 rows; every tenth tiny, collinear, of a constant column, without a level, separated, of a
    constant response, all 0, or with many missing values."""
    random = np.random.default_rng(3)
    lines = ["g,x,z,f,h,w,k,e,t,cl,count,hit,share,pos,real"]
    for g in range(GROUPS):
        kind = g % 10
        m = int(
            random.integers(1, 6) if kind == 0 else random.integers(8, 60) if kind < 8 else random.integers(60, 200)
        )
        x = random.normal(size=m) * random.choice([1, 100, 0.01]) + random.choice([0, 5, 2000])
        z = random.integers(0, 5, size=m).astype(float)
        z = 2 * x + 1 if kind == 1 else np.ones(m) if kind == 2 else z
        f, h = random.choice(list("ab" if kind == 3 else "abc"), size=m), random.choice(["u", "v"], size=m)
        eta = 0.3 + 0.4 * (x - x.mean()) / (x.std() + 1e-9) + (f == "b") * 0.3
        mu = np.exp(np.clip(eta, -3, 3))
        count = random.poisson(mu * random.gamma(2, 0.5, size=m))
        hit = (random.random(m) < 1 / (1 + np.exp(-eta))).astype(int)
        if kind == 4:
            hit = (x > x.mean()).astype(int)
        if kind in (5, 6):
            count, hit = np.full(m, 3 * (6 - kind)), np.ones(m, dtype=int)
        t = random.integers(1, 6, size=m)
        share = random.binomial(t, 1 / (1 + np.exp(-eta))) / t
        w, k, e = random.uniform(0.2, 3, size=m), random.integers(1, 4, size=m), random.uniform(0.5, 20, size=m)
        cl, pos, real = random.integers(0, 12, size=m), random.gamma(2, mu / 2), eta + random.normal(size=m)
        gone = random.random(m) < (0.3 if kind == 7 else 0.02)
        for i in range(m):
            numbers = (w[i], k[i], e[i], t[i], cl[i], count[i], hit[i], share[i], pos[i], real[i])
            texts = (
                "" if gone[i] else f"{x[i]:.8g}",
                f"{z[i]:.8g}",
                f[i],
                h[i],
                *(f"{value:.12g}" for value in numbers),
            )
            lines.append(f"{g},{','.join(texts)}")
    found = tmp_path_factory.mktemp("groups")
    (found / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (found / "gumbel.py").write_text(GUMBEL, encoding="utf-8")
    return found


def asked(folder: Path, formula: str, family: str, by: str = "g", **options: Any) -> GroupedFit:
    family = str(folder / family) if family.endswith(".py") else family
    spec = ModelSpec(formulas=tuple(formula.split(";")), family=family, **options)
    return fit_groups(spec, str(folder / "groups.csv"), by.split(","))


def differences(ours: Any, theirs: Any, path: tuple[Any, ...] = (), unit: float = 0.0) -> Iterator[str]:
    """Where two documents differ; estimates are measured in standard errors, covariances in their products."""
    if path in ROUNDING:
        return
    if path == ("covariance", "matrix"):
        ours, theirs = np.array(ours), np.array(theirs)
        errors = np.sqrt(np.diag(theirs))
        if not np.abs((ours - theirs) / np.outer(errors, errors)).max() < 1e-10:
            yield f"{path}"
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        unit = theirs["std_error"] or 0.0 if "std_error" in theirs else 0.0
        assert list(ours) == list(theirs), path
        for key in ours:
            yield from differences(ours[key], theirs[key], (*path, key), unit)
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert len(ours) == len(theirs), path
        for at, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, (*path, at), unit)
    elif isinstance(ours, float) and isinstance(theirs, float):
        size = abs(theirs)
        if path[-1] == "p_value" and theirs > 0:
            size *= max(1.0, -2 * math.log(theirs))  # which is as far from 1 as its statistic squared
        unit = {"estimate": unit, "conf_low": unit, "conf_high": unit, "statistic": 1.0}.get(path[-1], 0.0)
        if not abs(ours - theirs) <= 1e-10 * max(size, unit):
            yield f"{path}: {ours!r} is not {theirs!r}"
    elif ours != theirs:
        yield f"{path}: {ours!r} is not {theirs!r}"


CASES = [
    ("count ~ x + z", "poisson", {"exposure": "e"}, 10),
    ("count ~ 0 + f + x", "poisson", {"freq_weights": "k", "se": "hc0"}, 12),
    ("hit ~ x + h", "binomial", {"se": "cluster:cl"}, 10),
    ("hit ~ x*h", "binomial", {"links": {"mu": "probit"}, "se": "expected"}, 8),
    ("cbind(k, t) ~ x", "binomial", {"se": "hc1"}, 25),
    ("share ~ x", "binomial", {"weights": "t"}, 25),
    ("count ~ x + f", "negative-binomial", {}, 12),
    ("count ~ log(e) + h:x", "geometric", {}, 10),
    ("count ~ x", "quasi-poisson", {"offset": "z"}, 8),
    ("real ~ x + C(z) + f", "gaussian", {"se": "hc3", "weights": "w"}, 4),
    ("real ~ x", "gaussian", {"sampling_weights": "w"}, 30),
    ("pos ~ x + f", "gamma", {"links": {"mu": "log"}, "dispersion": "ml", "weights": "w"}, 25),
    ("pos ~ x", "inverse-gaussian", {"links": {"mu": "log"}, "dispersion": "deviance"}, 30),
    ("pos ~ x", "weibull", {}, 20),
    ("real ~ x;log_sigma ~ h", "gumbel.py", {}, 25),
    ("real ~ x", "gumbel.py", {"by": "g,h", "where": "z < 4"}, 30),
]


@pytest.mark.parametrize(("formula", "family", "options", "least"), CASES, ids=[f"{c[1]} {c[0]}" for c in CASES])
def test_a_batch_is_single_fits(folder: Path, formula: str, family: str, options: dict[str, Any], least: int) -> None:
    run = asked(folder, formula, family, **options)
    patterns = run.patterns()
    assert patterns is not None
    (block,) = run.blocks()
    together = run.together(block, patterns)
    differ = []
    for group, (filled, at) in together.items():
        key = {"group": run.groups.keys([group])[0]}
        single = FitRecord(key, (), (), run.single(group), run.written)
        assert single.problem is None
        ours, theirs = json.loads(filled.json(at)), json.loads(single.json())
        differ += [f"{key}: {text}" for text in differences(ours, theirs)]
    assert differ == []
    assert len(together) >= least


def test_every_form_tells_the_same(folder: Path) -> None:
    run = asked(folder, "count ~ x", "poisson", where="g > 6")
    records = list(run.records())
    assert sum(isinstance(record, BatchRecord) for record in records) > len(records) / 2
    for record in records:
        if not isinstance(record, BatchRecord):
            continue
        document = json.loads(record.json())
        rows = list(record.csv())
        assert [float(row[5]) for row in rows] == [row["estimate"] for row in document["coefficients"]]
        assert rows[0][0] == str(document["group"]["g"])
        assert record.entry().n == document["data"]["rows_used"]


@pytest.mark.parametrize(
    ("formula", "family", "options"),
    [
        ("count ~ poly(x, 2)", "poisson", {}),
        ("real ~ x", "gaussian", {"ci": "profile"}),
        ("hit ~ x", "binomial", {"bias_reduction": "firth"}),
        ("f ~ x", "multinomial", {}),
    ],
)
def test_what_cannot_be_batched_is_fitted_one_by_one(
    folder: Path, formula: str, family: str, options: dict[str, Any]
) -> None:
    run = asked(folder, formula, family, where="g < 12", **options)
    records = list(run.records())
    assert len(records) == 12
    assert all(isinstance(record, FitRecord) for record in records)
