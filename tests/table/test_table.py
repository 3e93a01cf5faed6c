"""Files and frames to typed columns: what is read, what is refused, and the words that refuse it."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glmfit.errors import DataError, UsageError
from glmfit.reading import Reading
from glmfit.table import Column, Table, complete_rows, from_frame, open_source

NAN = float("nan")
INF = float("inf")
BLOCK = 1 << 20  # pyarrow infers types from this many bytes

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


def shown(column: Column) -> list[object]:
    """The column as Python values, None where missing."""
    if column.levels is None:
        return [None if np.isnan(value) else float(value) for value in column.values]
    return [None if code < 0 else column.levels[code] for code in column.values]


def check(column: Column) -> None:
    """What holds for every column."""
    if column.levels is None:
        assert column.kind == "number"
        assert column.values.dtype == np.float64
    else:
        assert column.kind in ("boolean", "text", "date")
        assert column.values.dtype == np.int64
        assert set(column.values) - {-1} == set(range(len(column.levels))), "no level is without a row"
    assert column.missing.dtype == bool


def read_one(path: str, name: str = "x", na: tuple[str, ...] = ()) -> Column:
    column = open_source(path, Reading(na=na)).read([name])[name]
    check(column)
    return column


# What single values mean --------------------------------------------------------------------------------------------

MEANINGS = {
    "integers": ("1 2 3", "number", [1, 2, 3]),
    "zero and one are numbers": ("0 1 1", "number", [0, 1, 1]),
    "decimals": ("1.5 .5 2. -3", "number", [1.5, 0.5, 2, -3]),
    "exponents": ("1e5 1E-3 2.5e+2", "number", [1e5, 1e-3, 250]),
    "plus signs": ("+3 +1.5 2", "number", [3, 1.5, 2]),
    "leading zeros": ("007 010 08", "number", [7, 10, 8]),
    "infinities stay": ("Inf -inf 1 INF Infinity", "number", [INF, -INF, 1, INF, INF]),
    "beyond float64": ("1e400 -1e400", "number", [INF, -INF]),
    "correctly rounded": (
        "0.1 2.2250738585072011e-308 9007199254740992",
        "number",
        [0.1, 2.2250738585072011e-308, 2**53],
    ),
    "missing among numbers": ("1 NA NaN nan NULL null N/A . 2", "number", [1, *[None] * 7, 2]),
    "None among numbers": ("1 None 2", "number", [1, None, 2]),
    "None among words": ("None some None", "text", ["None", "some", "None"]),
    "missing among words": ("a NA b null .", "text", ["a", None, "b", None, None]),
    "all missing": ("NA NA", "number", [None, None]),
    "TRUE": ("TRUE FALSE NA TRUE", "boolean", ["True", "False", None, "True"]),
    "true": ("true false", "boolean", ["True", "False"]),
    "True": ("True True", "boolean", ["True", "True"]),
    "T and F": ("T F T", "boolean", ["True", "False", "True"]),
    "F alone is a word": ("F F", "text", ["F", "F"]),
    "F and M": ("F M", "text", ["F", "M"]),
    "true and 1": ("true 1", "text", ["true", "1"]),
    "dates as written": ("2024-05-31 2023-01-02", "date", ["2024-05-31", "2023-01-02"]),
    "times": (
        "2024-05-31T10:00:00Z 2024-05-31T10:00:00.50Z",
        "date",
        ["2024-05-31T10:00:00Z", "2024-05-31T10:00:00.50Z"],
    ),
    "time of day": ("12:30 09:15:01", "date", ["12:30", "09:15:01"]),
    "a date and a word": ("2024-05-31 later", "text", ["2024-05-31", "later"]),
    "no such month": ("2024-13-31 2024-01-01", "text", ["2024-13-31", "2024-01-01"]),
    "hexadecimal is text": ("0x1A 2", "text", ["0x1A", "2"]),
    "underscores are text": ("1_000 2", "text", ["1_000", "2"]),
    "other digits are text": ("٣ 2", "text", ["٣", "2"]),
    "unicode": ("é 日本 a", "text", ["é", "日本", "a"]),
}


@pytest.mark.parametrize(("values", "kind", "expected"), MEANINGS.values(), ids=MEANINGS.keys())
def test_meaning_of_values(write: Write, values: str, kind: str, expected: list[object]) -> None:
    column = read_one(write("x\n" + "\n".join(values.split(" ")) + "\n"))
    assert (column.kind, shown(column)) == (kind, expected)


@pytest.mark.parametrize(("values", "kind", "expected"), MEANINGS.values(), ids=MEANINGS.keys())
def test_meaning_does_not_depend_on_the_first_block(
    write: Write, values: str, kind: str, expected: list[object]
) -> None:
    """The same values after a first block that is all missing, and with text that ends as a row of its own."""
    rows = BLOCK // 40
    padding = ("NA," + "x" * 40 + "\n") * rows
    column = read_one(write("x,long\n" + padding + "".join(f"{value},y\n" for value in values.split(" "))))
    assert (column.kind, shown(column)[rows:]) == (kind, expected)
    assert column.missing[:rows].all()


SPELLED = {
    "blanks around numbers": ("x\n 3\n 4 \n", [3, 4]),
    "blank and padded NA": ("x,y\n1,1\n  ,1\n NA ,1\n2,1\n", [1, None, None, 2]),
    "empty": ("x,y\n1,1\n,1\n", [1, None]),
    "quoted numbers": ('x\n"1.5"\n"2"\n', [1.5, 2]),
    "quoted NA and quoted empty": ('x\n"NA"\n""\n1\n', [None, None, 1]),
    "quoted NA among words": ('x\n"NA"\n""\n"a"\n', [None, None, "a"]),
    "delimiter and quote in quotes": ('x,y\n"a,b",1\n"say ""hi""",2\n', ["a,b", 'say "hi"']),
    "line ends in quotes": ('x,y\n"a\nb",1\n"c\r\nd",2\n', ["a\nb", "c\r\nd"]),
    "a quote inside a value": ('x,y\n5" pipe,1\n6 pipe,2\n', ['5" pipe', "6 pipe"]),
    "carriage returns": ("x,y\r\n1,2\r\n3,4\r\n", [1, 3]),
    "only carriage returns": ("x,y\r1,2\r3,4\r", [1, 3]),
    "no line end at the end": ("x,y\n1,2\n3,4", [1, 3]),
    "blank lines": ("\n\nx,y\n\n1,2\n\n3,4\n\n", [1, 3]),
    "byte order mark": ("\ufeffx,y\n1,2\n", [1]),
    "quoted header": ('"x","y"\n1,2\n', [1]),
    "line end in the header": ('"y\nz",x\n1,2\n', [2]),
    "blanks around names": ("y, x\n1, 2\n", [2]),
    "tabs": ("y\tx\n1\t2\n", [2]),
    "semicolons": ("y;x\n1;2\n", [2]),
    "pipes": ("y|x\n1|2\n", [2]),
    "semicolons, commas in quotes": ('"a,b,c";x\n1;2\n', [2]),
    "a tie is settled by the next row": ("weight, kg;x\n1;2\n", [2]),
    "blank and duplicate names elsewhere": (",a,a,x\n1,2,3,4\n", [4]),
}


