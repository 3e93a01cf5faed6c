"""The script sample_data/pipeline.sh from data to answers, run by a shell; its output is what the README shows."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_pipeline_does_what_the_readme_shows(tmp_path: Path) -> None:
    command = tmp_path / "glmfit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m glmfit "$@"\n')
    command.chmod(0o755)
    paths = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    words = ["sh", "sample_data/pipeline.sh", str(tmp_path / "results")]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **paths}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("$ sh sample_data/pipeline.sh results\n")[1].split("```")[0].splitlines()
    printed = done.stdout.splitlines()
    assert [line for line in shown if line and line != "..." and line not in printed] == []
    for name, rows in (("predictions", 146), ("residuals", 146), ("draws", 292), ("pairs", 12)):
        with (tmp_path / "results" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == rows, name
