"""Formulas that were written to do harm: each is refused at once, by the same grammar that reads all others.

One table: what follows `glmfit fit DATA`, the exit status, the code, and words of the message or its hint.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_cases import Case, Cases, answer

CASES = Cases()
case = CASES.add

ALLOWED = "transforms I, log, log2"
TRANSFORMS = "transforms are I, log, log2"
for text in [
    *("x.__class__", "x.__class__.__mro__", "(x).real", "`x`.real", "x[0]", "x['a']", "I([v for v in x])", "I(q := x)"),
    *("lambda: x", "(lambda: x)()", "f'{x}'", "I(f'{x}')", "x if z else g", "I(x if z else g)", "await x", "import os"),
    *("__import__", "`__import__('os')`", "__builtins__", "__import__('os').system('id')", "*x", "**x", "%in%", "[x]"),
]:
    case(f"hostile {text}", f"y ~ {text}", 2, "formula", ALLOWED)
for text in [
    *("__import__('os')", "exec('x')", "eval('x')", "open('/etc/passwd')", "getattr(x, 'a')", "globals()", "x.mean()"),
    *("os.system('id')", "breakpoint()", "np.exec(x)", "log(exec('x'))", "I(x + eval('x'))", "type(x)", "vars()"),
]:
    case(f"hostile {text}", f"y ~ {text}", 2, "unknown_transform", "no transform", TRANSFORMS)
for text, *words in [
    ("(q := x)", "unexpected '='"),
    ("{v for v in x}", "'{'"),
    ("I({x: z})", "'{'"),
    ("x @ z", "'@'"),
    ("x; import os", "';'"),
    ("~x", "more than one '~'"),
    ("().__class__", "unexpected ')'"),
    ("``", "` opens and nothing closes it"),
    ("x # comment", "'#'"),
    ("\u202ex", "U+202E"),
    ("9**9**9**9", "cannot be part of a term"),
    ("I(9**9**9**9)", "contains no column"),
    ("I(x**9**9**9)", "9 ** 9 ** 9 contains no column"),
    ("I(x + 9**9**9)", "contains no column"),
    ("I(x*1" + "0" * 400 + ")", "out of range"),
    ("I(1e999)", "out of range"),
    ("poly(x, 9**9**9)", "must be a number"),
    ("log(x, __import__('os'))", "too many arguments"),
    ("poly(x, degree=exec('1'))", "must be a number"),
    ("C(g, levels=[open('a')])", "must be a number"),
    ("C(g, contr.treatment(base=__import__('os')))", "must be a number"),
    ("(" * 100_000, "at most 100000"),
    ("(" * 40_000 + "x" + ")" * 40_000, "nested too deeply"),
    ("x" + "^x" * 40_000, "nested too deeply"),
    ("I(x" + "**x" * 30_000 + ")", "nested too deeply"),
    ("I(x" + "+x" * 40_000 + ")", "nested too deeply"),
    ("-" * 90_000 + "x", "nested too deeply"),
    ("I(" * 40_000, "nested too deeply"),
    ("x" + ":x" * 40_000, "nested too deeply"),
    ("C(g, levels=" + "[" * 9_000, "nested too deeply"),
    ("~" * 90_000, "more than one '~'"),
    ("`" * 90_000, "nothing closes it"),
    ("1" * 90_000, "out of range"),
]:
    case(f"hostile {text[:30]} {len(text)}", f"y ~ {text}", 2, "formula", *words)
for text, code, *words in [
    (". ^ 9", "too_many_terms", "20000 terms"),
    ("(. * . * .)^99", "too_many_terms", "20000 terms"),
    ("*".join(f"I(x > {i})" for i in range(30)), "too_many_terms", "20000 terms"),
    (":".join(f"C(I(x > {i}))" for i in range(30)), "too_many_columns", "crosses 30 factors"),
    ("C(x):C(z):C(n):C(m):C(p):C(t):C(u)", "too_many_columns", "184800 columns"),
    ("(x + z + n + m + p + t + u + w + k)^9 * (g + s)^2 * b", "too_few_rows", "6144 columns", "12 rows"),
    ("bs(x, knots=[" + "1," * 30_000 + "])", "transform", "30000 knots", "12 distinct"),
    ("x" * 90_000, "unknown_column", "..."),
]:
    case(f"explosive {text[:40]}", f"y ~ {text}", 3, code, *words)
HOSTILE = "__import__('os').system('id')"
case("hostile --x", ["--y", "y", "--x", HOSTILE], 2, "formula", ALLOWED)
case("hostile --y", ["--y", "__import__('os')", "--x", "x"], 2, "unknown_transform", TRANSFORMS)
case("hostile --offset", ["y ~ x", "--offset", HOSTILE], 2, "formula", "--offset: cannot read", ALLOWED)
case("hostile --censor", ["y ~ x", "--censor", HOSTILE], 2, "bad_censoring", "not two columns or numbers")
case("hostile --relax", ["n ~ x", "-f", "ordinal", "--relax", HOSTILE], 2, "unknown_term", "no such term")
case("hostile --link", ["n ~ x", "--link", "__import__"], 2, "unknown_link", "__import__")
case("hostile --start", ["n ~ x", "--start", f"{HOSTILE}=1"], 2, "unknown_term", "no such coefficient")
case("hostile further formula", ["n ~ x", f"alpha ~ {HOSTILE}", "-f", "nb"], 2, "formula", ALLOWED)
case("hostile left-hand side", "eval('y') ~ x", 2, "unknown_transform", TRANSFORMS)
case("family that is a module", ["y ~ x", "-f", "os"], 2, "unknown_family", "'os'")


def test_a_hostile_name_of_a_column_is_only_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.csv"
    path.write_text("y,__import__('os'),exec('x')\n1,2,1\n2,3,4\n3,5,3\n5,6,1\n4,8,1\n", encoding="utf-8")
    status, out, err = answer(["fit", str(path), "y ~ `__import__('os')` + `exec('x')`", "--json"], capsys)
    assert (status, err) == (0, "")
    assert '"term": "__import__(\'os\')"' in out


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.name[:60])
def test_what_is_wrong_is_said(wrong: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong.check(tmp_path, capsys)


def test_the_table_is_whole() -> None:
    assert len(CASES) > 80
