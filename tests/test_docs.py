"""The documentation: nothing undocumented, nothing documented that is not there, and every command shown is run.

In fenced blocks, lines that begin with `glmfit ` or `$ glmfit ` are commands. Where output follows, `...` stands for
lines left out and the others must be what the command prints; `$ echo $?` is followed by the exit status.
"""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from rich.cells import cell_len

from glmfit.commands.app import main
from glmfit.commands.options import FORMATS
from glmfit.commands.peers import TABLE
from glmfit.families.catalogue import FAMILIES
from glmfit.families.links import ALIASES, LINKS
from glmfit.formula.words import CONTRAST_PARAMETERS, CONTRASTS, PARAMETERS, TRANSFORMS
from glmfit.spec import DISPERSIONS, MISSING, OPTIMIZERS, SE_KINDS, ModelSpec
from glmfit.table.text import MISSING as MISSING_SPELLINGS

ROOT = Path(__file__).resolve().parent.parent
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "sample_data" / "README.md")

# ---- Nothing is undocumented ----


@cache
def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@cache
def code_spans(name: str) -> frozenset[str]:
    """The texts in backticks of a page, fenced blocks left out; `\\|` is how a table writes |."""
    text = re.sub(r"^```.*?^```", "", page(name), flags=re.MULTILINE | re.DOTALL)
    return frozenset(re.sub(r"\\\|", "|", span) for span in re.findall(r"`([^`\n]+)`", text))


@cache
def words(name: str) -> frozenset[str]:
    """The code spans of a page, and the identifiers in them."""
    spans = code_spans(name)
    return spans | {word for span in spans for word in re.findall(r"[A-Za-z_][\w.]*", span)}


