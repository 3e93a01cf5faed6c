"""The command line: exit statuses, streams, errors as JSON, files written whole, and what is never imported.

Where only the handling of a fit matters, `fit_data` is replaced by one that gives a fit made by hand.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fits
import jsonschema
import pytest
import typer

import glmfit
from glmfit import __version__
from glmfit.commands.app import app, main
from glmfit.errors import ModelError
from glmfit.families.catalogue import FAMILIES
from glmfit.reading import Reading
from glmfit.report import schema, to_json
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ["--y", "y", "--x", "x1"]
HEAVY = ("torch", "pandas", "scipy", "formulaic")


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data.csv"
    path.write_text("y,x1,x2,w,g\n1,0.5,1,1,a\n2,1.5,0,2,b\n0,-0.5,1,1,a\n3,1.0,0,1,b\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[ModelSpec]]:
    """Makes `fit_data` return a given fit, or raise a given error, and records the specifications that it got."""

    def install(result: Any) -> list[ModelSpec]:
        asked: list[ModelSpec] = []

        def fit_data(data: Any, trace: Any = None, progress: Any = None, *, spend: bool = False) -> Any:
            asked.append(data.spec)
            if trace is not None:
                trace({"iteration": 1, "log_likelihood": -12.5, "newton_decrement": 0.25})
            if isinstance(result, BaseException):
                raise result
            return result

        module = types.ModuleType("glmfit.estimate.pipeline")
        module.fit_data = fit_data  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "glmfit.estimate.pipeline", module)
        return asked

    return install


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "glmfit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, **options)


# Options


def test_every_option_reaches_the_specification(
    data: str, engine: Callable[[Any], list[ModelSpec]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine(fits.poisson())
    # Together these options make no model: the check of the data is left out.
    monkeypatch.setattr("glmfit.rows.read", lambda spec, data, meanwhile=None: types.SimpleNamespace(spec=spec))
    options = [
        "--y",
        "y",
        "--x",
        "x1,I(x2**2)",
        "--x",
        "g",
        "--family",
        "nb",
        "--link",
        "sqrt",
        "--link",
        "alpha=identity",
        "--fix",
        "alpha=1.5",
        "--no-intercept",
        "--weights",
        "w",
        "--offset",
        "x2",
        "--exposure",
        "w",
        "--success",
        "b",
        "--dispersion",
        "2",
        "--se",
        "cluster:g",
        "--level",
        "0.9",
        "--missing",
        "error",
        "--na",
        "-99",
        "--na",
        "?",
        "--optimizer",
        "bfgs",
        "--max-iter",
        "7",
        "--tol",
        "1e-6",
        "--start",
        "x1=-0.5",
        "--start",
        "alpha:g[T.b]=2",
    ]
    assert main(["fit", data, "alpha ~ g", *options]) == 0
    assert asked[0] == ModelSpec(
        formulas=("alpha ~ g",),
        y="y",
        x=("x1,I(x2**2)", "g"),
        intercept=False,
        family="nb",
        links={"mu": "sqrt", "alpha": "identity"},
        fixed={"alpha": 1.5},
        weights="w",
        offset="x2",
        exposure="w",
        success="b",
        dispersion=2.0,
        se="cluster:g",
        level=0.9,
        missing="error",
        reading=Reading(na=("-99", "?")),
        optimizer="bfgs",
        max_iter=7,
        tol=1e-6,
        start={"x1": -0.5, "alpha:g[T.b]": 2.0},
    )


def test_defaults_are_those_of_the_specification(data: str, engine: Callable[[Any], list[ModelSpec]]) -> None:
    asked = engine(fits.poisson())
    assert main(["fit", data, "y ~ x1"]) == 0
    assert asked[0] == ModelSpec(formulas=("y ~ x1",))


def test_an_exact_column_name_is_not_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "names.csv"
    path.write_text('y,"a,b",c,d\n1,2,3,1\n2,3,5,2\n4,1,1,1\n3,2,2,5\n5,5,1,2\n', encoding="utf-8")
    assert main(["fit", str(path), "--y", "y", "--x", "a,b", "--x", "c,d", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["term"] for row in document["coefficients"]] == ["Intercept", "a,b", "c", "d"]


def test_the_time_to_read_is_reported(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", data, *ARGUMENTS, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seconds"]["read"] > 0
    assert glmfit.fit("y ~ x1", data).seconds["read"] > 0
    assert glmfit.fit("y ~ x1", {"y": [1.0, 0.0, 2.0], "x1": [0.0, 1.0, 3.0]}).seconds["read"] > 0


USAGE = [
    (["--level", "95"], "invalid_value", "--level: 95", "--level 0.95"),
    (["--level", "wide"], "invalid_value", "--level: 'wide'", "0.5"),
    (["--family", "poison"], "unknown_family", "poison", "poisson"),
    (["--link", "logg"], "unknown_link", "logg", "log"),
    (["--link", "beta=log"], "unknown_parameter", "beta", "mu"),
    (["--fix", "alpha"], "invalid_value", "'alpha'", "P=VALUE"),
    (["--fix", "alpha=big", "-f", "nb"], "invalid_value", "'big'", "0.5"),
    (["--fix", "alpha=1", "--fix", "alpha=2", "-f", "nb"], "contradiction", "twice", "once"),
    (["--start", "x1=nan"], "invalid_value", "'nan'", "0.5"),
    (["--dispersion", "pearsn"], "invalid_value", "pearsn", "pearson"),
    (["--dispersion", "-1"], "invalid_value", "-1", "number"),
    (["--se", "hc4"], "invalid_value", "hc4", "hc"),
    (["--missing", "keep"], "invalid_value", "keep", "drop, error"),
    (["--optimizer", "newtn"], "invalid_value", "newtn", "newton"),
    (["--max-iter", "-1"], "invalid_value", "-1", "0 or more"),
    (["--tol", "0"], "invalid_value", "--tol", "1e-8"),
    (["--weights", "w", "--freq-weights", "w"], "two_weights", "prior, frequency", "--freq-weights"),
    (["--sampling-weights", "w", "--se", "hessian"], "bad_se", "--se hessian", "hc1"),
    (["--se", "cluster:"], "bad_se", "cluster:", "cluster:COL"),
    (["--se", "cluster:a,b,c"], "bad_se", "cluster:a,b,c", "cluster:COL"),
    (["--json", "--format", "csv"], "contradiction", "--format csv", "one of them"),
    (["--format", "jsn"], "invalid_value", "jsn", "json"),
    (["--exp"], "exp_has_no_meaning", "identity", "log, logit or cloglog"),
    (["--quiet", "--verbose"], "contradiction", "--quiet", "one of them"),
    (["--threads", "0"], "invalid_value", "'0' is not a number of threads", "1 or more"),
    (["--threads", "-1"], "invalid_value", "'-1' is not a number of threads", "1 or more"),
    (["--threads", "x"], "invalid_value", "'x' is not a number of threads", "1 or more"),
    (["--famly", "poisson"], "unknown_option", "--famly", "--family"),
    (["--level"], "usage", "--level", "--help"),
]


@pytest.mark.parametrize(("options", "code", "message", "hint"), USAGE, ids=[" ".join(case[0]) for case in USAGE])
def test_usage_errors(
    options: list[str], code: str, message: str, hint: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["fit", data, *ARGUMENTS, "--json", *options])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    jsonschema.validate(document, schema("glmfit/error/1"))
    assert (status, document["error"]["code"]) == (2, code)
    assert message in document["error"]["message"]
    assert hint in document["error"]["hint"]
    said = f"error: {document['error']['message']}\nhint: {document['error']['hint']}\n"
    assert captured.err == f"{said}more: glmfit explain {code}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["fit"], 2, "DATA"),
        (["fit", "DATA"], 2, "no model was given"),
        (["fit", "DATA", "--x", "x1"], 2, "--y"),
        (["fit", "DATA", "y ~ "], 2, "nothing to the right"),
        (["fit", "no-such-file.csv", "y ~ x1"], 3, "no-such-file.csv"),
        (["fit", "DATA", "--y", "y", "--x", "x3"], 3, "no column 'x3'"),
        (["fit", "DATA", *ARGUMENTS, "--weights", "wt"], 3, "no column 'wt'"),
        (["fit", "DATA", *ARGUMENTS, "--se", "cluster:firm"], 3, "no column 'firm'"),
        (["fitt", "DATA"], 2, "fitt"),
        (["families", "poison"], 2, "poisson"),
    ],
)
def test_errors_are_said_without_a_traceback(
    arguments: list[str], status: int, text: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([data if argument == "DATA" else argument for argument in arguments]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert text in captured.err
    assert "Traceback" not in captured.err
    assert re.search(r"\nmore: glmfit explain \w+\n\Z", captured.err)
    assert len(captured.err.splitlines()) <= 3


@pytest.mark.parametrize("asks", [["--json"], ["--format", "json"], ["--format=json"]])
def test_errors_are_json_where_json_was_asked_for(asks: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *asks, "--unknown"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unknown_option"
    assert main(["fit", "x.csv", "--unknown", "--", *asks]) == 2
    assert capsys.readouterr().out == ""


# Exit statuses and streams


@pytest.mark.parametrize(
    ("name", "status"), [("poisson", 0), ("with_aliased", 0), ("not_converged", 5), ("two_predictors", 0)]
)
def test_exit_status_of_a_fit(
    name: str, status: int, data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    fit = fits.ALL[name]()
    engine(fit)
    assert main(["fit", data, *ARGUMENTS, "--json"]) == status
    assert capsys.readouterr().out == to_json(fit)


def test_not_converged_is_status_4_with_the_result(
    data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    fit = fits.poisson()
    engine(replace(fit, convergence=replace(fit.convergence, status="max_iter", converged=False)))
    assert main(["fit", data, *ARGUMENTS]) == 4
    assert "NOT CONVERGED" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
def test_findings_are_shown_in_every_format(
    format: str, data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    fit = fits.not_converged()
    engine(fit)
    main(["fit", data, *ARGUMENTS, "--format", format])
    captured = capsys.readouterr()
    where = captured.err if format == "csv" else captured.out
    assert fit.warnings[0].message[:40] in where
    assert (captured.err == "") == (format != "csv")
    main(["fit", data, *ARGUMENTS, "--format", format, "-q"])
    assert capsys.readouterr() == (captured.out, "")


def test_verbose_shows_iterations_on_stderr(
    data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    engine(fits.poisson())
    assert main(["fit", data, *ARGUMENTS, "--json", "-v"]) == 0
    captured = capsys.readouterr()
    assert captured.out == to_json(fits.poisson())
    assert captured.err == "iteration 1  log likelihood -12.5  newton decrement 0.25\n"


def test_model_errors(data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]) -> None:
    engine(ModelError("outside_support", "row 3 of y is -1", "counts are not negative"))
    assert main(["fit", data, *ARGUMENTS]) == 3
    said = "error: row 3 of y is -1\nhint: counts are not negative\nmore: glmfit explain outside_support\n"
    assert capsys.readouterr() == ("", said)


def test_internal_errors(
    data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    engine(ZeroDivisionError("division by zero"))
    assert main(["fit", data, *ARGUMENTS, "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == "internal"
    assert "ZeroDivisionError" in captured.err
    assert "report" in captured.err
    assert "Traceback" not in captured.err
    assert main(["fit", data, *ARGUMENTS, "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_internal_error_names_only_options_that_the_command_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: str) -> None:
        raise ZeroDivisionError(path)

    monkeypatch.setattr("glmfit.many.jobs.listed.read_jobs", broken)
    assert main(["batch", "jobs.toml"]) == 1
    assert "please report it with the command and its input\n" in capsys.readouterr().err


def test_interruption(data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]) -> None:
    engine(KeyboardInterrupt())
    assert main(["fit", data, *ARGUMENTS]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


# Files


def test_output_goes_to_the_file_alone(
    data: str, tmp_path: Path, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    engine(fits.poisson())
    target = tmp_path / "fit.json"
    assert main(["fit", data, *ARGUMENTS, "--json", "-o", str(target)]) == 0
    assert capsys.readouterr() == ("", "")
    assert target.read_text(encoding="utf-8") == to_json(fits.poisson())
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "fit.json"}
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


def test_output_keeps_the_mode_and_follows_a_link(
    data: str, tmp_path: Path, engine: Callable[[Any], list[ModelSpec]]
) -> None:
    engine(fits.poisson())
    target, link = tmp_path / "fit.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert main(["fit", data, *ARGUMENTS, "-o", str(link)]) == 0
    assert link.is_symlink()
    assert "Log-likelihood" in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_output_has_no_colour(
    data: str, tmp_path: Path, engine: Callable[[Any], list[ModelSpec]], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine(fits.poisson())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["fit", data, *ARGUMENTS, "-o", str(tmp_path / "fit.txt")]) == 0
    assert "\x1b" not in (tmp_path / "fit.txt").read_text()


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_intact(
    failing: str,
    data: str,
    tmp_path: Path,
    engine: Callable[[Any], list[ModelSpec]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine(fits.poisson())
    target = tmp_path / "fit.txt"
    target.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    assert main(["fit", data, *ARGUMENTS, "-o", str(target)]) == 3
    assert "no space is left" in capsys.readouterr().err
    assert target.read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"data.csv", "fit.txt"}


def test_an_error_leaves_the_old_file_intact(
    data: str, tmp_path: Path, engine: Callable[[Any], list[ModelSpec]]
) -> None:
    engine(ModelError("support", "row 3 of y is -1", "counts are not negative"))
    target = tmp_path / "fit.txt"
    target.write_text("old")
    assert main(["fit", data, *ARGUMENTS, "-o", str(target)]) == 3
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("missing/fit.json", "no_folder"),
        (".", "is_folder"),
        ("data.csv/fit.json", "no_folder"),
        ("x" * 300, "bad_name"),
    ],
)
def test_an_impossible_target_is_named_before_the_fit(
    target: str,
    code: str,
    data: str,
    tmp_path: Path,
    engine: Callable[[Any], list[ModelSpec]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = engine(fits.poisson())
    assert main(["fit", data, *ARGUMENTS, "--json", "-o", str(tmp_path / target)]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert asked == [] or code == "bad_name"


def test_output_does_not_overwrite_the_data(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(data).read_text()
    assert main(["fit", data, *ARGUMENTS, "-o", data]) == 2
    assert "overwrite" in capsys.readouterr().err
    assert Path(data).read_text() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk(data: str, engine: Callable[[Any], list[ModelSpec]], capsys: pytest.CaptureFixture[str]) -> None:
    engine(fits.poisson())
    assert main(["fit", data, *ARGUMENTS, "-o", "/dev/full"]) == 3
    assert "no space is left" in capsys.readouterr().err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "glmfit", "families"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 3
    assert done.stderr.startswith("error: cannot write to standard output: no space is left")


def test_a_closed_pipe_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "glmfit", "families"], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# What costs nothing


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        ([], 0),
        (["--version"], 0),
        (["fit", "--help"], 0),
        (["families"], 0),
        (["families", "nb"], 0),
        (["fit", "DATA", *ARGUMENTS, "--family", "poison"], 2),
        (["fit", "DATA", *ARGUMENTS, "--link", "inverse", "-f", "nb", "--exp"], 2),
        (["fit", "DATA", "--y", "y", "--x", "nothing"], 3),
        (["fit", "DATA", "y ~ log(nothing)"], 3),
        (["fit", "DATA", *ARGUMENTS, "--weights", "wt"], 3),
        (["fit", "DATA", *ARGUMENTS, "--weights", "g"], 3),
        (["fit", "DATA", *ARGUMENTS, "--weights", "w", "--freq-weights", "w"], 2),
        (["fit", "no-such-file.csv", *ARGUMENTS], 3),
    ],
)
def test_heavy_modules_are_not_imported_without_a_fit(arguments: list[str], status: int, data: str) -> None:
    arguments = [data if argument == "DATA" else argument for argument in arguments]
    code = (
        "import sys; from glmfit.commands.app import main; status = main(sys.argv[1:]); "
        f"print(status, [m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == f"{status} []", done.stderr


NB = ["-f", "negative-binomial"]
OF_THE_MODEL = [
    (["y ~ x1", "-f", "poisson", "--dispersion", "ml"], 2, "bad_dispersion"),
    (["y ~ x1", "-f", "quasi-poisson", "--dispersion", "ml"], 2, "bad_dispersion"),
    (["y ~ x1", "phi ~ x2", "--dispersion", "pearson"], 2, "bad_dispersion"),
    (["y ~ x1", "phi ~ x2", "--fix", "phi=1"], 2, "fixed_and_modelled"),
    (["y ~ x1", "phi ~ x2", "-f", "quasi-poisson"], 3, "quasi_phi"),
    (["y ~ x1", "phi ~ x2", "--se", "hc2"], 2, "bad_se"),
    (["y ~ x1", *NB, "--se", "hc3"], 2, "bad_se"),
    (["y ~ x1", *NB, "alpha ~ x2", "--se", "hc2"], 2, "bad_se"),
    (["y ~ x1", "alpha ~ x2", "-f", "poisson"], 2, "unknown_parameter"),
    (["y ~ x1", "--link", "alpha=log", "-f", "poisson"], 2, "unknown_parameter"),
    (["y ~ x1", *NB, "alpha ~ 0"], 2, "formula"),
    (["y ~ x1", *NB, "alpha ~ 0 + offset(x2)"], 2, "formula"),
    (["y ~ x1", *NB, "alpha ~ x2", "--fix", "alpha=1"], 2, "fixed_and_modelled"),
    (["y ~ x1", *NB, "--fix", "alpha=0"], 2, "bad_fix"),
    (["y ~ x1", *NB, "--fix", "alpha=-1"], 2, "bad_fix"),
    (["y ~ x1", "--exposure", "w"], 2, "bad_exposure"),
    (["y ~ x1", "-f", "poisson", "--link", "sqrt", "--exposure", "w"], 2, "bad_exposure"),
    (["y ~ x1", "-f", "poisson", "--link", "logit"], 2, "bad_link"),
]


@pytest.mark.parametrize(("arguments", "status", "code"), OF_THE_MODEL, ids=[" ".join(c[0]) for c in OF_THE_MODEL])
def test_what_the_model_excludes_is_said_before_torch_is_imported(
    arguments: list[str], status: int, code: str, data: str
) -> None:
    program = (
        "import sys; from glmfit.commands.app import main; status = main(sys.argv[1:]); "
        "print(status, 'torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "fit", data, "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == f"{status} False", done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] == code
    assert error["hint"]


@pytest.mark.parametrize("options", [["--level", "95"], ["-f", "poison"], ["--link", "logg"], ["--exp"]])
def test_what_is_wrong_by_itself_is_said_before_the_data_are_opened(options: list[str]) -> None:
    assert main(["fit", "no-such-file.csv", "y ~ x", *options]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["y ~ x1", *NB, "--fix", "alpha=0.5", "--se", "hc3"],
        ["y ~ x1", "--se", "hc2"],
        ["y ~ x1", "--se", "hc3", "--fix", "phi=2"],
        ["y ~ x1", "--dispersion", "ml"],
        ["y ~ x1", "-f", "poisson", "--dispersion", "1.5"],
    ],
)
def test_what_comes_near_and_is_a_model_is_fitted(arguments: list[str], data: str) -> None:
    assert main(["fit", data, "--quiet", *arguments]) == 0


def test_version_and_help() -> None:
    assert run("--version").stdout == f"glmfit {__version__}\n"
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "glmfit fit data.csv" in done.stdout
    assert max(map(len, run("fit", "--help").stdout.splitlines())) <= 80


# Documentation


def test_every_command_and_option_is_documented() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert f"## glmfit {name}\n" in text
        section = text.split(f"## glmfit {name}\n")[1].split("\n## ")[0]
        if "(#reading-the-data)" in section:  # where the options of every command with DATA stand
            section += text.split("### Reading the data\n")[1].split("\n### ")[0]
        if "(#glmfit-fit)" in section:  # which stands for the options of the model
            section += text.split("## glmfit fit\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("-") or f"`{option}" in section, f"{option} of {name} is not documented"
    own = text.split("\n## Options of other programs\n")[0]
    documented = set(re.findall(r"^\| `(--[\w-]+)", own, re.M))
    known = {option for command in commands.values() for p in command.params for option in p.opts}
    assert documented - known - {"--help"} == set()


def test_families_lists_all() -> None:
    listing = run("families").stdout
    assert max(map(len, listing.splitlines())) <= 80
    found = json.loads(run("families", "--json").stdout)
    assert [family["name"] for family in found["families"]] == [info.name for info in FAMILIES]
    words = re.findall(r"[\w-]+", listing)
    everything = run("families", "--all").stdout
    for info in FAMILIES:
        assert info.name in words
        for said in (info.summary, info.support.text, *(p.name for p in info.parameters), *info.parameters[0].links):
            assert said in " ".join(everything.split())
        assert f"  {info.example}\n" in everything
    assert (
        run("families", "nb", "poisson").stdout
        == run("families", "nb").stdout + "\n" + run("families", "poisson").stdout
    )
    assert run("families", "nb", "--all").returncode == 2


# The whole way


def test_a_fit_from_file_to_table() -> None:
    path = str(ROOT / "sample_data" / "poisson.csv")
    done = run("fit", path, "--y", "y", "--x", "x1,x2", "--no-intercept", "--family", "poisson", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("glmfit/fit/1"))
    # R 4, glm(y ~ 0 + x1 + x2, poisson) run to machine precision.
    estimates = [row["estimate"] for row in document["coefficients"]]
    errors = [row["std_error"] for row in document["coefficients"]]
    assert estimates == pytest.approx([0.970642532299103, 1.7922187567993], rel=1e-8)
    assert errors == pytest.approx([0.0412609947325, 0.0377788326752], rel=1e-6)
    table = run("fit", path, "--y", "y", "--x", "x1,x2", "--no-intercept", "--family", "poisson")
    assert re.search(r"^x1 +0\.97064 +0\.04126 +23\.524 +<2e-16 ", table.stdout, re.M)


def test_standard_input(data: str) -> None:
    with open(data, "rb") as stream:
        done = run("fit", "-", "y ~ x1", "--format", "csv", stdin=stream)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split(",")[1] == "term"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments", [("--help",), ("fit", "--help"), ("fit", "DATA", "y ~ x1"), ("fit", "nope", "y ~ x", "--json")]
)
def test_a_full_standard_output_is_an_error_and_no_traceback(data: str, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "glmfit", *(data if word == "DATA" else word for word in arguments)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 3
    assert "no space is left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_standard_input_is_an_error(data: str) -> None:
    command = f"{sys.executable} -m glmfit fit - 'y ~ x' <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 3
    assert "standard input is closed" in done.stderr


@pytest.mark.parametrize(("target", "status"), [("", 2), ("folder/", 3)])
def test_an_output_without_a_file_name_is_refused(data: str, tmp_path: Path, target: str, status: int) -> None:
    done = run("fit", data, "y ~ x", "-o", str(tmp_path / target) + "/" if target else "")
    assert done.returncode == status
    assert "cannot write" in done.stderr or "--output has an empty value" in done.stderr


# What goes into which format


def test_csv_says_what_it_leaves_out_and_markdown_has_no_empty_row(capsys: pytest.CaptureFixture[str]) -> None:
    mixed = ["fit", str(ROOT / "sample_data" / "epil.csv"), "y ~ lbase + (1 | subject)", "--family", "poisson"]
    smooth = ["fit", str(ROOT / "sample_data" / "airquality.csv"), "Ozone ~ s(Temp)"]
    for command, left in (
        (mixed, "standard deviations and correlations of random effects are in --json"),
        (smooth, "effective degrees of freedom and tests of smooths are in --json"),
    ):
        assert main([*command, "--format", "csv"]) == 0
        assert capsys.readouterr().err.splitlines() == [f"CSV has the coefficients alone: {left}"]
    assert main([*mixed, "--format", "csv", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*mixed, "--format", "markdown"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[-1].startswith("| BIC |")


def test_effects_of_levels_are_asked_of_models_that_have_them(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", str(ROOT / "sample_data" / "epil.csv"), "--y", "y", "--family", "poisson", "--ranef", "--x"]
    assert main([*words, "lbase"]) == 2
    assert "--ranef shows random effects, and the model has none" in capsys.readouterr().err
    assert main([*words, "lbase,(1 | subject)"]) == 0
    assert re.search(r"^Level +Effect|^1 Intercept ", capsys.readouterr().out, re.M)
