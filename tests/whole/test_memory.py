"""What a fit needs in memory, and what is free: the estimate against the truth, refusals, and memory that runs out.

And how many threads it computes with."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

import glmfit
from glmfit import memory, threads
from glmfit.commands.app import main
from glmfit.errors import ModelError, UsageError
from glmfit.memory import Need
from glmfit.table import open_data

ROOT = Path(__file__).resolve().parents[2]
# A fit in a process of its own: the sum of what it is estimated to need, and its largest resident set, in bytes.
PROGRAM = r"""
import json, re, sys
from glmfit import memory
needs = []
memory.check = lambda of, task="", most=None: needs.extend(need.size for need in of)
from glmfit.commands.app import main
status = main(sys.argv[1:])
# not getrusage, which counts what the process that started this one had
peak = 1024 * int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
print(json.dumps([status, sum(needs), peak]), file=sys.stderr)
"""
OWN = "import torch\ndef log_density(y, mu, log_s):\n    return -log_s - 0.5 * ((y - mu) * torch.exp(-log_s)) ** 2\n"
WHOLE = """
import torch
links = {"sigma": "log"}
def start(data):
    return {"beta": torch.zeros(data.X.shape[1]), "sigma": 1.0}
def log_likelihood(params, data):
    return -torch.log(params.sigma) - 0.5 * ((data.y - data.X @ params.beta) / params.sigma) ** 2
"""
NUMERIC = "a + b + c + d + e"


# ---- The estimate ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables large enough for the fit to show beside the libraries."""
    folder = tmp_path_factory.mktemp("memory")
    random = np.random.default_rng(1)
    n, few = 400_000, 20_000
    columns: dict[str, Any] = {name: random.normal(size=n) for name in "abcde"}
    columns |= {"y": random.poisson(1, n), "k": random.integers(0, 8, n).astype(str), "g": random.integers(0, 50, n)}
    columns["k"] = np.char.add("k", columns["k"])
    pyarrow.csv.write_csv(pa.table(columns), folder / "long.csv")
    levels = [f"g{i}" for i in random.integers(0, 1000, few)]
    wide = {"y": random.poisson(3, few), "x": random.normal(size=few), "g": levels, "h": random.integers(0, 40, few)}
    pyarrow.csv.write_csv(pa.table(wide), folder / "wide.csv")
    (folder / "own.py").write_text(OWN)
    (folder / "whole.py").write_text(WHOLE)
    return folder


