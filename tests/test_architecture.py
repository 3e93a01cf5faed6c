"""Imports go one way, modules stay short, and what needs no torch does not import it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "glmfit"
MOST_LINES = 400

# From the ground up; a module imports from earlier lines, and from its own where the line is one folder.
LAYERS = (
    "errors",
    "explain",
    "explain.pages",
    "spec lazy",
    "userfile",
    "result",
    "special",
    "links",
    "families.recession",
    "families.base",
    "families.moments families.tails",
    "families.beta families.binomial families.categorical families.continuous families.counts",
    "families.lifetimes families.location families.quasi families.user",
    "families.tweedie",
    "families.conway families.dispersed",
    "families.wrappers",
    "families.catalogue",
    "table.text table.arrow",
    "table.columns",
    "table.source table.infer",
    "table.delimited table.typed",
    "table.readers",
    "table",
    "expression",
    "formula",
    "contrasts",
    "terms",
    "families.censored",
    "response parameters",
    "censoring",
    "data",
    "blocks",
    "standardize",
    "design",
    "cone",
    "objective",
    "curvature",
    "likelihood",
    "optimize rank",
    "edge penalised profile",
    "model groups",
    "assembly",
    "separation",
    "dispersion inference diagnose",
    "wald",
    "start",
    "blame",
    "check",
    "maximum",
    "summary",
    "pipeline",
    "dense.parameters",
    "dense.columns",
    "dense.likelihood",
    "dense.prepare",
    "dense.fit",
    "dense",
    "examine",
    "report.numbers report.exponentiate",
    "report.words",
    "report.document report.delimited report.listing report.markdown report.terminal",
    "report",
    "options output",
    "cli",
    "__main__",
)
RANK = {name: rank for rank, line in enumerate(LAYERS) for name in line.split()}
# They hold facts of the package as a whole (its version, its public names), and anybody may ask for those.
FREE = {"__init__", "families"}
_WITHOUT_TORCH = (
    *(
        "errors",
        "explain",
        "spec",
        "result",
        "table",
        "formula",
        "expression",
        "terms",
        "contrasts",
        "families",
        "links",
    ),
    *("special", "lazy", "userfile", "data", "response", "report", "options", "output", "cli"),
)
TORCH_FREE = tuple(name for name in RANK if name.split(".")[0] in _WITHOUT_TORCH)


def module_name(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(name: str) -> set[str]:
    """The modules of the package that a module imports, inside functions and for type checking too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {full.removeprefix("glmfit.") for full in found if full.startswith("glmfit.")}
    return {part for full in inside if (part := known(full)) is not None and part != name}


def known(full: str) -> str | None:
    """`table.columns.Column` -> `table.columns`; None for a name of the package itself."""
    while full not in MODULES:
        if "." not in full:
            return None
        full = full.rpartition(".")[0]
    return full


def test_every_module_has_its_layer() -> None:
    assert set(MODULES) - FREE == set(RANK)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"__init__"}))
def test_imports_go_one_way(name: str) -> None:
    for other in imports(name) - FREE:
        assert RANK[other] < RANK[name], f"{name} imports {other}"


def test_imports_are_found() -> None:
    assert {"errors", "links", "lazy"} <= imports("families.base")
    assert "report" in imports("cli")  # inside a function
    assert {"data", "pipeline"} <= imports("__init__")
    assert "table" in imports("design")  # for type checking


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_is_longer_than_a_reader_can_hold(name: str) -> None:
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_opens_with_its_idea_in_at_most_eight_lines(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))
    assert docstring
    assert len(docstring.splitlines()) <= 8


def test_torch_stays_out_of_what_does_not_need_it() -> None:
    program = f"""
import importlib, sys
for name in {TORCH_FREE!r}:
    importlib.import_module("glmfit." + name)
    if "torch" in sys.modules:
        sys.exit(name)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, f"torch was imported by {found.stderr}"


def test_heavy_libraries_wait_for_their_first_use() -> None:
    program = """
import sys
import glmfit.cli, glmfit.data
heavy = {"pandas", "formulaic", "scipy.stats", "scipy.optimize", "torch"}
sys.exit(" ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
