"""Runs of predictions to CSV, JSON lines or Parquet, whole or not at all; no number is an empty field, or null."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from glmfit.commands.output import stream_to
from glmfit.errors import UsageError

if TYPE_CHECKING:
    from glmfit.after.predict import Predicted
    from glmfit.after.simulate import Drawn

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


def write(runs: Iterator[Predicted | Drawn], format: str, output: str | None, *, wide: bool = False) -> int:
    """All runs to a file or to standard output; the number of rows that have nothing in any column."""
    first = next(runs)  # what is wrong with the request is said before anything is opened
    empty = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal empty
        seen = 0
        for run in chain([first], runs):
            empty += run.without_answer
            yield columns(run, seen, wide=wide)
            seen += run.n

    with stream_to(output) as stream:
        _WRITERS[format](counted(), stream)
    return empty


def columns(run: Predicted | Drawn, seen: int, *, wide: bool) -> dict[str, Any]:
    """A run as columns: numpy arrays of numbers, lists of texts, or Arrow arrays of what was kept."""
    from glmfit.after.simulate import Drawn

    if isinstance(run, Drawn):
        return _draw_columns(run, seen, wide=wide)
    own: dict[str, Any] = dict(run.values)
    kept = dict(run.kept)
    if run.levels and wide:
        own = {level: run.values["estimate"][:, j] for j, level in enumerate(run.levels)}
    elif run.levels:
        m = len(run.levels)
        at = np.repeat(np.arange(run.n), m)
        kept = {name: values.take(at) for name, values in kept.items()}
        own = {"row": seen + 1 + at, "level": list(run.levels) * run.n}
        own |= {name: values.reshape(-1) for name, values in run.values.items()}
    return _beside(kept, own)


def _draw_columns(run: Drawn, seen: int, *, wide: bool) -> dict[str, Any]:
    """A run of draws as columns: a row for each draw of each row, or a column for each draw."""
    draws = run.draws.shape[1]
    if wide:
        return _beside(dict(run.kept), {f"draw{j + 1}": _responses(run, run.draws[:, j]) for j in range(draws)})
    at = np.repeat(np.arange(run.n), draws)
    own = {"row": seen + 1 + at, "draw": np.tile(np.arange(1, draws + 1), run.n)}
    own["response"] = _responses(run, run.draws.reshape(-1))
    return _beside({name: values.take(at) for name, values in run.kept.items()}, own)


def _responses(run: Drawn, values: np.ndarray) -> Any:
    """Draws as numbers, whole ones where all are; or as levels."""
    if run.levels:
        return [None if value != value else run.levels[int(value)] for value in values.tolist()]
    return values


def _beside(kept: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The columns of a result after those kept of the input."""
    for name in own:
        if name in kept:
            message = f"--keep: the input has a column '{name}' too"
            raise UsageError("contradiction", message, "keep other columns, or rename that one")
    return {**kept, **own}


# ---- CSV ----


def _csv(runs: Iterator[dict[str, Any]], stream: IO[bytes]) -> None:
    for at, run in enumerate(runs):
        if at == 0:
            stream.write(_csv_rows([list(run)]))
        stream.write(_csv_block(run))


def _csv_rows(rows: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _csv_block(run: dict[str, Any]) -> bytes:
    """Rows of a run; plain fields are joined, which is several times faster than Python's writer."""
    texts = [_texts(values) for values in run.values()]
    if any(_needs_quotes(values, column) for values, column in zip(run.values(), texts, strict=True)):
        return _csv_rows(zip(*texts, strict=True))
    return "".join(f"{','.join(row)}\n" for row in zip(*texts, strict=True)).encode()


def _needs_quotes(values: Any, texts: list[str]) -> bool:
    if isinstance(values, np.ndarray):
        return False
    return any(mark in text for text in texts for mark in ',"\r\n') or (len(texts) > 0 and "" in texts)


def _texts(values: Any) -> list[str]:
    """Fields of a column."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind != "f":
            return [str(value) for value in values.tolist()]
        return ["" if value != value else repr(value) for value in values.tolist()]
    items = values if isinstance(values, list) else values.to_pylist()
    return ["" if item is None else repr(item) if isinstance(item, float) else str(item) for item in items]


# ---- JSON lines ----


def _json(runs: Iterator[dict[str, Any]], stream: IO[bytes]) -> None:
    for run in runs:
        keys = [json.dumps(name, ensure_ascii=False) for name in run]
        texts = [_json_values(values) for values in run.values()]
        pairs = ([f"{key}: {text}" for text in column] for key, column in zip(keys, texts, strict=True))
        stream.write("".join(f"{{{', '.join(row)}}}\n" for row in zip(*pairs, strict=True)).encode())


def _json_values(values: Any) -> list[str]:
    if isinstance(values, np.ndarray):
        items = values.tolist()
        return [repr(item) if isinstance(item, int) or math.isfinite(item) else "null" for item in items]
    return [_json_value(item) for item in (values if isinstance(values, list) else values.to_pylist())]


def _json_value(item: Any) -> str:
    """A field of the input: a number where it is spelled as one, and else text."""
    if isinstance(item, str):
        return item if _JSON_NUMBER.fullmatch(item) else json.dumps(item, ensure_ascii=False)
    if item is None or (isinstance(item, float) and not math.isfinite(item)):
        return "null"
    return json.dumps(item if isinstance(item, bool | int | float) else str(item), ensure_ascii=False)


# ---- Parquet ----


def _parquet(runs: Iterator[dict[str, Any]], stream: IO[bytes]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    writer: Any = None
    for run in runs:
        arrays = {name: _arrow(values) for name, values in run.items()}
        table = pa.table(arrays)
        if writer is None:
            writer = parquet.ParquetWriter(stream, table.schema)
        writer.write_table(table.cast(writer.schema))
    if writer is not None:
        writer.close()


def _arrow(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, mask=np.isnan(values))
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)


# ---- For people ----


def _records(format: str) -> Callable[[Iterator[dict[str, Any]], IO[bytes]], None]:
    def write_all(runs: Iterator[dict[str, Any]], stream: IO[bytes]) -> None:
        from glmfit.report.records import Records, to_format

        names: tuple[str, ...] = ()
        rows: list[dict[str, Any]] = []
        for run in runs:
            names = tuple(run)
            lists = [values if isinstance(values, list) else _listed(values) for values in run.values()]
            rows += [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
        stream.write(to_format(Records("", "rows", names, rows), format).encode())

    return write_all


def _listed(values: Any) -> list[Any]:
    found: list[Any] = values.tolist() if isinstance(values, np.ndarray) else values.to_pylist()
    return found


_WRITERS: dict[str, Callable[[Iterator[dict[str, Any]], IO[bytes]], None]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "markdown": _records("markdown"),
    "table": _records("table"),
}
