"""Wrong files and wrong values: the exit status and the words that each gets.

One table: the name of a case, what follows `glmfit fit DATA` (or a whole command in which DATA is the file), the exit
status, the code, and words of the message or its hint, in any order and case. Rows, values and remedies are among them.
"""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from bad_cases import COLUMNS, Case, Cases, answer, table
from pyarrow import feather, parquet

CASES = Cases()
case = CASES.add


def arrow(write: str) -> bytes:
    """The good table as a file of another kind."""
    out = io.BytesIO()
    {"parquet": parquet.write_table, "feather": feather.write_feather}[write](pa.table(COLUMNS), out)
    return out.getvalue()


def broken(name: str, data: bytes, code: str, *words: str, file: str = "data.csv", formula: str = "y ~ x") -> None:
    """A file that cannot be read."""
    case(name, formula, 3, code, *words, data=data, file=file)


# ---- Files ----

case("missing file", ["glmfit", "fit", "FOLDER/dta.csv", "y ~ x"], 3, "not_found", "dta.csv", "did you mean 'data.csv'")
case("missing folder", ["glmfit", "fit", "FOLDER/a/b.csv", "y ~ x"], 3, "not_found", "no folder")
case("folder", ["glmfit", "fit", "FOLDER", "y ~ x"], 3, "is_directory", "give one file in it")
case("address", ["glmfit", "fit", "https://example.org/a.csv", "y ~ x"], 3, "not_found", "curl")
case("nothing at all", ["glmfit", "fit", "/dev/null", "y ~ x"], 3, "empty_file", "/dev/null is empty", "header")
case(
    "empty name of a file",
    ["glmfit", "fit", "", "y ~ x"],
    3,
    "not_found",
    "the name of the file is empty",
    "standard input",
)
broken("empty", b"", "empty_file", "header")
broken("blank lines only", b"\n\r\n  \n", "empty_file", "header")
broken("header only", table()[: table().index(b"\n") + 1], "no_rows", "no data rows")
broken("binary", bytes(range(256)) * 8, "nul_bytes", "not a text file")
broken(
    "latin-1", table(g={4: "caf\xe9"}).decode().encode("latin-1"), "not_utf8", "0xE9", "row 4", "iconv", formula="y ~ g"
)
broken("utf-16", table().decode().encode("utf-16"), "not_utf8", "UTF-16", "iconv")
broken("utf-16 without mark", table().decode().encode("utf-16-le"), "not_utf8", "UTF-16", "iconv -f UTF-16LE")
broken("row too short", table() + b"1,2\n", "ragged_rows", "row 13", "2 fields", "17")
broken("row too long", table().replace(b"0.4,1,4", b"0.4,1,4,5"), "ragged_rows", "row 2", "18 fields", "17")
broken("comma in a value", table(g={5: "a,b"}), "ragged_rows", "row 5", "double quotes")
broken("first name missing", table().replace(b"y,n,m", b"n,m"), "ragged_rows", "row 1 ", "row names", formula="n ~ x")
broken("column twice", table().replace(b"y,n,m", b"y,x,m"), "duplicate_column", "'x'", "columns 2 and 8")
broken("delimiter unknown", table(" ").replace(b"my col", b"c"), "unknown_column", "separated by commas")
broken("one column", b"x\n1\n2\n3\n", "unknown_column", "no column 'y'", "the columns are 'x'")
broken("only comments", b"# a\n# b\n# c\n", "unknown_column", "no column 'y'", "comment")
broken("comments before the header", b"# made by X\n" + table(), "unknown_column", "first line", "remove", "comments")
broken("title before the header", b"Table 1\n\n" + table(), "unknown_column", "'Table 1'", "first line", "titles")
broken("open quote", table(g={3: '"a'}), "unclosed_quote", "row 3", "never closed")
broken("open quote in the header", b'"' + table(), "unclosed_quote", "header", "never closed")
broken("NUL in a value", table(g={3: "a\0"}), "nul_bytes", "NUL byte at position")
broken("truncated gzip", gzip.compress(table())[:-20], "damaged_compression", "gzip", "again", file="data.csv.gz")
broken("gzip of nothing", gzip.compress(b""), "empty_file", "is empty", file="data.csv.gz")
broken("truncated zstd", pa.compress(table(), "zstd", asbytes=True)[:-9], "damaged_compression", "zstd")
broken("truncated parquet", arrow("parquet")[:-30], "damaged_parquet", "again", file="data.parquet")
broken("text called parquet", table().replace(b"y,", b"q,"), "unknown_column", "no column 'y'", file="d.parquet")
broken("feather", arrow("feather"), "not_a_table", "Feather", "Parquet or CSV", file="data.feather")
broken("truncated feather", arrow("feather")[:-30], "not_a_table", "Feather", file="data.feather")
broken("workbook", b"PK\x03\x04" + bytes(200), "not_a_table", "Excel", "save the sheet as CSV", file="data.xlsx")
broken("JSON", b'[{"y": 1, "x": 2}, {"y": 2, "x": 3}]\n', "not_a_table", "JSON", file="data.json")
broken("JSON lines", b'{"y": 1, "x": 2}\n{"y": 2, "x": 3}\n', "not_a_table", "JSON")
broken("web page", b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "not_a_table", "web page", "download")
broken("XML", b'<?xml version="1.0"?>\n<data><y>1</y></data>\n', "not_a_table", "XML", "CSV")
broken("PDF", b"%PDF-1.7\n1 0 obj\n", "not_a_table", "PDF")
broken("SQLite", b"SQLite format 3\0" + bytes(99), "not_a_table", "SQLite", "sqlite3 -header -csv")
broken("tar", b"data.csv" + bytes(249) + b"ustar\x0000" + bytes(250), "not_a_table", "tar", "tar -xO")
broken("Stata", b"<stata_dta><header><release>118</release>" + bytes(50), "not_a_table", "Stata", "CSV")
broken("SPSS", b"$FL2@(#) SPSS DATA FILE" + bytes(50), "not_a_table", "SPSS", "CSV")
broken("pickle", b"\x80\x04\x95\x1e\0\0\0\0\0\0\0}", "not_a_table", "pickle", "CSV")
broken("NumPy", b"\x93NUMPY\x01\0v\0{'descr'", "not_a_table", "NumPy", "CSV")
broken("a value of 10 MB", table(x={3: "q" * 10_000_000}), "long_value", "row 3", "10000000 characters", "qqq...")
broken("a response of 10 MB", table(y={3: "q" * 10_000_000}), "not_numeric", "row 3", "qqq...")
broken("a name of 10 MB", b"q" * 10_000_000 + table(), "unclosed_quote", "header")
broken(
    "a quote closed too late", b'y,x\n1,a\n2,"b\n' + b"3,c\n" * 5000 + b'4,d"\n5,e\n', "long_value", "row 2", "quote"
)
broken("decimal commas", table(";", y={3: "1,5", 4: "a"}), "not_numeric", "'1,5' in row 3", "decimal point")
broken("thousands", table(";", z={3: "1,234,567"}), "not_numeric", "row 3", "thousands", formula="z ~ x")