@pytest.mark.parametrize(("content", "expected"), SPELLED.values(), ids=SPELLED.keys())
def test_spelling_of_a_file(write: Write, content: str, expected: list[object]) -> None:
    assert shown(read_one(write(content))) == expected


def test_tsv_means_tab_even_where_the_header_has_more_commas(write: Write) -> None:
    content = "a,b,c\tx\n1\t2\n"
    assert open_source(write(content, "data.tsv")).header == ("a,b,c", "x")
    assert open_source(write(gzip.compress(content.encode()), "data.tsv.gz")).header == ("a,b,c", "x")
    assert open_source(write(content, "data.csv")).header == ("a", "b", "c\tx")


def test_decimal_commas_in_a_semicolon_file(write: Write) -> None:
    path = write("x;y;z;w\n1;1,5;1.000,5;1,5\n2;-20;2;2.5\n3;1,25e2;3;3\n4;NA;4;4\n")
    table = open_source(path).read(["x", "y", "z", "w"])
    assert shown(table["y"]) == [1.5, -20, 125, None]
    assert [(finding.code, finding.terms) for finding in table.findings] == [("decimal_comma", ("y",))]
    assert "1,5 in row 1 is 1.5" in table.findings[0].message
    assert table["z"].kind == table["w"].kind == "text", "thousands or a point beside a comma are not guessed at"
    assert read_one(write("y,x\n1,2\n")).kind == "number"
    assert read_one(write('x,y\n"1,5",1\n')).kind == "text", "not in a comma file"


# Types that change late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "late", "kind", "last"),
    [
        ("1", "0.5", "number", 0.5),
        ("1", "word", "text", "word"),
        ("0.5", "word", "text", "word"),
        ("1", " 7", "number", 7),
        ("1", "+7", "number", 7),
        ("1", " NA", "number", None),
        ("1", "None", "number", None),
        ("NA", "3", "number", 3),
        ("NA", "word", "text", "word"),
        ("true", "maybe", "text", "maybe"),
        ("2024-01-01", "never", "text", "never"),
        ("2024-01-01", "2024-01-01 10:00", "date", "2024-01-01 10:00"),
        ("word", "1", "text", "1"),
    ],
)
def test_type_that_changes_far_into_the_file(write: Write, start: str, late: str, kind: str, last: object) -> None:
    rows = 3 * BLOCK // 100
    path = write("x,y,z,long\n" + f"{start},2,b,{'-' * 100}\n" * rows + f"{late},3.5,c,\n")
    table = open_source(path).read(["x", "y", "z"])
    assert len(table) == rows + 1
    assert table["x"].kind == kind
    assert shown(table["x"])[-1] == last
    meant = {"NA": None, "1": 1.0, "0.5": 0.5}.get(start, start) if kind == "number" or start == "NA" else start
    assert shown(table["x"])[0] == meant
    assert shown(table["y"])[-1] == 3.5
    assert table["z"].levels == ("b", "c")


