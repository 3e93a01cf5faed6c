"""A fit whose rows stay on the workers of a cluster: parts read, an example of them at hand, sums over all of them.

The driver has a model of the example, which says what levels, states, scales and ranks are; whatever a part knows
better joins the example. From there a fit is what it is on one machine, and its likelihood's sums come from the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from glmfit.cluster.coding import Plan, code_part, report
from glmfit.cluster.learning import learned
from glmfit.cluster.partitions import (
    EXAMPLES,
    Partition,
    Told,
    Travelling,
    asked_of,
    joined,
    partitions,
    peculiar,
    read_part,
    tell,
)
from glmfit.cluster.refusals import refuse, refuse_groups
from glmfit.cluster.scheduler import connected, local_workers
from glmfit.cluster.source import OnWorkers
from glmfit.cluster.tasks import packed, submitted
from glmfit.errors import DataError, Finding, ModelError
from glmfit.estimate.check import inspection_of
from glmfit.estimate.maximum import maximise
from glmfit.estimate.summary import summarise
from glmfit.model import Model, assemble
from glmfit.numerics import Trace
from glmfit.result import Fitted
from glmfit.rows import Data
from glmfit.rows.asked import Asked
from glmfit.rows.data import of_rows
from glmfit.rows.slips import numeric_codes
from glmfit.spec import ModelSpec
from glmfit.table import Table

if TYPE_CHECKING:
    from distributed import Client, Future

ROUNDS = 100  # in which rows join the example


def fit_on_cluster(spec: ModelSpec, data: Any, address: str, trace: Trace | None = None) -> Fitted:
    """The fit of the files at `data` by the workers of a scheduler; raises a `GlmfitError` where there can be none."""
    clock = [perf_counter()]
    local_workers(address)
    refuse(spec)
    parts = partitions(data)
    header = parts[0].header(spec)
    asked = asked_of(spec, header)
    refuse_groups(asked)
    with connected(address) as client:
        read, told = _read(client, parts, spec, header)
        dropped = _summed([one.dropped for one in told])
        clock.append(perf_counter())
        model, prepared, coded = _coded(client, asked, read, told, dropped)
        del read  # what was read is not kept beside what is coded
        clock.append(perf_counter())
        model = replace(model, source=OnWorkers(client, coded[0], round(coded[1])))
        prepared = _of_all(prepared, str(data), told, coded[2])
        found = maximise(model, spec, trace, inspection_of(prepared))
        clock.append(perf_counter())
        fit = summarise(prepared, found, numeric_codes(prepared.table, prepared.formula))
        clock.append(perf_counter())
    rows = sum(one.n for one in told)
    stages = ("read", "design", "optimize", "inference")
    seconds = {name: clock[at + 1] - clock[at] for at, name in enumerate(stages)}
    return replace(fit, data=replace(fit.data, rows_used=rows), seconds=seconds)


def _read(
    client: Client, parts: Sequence[Partition], spec: ModelSpec, header: tuple[str, ...]
) -> tuple[list[Future], list[Told]]:
    """Every part read by a worker, and what is told of it."""
    travelling = Travelling.of(spec)
    read = [submitted(client, packed(read_part, part, travelling, parts[0].name, header)) for part in parts]
    rows = -(-EXAMPLES // len(parts))
    told = client.gather(
        [submitted(client, packed(tell, part.name, rows), one) for one, part in zip(read, parts, strict=True)]
    )
    if not any(one.n for one in told):
        missing = _summed([one.dropped for one in told]).get("missing", {})
        listed = "".join(f", '{name}' is missing in {count}" for name, count in missing.items())
        message = f"no row of {parts[0].name} and {len(parts) - 1} others is left{listed}"
        raise DataError("no_rows", message, "leave out the columns that are missing most often")
    return read, told


def _coded(
    client: Client, asked: Asked, read: Sequence[Future], told: Sequence[Told], dropped: Mapping[str, Mapping[str, int]]
) -> tuple[Model, Data, tuple[list[Future], float, list[Finding]]]:
    """The model of an example of all parts, its data, and the parts coded alike, with what they say of themselves."""
    before = np.cumsum([0, *(one.rows_read for one in told)])[:-1].tolist()
    there = [at for at, one in enumerate(told) if one.n]
    examples = [_numbered(told[at].example, before[at]) for at in there]
    example = joined(examples, [told[at].name for at in there])
    values = {
        name: np.unique(np.concatenate([told[at].clusters[name] for at in there])) for name in told[there[0]].clusters
    }
    for _ in range(ROUNDS):
        data = of_rows(asked, example, dropped)
        model = assemble(data)
        state = learned(client, [read[at] for at in there], model, data)
        if state is not None:
            model = assemble(data, state=state)
        plan = Plan(
            cover=example.keep(peculiar(example, 1)),
            state=model.state,
            formulas=model.formulas,
            standard={p.parameter: (p.X.names, one) for p, one in model.pairs},
            combinations=model.combinations,
            clusters=values,
        )
        _check_aliases(model)
        shared = submitted(client, packed(_as_it_is, plan))  # sent once, and not beside each part
        coded = [submitted(client, packed(code_part, before[at]), read[at], shared) for at in there]
        said = client.gather([submitted(client, packed(report), one) for one in coded])
        strange = [table for _, _, table in said if table is not None]
        if not strange:
            counts = {name: _clusters(example, name, values.get(name)) for name in data.clusters}
            data = replace(data, clusters={name: np.arange(count) for name, count in counts.items()})
            findings = [
                replace(one, message=f"{told[at].name}: {one.message}") if len(there) > 1 else one
                for at, (_, found, _) in zip(there, said, strict=True)
                for one in found
            ]
            return model, data, (coded, sum(n for n, _, _ in said), findings)
        example = joined([example, *strange], ["the example"] * (len(strange) + 1))
    raise ModelError("not_on_cluster", "parts of the data do not agree on which terms are aliased", "leave terms out")


def _as_it_is(plan: Plan) -> Plan:
    return plan


def _numbered(table: Table | None, before: int) -> Table:
    assert table is not None
    return replace(table, rows=table.rows + before)


def _clusters(example: Table, name: str, values: np.ndarray | None) -> int:
    return len(example[name].levels or ()) if values is None else len(values)


def _check_aliases(model: Model) -> None:
    """An aliased column is told by what it is of others, which is not known where there are too many."""
    inside = set(model.kept)
    for at, name in enumerate(model.names):
        if at not in inside and name not in model.combinations:
            message = f"'{name[1]}' is aliased, and of too many columns for parts of the rows to check that"
            raise ModelError("not_on_cluster", message, "leave the term out")


def _of_all(data: Data, source: str, told: Sequence[Told], findings: Sequence[Finding]) -> Data:
    """The data of the example, with what is said of all rows."""
    read = [one for part in told for one in part.findings]
    first = {one.code: one for one in reversed(read)}
    response = {one.code: one for one in reversed(findings)}
    table = replace(
        data.table, source=source, rows_read=sum(one.rows_read for one in told), findings=tuple(first.values())
    )
    return replace(data, table=table, response=replace(data.response, findings=tuple(response.values())))


def _summed(counts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Rows left out, by reason and column, of all parts."""
    total: dict[str, dict[str, int]] = {}
    for one in counts:
        for reason, columns in one.items():
            own = total.setdefault(reason, {})
            for column, count in columns.items():
                own[column] = own.get(column, 0) + count
    return total
