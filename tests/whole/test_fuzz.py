"""Nothing that a user can type or put in a file ends in anything but a result or an error that says what was wrong.

Valid files, formulas and commands are changed at random: bytes flipped, inserted, deleted, repeated, cut off.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from strategies import EVERY, examples

import glmfit
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.explain import explanations
from glmfit.families.catalogue import make_family
from glmfit.families.userfile import is_path
from glmfit.formula import parse
from glmfit.formula.words import CONTRASTS, TRANSFORMS
from glmfit.report import schema
from glmfit.spec import ModelSpec
from glmfit.table import Table, open_source

EXPLAINED = {(entry.kind, entry.code): entry.statuses for entry in explanations()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def explained(error: GlmfitError) -> None:
    """The error is one that `glmfit explain` knows, of the exit status that it says, and it has words."""
    assert error.exit_code in EXPLAINED["error", error.code], error.code
    assert error.message.strip()


# ---- changes ----

OPERATIONS = ("flip", "insert", "delete", "repeat", "cut", "swap")


@st.composite
def changed(draw: st.DrawFn, originals: Sequence[Any], pieces: st.SearchStrategy[Any]) -> Any:
    """One of the originals (bytes or text) after a few changes; `pieces` are what may be put in."""
    value = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 3))):
        at, size = draw(st.integers(0, len(value))), draw(st.integers(1, 12))
        before, part, after = value[:at], value[at : at + size], value[at + size :]
        operation = draw(st.sampled_from(OPERATIONS))
        if operation == "flip":
            value = before + draw(pieces) + part[1:] + after
        elif operation == "insert":
            value = before + draw(pieces) + part + after
        elif operation == "delete":
            value = before + after
        elif operation == "repeat":
            value = before + part * draw(st.integers(2, 4)) + after
        elif operation == "cut":
            value = before
        else:
            value = after + part + before
    return value


# ---- the reader ----

NUMBERS = b"a,b,c\n1,2.5,x\n-3,1e300,y\nNA,.5,\n4,,z\n"
TEXTS = (
    NUMBERS,
    b"\xef\xbb\xbfa,b,c\r\n1,2,3\r\n4,5,6\r\n",
    "a\tb\tc\n1\té\t2024-05-31\n2\t日本\t2023-01-02\n".encode(),
    b"a;b;c\n1,5;2;TRUE\n2,5;NA;FALSE\n",
    b'"a","b b","c"\n"1","x, ""y""","z\nz"\n2,"",\'q\n',
    b"a|b|c\n0x1A|007|12:30\n+1|1e400|9:15\n",
    b"a,a,\n1,2,3\n",
    b"a\n9007199254740993\n1\n",
    b"x\n" + b"1\n" * 40 + b"one\n",
)
PIECES = st.one_of(
    st.sampled_from(
        [b",", b"\n", b"\r", b'"', b"'", b"\t", b";", b"|", b"\0", b"\xff", b"\xc3", b"NA", b"-", b"e", b"."]
    ),
    st.binary(min_size=1, max_size=4),
)


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table(columns), sink, **options)
    return sink.getvalue().to_pybytes()


PACKED = (
    gzip.compress(NUMBERS, mtime=0),
    pa.compress(NUMBERS, "zstd", asbytes=True),
    parquet({"a": [1, None, 3], "b": ["x", "y", None], "c": [0.5, 1.5, math.inf]}),
    parquet({"a": pa.array(["p", "q", "p"]).dictionary_encode(), "b": [[1], [2], None]}, compression="none"),
)


def read(content: bytes, path: Path) -> Table | None:
    """What is in a file of these bytes, None where it is refused in words."""
    path.unlink(missing_ok=True)  # the file of the example before may still be mapped
    path.write_bytes(content)
    try:
        source = open_source(str(path))
    except GlmfitError as error:
        return explained(error)
    usable = [name for name in source.header if name.strip() and source.header.count(name) == 1]
    try:
        table = source.read(usable)
    except GlmfitError as error:
        return explained(error)
    for name in usable:
        column = table[name]
        assert len(column.values) == len(column.missing) == len(table) > 0
        if column.levels is None:
            assert column.values.dtype == np.float64
        else:
            assert set(column.values) - {-1} == set(range(len(column.levels))), "no level is without a row"
            assert len(set(column.levels)) == len(column.levels)
            assert all(isinstance(level, str) for level in column.levels)
        one = open_source(str(path)).read([name])[name]  # alone it is what it is beside the others
        assert (one.kind, one.levels) == (column.kind, column.levels)
        np.testing.assert_array_equal(one.values, column.values)
    return table


