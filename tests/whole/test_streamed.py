"""Fits from temporary files: the numbers, findings and messages are those of the same fit in memory.

A test fits reference cases with chunks of a few rows, some of them as a rule and every one with `-m ""`.
"""

from __future__ import annotations

import errno
import gzip
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from streamed import in_files
from test_reference import CASES, build_spec, fit_case

from glmfit import fit_spec, spill
from glmfit.commands.app import main
from glmfit.errors import DataError, GlmfitError, ModelError
from glmfit.result import Fitted
from glmfit.spec import ModelSpec
from glmfit.spill import Spill, Spilled
from glmfit.spilled import few, looked_up, ordered

ROOT = Path(__file__).resolve().parents[2]
SAME = 1e-10  # estimates in standard errors; standard errors relative; statistics relative above 1
EVERY = 24  # cases of which one is fitted as a rule


def differences(one: Fitted, other: Fitted) -> Iterator[float]:
    for a, b in zip(one.coefficients, other.coefficients, strict=True):
        known = math.isfinite(a.std_error) and a.std_error > 0
        yield apart(a.estimate, b.estimate, a.std_error if known else 1.0)
        yield apart(a.std_error, b.std_error, a.std_error if known else 1.0)
    for name in ("log_likelihood", "deviance", "null_deviance", "pearson_chi2", "aic", "bic"):
        a, b = getattr(one.fit, name), getattr(other.fit, name)
        yield apart(a, b, max(1.0, abs(a)))
    yield apart(one.dispersion.estimate, other.dispersion.estimate, one.dispersion.estimate or 1.0)


def apart(a: float, b: float, unit: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    found = abs(a - b) / unit
    return math.inf if math.isnan(found) else found


def same(one: Fitted, other: Fitted) -> None:
    assert max(differences(one, other)) <= SAME
    assert one.warnings == other.warnings
    assert one.data == other.data
    assert one.blueprint.levels == other.blueprint.levels
    assert one.blueprint.fingerprint == other.blueprint.fingerprint


@pytest.mark.parametrize(
    "index",
    [pytest.param(i, id=case["name"], marks=[pytest.mark.slow] if i % EVERY else []) for i, case in enumerate(CASES)],
)
def test_a_reference_case_in_chunks_of_a_few_rows(index: int) -> None:
    whole = fit_case(index)
    with in_files(max(5, whole.data.rows_read // 3)):
        parts = fit_spec(build_spec(CASES[index]["spec"]), str(ROOT / CASES[index]["data"]))
    same(whole, parts)


# ---- Files ----

FORMULA = (
    "y ~ poly(x, 3) + bs(z, df=5) + ns(u, 3) + cr(v, df=4) + scale(u):g + cut(v, 3) + C(k) + late + I(x > 0) + days(d)"
)


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    """Rows of which a level stands in the last ones alone, a column is constant in the first, some are missing."""
    random, n = np.random.default_rng(1), 400
    x, z = random.normal(size=n), random.uniform(size=n)
    return {
        "y": random.poisson(np.exp(0.3 * x)),
        "x": np.where(np.arange(n) < 60, 0.5, x),
        "z": [None if 100 <= i < 160 or i % 37 == 0 else value for i, value in enumerate(z.tolist())],
        "u": random.normal(size=n),
        "v": random.uniform(size=n).round(1),
        "g": random.choice(["u", "v", "w"], n),
        "k": random.integers(1, 5, n),
        "late": np.where(np.arange(n) < 380, random.choice(["a", "b"], n), "only at the end"),
        "d": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)],
        "w": random.integers(1, 4, n),
        "turns": [str(i) if i < 390 else "word" for i in range(n)],
    }


def write(table: dict[str, Any], path: Path) -> str:
    """The rows in a file, or in several of a folder."""
    rows = pa.table({name: pa.array(values) for name, values in table.items()})
    if path.suffix == ".parquet":
        pa.parquet.write_table(rows, path)
    elif path.suffix == ".gz":
        sink = pa.BufferOutputStream()
        pa.csv.write_csv(rows, sink)
        path.write_bytes(gzip.compress(sink.getvalue().to_pybytes()))
    elif path.suffix:
        pa.csv.write_csv(rows, path)
    else:
        path.mkdir()
        for at in range(0, len(rows), 150):
            pa.csv.write_csv(rows.slice(at, 150), path / f"part-{at:03d}.csv")
    return str(path)


@pytest.mark.parametrize(
    ("name", "weights"),
    [("data.csv", "weights"), ("data.csv.gz", "freq_weights"), ("data.parquet", "weights"), ("a", "sampling_weights")],
)
def test_a_file_of_any_kind_with_transforms_that_learn(
    name: str, weights: str, table: dict[str, Any], tmp_path: Path
) -> None:
    path = write(table, tmp_path / name)
    fields: dict[str, Any] = {weights: "w"}
    spec = ModelSpec((FORMULA,), family="poisson", where="x < 2.5", offset="log(w)", **fields)
    whole = fit_spec(spec, path)
    with in_files():
        same(whole, fit_spec(spec, path))


def test_what_turns_from_numbers_to_words_is_read_as_text(table: dict[str, Any], tmp_path: Path) -> None:
    for name in ("data.csv", "folder"):
        path = write(table, tmp_path / name)
        spec, wrong = (ModelSpec((f"y ~ {term}",), family="poisson") for term in ("I(turns == 'word')", "log(turns)"))
        whole = fit_spec(spec, path)
        with in_files():
            same(whole, fit_spec(spec, path))
            with pytest.raises(GlmfitError) as caught:
                fit_spec(wrong, path)
        with pytest.raises(GlmfitError) as known:
            fit_spec(wrong, path)
        assert str(caught.value) == str(known.value)


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("count ~ x", {"links": {"mu": "identity"}}),  # whose maximum is on the edge of the domain
        ("y ~ x + I(late == 'only at the end')", {"se": "cluster:g,k"}),
        ("y ~ I(w == 9) + I(turns == 'word') + z", {"se": "hc0"}),
        ("y ~ x + first", {"se": "hc1"}),  # a row with a term of its own
    ],
)
def test_what_looks_at_rows_one_by_one(
    formula: str, options: dict[str, Any], table: dict[str, Any], tmp_path: Path
) -> None:
    count = np.where(table["x"] < 0, 0, table["y"])
    path = write(table | {"count": count, "first": np.arange(400) == 390}, tmp_path / "data.csv")
    spec = ModelSpec((formula,), family="poisson", **options)
    whole = fit_spec(spec, path)
    with in_files():
        same(whole, fit_spec(spec, path))


