"""Whatever people type and feed: each wrong input, the exit status and the words that they get for it.

One table: the name of a case, what follows `glmfit fit DATA` (or a whole command line in which DATA is the file), the exit
status, the code, and words of the message or its hint, in any order and case. Rows, values and remedies are among them.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from glmfit.cli import main
from glmfit.report import schema

COLUMNS: dict[str, list[object]] = {
    "y": [1.2, 0.4, 2.9, 1.7, 3.1, 0.9, 2.2, 4.1, 1.1, 2.7, 0.3, 3.8],
    "n": [0, 1, 3, 2, 4, 1, 0, 6, 2, 3, 1, 2],  # counts
    "m": [5, 4, 6, 5, 7, 6, 5, 9, 6, 8, 4, 7],  # trials
    "b": [0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0],
    "p": [0.2, 0.4, 0.6, 0.3, 0.8, 0.5, 0.1, 0.9, 0.7, 0.4, 0.3, 0.6],
    "t": [1.5, 2.25, 0.7, 3.1, 4.6, 0.2, 1.9, 2.8, 0.6, 5.2, 1.3, 2.4],
    "u": [2.5, 2.25, 1.7, 4.1, 4.6, 1.2, 2.9, 3.8, 0.6, 6.2, 2.3, 3.4],  # at least t
    "x": [0.1, 1.3, 0.7, 2.2, 1.9, 0.4, 1.1, 2.8, 0.6, 1.5, 0.2, 2.5],
    "z": [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8],
    "w": [1, 2, 1, 3, 1, 2, 2, 1, 1, 2, 1, 3],
    "k": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6],  # clusters
    "o": [1] * 12,
    "g": list("abcabcabcabc"),
    "s": ["yes", "no"] * 6,
    "d": [f"2024-05-{day:02d}" for day in range(1, 13)],
    "my col": list(range(12)),
    "2": list(range(12, 0, -1)),
}


def table(delimiter: str = ",", end: str = "\n", **changes: object) -> bytes:
    """The good table as CSV; `n={3: -2}` puts -2 into row 3 of n, `x=1` the same value everywhere."""
    columns = {name: list(values) for name, values in COLUMNS.items()}
    for name, change in changes.items():
        if isinstance(change, dict):
            for row, value in change.items():
                columns[name][row - 1] = value
        else:
            columns[name] = [change] * 12
    rows = [list(columns), *([str(value) for value in row] for row in zip(*columns.values(), strict=True))]
    return "".join(delimiter.join(row) + end for row in rows).encode()


def arrow(write: str) -> bytes:
    """The good table as a file of another kind."""
    out = io.BytesIO()
    {"parquet": parquet.write_table, "feather": feather.write_feather}[write](pa.table(COLUMNS), out)
    return out.getvalue()


@dataclass(frozen=True)
class Case:
    """One wrong input and its answer."""

    name: str
    arguments: str | list[str]
    status: int
    code: str
    words: tuple[str, ...]
    data: bytes | None = None
    file: str = "data.csv"

    def command(self, folder: Path) -> list[str]:
        """The arguments of `glmfit`, its file written."""
        path = folder / self.file
        if self.data is not None:
            path.write_bytes(self.data)
        given = [self.arguments] if isinstance(self.arguments, str) else self.arguments
        whole = given if "DATA" in given or given[:1] == ["glmfit"] else ["fit", "DATA", *given]
        return [
            str(path) if word == "DATA" else word.replace("FOLDER", str(folder)) for word in whole if word != "glmfit"
        ]


CASES: list[Case] = []


def case(
    name: str,
    arguments: str | list[str],
    status: int,
    code: str,
    *words: str,
    data: bytes | None = None,
    file: str = "data.csv",
) -> None:
    CASES.append(Case(name, arguments, status, code, words, table() if data is None else data, file))


def broken(name: str, data: bytes, code: str, *words: str, file: str = "data.csv", formula: str = "y ~ x") -> None:
    """A file that cannot be read."""
    case(name, formula, 3, code, *words, data=data, file=file)


# ---- Files ----

case("missing file", ["glmfit", "fit", "FOLDER/dta.csv", "y ~ x"], 3, "not_found", "dta.csv", "did you mean 'data.csv'")
case("missing folder", ["glmfit", "fit", "FOLDER/a/b.csv", "y ~ x"], 3, "not_found", "no folder")
case("folder", ["glmfit", "fit", "FOLDER", "y ~ x"], 3, "is_directory", "give one file in it")
case("address", ["glmfit", "fit", "https://example.org/a.csv", "y ~ x"], 3, "not_found", "curl")
case("nothing at all", ["glmfit", "fit", "/dev/null", "y ~ x"], 3, "empty_file", "/dev/null is empty", "header")
case("empty name of a file", ["glmfit", "fit", "", "y ~ x"], 3, "not_found", "no file", "empty")
broken("empty", b"", "empty_file", "header")
broken("blank lines only", b"\n\r\n  \n", "empty_file", "header")
broken("header only", table()[: table().index(b"\n") + 1], "no_rows", "no data rows")
broken("binary", bytes(range(256)) * 8, "nul_bytes", "not a text file")
broken("latin-1", table(g={4: "caf\xe9"}).decode().encode("latin-1"), "not_utf8", "0xE9", "row 4", "iconv")
broken("utf-16", table().decode().encode("utf-16"), "not_utf8", "UTF-16", "iconv")
broken("utf-16 without mark", table().decode().encode("utf-16-le"), "not_utf8", "UTF-16", "iconv -f UTF-16LE")
broken("row too short", table() + b"1,2\n", "ragged_rows", "row 13", "2 fields", "17")
broken("row too long", table().replace(b"0.4,1,4", b"0.4,1,4,5"), "ragged_rows", "row 2", "18 fields", "17")
broken("comma in a value", table(g={5: "a,b"}), "ragged_rows", "row 5", "double quotes")
broken("first name missing", table().replace(b"y,n,m", b"n,m"), "ragged_rows", "row 1 ", "row names")
broken("column twice", table().replace(b"y,n,m", b"y,x,m"), "duplicate_column", "'x'", "columns 2 and 8")
broken("delimiter unknown", table(" ").replace(b"my col", b"c"), "unknown_column", "separated by commas")
broken("one column", b"x\n1\n2\n3\n", "unknown_column", "no column 'y'", "the columns are 'x'")
broken("only comments", b"# a\n# b\n# c\n", "unknown_column", "no column 'y'", "comment")
broken("comments before the header", b"# made by X\n" + table(), "ragged_rows", "row 1", "comment", "header")
broken("title before the header", b"Table 1\n\n" + table(), "ragged_rows", "row 1", "title", "header")
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
broken("a value of 10 MB", table(x={3: "q" * 10_000_000}), "not_numeric", "row 3", "qqq...")
broken("decimal commas", table(";", x={3: "1,5", 4: "a"}), "not_numeric", "'a' in row 4")
broken("thousands", table(";", z={3: "1,234,567"}), "not_numeric", "row 3", "thousands", formula="z ~ x")

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
case("infinite response", "y ~ x", 3, "outside_support", "inf in row 6", data=table(y={6: "inf"}))
case("infinite covariate", "y ~ x", 3, "not_finite", "row 6", "'x' is inf", data=table(x={6: "inf"}))
case("logarithm of zero", "y ~ log(x)", 3, "not_finite", "row 6", "-inf", "x = 0", data=table(x={6: 0}))
case("division by zero", "y ~ I(x/z)", 3, "not_finite", "row 6", "z = 0", data=table(z={6: 0}))
case("overflow", "y ~ exp(z)", 3, "not_finite", "row 6", "z = 900", data=table(z={6: 900}))
case("a single level", "y ~ g", 3, "single_level", "'a'", "leave it out", data=table(g="a"))
case("as many levels as rows", "y ~ d", 3, "too_few_rows", "12 rows", "factor")
case("more coefficients than rows", "y ~ d*g", 3, "too_few_rows", "12 rows")
case("nothing to estimate", "y ~ 0", 3, "empty_model", "no coefficient")
case("nothing but text to estimate from", "y ~ g", 3, "too_few_rows", data=b"y,g\n1,a\n2,b\n")

# ---- Responses ----

for family, column, value in [
    *[(name, "n", "-2") for name in ("poisson", "negative-binomial", "geometric", "zero-inflated-poisson")],
    *[(name, "n", "-2") for name in ("generalized-poisson", "hurdle-poisson", "quasi-poisson")],
    ("zero-truncated-poisson", "n", "0"),
    *[(name, "t", value) for name in ("gamma", "inverse-gaussian", "log-normal") for value in ("0", "-1.5")],
    *[(name, "t", "-1.5") for name in ("exponential", "weibull", "tweedie")],
    *[("beta", "p", value) for value in ("0", "1", "-0.1", "1.2")],
    ("zero-one-inflated-beta", "p", "1.2"),
    *[("binomial", "b", value) for value in ("2", "-1")],
    *[("poisson", "n", value) for value in ("inf", "1e400")],
]:
    case(
        f"{family} of {value}",
        [f"{column} ~ x", "-f", family],
        3,
        "outside_support",
        f"'{column}' is {'inf' if value == '1e400' else value} in row 4",
        family if family != "binomial" else "0/1",
        "correct",
        data=table(**{column: {4: value}}),
    )
case("more successes than trials", ["n/m ~ x", "-f", "binomial"], 3, "outside_support", "7 in row 4", "trials",
     data=table(n={4: 7}))  # fmt: skip
case("successes without trials", ["n ~ x", "-f", "binomial"], 3, "outside_support", "3 in row 3", "successes/trials")
case("negative failures", ["cbind(n, m) ~ x", "-f", "binomial"], 3, "outside_support", "'m' is -4 in row 4",
     data=table(m={4: -4}))  # fmt: skip
case("three levels of two", ["g ~ x", "-f", "binomial"], 3, "bad_response", "3: 'a', 'b', 'c'", "0/1 column")
case("one level of two", ["s ~ x", "-f", "binomial"], 3, "bad_response", "'s' has 1: 'no'", data=table(s="no"))
case("success unknown", ["s ~ x", "-f", "binomial", "--success", "maybe"], 2, "bad_success", "'maybe'", "no, yes")
case("text without order", ["g ~ x", "-f", "ordinal"], 2, "levels_needed", "--levels a,b,c")
case("level not listed", ["g ~ x", "-f", "ordinal", "--levels", "a,b"], 3, "unknown_level", "'c' in row 3", "a, b, c")
case("level that is none", ["g ~ x", "-f", "ordinal", "--levels", "a,b,c,D"], 3, "unknown_level", "'D'")
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
    case(f"exposure {value}", ["n ~ x", "-f", "poisson", "--exposure", "z"], 3, "bad_offset", f"'z' is {value} in row 4",
         "positive", data=table(z={4: value}))  # fmt: skip
case("exposure without log", ["y ~ x", "--exposure", "z"], 2, "bad_exposure", "identity", "--link log")
case("one cluster", ["y ~ x", "--se", "cluster:o"], 3, "one_cluster", "'o'")
case("clusters missing", ["y ~ x", "--se", "cluster:k"], 3, "no_rows", "'k' in 12", data=table(k=""))

# ---- Options ----

for option, value, *words in [
    ("--level", "0", "not between 0 and 1"),
    ("--level", "1", "not between 0 and 1"),
    ("--level", "95", "did you mean --level 0.95"),
    ("--level", "95%", "'95%'", "--level 0.95"),
    ("--level", "-0.5", "-0.5"),
    ("--level", "0,95", "'0,95'", "decimal point"),
    ("--tol", "-1", "not a positive number"),
    ("--tol", "inf", "'inf'"),
    ("--max-iter", "-5", "'-5'", "0 or more"),
    ("--max-iter", "1e3", "'1e3'", "whole number"),
    ("--max-iter", "many", "'many'", "whole number"),
    ("--optimizer", "bgfs", "'bgfs'", "did you mean 'bfgs'"),
    ("--optimizer", "adam", "'adam'", "newton, bfgs"),
    ("--ci", "profil", "did you mean 'profile'"),
    ("--missing", "omit", "drop, error"),
    ("--separation", "keep", "report, drop"),
    ("--bias-reduction", "jeffreys", "firth"),
    ("--dispersion", "0", "positive"),
    ("--dispersion", "pearsn", "did you mean 'pearson'"),
    ("--se", "robust", "'robust'", "hc1"),
    ("--se", "cluster", "cluster:COL"),
    ("--format", "excel", "table, json, csv, markdown"),
    ("--fix", "phi", "P=VALUE"),
    ("--fix", "phi=big", "'big'", "finite number"),
    ("--start", "x", "TERM=VALUE"),
    ("--start", "x=1=2=a", "'a'"),
]:
    code = {"cluster": "bad_se"}.get(value, "invalid_value")
    case(f"{option} {value}", ["y ~ x", option, value], 2, code, option, *words)
for option, near in [
    ("--max-iterations", "--max-iter"),
    ("--tolerance", "--tol"),
    ("--familly", "--family"),
    ("--fam", "--family"),
    ("--weight", "--weights"),
    ("--out", "--output"),
    ("--FAMILY", "--family"),
    ("--robust", "--se"),
]:
    case(option, ["y ~ x", option, "w"], 2, "unknown_option", option, near)
for name, arguments, code, *words in [
    ("two kinds of weights", ["--weights", "w", "--freq-weights", "w"], "two_weights", "give one"),
    ("dispersion twice", ["--dispersion", "2", "--fix", "phi=2"], "contradiction", "--fix phi and --dispersion"),
    ("event and censor", ["--event", "b", "--censor", "0,"], "contradiction", "--event and --censor"),
    ("dispersion of the censored", ["--event", "b", "--dispersion", "2"], "bad_dispersion", "--fix phi=VALUE"),
    ("expected of the censored", ["--event", "b", "--se", "expected"], "bad_se", "--se hessian"),
    ("sampling weights and hessian", ["--sampling-weights", "w", "--se", "hessian"], "bad_se", "hc1"),
    ("profile and robust", ["--ci", "profile", "--se", "hc1"], "contradiction", "--ci profile"),
    ("profile and sampling weights", ["--ci", "profile", "--sampling-weights", "w"], "contradiction", "--ci profile"),
    ("firth and robust", ["--bias-reduction", "firth", "--se", "hc1"], "bad_se", "leave --se out"),
    ("json and csv", ["--json", "--format", "csv"], "contradiction", "--json and --format csv"),
    ("quiet and verbose", ["-q", "-v"], "contradiction", "--quiet and --verbose"),
    ("fixed and modelled", ["phi ~ x", "--fix", "phi=1"], "fixed_and_modelled", "phi"),
    ("dispersion and modelled", ["phi ~ x", "--dispersion", "2"], "bad_dispersion", "phi has a formula"),
    ("three clusters", ["--se", "cluster:g,k,s"], "bad_se", "cluster:COLUMN1,COLUMN2"),
    ("hc3 with two predictors", ["phi ~ x", "--se", "hc3"], "bad_se", "hc1"),
    ("levels of numbers", ["--levels", "1,2"], "contradiction", "--levels"),
    ("groups for nothing", ["--group", "g"], "contradiction", "conditional-logit"),
    ("relaxed numbers", ["--relax", "x"], "contradiction", "ordinal"),
    ("exp of identity", ["--exp"], "exp_has_no_meaning", "identity"),
    ("fixed twice", ["--fix", "phi=1", "--fix", "phi=2"], "contradiction", "'phi' is given twice"),
    ("link twice", ["--link", "log", "--link", "mu=inverse"], "contradiction", "'mu' is given twice"),
    ("started twice", ["--start", "x=1", "--start", "x=2"], "contradiction", "'x' is given twice"),
    ("family twice", ["-f", "poisson", "-f", "gamma"], "contradiction", "--family", "twice"),
    ("fixed that is none", ["--fix", "alpha=1"], "unknown_parameter", "alpha", "phi"),
    ("fixed mean", ["--fix", "mu=1"], "unknown_parameter", "mu", "phi"),
    ("fixed coefficient", ["--fix", "x=1"], "unknown_parameter", "offset(x)"),
    ("fixed outside", ["--fix", "phi=-1"], "invalid_value", "positive"),
    ("link unknown", ["--link", "lgo"], "unknown_link", "'lgo'", "did you mean 'log'"),
    ("link unlike any", ["--link", "arctan"], "unknown_link", "'arctan'", "identity"),
    ("link without sense", ["--link", "logit"], "bad_link", "logit", "identity, log"),
    ("link of another", ["--link", "alpha=log"], "unknown_parameter", "alpha", "mu, phi"),
    ("power without number", ["--link", "power"], "bad_link", "power:0.5"),
    ("start of no term", ["--start", "xx=1"], "unknown_term", "xx", "'x'"),
    ("family misspelt", ["-f", "poison"], "unknown_family", "did you mean 'poisson'"),
    ("family unlike any", ["-f", "qqq"], "unknown_family", "gaussian", "poisson"),
    ("family file missing", ["-f", "gumble.py"], "no_such_file", "gumble.py"),
    ("--x beside a formula", ["--x", "z"], "usage", "--x", "y ~ x", "give one of them"),
    ("--y beside a formula", ["--y", "n"], "usage", "'n'", "'y'", "give one"),
]:
    case(name, ["y ~ x", *arguments], 2, code, *words)
for option in (["--sampling-weights", "w"], ["--event", "b"], ["--separation", "drop"], ["--check-separation"]):
    words = ("--bias-reduction and " + " ".join(option[: 2 if option[-1] == "drop" else 1]), "exclude each other")
    case(f"firth and {option[0]}", ["b ~ x", "-f", "binomial", "--bias-reduction", "firth", *option], 2,
         "contradiction", *words)  # fmt: skip
case("relaxed that is no term", ["n ~ x", "-f", "ordinal", "--relax", "xx"], 2, "unknown_term", "did you mean 'x'")
case("hc3 of the negative binomial", ["n ~ x", "-f", "nb", "--se", "hc3"], 2, "bad_se", "--fix")
case("alpha of 0", ["n ~ x", "-f", "nb", "--fix", "alpha=0"], 2, "bad_fix", "alpha = 0")
case("dispersion of counts by ml", ["n ~ x", "-f", "poisson", "--dispersion", "ml"], 2, "bad_dispersion", "pearson")
case("separation of gamma", ["t ~ x", "-f", "gamma", "--separation", "drop"], 2, "bad_separation", "gamma")
case("offset of categories", ["g ~ x", "-f", "multinomial", "--offset", "z"], 2, "bad_offset", "each category")

# ---- The command as a whole ----

case("fit forgotten", ["DATA", "y ~ x"], 2, "usage", "glmfit fit", "data.csv")
case("fit forgotten, options first", ["--family", "poisson", "DATA", "n ~ x"], 2, "unknown_option", "glmfit fit")
case("command misspelt", ["fitt", "DATA", "y ~ x"], 2, "usage", "'fitt'", "did you mean 'fit'")
case("command unlike any", ["regress", "DATA", "y ~ x"], 2, "usage", "'regress'", "fit, check, families")
case("family that is listed nowhere", ["glmfit", "families", "normall"], 2, "unknown_family", "'normall'")
case("no data", ["glmfit", "fit"], 2, "missing_argument", "DATA")
case("no model", ["fit", "DATA"], 2, "usage", "no model was given", "--y COLUMN")
case("data and formula exchanged", ["fit", "y ~ x", "DATA"], 3, "not_found", "formula", "DATA first")
case("formula without quotes", ["fit", "DATA", "y", "~", "x"], 2, "formula", "quote", "'y ~ x'")
case(
    "formula without quotes, ~ made a folder", ["fit", "DATA", "y", os.path.expanduser("~"), "x"], 2, "formula", "quote"
)
case("formula half quoted", ["fit", "DATA", "y ~", "x"], 2, "formula", "quote", "'y ~ x'")
case("second formula without quotes", ["fit", "DATA", "y ~ x", "phi", "~", "x"], 2, "formula", "quote")
case("two files", ["fit", "DATA", "DATA", "y ~ x"], 2, "formula", "has no '~'", "one file")
case("--y alone", ["--y", "y", "--x", ""], 2, "usage", "--x")
case("--x without --y", ["--x", "x"], 2, "usage", "--y")
case("value missing", ["y ~ x", "--level"], 2, "usage", "--level")
case("check without a file of Python", ["check", "poisson", "DATA", "n ~ x"], 2, "invalid_value", "FILE.py")
case("check with the data first", ["check", "DATA", "own.py", "n ~ x"], 2, "invalid_value", "FILE.py first")

# ---- Formulas ----

for formula, code, *words in [
    ("y ~ (x + z", "formula", "missing", "character 11"),
    ("y ~ x)", "formula", "unexpected ')'", "character 6"),
    ("y ~ log(x", "formula", "')' is missing"),
    ("y ~ x +", "formula", "missing at the end"),
    ("y ~ x *", "formula", "missing at the end"),
    ("y ~ + ", "formula", "missing at the end"),
    ("y ~ x |", "formula", "'|'", "between terms"),
    ("y ~ x | g", "formula", "'|'", "between terms"),
    ("y ~", "formula", "nothing to the right", "~ 1"),
    ("~ x", "formula", "names no response"),
    ("", "formula", "empty"),
    ("   ", "formula", "empty"),
    ("~", "formula", "nothing to the right"),
    ("y ~ x ~ z", "formula", "more than one '~'"),
    ("y", "formula", "no '~'", "y ~ x"),
    ("y = x", "formula", "no '~'", "y ~ x"),
    ("y == x", "formula", "no '~'", "y ~ x"),
    ("y <- x", "formula", "no '~'"),
    ("y ~ = x", "formula", "unexpected '='"),
    ("y ~ x, z", "formula", "','", "+"),
    ("y ~ x; z", "formula", "';'"),
    ("y ~ x & z", "formula", "'&'", "I(...)"),
    ("y ~ x \u2212 z", "formula", "'\u2212'", "write '-'"),
    ("y ~ x \u00d7 z", "formula", "'\u00d7'", "write '*'"),
    ("y \u223c x", "formula", "'\u223c'", "write '~'"),
    ("y ~ C(g, ref=\u2018a\u2019)", "formula", "'\u2018'", "straight quotes"),
    ("\u201cy ~ x\u201d", "formula", "'\u201c'", "straight quotes"),
    ("y ~ x\u200b + z", "formula", "U+200B", "invisible"),
    ("y ~ my col", "formula", "backticks", "`my col`"),
    ("my col ~ x", "formula", "backticks", "`my col`"),
    ("y ~ 2", "formula", "'2'", "`2`"),
    ("y ~ x + 5", "formula", "'5'", "intercept"),
    ("y ~ x^0", "formula", "positive whole number", "I(x**2)"),
    ("y ~ x^z", "formula", "positive whole number", "I(x**2)"),
    ("y ~ x**2.5", "formula", "positive whole number", "I(x**2)"),
    ("y ~ 2*x", "formula", "'2'", "I(...)"),
    ("y ~ x[1]", "formula", "subscripts"),
    ("y ~ 'x'", "formula", "'x'", "without quotes"),
    ('y ~ "my col"', "formula", "backticks", "`my col`"),
    ("'y' ~ x", "formula", "'y'", "without quotes"),
    ("y ~ `nothing`", "unknown_column", "'nothing'"),
    ("y ~ `x", "formula", "what opens must close"),
    ("y ~ lgo(x)", "unknown_transform", "'lgo'", "did you mean 'log'"),
    ("y ~ frobnicate(x)", "unknown_transform", "the transforms are I, log"),
    ("y ~ factor(g)", "unknown_transform", "C(...)"),
    ("y ~ ln(x)", "unknown_transform", "log(...)"),
    ("y ~ np.log(x)", "unknown_transform", "log(...)"),
    ("y ~ s(x)", "unknown_transform", "cr(...)"),
    ("y ~ (1 | g)", "formula", "'|'", "random"),
    ("y ~ log()", "formula", "needs a column"),
    ("y ~ log(x, 2)", "formula", "too many arguments"),
    ("y ~ log(3)", "formula", "contains no column"),
    ("y ~ poly(x, 50)", "transform", "degree 50", "12", "lower the degree"),
    ("y ~ poly(x, 0)", "transform", "positive whole number"),
    ("y ~ poly(x, z)", "formula", "must be a number"),
    ("y ~ poly(x, deg=2)", "formula", "'deg' is unknown", "degree, raw"),
    ("y ~ poly(g, 2)", "not_numeric", "'a' in row 1"),
    ("y ~ bs(x, df=1)", "transform", "bs(x, df=1)", "df"),
    ("y ~ bs(x, df='a')", "transform", "df"),
    ("y ~ bs(x, knots=[99])", "transform", "knots"),
    ("y ~ cr(x, df=100)", "transform", "cr(x, df=100)"),
    ("y ~ C(g, contr.summ)", "unknown_contrast", "did you mean 'contr.sum'"),
    ("y ~ C(g, ref='q')", "unknown_level", "'q'", "'a'"),
    ("y ~ C(g, levels=['a', 'b'])", "unknown_level", "'c'", "row 3"),
    ("y ~ C(g, levels='a')", "levels", "levels=['b', 'a']"),
    ("y ~ C(g, contr.sum, ref='a')", "reference", "treatment"),
    ("y ~ print", "unknown_column", "'print'"),
    ("y ~ print(x)", "unknown_transform", "'print'"),
    ("y ~ True", "formula", "True"),
    ("y ~ None", "formula", "None"),
    ("y ~ len", "unknown_column", "'len'"),
    ("y ~ y", "response_on_right", "'y'"),
    ("y ~ log(y)", "response_on_right", "'y'"),
    ("y ~ x:y", "response_on_right", "'y'"),
    ("3 ~ x", "formula", "no column"),
    ("y + z ~ x", "", "I(y + z)"),
    ("cbind(n) ~ x", "formula", "cbind(successes, failures)"),
    ("y ~ offset(x):z", "formula", "a term by itself"),
    ("y ~ x - offset(z)", "formula", "leave it out"),
    ("y ~ I(1 < x < 3)", "formula", "(1 < x) & (x < 3)"),
    ("y ~ I(x and z)", "formula", "unexpected 'and'", "&"),
    ("y ~ " + "(" * 5000 + "x" + ")" * 5000, "formula", "nested too deeply"),
    ("y ~ " + "x + " * 250_000 + "z", "formula", "1000005 characters"),
    ("y ~ " + "x" * 1000, "unknown_column", "no column 'xxx", "..."),
    ("y ~ (x + z + n + m + p + t + u + w + k)^9 * (g + s)^2 * b^9", "too_many_columns", ""),
]:
    name = formula if len(formula) < 40 else f"{formula[:30]} ... {len(formula)}"
    status = 2 if code in ("formula", "unknown_transform", "unknown_contrast") else 3
    case(f"'{name}'", formula, status, code, *words)
case("a transform in --x misspelt", ["--y", "y", "--x", "lgo(x)"], 2, "unknown_transform", "did you mean 'log'")
case("a parameter that the family has not", ["n ~ x", "alpha ~ z", "-f", "poisson"], 2, "unknown_parameter", "mu")
case("a parameter twice", ["n ~ x", "alpha ~ z", "alpha ~ x", "-f", "nb"], 2, "formula", "two formulas")
case("a further formula without a parameter", ["n ~ x", "~ z", "-f", "nb"], 2, "formula", "names no parameter")
case("a further formula with a mistake", ["n ~ x", "alpha ~ lgo(z)", "-f", "nb"], 2, "unknown_transform", "'log'")
case("a further formula without terms", ["n ~ x", "alpha ~ 0", "-f", "nb"], 2, "formula", "alpha ~ 1")
case("phi of a quasi-likelihood", ["n ~ x", "phi ~ z", "-f", "quasi-poisson"], 3, "quasi_phi", "negative-binomial")

# ---- Output ----

case("output to a folder", ["y ~ x", "-o", "FOLDER"], 3, "is_folder", "give the name of a file")
case("output to no folder", ["y ~ x", "-o", "FOLDER/a/b"], 3, "no_folder", "create the folder")
case("output over the data", ["y ~ x", "-o", "DATA"], 2, "overwrites_data", "another file")
case("output to nothing", ["y ~ x", "-o", ""], 3, "bad_name", "--output FILE")
if os.path.exists("/dev/full"):
    case("output to a full disk", ["y ~ x", "-o", "/dev/full"], 3, "disk_full", "no space is left")


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of the command, run in this process."""
    status = main(arguments)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.name)
def test_what_is_wrong_is_said(wrong: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = wrong.command(tmp_path)
    status, out, err = answer(command, capsys)
    assert (status, out) == (wrong.status, ""), err
    lines = err.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: "), "every error says what to do"
    assert max(map(len, lines)) < 1000 + len(str(tmp_path))
    assert err.replace("\n", "").isprintable()
    for word in wrong.words:
        assert word.casefold() in err.casefold(), f"{word!r} is not in: {err}"

    status, out, err = answer([*command, "--json"] if "--json" not in command else command, capsys)
    document = json.loads(out)
    jsonschema.validate(document, schema("glmfit/error/1"))
    assert (status, document["error"]["code"]) == (wrong.status, wrong.code)
    assert document["error"]["message"] == lines[0].removeprefix("error: ")


def test_names_of_cases_differ() -> None:
    assert [name for name, count in Counter(wrong.name for wrong in CASES).items() if count > 1] == []
    assert len(CASES) >= 110