@examples(2)
@given(content=st.one_of(changed(TEXTS, PIECES), st.binary(max_size=200)), name=st.sampled_from(["d.csv", "d.tsv"]))
def test_no_text_breaks_the_reader(content: bytes, name: str, folder: Path) -> None:
    table = read(content, folder / name)
    event(f"read: {table is not None}")


@examples(1)
@given(content=changed(TEXTS, PIECES), codec=st.sampled_from(["gzip", "zstd"]))
def test_a_compressed_text_is_the_text(content: bytes, codec: str, folder: Path) -> None:
    packed = gzip.compress(content) if codec == "gzip" else pa.compress(content, codec, asbytes=True)
    if not content:
        return
    plain, unpacked = read(content, folder / "t.csv"), read(packed, folder / "t.csv.z")
    assert (plain is None) == (unpacked is None)
    if plain is not None and unpacked is not None:
        assert plain.columns.keys() == unpacked.columns.keys()
        for name in plain.columns:
            np.testing.assert_array_equal(plain[name].values, unpacked[name].values)


@examples(1)
@given(content=changed(PACKED, PIECES))
def test_no_damage_to_a_binary_file_breaks_the_reader(content: bytes, folder: Path) -> None:
    table = read(content, folder / "d.bin")
    event(f"read: {table is not None}")


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6),
    st.floats(allow_nan=False).map(repr),
    st.integers().map(str),
)