def table_rows(name: str, heading: str) -> list[list[str]]:
    """The cells of every row of the tables of a page whose header begins with `heading`."""
    rows, inside = [], False
    for line in page(name).splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.startswith(f"| {heading} |"):
            inside = True
            rows.append(cells(line))
        elif inside and not line.startswith("|---"):
            rows.append(cells(line))
    return rows


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("families.md", [family.name for family in FAMILIES]),
        ("families.md", [alias for family in FAMILIES for alias in family.aliases]),
        ("families.md", [*LINKS, *ALIASES, "power:K"]),
        ("families.md", [p.name for family in FAMILIES for p in family.parameters]),
        ("formulas.md", [*TRANSFORMS, *CONTRASTS]),
        ("formulas.md", [argument for names in PARAMETERS.values() for argument in names]),
        ("formulas.md", [argument for names in CONTRAST_PARAMETERS.values() for argument in names]),
        ("inference.md", [*SE_KINDS, *OPTIMIZERS, *DISPERSIONS]),
        ("data.md", [*MISSING, *(spelling for spelling in MISSING_SPELLINGS if spelling)]),
        ("data.md", [field for field in ModelSpec.__dataclass_fields__ if field != "formulas"]),
        ("command-line.md", [*FORMATS, *OPTIMIZERS, *DISPERSIONS, *SE_KINDS]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_name_is_documented(name: str, known: list[str]) -> None:
    assert known
    assert [word for word in known if word not in words(name)] == []


@pytest.mark.parametrize(
    ("name", "heading", "known"),
    [
        ("inference.md", "`--se`", {*SE_KINDS, "sampling"}),
        ("inference.md", "`--optimizer`", {*OPTIMIZERS}),
        ("inference.md", "`--dispersion`", {*DISPERSIONS}),
        ("formulas.md", "write | gives", {*TRANSFORMS}),
        ("formulas.md", "contrasts", {*CONTRASTS}),
    ],
)
def test_every_name_has_a_row(name: str, heading: str, known: set[str]) -> None:
    spans = [span for row in table_rows(name, heading)[1:] for span in re.findall(r"`([^`]+)`", row[0])]
    assert {span.split("(")[0] for span in spans} == known


def test_families_have_their_aliases() -> None:
    shown = {
        row[0]: set(re.findall(r"`([^`]+)`", row[1])) for row in table_rows("families.md", "family | also known as")
    }
    shown.pop("family")
    assert shown == {f"`{family.name}`": set(family.aliases) for family in FAMILIES}


def test_links_have_their_aliases() -> None:
    rows = table_rows("families.md", "link | formula")
    shown = {alias: row[0].strip("`") for row in rows[1:] for alias in re.findall(r"`([^`]+)`", row[3])}
    assert shown == ALIASES


def test_the_table_of_families_and_links() -> None:
    header, *rows = table_rows("families.md", "family | `identity` | `log`")
    links = [name.strip("`") for name in header[1:]]
    shown = {row[0].strip("`"): {link: cell for link, cell in zip(links, row[1:], strict=True) if cell} for row in rows}
    assert shown == {
        family.name: {link: "yes" if place else "default" for place, link in enumerate(family.parameters[0].links)}
        for family in FAMILIES
        if not family.wrapper
    }


def test_the_table_of_wrapped_families() -> None:
    header, *rows = table_rows("families.md", "inside")
    shown = {span.strip("`") for row in rows for span in row[1:] if span}
    assert shown == {family.name for family in FAMILIES if family.wrapper}
    for inside, *made in rows:
        for wrapper, name in zip(header[1:], made, strict=True):
            assert name in ("", f"`{wrapper}-{inside.strip('`')}`")


def test_links_of_further_parameters() -> None:
    rows = table_rows("families.md", "parameter")[1:]
    shown = {row[0].strip("`"): tuple(re.findall(r"`([^`]+)`", row[1])) for row in rows}
    further = {parameter.name: parameter.links for cls in FAMILIES for parameter in cls.parameters[1:]}
    assert shown == further


def test_the_example_of_every_family_is_in_its_section() -> None:
    for family in FAMILIES:
        section = page("families.md").split(f"\n### {family.wrapper or family.name}\n")[1].split("\n##")[0]
        assert f"--family {family.wrapper or family.name}" in section or family.name == "gaussian"


def test_options_of_other_programs_are_listed() -> None:
    cell = r"\|"  # a bar that does not end it
    rows = {
        f"| {', '.join(f'`--{name}`' for name in names.split())} | {re.sub('[{}]', '', meaning).replace('|', cell)} |"
        for names, meaning in TABLE.items()
    }
    assert rows <= set(page("command-line.md").splitlines())


# ---- Links between pages ----


def anchors(text: str) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name) if name else path
        assert other.exists(), target
        if anchor:
            assert anchor in anchors(other.read_text(encoding="utf-8")), target


# ---- Commands ----


@dataclass(frozen=True)
class Example:
    """A command of a page, the lines shown after it, and the exit status shown, 0 where there is none."""

    place: str
    command: str
    shown: tuple[str, ...] = ()
    status: int = 0
    before: tuple[str, ...] = ()  # commands of the same block that save a model, or many


def examples(path: Path) -> Iterator[Example]:
    """The commands in the fenced blocks of a page."""
    name = path.relative_to(ROOT)
    fence = 0
    block: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            yield from read_block(f"{name}:{fence + 1}", block) if fence else ()
            fence, block = 0 if fence else number, []
        elif fence:
            block.append(line)


def read_block(place: str, lines: list[str]) -> Iterator[Example]:
    lines = re.sub(r"\\\n\s*", "", "\n".join(lines)).split("\n")
    before: list[str] = []
    starts = [i for i, line in enumerate(lines) if re.match(r"(\$ )?glmfit ", line)]
    for start, end in pairwise([*starts, len(lines)]):
        command, after = lines[start], lines[start + 1 : end]
        status = 0
        if "$ echo $?" in after:
            at = after.index("$ echo $?")
            status, after = int(after[at + 1]), after[:at]
        shown = tuple(line.rstrip() for line in after) if command.startswith("$ ") else ()
        yield Example(place, command.removeprefix("$ "), shown, status, tuple(before))
        if " --save " in command or " --by " in command or " --scan " in command:  # which later ones read
            before.append(command.removeprefix("$ "))


