"""What the machine does to a command: signals, closed pipes and streams, full disks; each on a process of its own.

No moment is hit by waiting for a time: a process says when it is there (`READY`), and is then sent the signal.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glmfit.commands import output
from glmfit.commands.app import main
from glmfit.errors import OutputError

ROOT = Path(__file__).resolve().parents[2]
MTCARS = str(ROOT / "sample_data" / "mtcars.csv")
FIT = ("fit", MTCARS, "mpg ~ wt")
LINUX = sys.platform.startswith("linux")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and streams of POSIX")

AT_ONCE = 5.0  # seconds, generously
READY = "ready"
# Programs that run the command in arguments; each says where it is.
IMPORTING = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            print("ready", flush=True)
            {then}
sys.meta_path.insert(0, Finder())
"""
WRITING = """
import os, time
def fsync(handle):
    print("ready", flush=True)
    time.sleep({seconds})
os.fsync = fsync
"""
RUN = "import glmfit.__main__; glmfit.__main__.run()"
COMPUTING = """
import glmfit.commands.interrupt
glmfit.commands.interrupt.watch()
{prepare}
print("ready", flush=True)
{compute}
print("done")
"""


def start(program: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )  # type: ignore[call-overload, no-any-return]


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str, str]:
    """Status and streams of a process that is sent a signal once it is ready, and ends at once."""
    assert process.stdout is not None
    assert process.stdout.readline() == READY + "\n"
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=AT_ONCE)
    finally:
        process.kill()
    return process.returncode, out, err


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run([sys.executable, "-m", "glmfit", *arguments], text=True, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line of the shell in which `glmfit` is the command."""
    command = f'glmfit() {{ "{sys.executable}" -m glmfit "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=False)


CUT_SHORT = """
import mmap, os, sys
import glmfit.commands.app, glmfit.commands.interrupt
glmfit.commands.interrupt.watch_mapped(glmfit.commands.app.cut_short)
with open(sys.argv[1], "r+b") as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    file.truncate(1)
{look}
"""


# ---- Signals ----


@pytest.mark.parametrize("module", ["glmfit.commands.app", "typer", "pyarrow", "torch", "torch.autograd", "scipy"])
@pytest.mark.parametrize("then", ["import time; time.sleep(60)", "pass"])
def test_an_interrupt_while_modules_are_loaded(module: str, then: str) -> None:
    arguments = FIT if module != "scipy" else (*FIT, "--ci", "profile")
    status, _, err = end(start(IMPORTING.format(module=module, then=then) + RUN, *arguments), signal.SIGINT)
    assert (status, err) == (130, "interrupted\n")


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_while_standard_input_is_read(name: str, status: int) -> None:
    program = IMPORTING.format(module="glmfit.rows.data", then="pass") + RUN
    process = start(program, "fit", "-", "y ~ x", stdin=subprocess.PIPE)
    assert end(process, getattr(signal, name)) == (status, "", "interrupted\n")


COMPUTATIONS = {
    "a factorisation": ("import torch; a = torch.rand(3000, 3000, dtype=torch.float64)", "torch.linalg.eigh(a + a.T)"),
    "a linear program": (
        "import numpy; from scipy.optimize import linprog; a = numpy.random.default_rng(0).normal(size=(20000, 400))",
        "linprog(a[0], A_ub=a, b_ub=numpy.ones(20000), bounds=(-10, 10), method='highs')",
    ),
    "reading": (
        "import pyarrow, pyarrow.csv; text = b'a,b\\n' + b'1.25,word\\n' * 20_000_000",
        "pyarrow.csv.read_csv(pyarrow.BufferReader(text), pyarrow.csv.ReadOptions(use_threads=True)); import time; "
        "time.sleep(60)",
    ),
    "Python": ("", "while True: pass"),
}


@pytest.mark.parametrize("what", COMPUTATIONS)
def test_an_interrupt_within_a_long_computation(what: str) -> None:
    prepare, compute = COMPUTATIONS[what]
    program = COMPUTING.format(prepare=prepare, compute=compute)
    assert end(start(program), signal.SIGINT) == (130, "", "interrupted\n")


@pytest.mark.parametrize("look", ["data.find(b'1')", "import pyarrow as pa; pa.py_buffer(data).to_pybytes()"])
def test_a_mapped_file_that_becomes_shorter(look: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(1 << 20))
    process = start(CUT_SHORT.format(look=look), str(path), "--json")
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert err.startswith("error: a file of data has changed while it was read")
    assert '"file_changed"' in out


def test_an_interrupt_during_the_search(tmp_path: Path) -> None:
    density = tmp_path / "slow.py"
    density.write_text(
        "import time\nimport torch\ndef log_density(y, mu):\n    print('step', flush=True)\n    time.sleep(0.2)\n"
        "    return -((y - mu) ** 2)\n"
    )
    target = tmp_path / "fit.txt"
    process = start(RUN, *FIT, "--family", str(density), "-o", str(target))
    assert process.stderr is not None
    assert process.stderr.readline() == "step\n"  # what a file prints goes to standard error
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=AT_ONCE)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert [path.name for path in tmp_path.iterdir()] == ["slow.py"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_while_the_result_is_written_leaves_the_old_file(name: str, tmp_path: Path) -> None:
    target = tmp_path / "fit.txt"
    target.write_text("old")
    process = start(WRITING.format(seconds=60) + RUN, *FIT, "-o", str(target))
    status, _, err = end(process, getattr(signal, name))
    assert (status, err) == (128 + getattr(signal, name), "interrupted\n")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["fit.txt"]


def test_a_signal_lets_a_file_that_is_nearly_written_be_finished(tmp_path: Path) -> None:
    target = tmp_path / "fit.txt"
    target.write_text("old")
    status, _, _ = end(start(WRITING.format(seconds=0.2) + RUN, *FIT, "-o", str(target)), signal.SIGTERM)
    assert status in (143, 0)
    assert "Log-likelihood" in target.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["fit.txt"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
def test_a_signal_that_is_ignored_stays_ignored(name: str) -> None:
    number = getattr(signal, name)  # as under nohup, and in the background of a script
    program = IMPORTING.format(module="torch", then="pass") + RUN
    process = start(program, *FIT, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    assert process.stdout is not None
    assert process.stdout.readline() == READY + "\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "Log-likelihood" in out


# ---- Pipes and streams ----


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (f"glmfit fit {MTCARS} 'mpg ~ wt'", 0),
        (f"glmfit fit {MTCARS} 'vs ~ C(cyl)' -f binomial --json", 5),
        ("glmfit --help", 0),
        ("glmfit fit --help", 0),
        ("glmfit families", 0),
        ("glmfit explain --json", 0),  # more than a pipe holds
        (f"glmfit fit {MTCARS} 'mpg ~ wt2' --json", 3),
    ],
)
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_closed_pipe_is_quiet(command: str, status: int, reader: str) -> None:
    done = shell(f"{command} 2>/dev/null | {reader}; echo ${{PIPESTATUS[0]}}")
    assert done.stdout.splitlines()[-1] == str(status)
    quiet = shell(f"{command} | {reader}").stderr
    assert quiet == "" or (status == 3 and quiet.startswith("error: no column 'wt2'"))


def test_closed_streams(tmp_path: Path) -> None:
    target = tmp_path / "fit.txt"
    done = shell(f"glmfit fit {MTCARS} 'mpg ~ wt' >&-; echo $? >&2")
    assert done.stderr.startswith("error: standard output is closed")
    assert done.stderr.endswith("\n3\n")
    done = shell(f"glmfit fit {MTCARS} 'mpg ~ wt' -o {target} <&- >&- 2>&-")
    assert done.returncode == 0
    assert target.read_text().startswith("Formula")
    done = shell("glmfit fit - 'y ~ x' <&-")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: standard input is closed")


@pytest.mark.parametrize(
    "where", ["&-", pytest.param("/dev/full", marks=pytest.mark.skipif(not LINUX, reason="Linux"))]
)
def test_no_standard_error(where: str) -> None:
    done = shell(f"glmfit fit {MTCARS} 'mpg ~ wt2' 2>{where}")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")  # not on standard output instead
    done = shell(f"glmfit fit {MTCARS} 'mpg ~ wt' -f poisson --format csv -v 2>{where}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("parameter,term,")


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
def test_a_closed_stream_is_not_taken_by_a_file(tmp_path: Path) -> None:
    program = (
        "import os, sys, glmfit.__main__\n"
        "from glmfit.commands import app\n"
        "app.main = lambda: print(*(os.readlink(f'/proc/self/fd/{n}') for n in (0, 1)), file=sys.stderr) or 0\n"
        "glmfit.__main__.run()"
    )
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "$0" <&- >&-', program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr.split() == ["/dev/null", "/dev/null"]


# ---- Disks ----


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))  # bytes; what exceeds them is sent SIGXFSZ


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_limit_on_the_size_of_files(unbuffered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    target, out = tmp_path / "fit.txt", tmp_path / "out.txt"
    target.write_text("old")
    done = run(*FIT, "-o", str(target), preexec_fn=limited)
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: cannot write to {target}: the file would be larger than allowed\nhint: ")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["fit.txt"]
    with out.open("w") as stream:
        done = run(*FIT, stdout=stream, preexec_fn=limited)
    assert done.returncode == 3
    assert done.stderr.startswith("error: cannot write to standard output: the file would be larger than allowed\n")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only the superuser makes a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(disk: Path) -> None:
    target = disk / "fit.txt"
    target.write_text("old")
    (disk / "rest").write_bytes(b"x" * (64 * 1024 - 4096))
    done = run(*FIT, "-o", str(target))
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: cannot write to {target}: no space is left on the device\nhint: free some")
    assert target.read_text() == "old"
    assert sorted(path.name for path in disk.iterdir()) == ["fit.txt", "rest"]


def test_a_disk_that_is_read_only(disk: Path) -> None:
    target = disk / "fit.txt"
    target.write_text("old")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = run(*FIT, "-o", str(target))
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: cannot write to {target}: ")
    assert done.stderr.endswith("more: glmfit explain no_permission\n")
    assert target.read_text() == "old"


@pytest.mark.parametrize("protected", ["folder", "file"])
def test_what_is_protected_is_not_written(protected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "fit.txt"
    target.write_text("old")
    refused = str(target if protected == "file" else tmp_path)
    # The superuser may write anywhere, so the system's answer is given for it.
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != refused)
    with pytest.raises(OutputError, match="permission denied") as caught:
        output.check_target(str(target))
    assert caught.value.code == "no_permission"
    assert main([*FIT, "-o", str(target)]) == 3
    assert target.read_text() == "old"


def test_a_link_that_leads_nowhere_yet_is_written_through(tmp_path: Path) -> None:
    target, link = tmp_path / "fit.txt", tmp_path / "link.txt"
    link.symlink_to("fit.txt")
    assert main([*FIT, "-o", str(link)]) == 0
    assert link.is_symlink()
    assert "Log-likelihood" in target.read_text()


def test_a_file_that_is_replaced_keeps_its_other_names(tmp_path: Path) -> None:
    """The file is replaced, not overwritten: another hard link keeps the old content, whole."""
    target, other = tmp_path / "fit.txt", tmp_path / "other.txt"
    target.write_text("old")
    os.link(target, other)
    assert main([*FIT, "-o", str(target)]) == 0
    assert (other.read_text(), "Log-likelihood" in target.read_text()) == ("old", True)