WIDE = [",".join(["y", *(f"v{i}" for i in range(1, 10_001))])]
WIDE += [",".join(map(str, Random(row).choices(range(1000), k=10_001))) for row in range(30)]
WIDE_DATA = "\n".join(WIDE).encode()
case("a misspelt one of 10,000 columns", "y ~ v1 + vv", 3, "unknown_column", "'v1'", "9989 more", data=WIDE_DATA)
case("all of 10,000 columns", "y ~ .", 3, "too_few_rows", "10001 columns", "30 rows", data=WIDE_DATA)
case("all pairs of 10,000 columns", "y ~ .^2", 3, "too_many_terms", "20000", data=WIDE_DATA)
case("one of two of 10,000 columns", "y ~ v2", 3, "duplicate_column", "columns 3 and 10001",
     data=WIDE_DATA.replace(b",v10000", b",v2", 1))  # fmt: skip

# ---- Columns ----

case("column misspelt", "y ~ agee", 3, "unknown_column", "did you mean 'age'", data=table().replace(b"my col", b"age"))
case("column in capitals", "Y ~ x", 3, "unknown_column", "no column 'Y'", "did you mean 'y'")
case("column unlike any", "y ~ income", 3, "unknown_column", "no column 'income'", "the columns are 'y', 'n'")
case("column in --x misspelt", ["--y", "y", "--x", "x,zz"], 3, "unknown_column", "no column 'zz'", "did you mean 'z'")
case("column in --y misspelt", ["--y", "my cl", "--x", "x"], 3, "unknown_column", "no column 'my cl'", "'my col'")
case("column of weights misspelt", ["y ~ x", "--weights", "ww"], 3, "unknown_column", "no column 'ww'", "'w'")
case("column of the offset misspelt", ["y ~ x", "--offset", "zz"], 3, "unknown_column", "no column 'zz'", "'z'")
case("column of clusters misspelt", ["y ~ x", "--se", "cluster:firm"], 3, "unknown_column", "'firm'")
case("all missing", "y ~ x", 3, "no_rows", "'x' in 12", "missing", data=table(x=""))
case("never both there", "y ~ x", 3, "no_rows", "'x'", "'y'",
     data=table(x=dict.fromkeys(range(1, 7), ""), y=dict.fromkeys(range(7, 13), "NA")))  # fmt: skip