def table_examples(path: Path) -> Iterator[Example]:
    """The commands that a page shows in backticks inside tables."""
    for command in re.findall(r"\| `(glmfit [^`]+)` \|", path.read_text(encoding="utf-8")):
        yield Example(str(path.relative_to(ROOT)), command)


def family_examples() -> Iterator[Example]:
    return (Example(f"family {family.name}", family.example) for family in FAMILIES)


EXAMPLES = [
    # the examples of docs/explain.md end in errors, and test_explain.py runs them
    *(example for path in PAGES if path.name != "explain.md" for example in examples(path)),
    *table_examples(ROOT / "sample_data" / "README.md"),
    *family_examples(),
]


def arguments(command: str) -> list[str]:
    """The words after `glmfit`, up to a pipe, a redirection or a further command."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if word and set(word) <= set("|&;<>"):
            break
        found.append(word)
    return found[1:]


def test_commands_are_read_as_a_shell_reads_them() -> None:
    assert arguments('glmfit fit a.csv "y ~ x | z" --json | jq . > f') == ["fit", "a.csv", "y ~ x | z", "--json"]
    block = ["$ glmfit fit a.csv \\", "    --y y", "Formula", "...", "$ echo $?", "5", "glmfit families"]
    assert list(read_block("here", block)) == [
        Example("here", "glmfit fit a.csv --y y", ("Formula", "..."), 5),
        Example("here", "glmfit families"),
    ]


def test_there_are_commands_to_run() -> None:
    places = {example.place.split(":")[0] for example in EXAMPLES}
    assert {"docs/families.md", "docs/formulas.md", "docs/data.md", "docs/inference.md"} <= places
    assert {"README.md", "sample_data/README.md"} <= places
    assert sum(bool(example.shown) for example in EXAMPLES) >= 6
    assert sum(example.place == "sample_data/README.md" for example in EXAMPLES) >= 15


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the root of the repository, where a command may write what it likes."""
    for entry in ("sample_data", "docs", "tests", "README.md"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    monkeypatch.chdir(tmp_path)
    for name, value in {"TTY_COMPATIBLE": "1", "NO_COLOR": "1", "COLUMNS": "80"}.items():  # a terminal, for rich
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{e.place} {e.command[7:60]}" for e in EXAMPLES])
@pytest.mark.usefixtures("checkout")
def test_a_command_does_what_is_shown(example: Example, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for command in example.before:
            assert main(arguments(command)) == 0
        capsys.readouterr()
        status = main(arguments(example.command))
    streams = capsys.readouterr()
    assert status == example.status, streams.err
    printed = [line.rstrip() for line in (streams.out + streams.err).splitlines()]
    if is_table(example.command):
        assert max(map(cell_len, streams.out.splitlines()), default=0) <= 80
    for piece in pieces(example.shown):
        assert contains(printed, piece), f"not printed: {os.linesep.join(piece)}"


TABLES = ("fit", "test", "compare", "anova", "step", "margins", "confint", "residuals", "plot")


def is_table(command: str) -> bool:
    """Whether the command writes what people read: lines of a terminal's width."""
    words = arguments(command)
    return words[0] in TABLES and not {"--json", "--format"} & set(words)


def pieces(shown: tuple[str, ...]) -> list[list[str]]:
    """The runs of lines between `...`; empty lines at the ends, and the sentence on rounding errors, are left out."""
    found: list[list[str]] = [[]]
    for line in shown:
        if line == "...":
            found.append([])
        elif not line.startswith("Converged: "):
            found[-1].append(line)
    stripped = ["\n".join(piece).strip("\n") for piece in found]
    return [piece.split("\n") for piece in stripped if piece]


def contains(lines: list[str], piece: list[str]) -> bool:
    return any(lines[i : i + len(piece)] == piece for i in range(len(lines) - len(piece) + 1))
