"""Files of every kind, each written by the program whose kind it is, give the numbers that the CSV gives.

`files/write.R` and `files/write.py` wrote them.
"""

from __future__ import annotations

import bz2
import io
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import glmfit
from glmfit.errors import DataError, UsageError
from glmfit.reading import Reading
from glmfit.result import Fit
from glmfit.table import Column, open_source

ROOT = Path(__file__).resolve().parents[2]
FILES = Path(__file__).parent / "files"
WARP = ROOT / "sample_data" / "warpbreaks.csv"
TREES = ROOT / "sample_data" / "trees.csv"


def estimates(fit: Fit) -> list[tuple[str, float, float]]:
    return [(one.term, one.estimate, one.std_error) for one in fit.coefficients]


def shown(column: Column) -> list[object]:
    if column.levels is None:
        return [None if np.isnan(value) else float(value) for value in column.values]
    return [None if code < 0 else column.levels[code] for code in column.values]


@pytest.fixture(scope="module")
def expected() -> list[tuple[str, float, float]]:
    return estimates(glmfit.fit("breaks ~ wool * C(tension, ref='L')", WARP, family="poisson"))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("haven.dta", {}),
        ("haven.sav", {}),
        ("foreign.dta", {}),
        ("openxlsx.xlsx", {}),
        ("openpyxl.xlsx", {"skip": (2, 1), "thousands": ","}),
        ("pandas.ods", {}),
        ("xlwt.xls", {}),
        ("pandas.feather", {}),
        ("pandas.jsonl", {}),
    ],
)
def test_the_numbers_are_those_of_the_csv(
    name: str, options: dict[str, object], expected: list[tuple[str, float, float]]
) -> None:
    formula = "breaks ~ wool * C(tension, ref='L')"
    if name == "openpyxl.xlsx":  # whose counts are written as 1,026
        formula = "I(breaks - 1000) ~ wool * C(tension, ref='L')"
    fit = glmfit.fit(formula, FILES / name, family="poisson", **options)
    assert fit.data.rows_read == 54
    found, wanted = ({term: numbers for term, *numbers in one} for one in (estimates(fit), expected))
    assert set(found) == set(wanted), "labels have an order of their own, so that terms may have another"
    for term, numbers in wanted.items():
        assert found[term] == pytest.approx(numbers, rel=1e-9), term


def test_transport_files_and_data_sets_of_sas(expected: list[tuple[str, float, float]]) -> None:
    one = glmfit.fit("breaks ~ code", FILES / "haven.xpt", family="poisson")
    other = glmfit.fit("breaks ~ wool", WARP, family="poisson")
    assert [pair[1:] for pair in estimates(one)] == [pair[1:] for pair in estimates(other)]
    sas = glmfit.fit("Sepal_Length ~ Petal_Width + Species", FILES / "iris.sas7bdat.gz")
    csv = glmfit.fit("Sepal.Length ~ Petal.Width + Species", FILES / "iris.csv")
    assert [pair[1:] for pair in estimates(sas)] == [pair[1:] for pair in estimates(csv)]


@pytest.mark.parametrize("name", ["haven.dta", "haven.sav"])
def test_labels_of_values_are_levels_in_their_order(name: str) -> None:
    table = open_source(str(FILES / name)).read(["tension", "code", "day", "some"])
    assert table["tension"].levels == ("L", "M", "H")
    assert table["code"].levels == ("A", "B")
    assert (table["day"].kind, shown(table["day"])[:2]) == ("date", ["2024-03-01", "2024-03-02"])
    assert shown(table["some"])[:4] == [99, 1, 2, 3]
    (finding,) = table.findings
    assert (finding.code, finding.terms) == ("some_labels", ("some",))
    assert "99 in row 1 is 'refused'" in finding.message
    declared = open_source(str(FILES / name), Reading(na=("99", "M"))).read(["some", "tension"])
    assert shown(declared["some"])[:2] == [None, 1]
    assert declared["tension"].levels == ("L", "H")
    assert declared.findings == ()