def test_several_columns_change_and_levels_of_all_blocks_are_one(write: Write) -> None:
    rows = BLOCK // 8
    lines = [f"{i},{i % 7},g{i * 1000 // rows},{i}" for i in range(rows)]
    lines[-1] = "late,0.25,last,later"
    table = open_source(write("a,b,g,c\n" + "\n".join(lines) + "\n")).read(["c", "g", "b", "a"])
    assert list(table.columns) == ["c", "g", "b", "a"]
    assert table["a"].kind == table["c"].kind == "text"
    assert shown(table["g"]) == [f"g{i * 1000 // rows}" for i in range(rows - 1)] + ["last"]
    assert shown(table["b"]) == [i % 7 for i in range(rows - 1)] + [0.25]
    assert shown(table["a"])[12345] == "12345"


# Integers that float64 rounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "row"),
    [
        (["1", "9007199254740993"], 2),
        (["-9007199254740993", "2"], 1),
        (["1.5", "2", "9007199254740993"], 3),
        (["18446744073709551615", "1"], 1),
        (["1", "123456789012345678901234567890"], 2),
        (["1", "None", "9007199254740993"], 3),
        (["1", "9007199254740992", "9007199254740994", "1e300", "9007199254740993.0", "Inf"], None),
        (["0" * 5000 + "12", "1"], None),
    ],
)
def test_large_integers_are_found_in_text(write: Write, values: list[str], row: int | None) -> None:
    table = open_source(write("x\n" + "\n".join(values) + "\n")).read(["x"])
    assert table["x"].kind == "number"
    assert [finding.code for finding in table.findings] == (["large_integers"] if row else [])
    if row:
        assert f"{values[row - 1]} in row {row} " in table.findings[0].message
        assert table.findings[0].terms == ("x",)
        assert table["x"].values[row - 1] == float(values[row - 1])


@pytest.mark.parametrize(
    ("array", "row"),
    [
        (pa.array([1, None, 2**53 + 1], pa.int64()), 3),
        (pa.array([-(2**63), -(2**63) + 1], pa.int64()), 2),
        (pa.array([2**63, 2**64 - 1], pa.uint64()), 2),
        (pa.array([decimal.Decimal(2**53 + 1), None]), 1),
        (pa.array([2**53, -(2**53), 2**53 + 2], pa.int64()), None),
    ],
)
def test_large_integers_are_found_in_typed_columns(array: pa.Array, row: int | None) -> None:
    table = from_frame(pa.table({"x": array})).read(["x"])
    assert [finding.terms for finding in table.findings] == ([("x",)] if row else [])
    if row:
        assert f"{array[row - 1].as_py()} in row {row} " in table.findings[0].message


# Spellings of a missing value that the caller adds ------------------------------------------------------------------


def test_added_spellings_of_missing(write: Write) -> None:
    path = write("x,g,w\n-99,unknown,1\n-99.0,b,-\n1,NA,2\n")
    table = open_source(path, Reading(na=("-99", "unknown", "-"))).read(["x", "g", "w"])
    assert shown(table["x"]) == [None, None, 1]
    assert shown(table["g"]) == [None, "b", None]
    assert shown(table["w"]) == [1, None, 2]
    typed = from_frame({"x": [-99, 1], "g": ["unknown", "NA"]}, Reading(na=("-99", "unknown"))).read(["x", "g"])
    assert shown(typed["x"]) == [None, 1]
    assert shown(typed["g"]) == [None, "NA"], "typed text has no spellings of its own"


# Containers ---------------------------------------------------------------------------------------------------------


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


TEXT = b"y,x\n1,2\n3,4\n"
CONTAINERS = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip of two members": gzip.compress(TEXT[:7]) + gzip.compress(TEXT[7:]),
    "zstd": pa.compress(TEXT, codec="zstd", asbytes=True),
    "parquet": parquet(pa.table({"y": [1, 3], "x": [2, 4]})),
    "gzip of parquet": gzip.compress(parquet(pa.table({"x": [2, 4]}))),
}


@pytest.mark.parametrize("content", CONTAINERS.values(), ids=CONTAINERS.keys())
@pytest.mark.parametrize("name", ["data.csv", "data.gz", "data.parquet", "data"])
def test_containers_are_known_by_their_content(write: Write, content: bytes, name: str) -> None:
    path = write(content, name)
    table = open_source(path).read(["x"])
    assert shown(table["x"]) == [2, 4]
    assert (table.source, table.rows_read, table.rows.tolist(), table.dropped) == (path, 2, [1, 2], {})


