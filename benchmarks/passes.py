"""A pass over the rows, value, gradient and Hessian, of each family beside Poisson's: processor time, in alternation.

    python -m benchmarks.passes --rows 100000 --columns 10 --rounds 5

A pass is what a Newton iteration costs. Responses are drawn from the family itself at its usual parameters, and the
pass is taken at the start of its search; the ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from inspect import signature

import numpy as np
import torch

from glmfit.errors import GlmfitError
from glmfit.estimate.begin import prepared
from glmfit.estimate.start import coefficients
from glmfit.families import Family
from glmfit.families.catalogue import FAMILIES
from glmfit.model import Likelihood, assemble
from glmfit.rows.data import read
from glmfit.spec import ModelSpec

POISSON = ("poisson", "")
MORE_LINKS = {"binomial": ("probit", "cauchit", "cloglog", "loglog"), "gamma": ("inverse",), "poisson": ("sqrt",)}
USUAL = {"identity": 0.5, "log": 1.5, "logit": 0.3, "predictor": 0.3}  # natural parameters, by their working scale
OWN = {"nu": 8.0, "phi": 0.8, "power": 1.5, "alpha": 0.5, "precision": 5.0}
WITHOUT = ("multinomial", "ordinal", "conditional-logit", "quasi-poisson", "quasi-binomial")  # levels, no density
OF_TRIALS = {"beta-binomial": 10.0}
Case = tuple[str, str]  # a family and a link


def cases(only: str) -> list[Case]:
    """Families that take a number for a response, with their usual link and those that cost more."""
    named = [(family.name, link) for family in FAMILIES for link in ("", *MORE_LINKS.get(family.name, ()))]
    return [case for case in named if only in " ".join(case) and case[0] not in WITHOUT]


def likelihood(case: Case, rows: int, columns: int) -> tuple[Likelihood, torch.Tensor]:
    """The likelihood of a case with numeric covariates, and where its search starts."""
    name, link = case
    random = np.random.default_rng(1)
    data = {f"x{j + 1}": random.normal(size=rows) for j in range(columns)}
    (family,) = (one for one in FAMILIES if one.name == name)
    response = "y/n" if name in OF_TRIALS else "y"
    formula = f"{response} ~ " + " + ".join(data)
    data |= {"y": _response(family(), random, rows), "n": np.full(rows, OF_TRIALS.get(name, 1.0))}
    links = {family().main: link} if link else {}
    prior = read(ModelSpec(formulas=(formula,), family=name, links=links), data)
    model, constants, _ = prepared(assemble(prior), None)
    return model.likelihood(), coefficients(model, constants, {})


def _response(family: Family, random: np.random.Generator, rows: int) -> np.ndarray:
    natural = [
        np.full(rows, OWN.get(parameter.name, USUAL[parameter.scale if parameter.scale in USUAL else "identity"]))
        for parameter in family.parameters
    ]
    takes = signature(getattr(family, "base", family).simulate).parameters
    extra = {"trials": np.full(rows, int(OF_TRIALS.get(family.name, 1)))} if "trials" in takes else {}
    return family.simulate(random, *natural, **extra).astype(float)


def seconds(found: tuple[Likelihood, torch.Tensor]) -> float:
    """Processor time of one pass."""
    begin = time.process_time()
    found[0]._derivatives(found[1])
    return time.process_time() - begin


def ratio(ours: Callable[[], float], base: Callable[[], float], rounds: int) -> float:
    """The median over rounds of one time in another."""
    ours(), base()
    return statistics.median(ours() / base() for _ in range(rounds))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.passes", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="the families whose name has this text")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    base = likelihood(POISSON, asked.rows, asked.columns)
    print("| family | predictors | times Poisson's pass |\n|---|--:|--:|")
    for case in cases(asked.only):
        try:
            found = likelihood(case, asked.rows, asked.columns)
        except GlmfitError as error:
            print(f"{' '.join(case):45} {error.message}", file=sys.stderr)
            continue
        own = len(found[0].chunks[0].predictors)
        times = ratio(lambda found=found: seconds(found), lambda: seconds(base), asked.rounds)
        print(f"| {', '.join(filter(None, case))} | {own} | {times:.2f} |", flush=True)


if __name__ == "__main__":
    main()
