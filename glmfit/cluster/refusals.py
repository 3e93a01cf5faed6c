"""What a fit on a cluster is not for: whatever is no sum over parts of the rows, and what belongs to one machine.

What travels is listed; anything else that is asked for is refused, with the reason and what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from glmfit.errors import ModelError
from glmfit.families.userfile import is_dense
from glmfit.rows import refuse_formula, refuse_random
from glmfit.rows.asked import Asked
from glmfit.spec import ModelSpec, cluster_columns

TRAVELS = frozenset(
    {
        "formulas", "y", "x", "intercept", "family", "links", "fixed", "weights", "freq_weights", "offset", "exposure",
        "success", "levels", "base", "relax", "dispersion", "se", "small_sample", "bread", "ci", "level", "where",
        "missing", "reading", "optimizer", "max_iter", "tol", "start", "separation",
    }
)  # fmt: skip
LEAVE = "leave it out, or fit without --dask"
LINEAR_PROGRAM = "a linear program has a constraint for each row"
OF_WORKERS = ("the rows are in the memory of the workers", "limit that of each with: dask worker --memory-limit")
REASONS = {
    "absorb": ("the effects are fitted to all rows in one place", "write the columns as terms, or fit without --dask"),
    "memory": OF_WORKERS,
    "spill": OF_WORKERS,
    "check_separation": (LINEAR_PROGRAM, LEAVE),
    "group": ("a group may lie in several parts", LEAVE),
}
NO_SUM = "it is no sum over parts of the rows"


def refuse(spec: ModelSpec) -> None:
    """Raise "not_on_cluster" for the first thing that is asked for and does not travel."""
    for option, reason, hint in _refusals(spec):
        raise ModelError("not_on_cluster", f"{option} does not go together with --dask: {reason}", hint)


def refuse_groups(asked: Asked) -> None:
    """The same for a likelihood of groups of rows, of smooth terms, or that integrates effects that rows share."""
    refuse_random(asked.formula, "--dask sums over parts of the rows", "leave them out, or fit without --dask")
    refuse_formula(asked.formula, "--dask, where rows are apart,", "fit without --dask")
    if asked.family.grouped:
        message = f"--family {asked.family.name} does not go together with --dask: {REASONS['group'][0]}"
        raise ModelError("not_on_cluster", message, "fit without --dask")


def _refusals(spec: ModelSpec) -> Iterator[tuple[str, str, str]]:
    default, robust = ModelSpec(), spec.se or ""
    for name in (field.name for field in fields(spec)):
        if name not in TRAVELS and getattr(spec, name) != getattr(default, name):
            yield (f"--{name.replace('_', '-')}", *REASONS.get(name, (NO_SUM, LEAVE)))
    if is_dense(spec.family):
        yield f"--family {spec.family}", "its log-likelihood is no sum over rows", "fit without --dask"
    if robust.startswith("wild"):
        yield f"--se {robust}", "it fits the rows anew for each replicate", "write --se cluster:COLUMN"
    if len(cluster_columns(robust)) > 1:
        yield f"--se {robust}", "pairs of clusters are not known to a part of the rows", "cluster by one column"
    if spec.small_sample == "cr2":
        yield "--small-sample cr2", "leverages within clusters need all of their rows", "write --small-sample cr1s"
    if spec.ci not in ("wald", "profile"):
        yield f"--ci {spec.ci}", "it fits the rows anew for each replicate", "write --ci profile, or leave it out"
    if spec.separation != "report":
        yield f"--separation {spec.separation}", LINEAR_PROGRAM, LEAVE
