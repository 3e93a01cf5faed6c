"""Wrong files and wrong values: the exit status and the words that each gets.

One table: the name of a case, what follows `glmfit fit DATA` (or a whole command in which DATA is the file), the exit
status, the code, and words of the message or its hint, in any order and case. Rows, values and remedies are among them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path
from random import Random
from shlex import quote

import numpy as np
import pyarrow as pa
import pytest
from bad_cases import COLUMNS, Case, Cases, answer, table
from pyarrow import feather, parquet

FILES = Path(__file__).resolve().parents[1] / "table" / "files"
TREES = Path(__file__).resolve().parents[2] / "sample_data" / "trees.xlsx"
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
case("folder without tables", ["glmfit", "fit", "FOLDER", "y ~ x"], 3, "is_directory", "a pattern", file="data.log")
case(
    "pattern without files",
    ["glmfit", "fit", "FOLDER/part-*.csv", "y ~ x"],
    3,
    "not_found",
    "no file matches",
    "part-*",
)
case("pattern without quotes", ["glmfit", "fit", "DATA", "DATA", "y ~ x"], 2, "formula", "quote a pattern")
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
    "latin-1",
    table(g={4: "caf\xe9"}).decode().encode("latin-1"),
    "not_utf8",
    "0xE9",
    "row 4",
    "63 61 66 E9",
    "--encoding windows-1252 would read 'caf\xe9'",
    formula="y ~ g",
)
broken("half of utf-16", table().decode().encode("utf-16")[:-1], "not_utf8", "utf-16", "position")
broken("utf-16 without mark", table().decode().encode("utf-16-le"), "not_utf8", "UTF-16", "--encoding utf-16-le")
broken("row too short", table() + b"1,2\n", "ragged_rows", "row 13", "2 fields", "17")
broken("row too long", table().replace(b"0.4,1,4", b"0.4,1,4,5"), "ragged_rows", "row 2", "18 fields", "17")
broken("comma in a value", table(g={5: "a,b"}), "ragged_rows", "row 5", "double quotes")
broken("first name missing", table().replace(b"y,n,m", b"n,m"), "ragged_rows", "row 1 ", "row names", formula="n ~ x")
broken("column twice", table().replace(b"y,n,m", b"y,x,m"), "duplicate_column", "'x'", "columns 2 and 8")
broken(
    "delimiter unknown",
    table(" ").replace(b"my col", b"c"),
    "unknown_column",
    "17 fields between blanks",
    "--separator whitespace",
)
broken("one column", b"x\n1\n2\n3\n", "unknown_column", "no column 'y'", "the columns are 'x'")
broken("only comments", b"# a\n# b\n# c\n", "unknown_column", "no column 'y'", "--comment")
broken("comments before the header", b"# made by X\n" + table(), "unknown_column", "line 2", "--comment '#'")
broken("title before the header", b"Table 1\n\n" + table(), "unknown_column", "line 3", "--skip 2")
broken("open quote", table(g={3: '"a'}), "unclosed_quote", "row 3", "never closed")
broken("open quote in the header", b'"' + table(), "unclosed_quote", "header", "never closed")
broken("NUL in a value", table(g={3: "a\0"}), "nul_bytes", "NUL byte at position")
broken("truncated gzip", gzip.compress(table())[:-20], "damaged_compression", "gzip", "again", file="data.csv.gz")
broken("gzip of nothing", gzip.compress(b""), "empty_file", "is empty", file="data.csv.gz")
broken("truncated zstd", pa.compress(table(), "zstd", asbytes=True)[:-9], "damaged_compression", "zstd")
broken("truncated parquet", arrow("parquet")[:-30], "damaged_parquet", "again", file="data.parquet")
broken("text called parquet", table().replace(b"y,", b"q,"), "unknown_column", "no column 'y'", file="d.parquet")
broken("truncated feather", arrow("feather")[:-30], "damaged_file", "Arrow", "again", file="data.feather")
broken("JSON cut off", b'[{"y": 1, "x": 2}, {"y": 2, "x"', "damaged_file", "character", file="data.json")
broken("JSON lines of other things", b'{"y": 1, "x": 2}\n[2, 3]\n', "not_a_table", "row 2", "[2, 3]")
broken("JSON lines with an open brace", b'{"y": 1, "x": 2}\n{"y": 2, "x": 3\n', "damaged_file", "line 2")
broken("JSON of lists", b'{"y": 1, "x": [1, 2]}\n', "unsupported_type", "'x' holds [1, 2] in row 1")
broken("JSON of mixed types", b'{"y": 1, "x": 2}\n{"y": 2, "x": "a"}\n', "mixed_types", "'a' in row 2")
broken(
    "a saved model",
    b'{"schema": "glmfit/model/1",\n "fit": {}}',
    "not_a_table",
    "it is glmfit/model/1, where data are asked for",
    "goes to predict, test",
)
broken("JSON as one object", b'{"rows": [\n{"y": 1}]}', "not_a_table", "one JSON object", "'rows'", "jq -c")
broken("web page", b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "not_a_table", "web page", "download")
broken("XML", b'<?xml version="1.0"?>\n<data><y>1</y></data>\n', "not_a_table", "XML", "CSV")
broken("PDF", b"%PDF-1.7\n1 0 obj\n", "not_a_table", "PDF")
broken("SQLite", b"SQLite format 3\0" + bytes(99), "not_a_table", "SQLite", "sqlite3 -header -csv")
broken("tar", b"data.csv" + bytes(249) + b"ustar\x0000" + bytes(250), "not_a_table", "tar", "tar -xO")
broken("Stata cut off", b"<stata_dta><header><release>118</release>" + bytes(50), "damaged_file", "Stata", "again")
broken("SPSS cut off", b"$FL2@(#) SPSS DATA FILE" + bytes(50), "damaged_file", "SPSS", "again")
broken("SAS cut off", gzip.decompress((FILES / "iris.sas7bdat.gz").read_bytes())[:70_000], "damaged_file", "SAS",
       formula="Sepal_Length ~ 1")  # fmt: skip
broken("pickle", b"\x80\x04\x95\x1e\0\0\0\0\0\0\0}", "not_a_table", "pickle", "CSV")
broken("NumPy", b"\x93NUMPY\x01\0v\0{'descr'", "not_a_table", "NumPy", "CSV")
broken("a value of 10 MB", table(x={3: "q" * 10_000_000}), "mostly_numbers", "row 3", "qqq...", "quote may be open")
broken("a value of 10 MB as a factor", table(x={3: "q" * 10_000_000}), "long_value", "row 3", "10000000 characters",
       formula="y ~ C(x)")  # fmt: skip
broken("a response of 10 MB", table(y={3: "q" * 10_000_000}), "not_numeric", "row 3", "qqq...")
broken("a name of 10 MB", b"q" * 10_000_000 + table(), "unclosed_quote", "header")
broken(
    "a quote closed too late", b'y,x\n1,a\n2,"b\n' + b"3,c\n" * 5000 + b'4,d"\n5,e\n', "long_value", "row 2", "quote"
)
broken("decimal commas", table(";", y={3: "1,5", 4: "a"}), "not_numeric", "'1,5' in row 3 (and 1 more)")
broken("thousands", table(";", z={3: "1,234,567"}), "not_numeric", "row 3", "--thousands , reads", formula="z ~ x")

# ---- Files as people have them ----


def zipped(*names: str, content: bytes = b"y,x\n1,2\n", **options: int) -> bytes:
    """A zip archive of files of the same content."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def flagged(archive: bytes) -> bytes:
    """The archive with its files marked as encrypted."""
    for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = archive.index(header) + at
        archive = archive[:place] + bytes([archive[place] | 1]) + archive[place + 1 :]
    return archive


