"""What transforms learn from all rows: knots, means, breaks. The columns that they look at are brought together.

They are few as a rule; where they do not fit into memory, that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from glmfit import memory
from glmfit.cluster.partitions import Part, joined
from glmfit.cluster.tasks import packed, submitted
from glmfit.formula import DesignState, Evaluator, Factor
from glmfit.memory import rows_need
from glmfit.model import Model
from glmfit.rows import Data, row_weights
from glmfit.table import Table

if TYPE_CHECKING:
    from distributed import Client, Future


def learned(client: Client, parts: Sequence[Future], model: Model, data: Data) -> DesignState | None:
    """The state of the design as all rows make it; None where no transform learns anything."""
    keys = tuple(model.state.transforms)
    if not keys:
        return None
    factors = [
        factor
        for factor in dict.fromkeys(factor for formula in model.formulas for factor in formula.factors)
        if any(key in factor.text for key in keys)
    ]
    weight = data.formula.roles.get("freq_weights")
    names = tuple(
        dict.fromkeys(name for factor in [*factors, *([weight] if weight else [])] for name in factor.columns)
    )
    rows = sum(client.gather([submitted(client, packed(_count), part) for part in parts]))
    memory.check([rows_need(rows, 2 * len(names), f"transforms learn from {rows:,} rows of {', '.join(names)}")])
    table = joined(
        client.gather([submitted(client, packed(_columns, names), part) for part in parts]), ["a part"] * len(parts)
    )
    frequency, _ = row_weights(data.formula.roles, table) if weight else (None, None)
    return _state(model, table, factors, frequency)


def _state(model: Model, table: Table, factors: Sequence[Factor], frequency: object) -> DesignState:
    evaluator = Evaluator(table, frequency=frequency)  # type: ignore[arg-type]
    for factor in factors:
        evaluator.factor(factor)
    return DesignState({**model.state.levels, **evaluator.state.levels}, dict(evaluator.state.transforms))


def _count(part: Part) -> int:
    return 0 if part.table is None else len(part.table)


def _columns(part: Part, names: Sequence[str]) -> Table:
    """On a worker: some columns of a part."""
    assert part.table is not None
    return replace(part.table, columns={name: part.table.columns[name] for name in names})