def test_a_sheet_by_name_and_dates_in_cells() -> None:
    book = str(ROOT / "sample_data" / "trees.xlsx")
    assert open_source(book).header == ("Girth",)
    one = glmfit.fit("Volume ~ Girth + Height", book, sheet="trees")
    assert estimates(one) == estimates(glmfit.fit("Volume ~ Girth + Height", TREES))
    for name in ("openxlsx.xlsx", "pandas.ods"):
        day = open_source(str(FILES / name)).read(["day"])["day"]
        assert (day.kind, shown(day)[:2]) == ("date", ["2024-03-01", "2024-03-02"])
    feather = open_source(str(FILES / "pandas.feather")).read(["day"])["day"]
    assert (feather.kind, shown(feather)[:2]) == ("date", ["2024-03-01", "2024-03-02"])


def zipped(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def stream(table: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue().to_pybytes()


TEXT = b"y,x\n1,2\n3,4\n"
RECORDS = b'{"y": 1, "x": 2}\n\n{"y": 3.5, "x": 4, "z": "2024-03-01"}\n'
PACKED = {
    "bzip2": bz2.compress(TEXT),
    "bzip2 of two streams": bz2.compress(TEXT[:7]) + bz2.compress(TEXT[7:]),
    "xz": lzma.compress(TEXT),
    "zip": zipped(("folder/data.csv", TEXT)),
    "zip of a Macintosh": zipped(("data.csv", TEXT), ("__MACOSX/._data.csv", b"\0")),
    "zip of tabs": zipped(("a,b.tsv", b"y,a,b\tx\n1\t2\n3\t4\n")),
    "zip of xz": zipped(("data.csv.xz", lzma.compress(TEXT))),
    "zip of a workbook": zipped(("trees.xlsx", (ROOT / "sample_data" / "trees.xlsx").read_bytes())),
    "arrow stream": stream(pa.table({"y": [1, 3], "x": [2, 4]})),
    "json lines": RECORDS,
    "json array": b'[{"y": 1, "x": 2},\n {"x": 4, "y": null}]',
    "utf-16": TEXT.replace(b",", b"\t").decode().encode("utf-16"),
    "utf-16, big end first": b"\xfe\xff" + TEXT.decode().encode("utf-16-be"),
    "sep=": b"sep=;\r\n" + TEXT.replace(b",", b";").replace(b"\n", b"\r\n"),
    "empty rows and columns": b"y,x,,\n1,2,,\n,,,\n3,4,,\n,,,\n,,,\n",
}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED.keys())
def test_what_needs_no_option(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data"
    path.write_bytes(content)
    if content == PACKED["zip of a workbook"]:
        assert open_source(str(path), Reading(sheet="trees")).header == ("Girth", "Height", "Volume")
        return
    table = open_source(str(path)).read(["x"])
    assert (shown(table["x"]), table.rows_read) == ([2, 4], 2)
    if content == RECORDS:
        more = open_source(str(path)).read(["y", "z"])
        assert (shown(more["y"]), shown(more["z"]), more["z"].kind) == ([1, 3.5], [None, "2024-03-01"], "date")


ASKED = {
    "thousands": (b'x,y\n"1,137",a\n-12,b\n"2,000,000.5",c\n', {"thousands": ","}, [1137, -12, 2000000.5]),
    "lakhs": (b'x,y\n"12,34,567",a\n', {"thousands": ","}, [1234567]),
    "blanks": ("x\n1 137\n1\u00a0138\n1\u202f139\n".encode(), {"thousands": "space"}, [1137, 1138, 1139]),
    "apostrophes": ("x\n1'137\n1\u2019138\n".encode(), {"thousands": "'"}, [1137, 1138]),
    "points": (b"x;y\n1.137,50;a\n950;b\n2.000;c\n", {"thousands": ".", "decimal": ","}, [1137.5, 950, 2000]),
    "decimal commas": (b'x,y\n"1,5",a\n2,b\n', {"decimal": ","}, [1.5, 2]),
    "comments": (b"# a\n#b,c\nx,y\n1,2\n # d\n3,4\n", {"comment": "#"}, [1, 3]),
    "a comment sign in quotes": (b'// a\nx,y\n1,"b\n// c"\n3,4\n', {"comment": "//"}, [1, 3]),
    "titles": (b"Table 1, of 2\r\n\r\nx,y\r\n1,2\r\n", {"skip": 2}, [1]),
    "units": (b"x,y\nkg,m\n1,2\n3,4\n", {"skip": (0, 1)}, [1, 3]),
    "runs of blanks": (b'   x    y\n 1.5 "a  b"\n20\t c \n', {"separator": "whitespace"}, [1.5, 20]),
    "any sign": (b"y:x\n1:2\n", {"separator": ":"}, [2]),
    "a sign of two bytes": ("y\u00a7x\n1\u00a72\n".encode(), {"separator": "\u00a7"}, [2]),
    "tab by name": (b"y,z\tx\n1\t2\n", {"separator": "tab"}, [2]),
    "latin-1": ("x,\xe9\n1,\xe9\n".encode("latin-1"), {"encoding": "latin-1"}, [1]),
    "utf-16 without mark": ("x,y\n1,2\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, [1]),
    "a dot and a dash": (b"x,y\n.,1\n-,2\n3,4\n", {"na": ("-",)}, [None, None, 3]),
}


@pytest.mark.parametrize(("content", "options", "values"), ASKED.values(), ids=ASKED.keys())
def test_what_an_option_says(tmp_path: Path, content: bytes, options: dict[str, object], values: list[object]) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    table = open_source(str(path), Reading(**options)).read(["x"])  # type: ignore[arg-type]
    assert (table["x"].kind, shown(table["x"])) == ("number", values)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"thousands": "."}, "--decimal ,"),
        ({"thousands": ",,"}, "no sign"),
        ({"decimal": "x"}, "no decimal sign"),
        ({"separator": "whitespaces"}, "did you mean 'whitespace'"),
        ({"encoding": "windows-125"}, "did you mean 'windows-1252'"),
        ({"encoding": "base64"}, "no encoding of text"),
        ({"skip": -1}, "number of lines"),
        ({"comment": " "}, "--comment '#'"),
        ({"sheet": 1}, "is not text"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reading(**options)  # type: ignore[arg-type]
    assert words in f"{caught.value.message}; {caught.value.hint}"


def test_an_option_that_a_kind_of_file_has_no_use_for() -> None:
    with pytest.raises(UsageError, match=r"--sheet has no meaning for .*, which is delimited text"):
        open_source(str(TREES), Reading(sheet="trees"))


def test_text_of_typed_sources_is_numbers_where_that_was_asked_for() -> None:
    data = {"x": ["1,137", "2"], "d": ["2024-03-01", None]}
    table = glmfit.table.from_frame(data, Reading(thousands=",")).read(["x", "d"])
    assert (shown(table["x"]), table["d"].kind) == ([1137, 2], "date")


# Several files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> Callable[..., str]:
    def write(*contents: bytes, ending: str = ".csv") -> str:
        for at, content in enumerate(contents):
            (tmp_path / f"part-{at}{ending}").write_bytes(content)
        (tmp_path / "README").write_text("not a table")
        return str(tmp_path)

    return write


def test_a_folder_or_a_pattern_is_one_table(parts: Callable[..., str]) -> None:
    folder = parts(b"y,x,g,d,n\n1,2,b,1,\n3,4,a,2,\n", b"g,x,y,n,d\nc,5,6,7,x\n", b"y,x,g,d,n\n")
    for path in (folder, f"{folder}/part-*.csv"):
        table = open_source(path).read(["x", "g", "d", "n"])
        assert shown(table["x"]) == [2, 4, 5]
        assert (table["g"].levels, shown(table["g"])) == (("a", "b", "c"), ["b", "a", "c"])
        assert (table["d"].kind, shown(table["d"])) == ("text", ["1", "2", "x"]), (
            "numbers in one file, words in another"
        )
        assert shown(table["n"]) == [None, None, 7]
        assert (table.source, table.rows.tolist()) == (path, [1, 2, 3])


def test_parts_of_a_file_give_the_numbers_of_the_whole(parts: Callable[..., str]) -> None:
    header, *rows = WARP.read_bytes().splitlines(keepends=True)
    folder = parts(header + b"".join(rows[:20]), header + b"".join(rows[20:]))
    formula = "breaks ~ wool + tension"
    assert estimates(glmfit.fit(formula, folder)) == estimates(glmfit.fit(formula, WARP))


def test_parquet_in_parts(parts: Callable[..., str]) -> None:
    def write(**columns: object) -> bytes:
        out = io.BytesIO()
        parquet.write_table(pa.table(columns), out)
        return out.getvalue()

    folder = parts(write(x=[1, 2], g=["b", None]), write(g=["a"], x=[0.5]), ending=".parquet")
    table = open_source(folder).read(["x", "g"])
    assert (shown(table["x"]), shown(table["g"])) == ([1, 2, 0.5], ["b", None, "a"])
    parts(write(x=[1, 2], g=["b", None]), write(g=[1], x=[0.5]), ending=".parquet")
    with pytest.raises(
        DataError, match=r"column 'g' is of different kinds: text in .*part-0.*, number in .*part-1"
    ) as no:
        open_source(folder).read(["g"])
    assert no.value.code == "mixed_types"


# What is not installed, and what is in no one's way -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("xlwt.xls", "python_calamine", "glmfit[excel]"), ("haven.dta", "pyreadstat", "glmfit[stat]")],
)
def test_a_library_that_is_not_installed(name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError) as caught:
        open_source(str(FILES / name))
    assert caught.value.code == "missing_extra"
    assert extra in caught.value.hint


def test_a_bomb_is_refused_before_memory_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "data.csv.xz"
    path.write_bytes(lzma.compress(b"y,x\n" + b"1,2\n" * 1000))
    monkeypatch.setattr("glmfit.memory.available", lambda: 1000)
    with pytest.raises(glmfit.errors.ModelError) as caught:
        open_source(str(path))
    assert caught.value.code == "too_large"


def test_names_are_the_same_however_their_accents_are_written(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("y,cafe\u0301\n1,2\n2,4\n4,5\n", encoding="utf-8")
    for name in ("caf\u00e9", "cafe\u0301"):
        assert [one.term for one in glmfit.fit(f"y ~ {name}", path).coefficients] == ["Intercept", "caf\u00e9"]


def test_a_column_of_row_numbers_is_left_out_of_the_dot(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(",y,x,\n1,2,3,\n2,4,4,\n3,5,7,\n4,5,8,\n", encoding="utf-8")
    fit = glmfit.fit("y ~ .", path)
    assert [one.term for one in fit.coefficients] == ["Intercept", "x"]
    assert [finding.code for finding in fit.warnings] == ["nameless_column"], "and not the empty one"
    assert "column 1 of" in fit.warnings[0].message
    assert glmfit.fit("y ~ x", path).warnings == ()


@pytest.mark.parametrize(
    ("values", "code", "guess"),
    [
        ([f"a{i}" for i in range(12)], "many_levels", "identifier"),
        ([f"{i + 10}/03/2024" for i in range(12)], "many_levels", "dates?"),
        ([f"the {i}th word of a long sentence" for i in range(12)], "many_levels", "free text"),
        (["a", "b", "c"] * 4, None, ""),
    ],
)
def test_a_level_for_each_row_is_said_first(values: list[str], code: str | None, guess: str) -> None:
    fit = glmfit.fit("y ~ g", {"y": np.arange(12) % 2, "g": values}, family="binomial")
    found = [finding.code for finding in fit.warnings]
    assert found[:1] == ([code] if code else found[:1])
    assert code is not None or found == []
    if code:
        assert guess in fit.warnings[0].message
        assert "separation" in found[1:]