case("missing forbidden", ["y ~ x", "--missing", "error"], 3, "missing_values", "'x' in 1 row", "row 5",
     data=table(x={5: ""}))  # fmt: skip
case("text response", "g ~ x", 3, "not_numeric", "column 'g' is not numeric: 'a' in row 1")
case("a word in the response", "y ~ x", 3, "not_numeric", "'y'", "'n.d.' in row 7", "--na", data=table(y={7: "n.d."}))
case("a unit in the response", "y ~ x", 3, "not_numeric", "'3kg' in row 2", data=table(y={2: "3kg"}))
case("a percentage in the response", "y ~ x", 3, "not_numeric", "'12%' in row 2", data=table(y={2: "12%"}))
case("logarithm of text", "y ~ log(g)", 3, "not_numeric", "column 'g'", "'a' in row 1")
case("dates as the response", "d ~ x", 3, "not_numeric", "holds dates", "2024-05-01", "row 1", "days since")
case("infinite response", "y ~ x", 3, "not_finite", "row 6: 'y' is inf", data=table(y={6: "inf"}))
case("infinite covariate", "y ~ x", 3, "not_finite", "row 6", "'x' is inf", data=table(x={6: "inf"}))
case("logarithm of zero", "y ~ log(x)", 3, "not_finite", "row 6", "-inf", "x = 0", data=table(x={6: 0}))
case("division by zero", "y ~ I(x/z)", 3, "not_finite", "row 6", "z = 0", data=table(z={6: 0}))
case("overflow", "y ~ exp(z)", 3, "not_finite", "row 6", "z = 900", data=table(z={6: 900}))
case("a single level", "y ~ g", 3, "single_level", "'a'", "leave it out", data=table(g="a"))
case("more coefficients than rows", ["n ~ x", "-f", "nb"], 3, "too_few_rows", "3 coefficients", "2 rows",
     data=b"n,x\n1,2\n2,5\n")  # fmt: skip
case("nothing to estimate", "y ~ 0", 3, "empty_model", "no coefficient")

# ---- Responses ----

for family, column, value in [
    *[(name, "n", "-2") for name in ("poisson", "negative-binomial", "geometric", "zero-inflated-poisson")],
    *[(name, "n", "-2") for name in ("generalized-poisson", "hurdle-poisson", "quasi-poisson")],
    ("zero-truncated-poisson", "z", "0"),
    *[(name, "t", value) for name in ("gamma", "inverse-gaussian", "log-normal") for value in ("0", "-1.5")],
    *[(name, "t", "-1.5") for name in ("exponential", "weibull", "tweedie")],
    *[("beta", "p", value) for value in ("0", "1", "-0.1", "1.2")],
    ("zero-one-inflated-beta", "p", "1.2"),
    *[("binomial", "b", value) for value in ("2", "-1")],
]:
    case(
        f"{family} of {value}",
        [f"{column} ~ x", "-f", family],
        3,
        "outside_support",
        f"'{column}' is {value} in row 4",
        family if family != "binomial" else "0/1",
        "correct" if family != "binomial" else "successes/trials",
        data=table(**{column: {4: value}}),
    )