@examples(1)
@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=8), tab=st.booleans())
def test_what_is_written_is_read(rows: list[list[str]], tab: bool, folder: Path) -> None:
    """Every number to the last digit, and all else letter by letter."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t" if tab else ",", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["first name", "b"])
    writer.writerows(rows)
    table = read(text.getvalue().encode(), folder / ("w.tsv" if tab else "w.csv"))
    assert table is not None
    assert len(table) == len(rows)
    for name, cells in zip(("first name", "b"), zip(*rows, strict=True), strict=True):
        column = table[name]
        for cell, value, missing in zip(cells, column.values, column.missing, strict=True):
            if column.levels is None:
                assert missing or float(cell) == value
            else:
                assert missing or column.levels[value] in (cell, cell.strip(), *TRUTHS.get(cell, ()))


TRUTHS = {
    "T": ("True",),
    "TRUE": ("True",),
    "true": ("True",),
    "F": ("False",),
    "FALSE": ("False",),
    "false": ("False",),
}

# ---- formulas ----

HEADER = ("y", "x", "u", "g", "h", "my col", "Solar.R", "é")
FORMULAS = (
    "y ~ x + u",
    "y ~ x*g - g",
    "y ~ (x + u + g)**2 - x:u",
    "y ~ 0 + g/x + offset(u)",
    "log(y) ~ I(x**2) + log(u) + `my col`",
    "y ~ C(g, Treatment('b')) + poly(x, 2) + bs(u, df=4)",
    "y ~ C(h, contr.sum):x + cr(u, df=3)",
    "cbind(y, u) ~ h %in% g",
    "y/u ~ . - g",
    "y ~ center(x) + scale(u) + standardize(Solar.R) + I((x > 0) & (u <= 1))",
    "y ~ C(g, ref='b', levels=['b', 'a', 'c']) + sqrt(exp(u)) + é",
)
SIGNS = [
    *"+-*/:^~(),.=<>[]%&|!`'#012",
    '"',
    "\\",
    "**",
    "%in%",
    "//",
    "==",
    "<=",
    "1e308",
    ".5",
    "'b'",
    "\n",
    " ",
    "  ",
]
OTHERS = ["`my col`", "df", "degree", "levels", "True", "None", "__import__", "lambda", "x.y"]
WORDS = st.sampled_from([*HEADER, *TRANSFORMS, *CONTRASTS, *SIGNS, *OTHERS])
SOUP = st.one_of(
    st.lists(WORDS, max_size=14).map("".join),
    st.lists(WORDS, max_size=14).map(lambda words: "y ~ " + " ".join(words)),
    st.text(max_size=30),
    changed(FORMULAS, st.one_of(WORDS, st.text(min_size=1, max_size=2))),
)


@examples(4)
@given(text=SOUP)
def test_no_text_breaks_the_parser(text: str) -> None:
    """What it understands it also writes so that it understands it again."""
    try:
        found = parse(ModelSpec(formulas=(text,)), HEADER)
    except GlmfitError as error:
        event(error.code)
        return explained(error)
    event("parsed")
    again = parse(ModelSpec(formulas=found.texts), HEADER)
    assert again == found


def few_rows() -> dict[str, Any]:
    random, n = np.random.default_rng(7), 40
    return {
        "y": random.uniform(1, 3, n),
        "x": random.normal(size=n),
        "u": random.uniform(0.5, 2, n),
        "g": random.choice(["a", "b", "c"], n),
        "h": random.choice(["p", "q"], n),
        "my col": random.normal(size=n),
        "Solar.R": random.normal(size=n),
        "é": random.integers(0, 2, n) > 0,
    }


ROWS = few_rows()


@examples(1)
@given(text=changed(FORMULAS, WORDS))
def test_no_formula_breaks_a_fit(text: str) -> None:
    try:
        found = glmfit.fit(text, ROWS)
    except GlmfitError as error:
        event(error.code)
        return explained(error)
    event(f"exit status {found.exit_code}")
    believable(json.loads(glmfit.report.to_json(found)))


# ---- the command line ----


def table_of_everything() -> dict[str, list[Any]]:
    """Responses of every kind, covariates good and bad, and columns for each option."""
    random, n = np.random.default_rng(3), 36
    x, group = random.normal(size=n), np.arange(n) // 3
    count = random.poisson(np.exp(0.5 + 0.3 * x))
    chosen = np.zeros(n, dtype=int)
    chosen[3 * np.arange(n // 3) + random.integers(0, 3, n // 3)] = 1
    trials = random.integers(1, 9, n)
    columns: dict[str, Any] = {
        "normal": 1 + x + random.normal(size=n),
        "positive": np.exp(0.3 * x + random.normal(size=n)),
        "share": random.beta(2, 3, n),
        "count": count,
        "zero": np.where(random.random(n) < 0.4, 0, count),
        "binary": random.integers(0, 2, n),
        "dead": random.binomial(trials, 0.4),
        "n": trials,
        "three": random.choice(["low", "mid", "high"], n),
        "two": random.choice(["no", "yes"], n),
        "chosen": chosen,
        "one": np.ones(n, dtype=int),
        "nil": np.zeros(n, dtype=int),
        "separated": (x > 0).astype(int),
        "outlier": np.where(np.arange(n) == 4, 10**6, count),
        "huge": 1e300 * random.normal(size=n),
        "x": x,
        "u": random.uniform(0.5, 2, n),
        "g": random.choice(["a", "b", "c"], n),
        "twice": 2 * x,
        "far": 1e8 + x,
        "holes": [None if k % 5 == 0 else float(v) for k, v in enumerate(x)],
        "id": [f"r{k}" for k in range(n)],
        "s": group,
        "w": random.uniform(0.2, 3, n),
        "f": random.integers(0, 4, n),
        "e": random.integers(0, 2, n),
        "low": random.uniform(0, 1, n),
        "high": random.uniform(1, 2, n),
    }
    return {name: list(np.asarray(column).tolist()) for name, column in columns.items()}


COLUMNS = table_of_everything()
RESPONSES = ["normal", "positive", "share", "count", "zero", "binary", "dead/n", "three", "two", "chosen"]
RESPONSES += [
    "one",
    "nil",
    "separated",
    "outlier",
    "huge",
    "separated",
    "log(positive)",
    "cbind(dead, n)",
    "holes",
    "id",
]
TERMS = ["x", "u", "g", "twice", "far", "holes", "id", "one", "I(x**2)", "log(u)", "x:g", "g*u", "poly(x, 2)", "C(s)"]
TERMS += ["bs(u, df=4)", "offset(x)", "0", "nowhere", "huge", "."]
USER_FILE = '''
import torch

def log_density(y, mu, log_sigma):
    """Gumbel"""
    z = (y - mu) * torch.exp(-log_sigma)
    return -log_sigma - z - torch.exp(-z)
'''


def suitable(family: str) -> list[str]:
    """Responses in the family's support."""
    if is_path(family):
        return ["normal", "positive"]
    known = make_family(family, {})
    if known.grouped:
        return ["chosen"]
    if known.categories:
        return ["three"]
    if known.trials:
        return ["dead/n", "binary", "two", "separated"]
    if known.support.integer:
        return ["count", "zero", "outlier"] if known.support.lower < 1 else ["n"]
    if known.support.upper == 1:
        return ["share"]
    return ["positive", "outlier"] if known.support.lower == 0 else ["normal", "positive"]


