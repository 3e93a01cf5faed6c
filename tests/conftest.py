"""Fits of the tests are small: one thread each is several times faster than threads that wait for each other."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
