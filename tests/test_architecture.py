"""Imports go one way, modules stay short, and what needs no torch does not import it."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "glmfit"
MOST_LINES = 400

# From the ground up: what each package may use beside the top of `glmfit/`, whose modules are the words that all share.
BELOW = {
    "numerics": "",
    "table": "",
    "families": "",
    "formula": "families table",
    "rows": "formula families table",
    "design": "formula numerics table",
    "model": "rows design formula families numerics",
    "penalty": "model design numerics",
    "inference": "model numerics families",
    "trust": "model design numerics",
    "smoothing": "penalty inference model design numerics",
    "estimate": "penalty smoothing trust inference model design rows formula families numerics",
    "shrink": "dense estimate trust inference model design rows formula families table numerics",
    "dense": "estimate trust inference design rows formula families table numerics",
    "cluster": "estimate inference model design rows formula families table numerics",
    "explain": "",
    "report": "explain families",
    "after": "report dense estimate inference rows design formula families table numerics",
    "many": "after report explain dense estimate penalty trust inference model rows design formula families table "
    "numerics",
    "commands": "many report explain after dense estimate rows formula families table",
}
# The ground floor, from the bottom; `__init__` is the Python API and `__main__` the command, above all packages.
GROUND = (
    *("version", "errors", "lazy", "cgroups", "memory", "threads", "watch", "spill", "spilled", "reading"),
    *("shrinkage", "spec", "lowrank", "random_effects", "shrunk", "smooths", "result"),
)
ROOF = ("fitted", "__init__", "__main__")
_WITHOUT_TORCH = {"table", "families", "formula", "rows", "explain", "report", "many", "commands", *GROUND}
NEEDS_TORCH = {"commands.examine", "families.blame", "families.cumulants", "families.written"}
NEEDS_TORCH |= {f"many.scan.{name}" for name in ("alone", "columns", "covariances", "designed", "own", "responses")}
NEEDS_TORCH |= {f"many.scan.{name}" for name in ("sums", "together")}
NEEDS_TORCH |= {f"many.groups.{name}" for name in ("answers", "begin", "block", "documents", "maximum", "remarks")}
NEEDS_TORCH |= {f"many.groups.{name}" for name in ("robust", "scales")}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def package(name: str) -> str:
    """The package that a module belongs to; a module at the top is one by itself."""
    return name.split(".")[0]


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES = {package(name) for name in MODULES} - {*GROUND, *ROOF}
TORCH_FREE = tuple(sorted(n for n in MODULES if package(n) in _WITHOUT_TORCH and n not in NEEDS_TORCH))


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
    return {known(full) for full in inside} - {name}


def known(full: str) -> str:
    """`table.columns.Column` -> `table.columns`; a name of the package itself is one of `__init__`."""
    while full not in MODULES:
        if "." not in full:
            return "__init__"
        full = full.rpartition(".")[0]
    return full


def test_every_package_has_its_place() -> None:
    assert set(BELOW) == PACKAGES
    assert {name for name in MODULES if "." not in name} == {*PACKAGES, *GROUND, *ROOF}


def test_the_table_has_no_circle() -> None:
    TopologicalSorter({name: below.split() for name, below in BELOW.items()}).prepare()


@pytest.mark.parametrize("name", sorted(set(MODULES) - set(ROOF)))
def test_imports_go_one_way(name: str) -> None:
    mine = package(name)
    allowed = set(GROUND[: GROUND.index(mine)]) if mine in GROUND else {mine, *GROUND, *BELOW[mine].split()}
    if mine == "commands":  # which is the Python API's first user
        allowed.add("__init__")
    used = {package(other) for other in imports(name)}
    assert used <= allowed, f"{name} imports {used - allowed}"


@pytest.mark.parametrize("mine", sorted(PACKAGES))
def test_no_package_goes_in_a_circle(mine: str) -> None:
    inside = {name for name in MODULES if package(name) == mine}
    # `from glmfit.table import x` in a module of table would be a circle through its __init__
    TopologicalSorter({name: imports(name) & inside for name in inside}).prepare()


def test_imports_are_found() -> None:
    assert {"errors", "families.links", "lazy"} <= imports("families.base")
    assert "report" in imports("commands.fit")  # inside a function
    assert "version" in imports("__init__")
    assert "__init__" in imports("commands.fit")
    assert "families" in imports("dense.parameters")  # for type checking


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_every_package_says_what_goes_in_and_out_and_what_it_may_use(name: str) -> None:
    text = " ".join((ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8"))) or "").split())
    assert "In: " in text
    assert "Out: " in text
    assert "May use: " in text
    said = text.partition("May use: ")[2].partition(".")[0].replace(" and ", ", ")
    said = said.replace("the top of the package", "").replace("all packages", ", ".join(BELOW[name].split()))
    assert {word.strip() for word in said.split(",")} - {""} == set(BELOW[name].split())


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
import glmfit.commands.app, glmfit.rows.data
heavy = {"pandas", "formulaic", "scipy.stats", "scipy.optimize", "torch"}
sys.exit(" ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


PUT_OFF = """
import sys
from glmfit.lazy import load_all, put_off
put_off()
import torch
from glmfit.numerics import newton
x = torch.ones(3, dtype=torch.float64, requires_grad=True)
(slope,) = torch.autograd.grad(torch.lgamma(x).sum(), x, create_graph=True)
torch.autograd.grad(slope.sum(), x)
assert "torch._refs" not in sys.modules
load_all()
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode():
    assert (torch.ones(3) @ torch.ones(3, 2)).shape == (2,)
assert "torch._refs" in sys.modules
"""


def test_what_is_put_off_of_torch_is_not_needed_and_comes_when_it_is() -> None:
    subprocess.run([sys.executable, "-c", PUT_OFF], check=True)