@pytest.mark.parametrize("content", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    source = open_source("-")
    assert source.name == "-"
    assert shown(source.read(["x"])["x"]) == [2, 4]
    assert shown(source.read(["x"])["x"]) == [2, 4], "held in memory: it can be read again"


def test_a_pipe_with_a_name(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["sh", "-c", f"printf 'x\\n1\\n2\\n' > '{path}'"]):
        assert shown(read_one(str(path))) == [1, 2]


def test_parquet_types(write: Write) -> None:
    when = datetime.datetime(2024, 5, 31, 10, 0, 1)
    table = pa.table(
        {
            "int8": pa.array([1, None, -3], pa.int8()),
            "uint32": pa.array([1, None, 2**32 - 1], pa.uint32()),
            "float": pa.array([0.5, None, NAN], pa.float32()),
            "half": pa.array(np.array([0.5, 1, 2], np.float16)),
            "decimal": pa.array([decimal.Decimal("0.10"), None, decimal.Decimal("-1234.56")]),
            "bool": pa.array([True, None, False]),
            "true": pa.array([True, True, True]),
            "string": pa.array(["b", None, "NA"]),
            "digits": pa.array(["1", "2", ""]),
            "bytes": pa.array([b"b", None, b"a"]),
            "dictionary": pa.array(["z", "a", None]).dictionary_encode(),
            "date": pa.array([datetime.date(2024, 5, 31), None, datetime.date(2023, 1, 1)]),
            "timestamp": pa.array([when, None, when.replace(second=0, microsecond=500000)], pa.timestamp("us")),
            "midnight": pa.array(
                [datetime.datetime(2024, 5, 31), None, datetime.datetime(2023, 1, 1)], pa.timestamp("ns")
            ),
            "null": pa.nulls(3),
            "Solar.R": pa.array([1, 2, 3]),
            "list": pa.array([[1], [2], [3]]),
        }
    )
    expected = {
        "int8": ("number", [1, None, -3]),
        "uint32": ("number", [1, None, 4294967295]),
        "float": ("number", [0.5, None, None]),
        "half": ("number", [0.5, 1, 2]),
        "decimal": ("number", [0.1, None, -1234.56]),
        "bool": ("boolean", ["True", None, "False"]),
        "true": ("boolean", ["True", "True", "True"]),
        "string": ("text", ["b", None, "NA"]),
        "digits": ("text", ["1", "2", ""]),
        "bytes": ("text", ["b", None, "a"]),
        "dictionary": ("text", ["z", "a", None]),
        "date": ("date", ["2024-05-31", None, "2023-01-01"]),
        "timestamp": ("date", ["2024-05-31 10:00:01", None, "2024-05-31 10:00:00.500000"]),
        "midnight": ("date", ["2024-05-31", None, "2023-01-01"]),
        "null": ("number", [None, None, None]),
        "Solar.R": ("number", [1, 2, 3]),
    }
    source = open_source(write(parquet(table, row_group_size=2), "data.parquet"))
    result = source.read(list(expected))
    for name, (kind, values) in expected.items():
        check(result[name])
        assert (result[name].kind, shown(result[name])) == (kind, values), name
    assert result["dictionary"].levels == ("a", "z"), "sorted, not in order of appearance"
    with pytest.raises(DataError, match="column 'list' holds values of type list") as caught:
        source.read(["list"])
    assert caught.value.code == "unsupported_type"


def test_slices_and_chunks_of_arrow_tables() -> None:
    numbers = pa.array([None if i % 5 == 0 else i for i in range(100)])
    flags = pa.array([None if i % 7 == 0 else i % 2 == 0 for i in range(100)])
    words = pa.array([None if i % 3 == 0 else f"w{i % 11}" for i in range(100)])
    whole = pa.table({"n": numbers, "f": flags, "w": words, "d": words.dictionary_encode()})
    table = pa.concat_tables([whole.slice(3, 20), whole.slice(41, 0), whole.slice(50, 33)])
    result = from_frame(table).read(["n", "f", "w", "d"])
    for name in ("n", "w", "d"):
        assert shown(result[name]) == table[name].to_pylist()
    assert shown(result["f"]) == [None if value is None else str(value) for value in table["f"].to_pylist()]


def test_dictionaries_that_differ_from_chunk_to_chunk() -> None:
    chunks = [pa.array(["b", "a"]).dictionary_encode(), pa.array(["c", None, "a"]).dictionary_encode()]
    column = from_frame(pa.table({"g": pa.chunked_array(chunks)})).read(["g"])["g"]
    check(column)
    assert (column.levels, shown(column)) == (("a", "b", "c"), ["b", "a", "c", None, "a"])


# Frames in memory ---------------------------------------------------------------------------------------------------


def test_pandas_frame() -> None:
    import pandas as pd

    frame = pd.DataFrame(
        {
            "int": [1, 2, 3],
            "float": [0.5, NAN, 2],
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "bool": [True, False, True],
            "flag": pd.array([True, None, False], dtype="boolean"),
            "text": ["b", None, "a"],
            "own": pd.Categorical(["mid", "low", None], categories=["low", "mid", "high"]),
            "cut": pd.cut([1, 5, 9], [0, 4, 10]),
            "date": pd.to_datetime(["2024-05-31", None, "2023-01-01"]),
            7: [1.0, 2.0, 3.0],
            "mixed": [1, None, "b"],
        }
    )
    source = from_frame(frame)
    assert (source.name, source.header[9]) == ("<frame>", "7")
    table = source.read(source.header[:-1])
    expected: dict[str, tuple[str, list[object]]] = {
        "int": ("number", [1, 2, 3]),
        "float": ("number", [0.5, None, 2]),
        "nullable": ("number", [1, None, 3]),
        "bool": ("boolean", ["True", "False", "True"]),
        "flag": ("boolean", ["True", None, "False"]),
        "text": ("text", ["b", None, "a"]),
        "own": ("text", ["mid", "low", None]),
        "cut": ("text", ["(0, 4]", "(4, 10]", "(4, 10]"]),
        "date": ("date", ["2024-05-31", None, "2023-01-01"]),
        "7": ("number", [1, 2, 3]),
    }
    for name, (kind, values) in expected.items():
        check(table[name])
        assert (table[name].kind, shown(table[name])) == (kind, values), name
    assert table["own"].levels == ("low", "mid"), "its own order, without the level that does not occur"
    with pytest.raises(DataError, match="column 'mixed' mixes types: 1 in row 1, 'b' in row 3"):
        source.read(["mixed"])


def test_a_categorical_keeps_its_order_through_parquet(write: Write) -> None:
    import pandas as pd

    frame = pd.DataFrame({"g": pd.Categorical(["mid", "low", "high", "mid"], categories=["low", "mid", "high", "top"])})
    path = write(parquet(pa.Table.from_pandas(frame), row_group_size=2), "data.parquet")
    assert read_one(path, "g").levels == ("low", "mid", "high")
    assert from_frame(frame).read(["g"])["g"].levels == ("low", "mid", "high")


def test_mapping_of_columns() -> None:
    table = from_frame(
        {"a": [1, None, 3], "b": np.array([0.5, NAN, 1]), "g": ("u", "v", None), "t": [True, None, False]}
    )
    read = table.read(["t", "g", "b", "a"])
    assert {name: shown(read[name]) for name in read.columns} == {
        "t": ["True", None, "False"],
        "g": ["u", "v", None],
        "b": [0.5, None, 1],
        "a": [1, None, 3],
    }


def read_all(frame: object) -> Table:
    source = from_frame(frame)
    return source.read(source.header)


@pytest.mark.parametrize(
    ("frame", "error", "code"),
    [
        ([1, 2], UsageError, "not_a_table"),
        ({"a": np.ones((2, 2))}, DataError, "not_a_vector"),
        ({"a": [1, 2], "b": [1]}, DataError, "unequal_lengths"),
        ({"a": [object()]}, DataError, "unsupported_type"),
        ({"a": [1, "x"]}, DataError, "mixed_types"),
        ({"a": []}, DataError, "no_rows"),
    ],
)
def test_frames_that_are_refused(frame: object, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as caught:
        read_all(frame)
    assert caught.value.code == code  # type: ignore[attr-defined]


# What is refused ----------------------------------------------------------------------------------------------------

REFUSED = {
    "empty": (b"", "x", "empty_file", "is empty", "a header and rows"),
    "only line ends": (b"\xef\xbb\xbf\n\r\n \n", "x", "empty_file", "is empty", ""),
    "empty gzip": (gzip.compress(b""), "x", "empty_file", "is empty", ""),
    "header only": (b"x,y\n", "x", "no_rows", "has a header but no data rows", ""),
    "header without line end": (b"x,y", "x", "no_rows", "has a header but no data rows", ""),
    "too few fields": (
        b"x,y\n1,2\n\n3\n4,5\n",
        "x",
        "ragged_rows",
        "row 2 .* has 1 field where the header has 2: '3'",
        "double quotes",
    ),
    "too many fields": (
        b'x,y\n"1\n1",2\n3,4,5\n',
        "x",
        "ragged_rows",
        "row 2 .* has 3 fields where the header has 2",
        "','",
    ),
    "row names": (b"x,y\na,1,2\nb,3,4\n", "x", "ragged_rows", "row 1 .* has 3 fields", "row names"),
    "delimiter at the end": (b"x\ty\n1\t2\t\n", "x", "ragged_rows", "row 1", "delimiter at the end"),
    "ragged late": (b"x,y\n" + b"1,2\n" * BLOCK + b"3\n", "x", "ragged_rows", f"row {BLOCK + 1} ", ""),
    "latin-1": (
        'x,y\na,1\n"b\nb",2\ncafé,3\n'.encode("latin-1"),
        "x",
        "not_utf8",
        "byte 0xE9 at position 20, in row 3 ",
        "--encoding windows-1252 would read 'café'",
    ),
    "latin-1 in a ragged row": (b"x,y\n1,2\n\xe9\n", "x", "ragged_rows", "row 2 .* has 1 field", ""),
    "latin-1 late": (
        b"x,y\n" + b"a,2\n" * BLOCK + b"\xe9,2\n",
        "x",
        "not_utf8",
        f"position {5 + 4 * BLOCK}, in row {BLOCK + 1} ",
        "",
    ),
    "latin-1 in a number": (b"x,y\n1,2\n1\xb2,3\n", "x", "not_utf8", "byte 0xB2 at position 10, in row 2 ", ""),
    "latin-1 in the header": (b"x,\xe9\n1,2\n", "x", "not_utf8", "byte 0xE9 at position 3, in the header", ""),
    "UTF-16 without its mark": ("x,y\n1,2\n".encode("utf-16-le"), "x", "not_utf8", "UTF-16", "--encoding utf-16-le"),
    "unknown column": (b"age,y\n1,2\n", "agee", "unknown_column", "no column 'agee'", "did you mean 'age'?"),
    "nothing alike": (b"age,y\n1,2\n", "Q", "unknown_column", "no column 'Q'", "the columns are 'age', 'y'"),
    "separated by blanks": (b"x y\n1 2\n", "x", "unknown_column", "no column 'x'", "--separator whitespace"),
    "duplicate": (b"x,y,x\n1,2,3\n", "x", "duplicate_column", "columns 1 and 3 have that name", "own name"),
    "blank": (b",y\n1,2\n", "", "blank_column", "blank name", "a name in the header"),
    "truncated gzip": (
        gzip.compress(b"x\n" + os.urandom(99).hex().encode())[:-12],
        "x",
        "damaged_compression",
        "incomplete gzip",
        "again",
    ),
    "damaged gzip": (
        gzip.compress(TEXT)[:12] + b"????" + gzip.compress(TEXT)[16:],
        "x",
        "damaged_compression",
        "gzip",
        "",
    ),
    "truncated zstd": (pa.compress(TEXT, codec="zstd", asbytes=True)[:-4], "x", "damaged_compression", "zstd", ""),
    "truncated parquet": (parquet(pa.table({"x": [1]}))[:-9], "x", "damaged_parquet", "Parquet", ""),
    "damaged parquet": (
        b"PAR1" + b"\xff" * 60 + parquet(pa.table({"x": list(range(99))}))[64:],
        "x",
        "damaged_parquet",
        "Parquet",
        "",
    ),
    "NUL in the first bytes": (b"x,y\n1\0,2\n", "x", "nul_bytes", "NUL byte at position 6", ""),
    "NUL later": (
        b"x,y\n" + b"1,2\n" * 50000 + b"1\0,2\n",
        "x",
        "nul_bytes",
        "column 'x' has a NUL byte in row 50001",
        "tr -d",
    ),
    "binary": (bytes(range(256)) * 9, "x", "nul_bytes", "not a text file", "docs/data.md"),
    "broken zip": (b"PK\x03\x04" + bytes(99), "x", "damaged_compression", "zip", "again"),
    "R data": (gzip.compress(b"X\n\0\0\0\3" + bytes(99)), "x", "not_a_table", "R data file", "write.csv"),
    "open quote": (b'x,y\n1,2\n3,"4\n5,6\n', "x", "unclosed_quote", "in row 2 of .* is never closed", "close it"),
    "open quote, much follows": (b'x,y\n1,2\n3,"4\n' + b"5,6\n" * BLOCK, "x", "unclosed_quote", "in row 2 of", ""),
    "open quote in the header": (b'"x,y\n1,2\n', "x", "unclosed_quote", "in the header", ""),
    "open quote in a long header": (b'"x,y\n' + b"1,2\n" * BLOCK, "x", "unclosed_quote", "in the header", ""),
}


@pytest.mark.parametrize(("content", "column", "code", "message", "hint"), REFUSED.values(), ids=REFUSED.keys())
def test_files_that_are_refused(write: Write, content: bytes, column: str, code: str, message: str, hint: str) -> None:
    path = write(content)
    with pytest.raises(DataError, match=message) as caught:
        open_source(path).read([column])
    assert caught.value.code == code
    assert caught.value.hint, "every error says what to do"
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_paths_that_are_refused(write: Write, tmp_path: Path) -> None:
    write(TEXT, "claims.csv")
    cases = {
        str(tmp_path / "claim.csv"): ("not_found", "did you mean 'claims.csv'?"),
        str(tmp_path / "zzz"): ("not_found", "check the path"),
        str(tmp_path / "none" / "claims.csv"): ("not_found", "check the path"),
        "https://example.org/claims.csv": ("not_found", "curl"),
        str(tmp_path / "claims.cs"): ("not_found", "did you mean"),
        str(tmp_path / "claims.csv" / "x"): ("not_readable", "check the path"),
        "a\0b": ("not_readable", "check the path"),
    }
    for path, (code, hint) in cases.items():
        with pytest.raises(DataError) as caught:
            open_source(path)
        assert caught.value.code == code, path
        assert hint in (caught.value.hint or "")


def test_unreadable_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(TEXT)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", denied)  # chmod would not keep the superuser out
    with pytest.raises(DataError, match="permission denied") as caught:
        open_source(path)
    assert caught.value.code == "not_readable"


def test_only_the_columns_asked_for_are_parsed(write: Write) -> None:
    """What is wrong in other columns is nobody's business: bytes in another encoding, NUL bytes late in the file."""
    path = write(b"x,\xc3\xa9,z\n" + b"1,a,2\n" * 20000 + b"2,\xe9\0,3\n")
    table = open_source(path).read(["x"])
    assert list(table.columns) == ["x"]
    assert (len(table), table["x"].values[-1]) == (20001, 2)


def test_a_value_longer_than_a_block(write: Write) -> None:
    path = write("x,y\n1," + "a" * (3 * BLOCK) + "\n2,b\n")
    table = open_source(path).read(["x", "y"])
    assert shown(table["x"]) == [1, 2]
    assert [len(str(value)) for value in shown(table["y"])] == [3 * BLOCK, 1]


RUNS = {
    "numbers": ("x,y\n", "{0}.5,{0}\n", "", 40.0),
    "a missing value": ("x,y\n", "{0}.5,{0}\n", ",\n7,\n", None),
    "text late": ("x,y\n", "{0},{0}\n", "8,eight\n", "eight"),
    "many ways to end a line": ("x,y\r\n", "{0},b\r\n\r\n", "8,a\n\n\n\n\n", "a"),
    "line ends within quotes": ("x,y\n", '{0},"a\nb"\n', '8,"c\n\nd"\n', "c\n\nd"),
    "large integers": ("x,y\n", "{0},9007199254740993\n", "", 9007199254740992.0),
    "nothing but delimiters": ("x,y\n", "{0},{0}\n,\n", "8,9\n", 9.0),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_text_read_in_runs_is_the_text_read_at_once(case: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    header, row, end, last = RUNS[case]
    path = write(header + "".join(row.format(k) for k in (*range(20), *range(21, 41))) + end)
    whole = open_source(path).read(["x", "y"])
    monkeypatch.setattr("glmfit.table.delimited._RUN", 16)
    table = open_source(path).read(["x", "y"])
    assert len(table) == len(whole)
    assert table.findings == whole.findings
    for name in ("x", "y"):
        check(table[name])
        assert (table[name].kind, shown(table[name])) == (whole[name].kind, shown(whole[name]))
    assert shown(table["y"])[-1] == last


# Table --------------------------------------------------------------------------------------------------------------


def small_table() -> Table:
    return from_frame(
        {
            "y": [1.0, None, 3.0, 4.0],
            "g": ["c", "b", None, "a"],
            "f": [True, False, True, None],
            "z": [1.0, 2.0, 3.0, 4.0],
        }
    ).read(["y", "g", "f", "z"])


def test_numbers(write: Write) -> None:
    table = open_source(
        write("x,f,t,g,d\n1,true,TRUE,1,2024-01-01\nNA,NA,TRUE,n/k,2024-01-02\n2,false,TRUE,3,NA\n")
    ).read(["x", "f", "t", "g", "d"])
    np.testing.assert_array_equal(table.numbers("x"), [1, NAN, 2])
    np.testing.assert_array_equal(table.numbers("f"), [1, NAN, 0])
    np.testing.assert_array_equal(table.numbers("t"), [1, 1, 1])
    assert table.numbers("f").dtype == np.float64
    for name, message, hint in [
        ("g", "column 'g' is not numeric: 'n/k' in row 2", "--na n/k"),
        ("d", "column 'd' holds dates, not numbers: '2024-01-01' in row 1", "numbers"),
        ("G", "no column 'G'", "did you mean 'g'?"),
    ]:
        with pytest.raises(DataError, match=message) as caught:
            table.numbers(name)
        assert hint in (caught.value.hint or "")
        assert caught.value.code == ("unknown_column" if name == "G" else "not_numeric")


def test_the_row_named_is_the_row_of_the_source(write: Write) -> None:
    table = complete_rows(open_source(write('x,y\n1,NA\nNA,2\n2,3\n"1,000",4\n')).read(["x", "y"]), ["x", "y"])
    with pytest.raises(DataError, match="'1,000' in row 4") as caught:
        table.numbers("x")
    assert "--thousands ," in (caught.value.hint or "")


def test_complete_rows_drops_and_counts() -> None:
    table = small_table()
    kept = complete_rows(table, ["y", "g", "z", "y"])
    assert (len(kept), kept.rows_read, kept.rows.tolist()) == (2, 4, [1, 4])
    assert kept.dropped == {"y": 1, "g": 1}
    assert kept["g"].levels == ("a", "c")
    assert kept["g"].values.tolist() == [1, 0]
    assert kept["f"].levels == ("True",), "columns that were not asked about lose their rows too"
    assert shown(kept["f"]) == ["True", None]
    np.testing.assert_array_equal(kept.numbers("f"), [1, NAN])
    np.testing.assert_array_equal(kept["z"].values, [1, 4])
    again = complete_rows(kept, ["f"])
    assert (again.rows.tolist(), again.dropped) == ([1], {"y": 1, "g": 1, "f": 1})
    assert table["g"].levels == ("a", "b", "c"), "the table it came from is as it was"


def test_complete_rows_counts_a_row_for_each_column() -> None:
    table = from_frame({"a": [None, 1.0, None], "b": [None, 1.0, 2.0]}).read(["a", "b"])
    assert complete_rows(table, ["a", "b"]).dropped == {"a": 2, "b": 1}


def test_complete_rows_where_nothing_is_missing() -> None:
    table = small_table()
    kept = complete_rows(table, ["z"])
    assert (len(kept), kept.dropped) == (4, {})


def test_infinities_are_not_missing() -> None:
    table = from_frame({"a": [INF, 1.0]}).read(["a"])
    assert len(complete_rows(table, ["a"], "error")) == 2


def test_complete_rows_can_refuse() -> None:
    with pytest.raises(
        DataError, match="column 'y' in 1 row, first in row 2; column 'g' in 1 row, first in row 3"
    ) as caught:
        complete_rows(small_table(), ["y", "g"], "error")
    assert caught.value.code == "missing_values"
    with pytest.raises(
        DataError, match="no row of <frame> is complete: of 2 rows, missing are 'a' in 1, 'b' in 1"
    ) as caught:
        complete_rows(from_frame({"a": [None, 1.0], "b": ["u", None]}).read(["a", "b"]), ["a", "b"])
    assert caught.value.code == "no_rows"
    with pytest.raises(UsageError):
        complete_rows(small_table(), ["y"], "ignore")
    with pytest.raises(DataError, match="no column 'q'"):
        complete_rows(small_table(), ["q"])


# What reading costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data.csv", "data.parquet"])
def test_reading_imports_neither_pandas_nor_torch(write: Write, name: str) -> None:
    text = b"x,g,d,b\n1,a,2024-01-01,TRUE\nNA,b,NA,NA\n2.5,NA,2024-01-02,FALSE\n"
    columns = {
        "x": [1, None, 2.5],
        "g": ["a", "b", None],
        "d": [datetime.date(2024, 1, 1)] * 3,
        "b": [True, None, False],
    }
    path = write(text if name == "data.csv" else parquet(pa.table(columns)), name)
    code = (
        "import json, sys; import glmfit.table as t; before = 'pyarrow' in sys.modules; "
        "table = t.complete_rows(t.open_source(sys.argv[1]).read(['x', 'g', 'd', 'b']), ['x']); table.numbers('b'); "
        "heavy = [m for m in ('pandas', 'torch', 'scipy', 'formulaic', 'pyarrow.compute', 'pyarrow.parquet') "
        "if m in sys.modules]; print(json.dumps([before, len(table), heavy]))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    before, rows, heavy = json.loads(done.stdout)
    assert not before, "importing the package does not import pyarrow"
    assert rows == 2
    assert set(heavy) <= (set() if name == "data.csv" else {"pyarrow.compute", "pyarrow.parquet"})


@pytest.mark.parametrize("blank", ["\x1c", "\x1f", "\x85", "\xa0", "\u3000"])
def test_every_blank_around_a_number_is_one(write: Write, blank: str) -> None:
    column = read_one(write(f"x\n{blank}1{blank}\n2.5\n"), na=(f"{blank}2.5",))
    assert shown(column) == [1, None]


def test_parquet_whose_text_is_no_utf8_is_damaged(write: Write) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": ["marker", "other"]}), sink, compression="none", use_dictionary=False)
    path = write(sink.getvalue().to_pybytes().replace(b"marker", b"mark\xe9r"), "data.parquet")
    with pytest.raises(DataError) as caught:
        open_source(path).read(["x"])
    assert caught.value.code == "damaged_parquet"
