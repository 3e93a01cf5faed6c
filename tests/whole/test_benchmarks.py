"""The benchmarks run from end to end, on tiny data and with whoever is installed; no time is asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_short_form_runs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- benchmarks: begin -->\nold\n<!-- benchmarks: end -->\nafter\n", encoding="utf-8")
    words = [sys.executable, "-m", "benchmarks", "--short", "-o", str(tmp_path), "--readme", str(page)]
    found = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    text = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    lines = [line.split("|") for line in text.splitlines() if line.startswith("| Poisson")]
    programs = {cells[3].strip(): cells[5].strip() for cells in lines if len(cells) == 10}
    assert programs["glmfit"] == "1.00"
    assert not [ratio for ratio in programs.values() if "differs" in ratio or "failed" in ratio]
    assert "| rows | glmfit | 100, 200 |" in text
    loops = [line.split("|") for line in text.splitlines() if line.startswith(("| poisson,", "| binomial,"))]
    assert {cells[1].strip() for cells in loops} == {"poisson, groups", "binomial, columns", "poisson, jobs"}
    assert {cells[5].strip() for cells in loops if cells[3].strip() == "glmfit"} == {"1.0"}
    assert not [cells for cells in loops if "differs" in cells[5] or "failed" in cells[5]]
    assert "<svg" in (tmp_path / "time.svg").read_text(encoding="utf-8")
    shown = page.read_text(encoding="utf-8")
    assert shown.startswith("before\n<!-- benchmarks: begin -->\n")
    assert shown.endswith("<!-- benchmarks: end -->\nafter\n")
    assert "old" not in shown
    assert "| Poisson | 500 x (2 + 3 levels) |" in shown


def test_those_beside_it_measure_what_they_name(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # set by them for good
    from benchmarks import mixed, shrink

    mixed.main(["--rows", "400", "--groups", "20", "--rounds", "1", "--peers", ""])
    shrink.main(["--rows", "200", "--columns", "5", "--rounds", "1", "--thresholds", ""])
    lines = capfd.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["glmfit", "without effects", "glmfit"]


def test_growth_is_an_exponent_past_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.growth import exponent

    assert exponent([1, 2, 4, 9], [3, 4, 6, 11], start=2) == pytest.approx(1)
    assert exponent([1, 2, 4, 9], [1, 4, 16, 81], start=0) == pytest.approx(2)
    assert exponent([1, 2, 4], [2.01, 2.02, 3], start=2) is None
