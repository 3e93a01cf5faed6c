"""Scans beside R: a glm for each column, sandwich, and p.adjust; estimates to 1e-8, errors and p-values to 1e-6."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glmfit.many.scan.run import records, scan
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "tests" / "reference" / "scan" / "scan.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[f"{case['family']}, {case['formula']}, {case['se']}" for case in CASES])
@pytest.mark.parametrize("method", ["bh", "holm", "bonferroni"])
def test_a_scan_is_a_loop_of_glm(case: dict[str, Any], method: str) -> None:
    links = {"mu": case["link"]} if "link" in case else {}
    spec = ModelSpec(formulas=(case["formula"],), family=case["family"], links=links, se=case["se"])
    asked = scan(spec, str(ROOT / "sample_data" / case["data"]), case["scan"])
    rows = [row for record in records(asked, method) for row in record.rows]
    assert [(row.column, row.n) for row in rows] == [(want["column"], want["n"]) for want in case["rows"]]
    for row, want in zip(rows, case["rows"], strict=True):
        assert row.estimate == pytest.approx(want["estimate"], rel=1e-8)
        assert row.std_error == pytest.approx(want["std_error"], rel=1e-6)
        assert row.p_value == pytest.approx(want["p_value"], rel=1e-6)
        assert row.p_adjusted == pytest.approx(want[method], rel=1e-6)