def measured(folder: Path, *arguments: str) -> tuple[float, float]:
    """The estimate, and the truth: the peak."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, "fit", *arguments, "-q", "-o", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, cwd=folder, env=environment)
    status, estimate, peak = json.loads(done.stderr.splitlines()[-1])
    assert status in (0, 4, 5), done.stderr
    return estimate, peak


@pytest.fixture(scope="module")
def libraries(folder: Path) -> float:
    """The peak of a fit that is small."""
    return measured(folder, str(ROOT / "sample_data" / "mtcars.csv"), "mpg ~ wt")[1]


FITS = {
    "columns": ("long.csv", f"y ~ {NUMERIC}", "-f", "poisson"),
    "least squares": ("long.csv", f"y ~ {NUMERIC}"),
    "two predictors": ("long.csv", f"y ~ {NUMERIC}", "alpha ~ a + b", "-f", "nb"),
    "categories": ("long.csv", "k ~ a + b", "-f", "multinomial"),
    "leverage": ("long.csv", f"y ~ {NUMERIC}", "-f", "poisson", "--se", "hc3"),
    "own density": ("long.csv", f"y ~ {NUMERIC}", "-f", "own.py"),
    "whole likelihood": ("long.csv", f"y ~ {NUMERIC}", "-f", "whole.py", "--se", "hc1"),
    "contrasts": ("wide.csv", "y ~ x + C(g, contr.sum)", "-f", "poisson"),
    "contrasts and leverage": ("wide.csv", "y ~ x + C(g, contr.sum)", "-f", "poisson", "--se", "hc3"),
    "contrasts and clusters": ("wide.csv", "y ~ x + C(g, contr.sum)", "-f", "poisson", "--se", "cluster:h"),
}


LONG = {"least squares", "two predictors", "leverage", "contrasts", "contrasts and leverage"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize("fit", [pytest.param(fit, marks=pytest.mark.slow if fit in LONG else ()) for fit in FITS])
def test_the_estimate_is_right_within_a_factor_of_two(fit: str, folder: Path, libraries: float) -> None:
    estimate, peak = measured(folder, *FITS[fit])
    truth = peak - libraries
    assert truth > 25e6  # seen beside the libraries
    assert truth / 2 <= estimate <= truth * 2


# ---- Refusals ----


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[float | None], None]:
    """Says how much memory is free."""
    return lambda size: monkeypatch.setattr(memory, "available", lambda: size)


def leveled(n: int) -> dict[str, list[Any]]:
    return {"y": [float(i % 7) for i in range(n)], "g": [f"g{i // 2}" for i in range(n)]}


def test_a_fit_far_too_large_is_refused_before_it_starts(free: Callable[[float], None]) -> None:
    free(12e9)
    with pytest.raises(ModelError) as caught:
        glmfit.fit("y ~ g", leveled(120_000), optimizer="bfgs")
    assert (caught.value.code, caught.value.exit_code) == ("too_large", 3)
    assert caught.value.message.startswith(
        "this fit needs about 461 GB of memory, and 12 GB are free: 60,000 coefficients have 16 matrices of "
        "60,000 x 60,000 numbers"
    )
    assert caught.value.hint.startswith("'g' has 60,000 levels")


@pytest.mark.parametrize(("share", "refused"), [(0.9, True), (1.1, False)])
def test_a_fit_is_refused_where_the_least_that_it_needs_is_not_free(
    share: float, refused: bool, free: Callable[[float], None]
) -> None:
    free(share * memory.LEAST * 300)
    needs = [Need(200, "the larger", "less of it"), Need(100, "the smaller", "")]
    if not refused:
        memory.check(needs)
        return
    with pytest.raises(ModelError, match="the larger") as caught:
        memory.check(needs)
    assert caught.value.hint == "less of it"


def test_nothing_is_refused_where_nothing_is_known(free: Callable[[float | None], None]) -> None:
    free(None)
    memory.check([Need(1e30, "", "")])


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("y ~ a + b", "3 rows have"),
        ("y ~ C(g, contr.sum)", "contrasts have 6 numbers"),
        ("y ~ a * C(g, contr.sum)", "contrasts have 12 numbers"),
    ],
)
def test_every_part_is_counted(formula: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(memory, "check", lambda needs, task="", most=None: said.extend(need.what for need in needs))
    rows = {"y": [1.0, 2.0, 4.0] * 3, "a": [1.0, 0.0, 2.0] * 3, "b": [0.0, 1.0, 5.0] * 3, "g": list("abcabcbca")}
    glmfit.fit(formula, rows)
    assert any(what.replace("3 rows", "9 rows") in text for text in said), said


def test_too_many_columns_say_so_by_themselves(free: Callable[[float], None]) -> None:
    free(1e9)
    with pytest.raises(ModelError) as caught:
        glmfit.fit("y ~ g:h", {**leveled(2000), "h": [f"h{i}" for i in range(2000)]})
    assert caught.value.code == "too_many_columns"


def test_a_file_far_too_large_is_refused_before_it_is_read(tmp_path: Path, free: Callable[[float], None]) -> None:
    free(1000)
    rows = {"y": list(range(1000)), "x": list(range(1000)), "z": ["long text that nobody asks for"] * 1000}
    path = tmp_path / "data.csv"
    pyarrow.csv.write_csv(pa.table(rows), path)
    with pytest.raises(ModelError, match=r"^reading .*data.csv takes about .* free: about 1,000 rows of 2 columns"):
        glmfit.fit("y ~ x", path)
    pyarrow.parquet.write_table(pa.table(rows), tmp_path / "data.parquet")
    with pytest.raises(ModelError, match="this fit needs about"):  # of which a run of rows is read at a time
        glmfit.fit("y ~ x", tmp_path / "data.parquet")
    packed = tmp_path / "data.csv.gz"
    packed.write_bytes(gzip.compress(b"y,x\n" + b"1,2\n" * 100_000))
    free(100_000)  # more than the file has, less than the text
    with pytest.raises(ModelError, match="is unpacked in memory"):
        open_data(packed)


def test_a_whole_likelihood_far_too_large_is_refused(tmp_path: Path, free: Callable[[float], None]) -> None:
    path = tmp_path / "whole.py"
    path.write_text(WHOLE)
    rows = {"y": [float(i % 7) for i in range(1000)], "x": [float(i % 5) for i in range(1000)]}
    free(1000 * 8 * 4 * 2 * memory.LEAST - 1)
    with pytest.raises(ModelError, match=r"data.X has 1,000 rows of 2 columns"):
        glmfit.fit("y ~ x", rows, family=str(path))
    free(1000 * 8 * 4 * 2 * memory.LEAST + 1)
    with pytest.raises(ModelError, match=r"1,000 rows have about 40 numbers"):
        glmfit.fit("y ~ x", rows, family=str(path))


def test_separation_is_decided_where_the_rows_of_its_linear_program_have_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = {"y": [0.0, 1.0, 0.0, 1.0, 1.0, 0.0], "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    options: dict[str, Any] = {"family": "binomial", "check_separation": True}
    assert glmfit.fit("y ~ x", rows, **options).warnings == ()
    monkeypatch.setattr("glmfit.memory.check", lambda needs, task="", most=None: None)
    monkeypatch.setattr(memory, "available", lambda: 100)
    monkeypatch.setattr("glmfit.trust.separation.overlap", lambda model, theta: None)  # which needs no linear program
    assert glmfit.fit("y ~ x", rows, **options).identification.not_separated
    rows["y"] = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    assert [finding.code for finding in glmfit.fit("y ~ x", rows, **options).warnings] == ["separation"]


@pytest.mark.parametrize(
    ("size", "text"), [(310e9, "310 GB"), (3.14e9, "3.1 GB"), (2.5e12, "2.5 TB"), (5e6, "5.0 MB"), (1e3, "0.0 MB")]
)
def test_sizes_are_spoken(size: float, text: str) -> None:
    assert memory.spoken(size) == text


# ---- What is free ----


def system(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


V2 = {
    "proc/self/cgroup": "0::/batch/job\n",
    "cgroup/batch/memory.max": "9000\n",
    "cgroup/batch/memory.current": "4000\n",
    "cgroup/batch/memory.stat": "anon 3000\ninactive_file 500\n",
    "cgroup/batch/job/memory.max": "max\n",
    "cgroup/batch/job/memory.current": "1000\n",
}
V1 = {
    "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/job\n0::/\n",
    "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "cgroup/memory/memory.usage_in_bytes": "70000\n",
    "cgroup/memory/job/memory.limit_in_bytes": "8000\n",
    "cgroup/memory/job/memory.usage_in_bytes": "6000\n",
    "cgroup/memory/job/memory.stat": "cache 10\ntotal_inactive_file 1500\n",
}
# In a container the path is that on the outside, and the group itself is the root.
CONTAINER = {"proc/self/cgroup": "0::/outside\n", "cgroup/memory.max": "7000\n", "cgroup/memory.current": "8000\n"}


SHARES: dict[str, tuple[dict[str, str], int]] = {
    "none": ({}, 8),
    "version 2": ({"proc/self/cgroup": "0::/a/b\n", "cgroup/a/cpu.max": "150000 100000\n"}, 2),
    "no limit": ({"proc/self/cgroup": "0::/a\n", "cgroup/a/cpu.max": "max 100000\n"}, 8),
    "less than one": ({"proc/self/cgroup": "0::/\n", "cgroup/cpu.max": "10000 100000\n"}, 1),
    "version 1": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/job\n",
            "cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "cgroup/cpu/job/cpu.cfs_quota_us": "300000\n",
            "cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
        },
        3,
    ),
}


@pytest.mark.parametrize("case", SHARES)
def test_processors_are_those_of_the_process(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, count = SHARES[case]
    system(tmp_path, files)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert threads.processors(str(tmp_path / "proc"), str(tmp_path / "cgroup")) == count


@pytest.mark.parametrize("arguments", [["--threads", "1"], []], ids=["asked for", "the share of a container"])
def test_threads_of_a_fit(arguments: list[str]) -> None:
    """Torch and Arrow compute with as many as there should be."""
    code = (
        "import os, sys; from glmfit import threads; threads.processors, os.cpu_count = lambda: 1, lambda: 16\n"
        "from glmfit.commands.app import main; assert main(sys.argv[1:]) == 0\n"
        "import torch, pyarrow; print(torch.get_num_threads(), pyarrow.cpu_count(), file=sys.stderr)"
    )
    data = [str(ROOT / "sample_data" / "poisson.csv"), "--y", "y", "--x", "x1", "-f", "poisson"]
    without = {name: value for name, value in os.environ.items() if name not in threads.SETTINGS}
    command = [sys.executable, "-c", code, "fit", *data, *arguments]
    done = subprocess.run(command, env=without, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.split() == ["1", "1"]


@pytest.mark.parametrize(
    ("files", "left"), [(V2, [5500]), (V1, [3500]), (CONTAINER, [0]), ({}, [])], ids=["v2", "v1", "container", "none"]
)
def test_control_groups(files: dict[str, str], left: list[int], tmp_path: Path) -> None:
    system(tmp_path, files)
    assert list(memory.left_of_groups(str(tmp_path / "proc"), str(tmp_path / "cgroup"))) == left


def test_what_is_free_is_the_least_of_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "meminfo", lambda: {"MemAvailable": 5000, "SwapFree": 100})
    monkeypatch.setattr(memory, "left_of_groups", lambda: iter(()))
    assert memory.available() == 5100
    monkeypatch.setattr(memory, "left_of_groups", lambda: iter((7000, 3000)))
    assert memory.available() == 3100
    monkeypatch.setattr(memory, "meminfo", dict)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 2, "SC_PAGE_SIZE": 4096}.__getitem__, raising=False)
    assert memory.available() == 3000
    monkeypatch.setattr(memory, "left_of_groups", lambda: iter(()))
    assert memory.available() == 8192

    def unknown(name: str) -> int:
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown, raising=False)
    assert memory.available() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux")
def test_what_is_free_here() -> None:
    told = memory.meminfo()
    found = memory.available()
    assert found is not None
    assert 0 <= found <= told["MemTotal"] + told["SwapTotal"]


# ---- Memory runs out ----


def no_memory(kind: str) -> BaseException:
    try:
        if kind == "torch":
            torch.empty(1 << 60, dtype=torch.uint8)
        elif kind == "numpy":
            np.empty(1 << 60, dtype=np.uint8)
        elif kind == "arrow":
            pa.allocate_buffer(1 << 60)
        else:
            [0] * (1 << 60)
    except Exception as error:
        return error
    raise AssertionError(f"{kind} has an exabyte")


@pytest.mark.parametrize("kind", ["torch", "numpy", "arrow", "Python"])
def test_memory_that_runs_out_is_the_same_error(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = no_memory(kind)
    assert memory.ran_out(error)

    def exhausted(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("glmfit.estimate.pipeline.fit_data", exhausted)
    assert main(["fit", str(ROOT / "sample_data" / "mtcars.csv"), "mpg ~ wt", "--json"]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == "too_large"
    assert captured.err.startswith("error: the memory did not suffice, and nothing was written")
    with pytest.raises(ModelError, match="did not suffice"):
        glmfit.fit("y ~ x", {"y": [1.0, 2.0, 4.0], "x": [1.0, 0.0, 2.0]})


@pytest.mark.parametrize("program", ["torch.empty(1 << 45)", "[0] * (1 << 60)"])
@pytest.mark.parametrize("kind", ["log_density(y, mu)", "log_likelihood(params, data)"])
def test_memory_that_a_users_file_uses_up(kind: str, program: str, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(f"import torch\nstart = {{'a': 0.0}}\ndef {kind}:\n    return {program}\n")
    with pytest.raises(ModelError) as caught:
        glmfit.fit("y ~ x", {"y": [1.0, 2.0, 4.0], "x": [1.0, 0.0, 2.0]}, family=str(path))
    assert caught.value.code == "too_large"


def test_memory_that_runs_out_while_parquet_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(pa.table({"y": [1, 2], "x": [1, 3]}), path)

    def read(*_: Any, **__: Any) -> None:
        raise no_memory("arrow")

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "read", read)
    with pytest.raises(ModelError) as caught:
        glmfit.fit("y ~ x", path)
    assert caught.value.code == "too_large"  # and the file is not said to be damaged


def test_other_errors_stay_what_they_are() -> None:
    for error in (RuntimeError("shapes do not match"), KeyError("x"), UsageError("usage", "no", "yes")):
        with pytest.raises(type(error)) as caught, memory.running_out():
            raise error
        assert caught.value is error


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit that Linux keeps")
def test_a_limit_on_memory_is_an_error_and_no_crash(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "data.csv"
    path.write_text("y,g\n" + "".join(f"{i % 7},g{i // 2}\n" for i in range(12_000)))
    command = [sys.executable, "-m", "glmfit", "fit", str(path), "y ~ g", "--optimizer", "bfgs", "-f", "poisson"]
    limit = 3_000_000_000  # the libraries fit; eleven matrices of 288 MB do not
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: the memory did not suffice, and nothing was written")
    assert done.stderr.endswith("more: glmfit explain too_large\n")