def column(values: list[object], end: bytes = b"") -> bytes:
    """y from 1 and x with these values."""
    return b"y,x\n" + "".join(f"{y},{x}\n" for y, x in enumerate(values, start=1)).encode() + end


TITLE = table().replace(b"y,n,m", b"Sales,,\ny,n,m", 1)
NUMBERS = [round(1.5 * at, 1) for at in range(1, 43)]
CROWNS = [f"{at % 7} kr" for at in range(40)]
case("a total below", "y ~ x", 3, "not_numeric", "'Total' in row 43", "--na Total",
     data=column(NUMBERS, b"Total,\n"))  # fmt: skip
case("a total below a covariate", "y ~ x", 3, "mostly_numbers", "'Total' in row 43", "other 42 values", "C(x)",
     data=column(NUMBERS, b",Total\n"))  # fmt: skip
case("two totals below a column of weights", ["y ~ 1", "--weights", "x"], 3, "not_numeric", "'Summe' in row 43 (and 1",
     data=column(NUMBERS, b"1,Summe\n2,Summe\n"))  # fmt: skip
case("a total where a logarithm is taken", "y ~ log(x)", 3, "not_numeric", "'Total' in row 43",
     data=column(NUMBERS, b",Total\n"))  # fmt: skip
case("a footnote", "y ~ x", 3, "ragged_rows", "row 43", "'Source: us'", "note", data=column(NUMBERS, b"Source: us\n"))
for name, write, words in (
    ("thousands", lambda v: f'"{1000 + v:,}"', ("40 of its 40 values", "'1,000' in row 1", "--thousands ,", "C(x)")),
    ("no-break thousands", lambda v: f"1\u00a0{100 + v}", ("in row 1", "--thousands space")),
    ("apostrophes", lambda v: f"1'{100 + v}", ("'1'100' in row 1", '--thousands "\'"')),
    ("dollars", lambda v: f'"${1000 + v:,}.50"', ("'$1,000.50' in row 1", "take off $", "--thousands ,")),
    ("euros", lambda v: f"\u20ac {v}.5", ("take off \u20ac", "sed -E")),
    ("percentages", lambda v: f"{v}%", ("'0%' in row 1", "take off %", "sed -E 's/%//g'")),
    ("decimal commas with commas", lambda v: f'"{v},5"', ("'0,5' in row 1", "--decimal ,")),
):
    data = column([write(value) for value in range(40)])
    case(f"{name} in a covariate", "y ~ x", 3, "disguised_numbers", *words, data=data)
    case(f"{name} in the response", "x ~ y", 3, "not_numeric", "in row 1 (and 39 more)", words[-2], data=data)