def some(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


COLUMN = st.sampled_from([*COLUMNS, "nowhere"])
PARAMETER = some("mu", "phi", "alpha", "zero", "sigma", "precision", "shape", "nu", "power", "nonsense")
VALUE = st.one_of(some("0", "1", "0.5", "-1", "1e-8", "1e300", "nan", "inf", "", "x"), st.floats().map(repr))
LINKS = some(
    "log", "logit", "identity", "inverse", "inverse-squared", "sqrt", "probit", "cloglog", "cauchit", "loglog", "x"
)
OPTIONS: dict[str, st.SearchStrategy[str] | None] = {
    "--link": st.one_of(LINKS, st.tuples(PARAMETER, LINKS).map("=".join)),
    "--fix": st.tuples(PARAMETER, VALUE).map("=".join),
    "--start": st.tuples(st.sampled_from(["x", "Intercept", "alpha:Intercept", "g[T.b]", "?"]), VALUE).map("=".join),
    "--no-intercept": None,
    "--weights": COLUMN,
    "--freq-weights": some("f", "n", "w", "nil"),
    "--sampling-weights": some("w", "f", "u"),
    "--offset": COLUMN,
    "--exposure": COLUMN,
    "--success": some("yes", "no", "1", "maybe"),
    "--levels": some("low,mid,high", "high,mid", "low,low,mid", ","),
    "--relax": some("x", "g", "nowhere"),
    "--group": some("s", "g", "id"),
    "--event": some("e", "binary", "one", "x"),
    "--censor": some("low,high", "0,", ",2", "0,3", "high,low", ",", "x"),
    "--dispersion": st.one_of(some("pearson", "deviance", "ml", "pear"), VALUE),
    "--se": some(
        "hessian", "expected", "hc0", "hc1", "hc2", "hc3", "cluster:s", "cluster:s,g", "cluster:id", "cluster:", "hc9"
    ),
    "--ci": some("wald", "profile", "both"),
    "--level": some("0.9", "0.999999999", "1e-9", "95", "0", "1", "nan"),
    "--bias-reduction": some("firth", "none"),
    "--missing": some("drop", "error"),
    "--na": some("a", "0", "1", "low", ""),
    "--optimizer": some("newton", "bfgs", "l-bfgs", "trust-exact", "adam"),
    "--max-iter": some("0", "1", "3", "1000", "-1", "x"),
    "--tol": some("1e-4", "1e-14", "1e3", "0", "nan"),
    "--separation": some("report", "drop"),
    "--check-separation": None,
    "--exp": None,
    "--quiet": None,
    "--verbose": None,
}


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    """Arguments of `glmfit fit` after the data: a model, mostly a sensible one, with up to three options."""
    family = draw(st.sampled_from([*EVERY, "gumbel.py"]))
    fitting = draw(st.integers(0, 2)) > 0
    y = draw(st.sampled_from(suitable(family) if fitting else RESPONSES))
    terms = draw(st.lists(st.sampled_from(TERMS[:3] if fitting else TERMS), min_size=1, max_size=3, unique=True))
    words = ["--family", family]
    if draw(st.booleans()):
        words.append(f"{y} ~ {' + '.join(terms)}")
    else:
        words += ["--y", y, "--x", ",".join(terms)]
    if draw(st.integers(0, 5)) == 0:
        words.append(draw(st.tuples(PARAMETER, st.sampled_from(TERMS)).map(" ~ ".join)))
    if family == "conditional-logit" and fitting:
        words += ["--group", "s"]
    for name in draw(st.lists(st.sampled_from([*OPTIONS]), max_size=3, unique=True)):
        value = OPTIONS[name]
        words += [name] if value is None else [name, draw(value)]
    return words


def run(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    return status, out.getvalue(), err.getvalue()


def strict(text: str) -> Any:
    """JSON as the standard has it, without NaN."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} in JSON")

    return json.loads(text, parse_constant=refuse)


VALIDATORS: dict[str, Callable[[Any], None]] = {}


def valid(document: Any) -> None:
    name = document["schema"]
    if name not in VALIDATORS:
        VALIDATORS[name] = jsonschema.Draft202012Validator(schema(name)).validate
    VALIDATORS[name](document)


def believable(document: dict[str, Any]) -> None:
    """What holds of the document of every fit, whatever was asked."""
    valid(document)
    for finding in document["warnings"]:
        assert ("finding", finding["code"]) in EXPLAINED
    for row in document["coefficients"]:
        if row["std_error"] is not None:
            assert row["estimate"] is not None
            assert row["std_error"] >= 0
        if row["p_value"] is not None:
            assert 0 <= row["p_value"] <= 1
        if row["conf_low"] is not None and row["conf_high"] is not None:
            assert row["conf_low"] <= row["estimate"] <= row["conf_high"]
    matrix = np.array(document["covariance"]["matrix"], dtype=float)
    unit = np.sqrt(np.diag(matrix))
    asymmetry = np.abs(matrix - matrix.T) / np.outer(unit, unit)
    assert not np.any(asymmetry > 1e-9)
    assert len(matrix) == len(document["coefficients"])


@pytest.fixture(scope="module")
def data(folder: Path) -> str:
    path = folder / "everything.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(zip(*COLUMNS.values(), strict=True))
    (folder / "gumbel.py").write_text(USER_FILE)
    return str(path)


def judge(words: list[str]) -> int:
    """Run a command with --json: an exit status that says what came, and a document that is what its schema says."""
    status, out, err = run([*words, "--json"])
    assert status in (0, 2, 3, 4, 5), err
    assert "Traceback" not in err
    document = strict(out)
    event(f"exit status {status}")
    if status in (2, 3):
        valid(document)
        assert document["schema"] == "glmfit/error/1"
        assert status in EXPLAINED["error", document["error"]["code"]], document["error"]
        return status
    believable(document)
    if status != 5:
        assert document["convergence"]["converged"] == (status == 0)
    for row in document["coefficients"]:
        if status == 0 and row["status"] is None:
            assert row["estimate"] is not None, row
            assert row["std_error"] is not None, (row, document["warnings"])
    return status


@examples(1.5)
@given(words=commands())
def test_no_options_break_a_fit(words: list[str], data: str, folder: Path) -> None:
    words = [str(folder / word) if word == "gumbel.py" else word for word in words]
    judge(["fit", data, *words])


@examples(0.5)
@given(
    words=st.lists(
        st.one_of(WORDS, st.sampled_from([*OPTIONS, "fit", "-", "--", "--json", "-f"]), st.text(max_size=5)), max_size=8
    )
)
def test_no_words_break_the_command_line(words: list[str], data: str) -> None:
    words = ["fit", data, *words]
    if "-o" not in words and not {"-h", "--help", "--output"} & {*words}:
        status, _, err = run(words)
        assert status in (0, 2, 3, 4, 5), err
        assert "Traceback" not in err


@examples(0.5)
@given(words=st.lists(st.one_of(st.sampled_from([code for _, code in EXPLAINED]), st.text(max_size=12)), max_size=4))
def test_no_words_break_explain(words: list[str]) -> None:
    status, out, _ = run(["explain", "--json", "--", *words])
    assert status in (0, 2)
    document = strict(out)
    if status == 0:
        valid(document)