def test_what_is_held_in_memory_is_refused_with_the_size_it_would_need(
    table: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = np.arange(400) % 4 == 0
    path = write(table | {"chosen": chosen, "set": np.arange(400) // 4}, tmp_path / "data.csv")
    matched = ModelSpec(("chosen ~ u",), family="conditional-logit", group="set")
    drawn = ModelSpec(("y ~ x + u",), family="poisson", ci="bootstrap", replicates=20)
    for spec, what in ((matched, "within their groups"), (drawn, "products of columns")):
        with in_files(), monkeypatch.context() as patch:
            patch.setattr("glmfit.rows.room.room_for", lambda spec: 100)
            patch.setattr("glmfit.estimate.replicates.room_for", lambda spec: 100)
            with pytest.raises(ModelError, match=what) as caught:
                fit_spec(spec, path)
        assert caught.value.code == "too_large"
    monkeypatch.setattr("glmfit.rows.room.room_for", lambda spec: 100)
    assert main(["fit", path, "y ~ x + {}", "-f", "poisson", "--scan=u,v"]) == 3
    assert "--scan holds its rows in memory" in capsys.readouterr().err


def test_standard_input_that_is_larger_than_what_is_allowed(table: dict[str, Any], tmp_path: Path) -> None:
    path = write({name: table[name] for name in ("y", "x", "w")}, tmp_path / "data.csv")
    rows = Path(path).read_text().splitlines()
    text = "\n".join([rows[0], *(rows[1:] * 2000)])
    command = [sys.executable, "-m", "glmfit", "fit", "-", "y ~ x", "-f", "poisson", "--memory", "400M", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0
    assert "kept in temporary files" in done.stderr
    whole = fit_spec(ModelSpec(("y ~ x",), family="poisson"), path)
    found = json.loads(done.stdout)
    assert found["data"]["rows_used"] == 800_000
    assert found["coefficients"][1]["estimate"] == pytest.approx(whole.coefficients[1].estimate, rel=1e-9)


# ---- What goes wrong, and what is left then ----


@pytest.mark.parametrize("size", ["1K", "0", "-1", "4X"])
def test_no_size_of_memory(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(ROOT / "sample_data/quine.csv"), "Days ~ Sex", f"--memory={size}"]) == 2
    assert "--memory" in capsys.readouterr().err


def test_no_folder_for_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(DataError) as caught:
            Spill(str(folder))
        assert (caught.value.code, caught.value.exit_code) == ("bad_spill", 3)


def full(*given: int) -> None:
    raise OSError(28, "No space left on device")


def test_nothing_is_left_whatever_happens(
    table: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = write(table, tmp_path / "data.csv"), tmp_path / "spill"
    folder.mkdir()
    spec = ModelSpec(("y ~ x + g",), family="poisson", spill=str(folder))
    with in_files():
        seen: list[list[str]] = []
        monkeypatch.setattr("glmfit.table.spilled.tell", lambda *told, **more: seen.append(os.listdir(folder)))
        fit_spec(spec, path)
        assert seen
        assert not any(seen)  # nor is there a name while it runs
        states = iter([[1], [2]])
        with monkeypatch.context() as patch:
            patch.setattr("glmfit.table.spilled._state", lambda files: next(states))
            with pytest.raises(DataError) as caught:
                fit_spec(spec, path)
        assert caught.value.code == "file_changed"
        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", full)
            with pytest.raises(DataError, match="has no room for") as caught:
                fit_spec(spec, path)
        assert (caught.value.code, caught.value.exit_code) == ("spill_full", 3)
        cut = tmp_path / "cut.csv.gz"
        write(table, cut)
        cut.write_bytes(cut.read_bytes()[:-500])
        for held in (1 << 26, 1):  # in memory, and in a temporary file
            monkeypatch.setattr("glmfit.table.unpack._HELD", held)
            monkeypatch.setattr("glmfit.table.unpack._CHUNK", 1000)
            with pytest.raises(DataError) as caught:
                fit_spec(spec, str(cut))
            assert caught.value.code == "damaged_compression"
    assert os.listdir(folder) == []


def test_a_disk_without_room_is_told_before_anything_is_read(
    table: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(table, tmp_path / "data.csv")
    monkeypatch.setattr("glmfit.rows.room.read_spilled", lambda *given: pytest.fail("was read"))
    monkeypatch.setattr(Spill, "_free", lambda spill: 1000)
    with in_files(), pytest.raises(DataError, match="has no room for about") as caught:
        fit_spec(ModelSpec(("y ~ x",), family="poisson"), path)
    assert caught.value.code == "spill_full"


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(dir: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    with pytest.raises(DataError, match="Read-only file system") as caught:
        Spill(str(tmp_path))
    assert caught.value.code == "bad_spill"


def test_files_of_different_types_are_named_as_in_memory(table: dict[str, Any], tmp_path: Path) -> None:
    rows = pa.table({"y": table["y"], "x": table["x"]})
    for k, kind in enumerate((pa.float64(), pa.string(), pa.float64())):
        part = rows.slice(130 * k, 130)
        part = part.set_column(1, "x", part["x"].cast(kind))
        pa.parquet.write_table(part, tmp_path / f"part-{k}.parquet")
    said = set()
    for places in (nullcontext(), in_files()):
        with places, pytest.raises(DataError) as caught:
            fit_spec(ModelSpec(("y ~ x",), family="poisson"), str(tmp_path))
        said.add((caught.value.code, caught.value.message))
    assert len(said) == 1
    assert "text in" in said.pop()[1]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_in_a_pass(number: int, status: int, table: dict[str, Any], tmp_path: Path) -> None:
    path, folder = write(table, tmp_path / "data.csv"), tmp_path / "spill"
    folder.mkdir()
    program = """
import sys, time, glmfit.__main__, glmfit.rows.room, glmfit.table.spilled
def tell(*told, **more):
    print("ready", flush=True)
    time.sleep(60)
glmfit.table.spilled.tell = tell
glmfit.rows.room.has_room = lambda asked, source: False
glmfit.__main__.run()
"""
    command = [sys.executable, "-c", program, "fit", path, "y ~ x", "-f", "poisson", "--spill", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        run.send_signal(number)
        out, err = run.communicate(timeout=20)
    assert (run.returncode, out, err.splitlines()[-1]) == (status, "", "interrupted")
    assert os.listdir(folder) == []


# ---- Arrays in files ----


def computed(x: np.ndarray, y: np.ndarray) -> tuple[list[Any], list[Any]]:
    """What is computed row by row of an array of numbers and one of codes, and what is one number."""
    rows = [x + 1, x * x - y, ~(x > 0) & (y == 2), np.where(x > 0, x, 0.0), np.isin(y, [1, 2]), x[x > 0], x[y + 1]]
    rows += [np.searchsorted([0.0, 1.0], x), np.concatenate([x, y]), np.clip(x, -1, 1), x.astype(int), x[5:900]]
    numbers = [x.min(), np.ptp(x), (x > 0).sum(), np.argmax(x), np.argmin(y), *np.quantile(x, np.linspace(0, 1, 9))]
    return rows, [*numbers, *np.bincount(y + 1), *np.unique(x), x[x > 99].size, np.flatnonzero(x > 1)[3]]


def test_an_array_in_a_file_is_computed_with_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "RUN", 7)
    random = np.random.default_rng(1)
    a, c = random.normal(size=1000).round(2), random.integers(-1, 5, 1000)
    A, C = Spill().empty(1000), Spill().empty(1000, np.int64)
    A[:], C[:] = a, c
    lying, sums = computed(A, C)
    expected, numbers = computed(a, c)
    lying += [looked_up(np.arange(6.0), C), np.unique(A, return_inverse=True)[1]]
    expected += [np.arange(6.0)[c], np.unique(a, return_inverse=True)[1]]
    for one, other in zip(lying, expected, strict=True):
        assert isinstance(one, Spilled)
        assert np.array_equal(np.asarray(one), other)
    assert sums == numbers
    assert (A.mean(), A.std()) == pytest.approx((a.mean(), a.std()), rel=1e-12)
    assert few(C, 10) is not None
    assert few(A, 10) is None
    assert ordered(a, [0, 500, 999]) == np.sort(a)[[0, 500, 999]].tolist()