case("thousands and a dash", "y ~ x", 3, "disguised_numbers", "--thousands ,", "--na -",
     data=column(["-", *(f'"{1000 + value:,}"' for value in range(40))]))  # fmt: skip
case("continental numbers", "y ~ x", 3, "disguised_numbers", "'1.000,50' in row 1", "--thousands . --decimal ,",
     data=b"y;x\n" + b"".join(b"%d;%d.000,50\n" % (at, at) for at in range(1, 40)))  # fmt: skip
case("a decimal point under --decimal ,", ["y ~ x", "--decimal", ","], 3, "not_numeric", "'1.2' in row 1", "--decimal")
for sign in ("-", "--", "?", "n.d.", ".a"):
    case(f"missing as {sign}", "y ~ x", 3, "mostly_numbers", f"'{sign}' in row 2 (and 1 more)", f"--na {quote(sign)}",
         data=column([1.5, sign, 2.5, sign, 4]))  # fmt: skip
case("units", "y ~ x", 3, "mostly_numbers", "'m' in row 1", "--skip 0,1", data=b"y,x\nkg,m\n" + column(NUMBERS)[4:])
case("units of the response", "y ~ 1", 3, "not_numeric", "'kg' in row 1", "--skip 0,1",
     data=b"y,x\nkg,m\n" + column(NUMBERS)[4:])  # fmt: skip
case("1 and 2", ["y ~ x", "-f", "binomial"], 3, "outside_support", "'y' is 2 in row 2", "--success 2",
     data=b"y,x\n1,2\n2,3\n1,4\n2,6\n")  # fmt: skip
case("neither 1 nor 2", ["y ~ x", "-f", "binomial", "--success", "3"], 2, "bad_success", "never 3",
     "--success 1 or --success 2", data=b"y,x\n1,2\n2,3\n1,4\n2,6\n")  # fmt: skip
broken("% comments", b"% made by X\n% 2024\n" + table(), "unknown_column", "line 3", "--comment '%'")
broken("// comments", b"// made by X\n" + table(), "unknown_column", "--comment '//'")
broken("a title of a spreadsheet", TITLE, "unknown_column", "line 2", "--skip 1", formula="n ~ x")
broken("a title and commas", b"Sales" + 2 * (b"," * 16 + b"\n") + table(), "unknown_column", "line 3", "--skip 2")
case("a pattern that matches nothing", ["glmfit", "fit", "FOLDER/*.tab", "y ~ x"], 3, "not_found", "no file matches")
broken("a title with as few commas", b"Sales, 2024\n" + table(), "unknown_column", "line 2", "--skip 1")
case("more lines left out than there are", ["y ~ x", "--skip", "99"], 3, "empty_file", "13 lines", "99")
case("--skip of text", ["y ~ x", "--skip", "a"], 2, "invalid_value", "--skip", "'a'")
case("--skip of three", ["y ~ x", "--skip", "1,2,3"], 2, "invalid_value", "--skip N,M")
case("--thousands of the decimal sign", ["y ~ x", "--thousands", "."], 2, "contradiction", "--decimal ,")
case("--separator misspelt", ["y ~ x", "--separator", "whitespce"], 2, "invalid_value", "did you mean 'whitespace'")
case("--encoding misspelt", ["y ~ x", "--encoding", "windows1252x"], 2, "invalid_value", "windows-1252")
case("--encoding that it is not", ["y ~ x", "--encoding", "ascii"], 3, "not_utf8", "ascii", "0xC3", "position",
     data=table(g={1: "\xe9"}))  # fmt: skip