for value in ("inf", "1e400"):
    case(f"poisson of {value}", ["n ~ x", "-f", "poisson"], 3, "not_finite", "row 4: 'n' is inf",
         data=table(n={4: value}))  # fmt: skip
case("more successes than trials", ["n/m ~ x", "-f", "binomial"], 3, "outside_support", "7 in row 4", "trials",
     data=table(n={4: 7}))  # fmt: skip
case("successes without trials", ["n ~ x", "-f", "binomial"], 3, "outside_support", "3 in row 3", "successes/trials")
case("negative failures", ["cbind(n, m) ~ x", "-f", "binomial"], 3, "outside_support", "'m' is -4 in row 4",
     data=table(m={4: -4}))  # fmt: skip
case("three levels of two", ["g ~ x", "-f", "binomial"], 3, "bad_response", "3: 'a', 'b', 'c'", "--family multinomial",
     "--family ordinal --levels a,b,c")  # fmt: skip
case("one level of two", ["s ~ x", "-f", "binomial"], 3, "bad_response", "'s' has 1: 'no'", data=table(s="no"))
case(
    "success unknown",
    ["s ~ x", "-f", "binomial", "--success", "maybe"],
    2,
    "bad_success",
    "'maybe'",
    "--success no or --success yes",
)
case("text without order", ["g ~ x", "-f", "ordinal"], 2, "levels_needed", "--levels a,b,c")
case(
    "level not listed",
    ["g ~ x", "-f", "ordinal", "--levels", "a,b"],
    3,
    "unknown_level",
    "'c' in row 3",
    "--levels a,b,c",
)
case("level that is none", ["g ~ x", "-f", "ordinal", "--levels", "a,b,c,D"], 3, "unknown_level", "'D'")
case("base that is none", ["g ~ x", "-f", "multinomial", "--base", "B"], 3, "unknown_level", "'g' is 'B'", "'b'")
case("base of an ordinal", ["g ~ x", "-f", "ordinal", "--base", "b"], 2, "contradiction", "--base", "multinomial")
case("base of two levels", ["b ~ x", "-f", "binomial", "--base", "b"], 2, "contradiction", "--base", "--success")
case("level twice", ["g ~ x", "-f", "ordinal", "--levels", "a,b,c,a"], 2, "invalid_value", "'a' twice")
case("a single category", ["o ~ x", "-f", "multinomial"], 3, "bad_response", "1 different value", "nothing to explain")
case("trials for counts", ["cbind(n, m) ~ x", "-f", "poisson"], 3, "bad_response", "binomial")
case("groups forgotten", ["b ~ x", "-f", "conditional-logit"], 2, "missing_group", "--group COLUMN")
case("groups without comparison", ["b ~ x", "-f", "conditional-logit", "--group", "d"], 3, "no_rows", "'d'", "compared")
case("event of 2", ["t ~ x", "-f", "weibull", "--event", "b"], 3, "bad_event", "'b' is 2 in row 4", "0 and 1",
     data=table(b={4: 2}))  # fmt: skip
case("event as text", ["t ~ x", "-f", "weibull", "--event", "s"], 3, "bad_event", "'yes' in row 1", "0 and 1")
case("event misspelt", ["t ~ x", "-f", "weibull", "--event", "dead"], 3, "unknown_column", "'dead'")
case("bounds exchanged", ["~ x", "-f", "weibull", "--censor", "t,u"], 3, "bad_censoring", "9 in row 4", "exchange",
     data=table(t={4: 9}))  # fmt: skip
case("bounds as text", ["~ x", "-f", "weibull", "--censor", "t,g"], 3, "not_numeric", "column 'g'", "'a' in row 1")
case("one bound", ["~ x", "-f", "weibull", "--censor", "t"], 2, "bad_censoring", "two columns")
case("limits exchanged", ["y ~ x", "--censor", "5,0"], 2, "bad_censoring", "lower limit below the upper")
case("censored binomial", ["b ~ x", "-f", "binomial", "--event", "o"], 2, "bad_censoring", "binomial")

