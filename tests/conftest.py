"""Fits of the tests are small: one thread each is several times faster than threads that wait for each other."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")

# Examples are random, but the same ones every time where CI is set; `--hypothesis-profile=long` looks for hours.
slow_fits = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile(
    "short", database=None, deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=slow_fits
)
settings.register_profile(
    "long", settings.get_profile("short"), derandomize=False, max_examples=int(os.environ.get("EXAMPLES", "10000"))
)
settings.load_profile("short")


# Sums over a window for every row, once more inside every wrapper; the families themselves are always tested.
REPEATED = re.compile(r"\[(zero-inflated|hurdle|zero-truncated)-(conway-maxwell-poisson|poisson-inverse-gaussian)\]$")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What repeats a long computation is marked slow."""
    for item in items:
        if item.path.name == "test_families.py" and REPEATED.search(item.name):
            item.add_marker(pytest.mark.slow)