case("--sheet of a CSV", ["y ~ x", "--sheet", "a"], 2, "contradiction", "--sheet", "delimited text")
case("--separator of Parquet", ["y ~ x", "--separator", ";"], 2, "contradiction", "Parquet", data=arrow("parquet"))
broken("colons", table(":"), "unknown_column", "17 fields between ':'", "--separator ':'")
broken("a broken archive", b"PK\x03\x04" + bytes(200), "damaged_compression", "zip", "again", file="data.zip")
broken("a broken workbook", TREES.read_bytes()[:5000], "damaged_file", "workbook", "again", file="data.xlsx")
broken("a workbook with a broken sheet", zipped("xl/workbook.xml", content=b"<a"), "damaged_file", "workbook")
broken(
    "a workbook with a password", (FILES / "protected.xlsx").read_bytes(), "password", "protected", "save it without"
)
case("no such sheet", ["y ~ x", "--sheet", "Tree"], 3, "unknown_sheet", "'Tree'", "did you mean 'trees'",
     data=TREES.read_bytes())  # fmt: skip
case("the first sheet is another", "Volume ~ 1", 3, "unknown_column", "'Volume'", data=TREES.read_bytes())
broken("an archive of two", zipped("a.csv", "b/c.csv"), "not_one_file", "2 files: 'a.csv', 'b/c.csv'", "unzip -p")
broken("an archive of none", zipped(), "not_one_file", "without a file")
broken("an archive with a password", flagged(zipped("a.csv")), "password", "protected", "unzip")
broken("a text document", zipped("[Content_Types].xml", "word/document.xml"), "not_a_table", "text document")
broken("an archive of an archive ...", zipped("a.zip", content=zipped("a.zip", content=zipped("a.zip", content=zipped(
    "a.csv")))), "damaged_compression", "more than 3 times")  # fmt: skip
broken("a bomb", 8 * bz2.compress(bytes(10_000_000)), "archive_bomb", "times its size", "unpack it first")
broken("truncated bzip2", bz2.compress(table())[:-9], "damaged_compression", "bzip2", "again")
broken("truncated xz", lzma.compress(table())[:-20], "damaged_compression", "xz", "again")
case("files of other columns", ["glmfit", "fit", "FOLDER/*", "y ~ x"], 3, "different_columns", "own.py has no",
     own="y,n\n1,2\n")  # fmt: skip

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
case("dates as the response", "d ~ x", 3, "not_numeric", "holds dates", "2024-05-01", "row 1", "days(d)", "C(d)")
case(
    "dates by themselves", "y ~ d", 3, "bare_date", "'2024-05-01' in row 1", "days(d)", "year(d)", "weekday(d)", "C(d)"
)
case("times of day by themselves", "y ~ g", 3, "bare_date", "'12:30' in row 1", "hour(g)", data=table(g="12:30"))
case("dates and times", "y ~ g", 3, "bare_date", "hour(g)", data=table(g={1: "2024-05-01 10:00"}, ).replace(
     b",a,", b",2024-05-01,").replace(b",b,", b",2024-05-02 11:00,").replace(b",c,", b",2024-05-03,"))  # fmt: skip
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
given = ["n ~ x", "-f", "poisson", "--offset"]
case("offset of an exposure", [*given, "z"], 3, "bad_offset", "from 1 to 3000 (row 4)", "write --exposure z",
     data=table(z={4: 3000}))  # fmt: skip
case("logarithm of 0 as an offset", [*given, "log(z)"], 3, "not_finite", "row 4", "z = 0", data=table(z={4: 0}))
case("arithmetic of text as weights", ["y ~ x", "--weights", "g + 1"], 3, "not_numeric", "column 'g'")
case("negative arithmetic as weights", ["y ~ x", "--weights", "w - 2"], 3, "bad_weight", "'w - 2' is -1 in row 1")
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
        (["y ~ C(d)"], 5, "saturated"),  # as many levels as rows
        (["y ~ C(d)*g"], 5, "aliased"),  # more coefficients than rows
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