# ---- Weights, offsets, exposures, clusters ----

for option in ("--weights", "--freq-weights", "--sampling-weights"):
    given = ["y ~ x", option, "w"]
    for value in ("-1", "inf"):
        case(f"{option} {value}", given, 3, "bad_weight", f"column 'w' is {value} in row 4", data=table(w={4: value}))
    case(f"{option} as text", ["y ~ x", option, "g"], 3, "not_numeric", "column 'g'", "'a' in row 1")
    case(f"{option} all zero", given, 3, "no_rows", "every row has zero weight in 'w'", data=table(w=0))
    case(f"{option} all missing", given, 3, "no_rows", "'w' in 12", data=table(w="NA"))
case("fractional frequency", ["y ~ x", "--freq-weights", "w"], 3, "bad_weight", "1.5 in row 4", "whole",
     data=table(w={4: 1.5}))  # fmt: skip
case("infinite offset", ["y ~ x", "--offset", "z"], 3, "bad_offset", "inf in row 4", data=table(z={4: "-inf"}))
case("offset as text", ["y ~ x", "--offset", "g"], 3, "not_numeric", "column 'g'", "'a' in row 1")
case("offset of dates", ["y ~ x", "--offset", "d"], 3, "not_numeric", "column 'd'", "dates")
for value in ("0", "-3", "inf"):
    given = ["n ~ x", "-f", "poisson", "--exposure", "z"]
    case(f"exposure {value}", given, 3, "bad_offset", f"'z' is {value} in row 4", "positive", data=table(z={4: value}))
case("exposure without log", ["y ~ x", "--exposure", "z"], 2, "bad_exposure", "identity", "--link log")
case("one cluster", ["y ~ x", "--se", "cluster:o"], 3, "one_cluster", "'o'")
case("clusters missing", ["y ~ x", "--se", "cluster:k"], 3, "no_rows", "'k' in 12", data=table(k=""))


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.name[:60])
def test_what_is_wrong_is_said(wrong: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong.check(tmp_path, capsys)


def test_the_table_is_whole() -> None:
    assert len(CASES) > 150


def test_a_few_of_10_000_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(WIDE_DATA)
    status, out, err = answer(["fit", str(path), "y ~ v2 + v9999", "--json"], capsys)
    assert (status, err) == (0, "")
    table = np.array([[float(row.split(",")[at]) for at in (0, 2, 9999)] for row in WIDE[1:]])
    x = np.column_stack([np.ones(30), table[:, 1:]])
    estimates = [one["estimate"] for one in json.loads(out)["coefficients"]]
    np.testing.assert_allclose(estimates, np.linalg.lstsq(x, table[:, 0], rcond=None)[0], rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "status", "finding"),
    [
        (["y ~ d"], 5, "saturated"),  # as many levels as rows
        (["y ~ d*g"], 5, "aliased"),  # more coefficients than rows
        (["y ~ x + o"], 0, "aliased"),  # a constant column
        (["y ~ x + x"], 0, None),
        (["y ~ bs(x, knots=[99])"], 0, "aliased"),  # beyond the data
        (["n ~ x", "-f", "poisson", "--max-iter", "0"], 4, "not_converged"),
    ],
)
def test_what_can_be_fitted_is_fitted_and_said(
    arguments: list[str], status: int, finding: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(table())
    found, out, _ = answer(["fit", str(path), *arguments, "--json"], capsys)
    codes = [warning["code"] for warning in json.loads(out)["warnings"]]
    assert found == status
    assert finding in codes if finding else codes == []


@pytest.mark.parametrize("header", ["A", "FEA1", "ARROW1", "BZh", "PK", "q", "json", "{y}", "[y]", "#y", "RDX3", "X"])
def test_a_header_like_the_mark_of_another_kind_is_a_header(
    header: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"{header},x\n1,2\n2,4\n4,5\n", encoding="utf-8")
    assert answer(["fit", str(path), "--y", header, "--x", "x"], capsys)[0] == 0
    path.write_text(f"{header}\n1\n2\n4\n", encoding="utf-8")
    assert answer(["fit", str(path), "--y", header], capsys)[0] == 0
