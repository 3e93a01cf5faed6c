"""What the scripts in Python have in common: their arguments, the data by pandas, and the object that they print."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MISSING = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What a script is asked for."""

    path: str
    family: str
    link: str
    numeric: list[str]
    factors: list[str]
    absorbed: bool

    def data(self, factors: str = "category") -> Any:
        """The table, its factors as categories or another type."""
        import pandas

        return pandas.read_csv(self.path, dtype=dict.fromkeys(self.factors, factors))


def main(fit: Callable[[Request], Callable[[], dict[str, float]]]) -> None:
    """Run `fit`, which reads the data and gives the function that is timed: it gives the estimates."""
    path, family, link, numeric, factors, absorbed = sys.argv[1:]
    request = Request(path, family, link, numeric.split(","), factors.split(",") if factors else [], absorbed == "yes")
    try:
        ready = fit(request)
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(MISSING)
    begin = time.perf_counter()
    estimates = ready()
    print(json.dumps({"estimates": estimates, "fit": time.perf_counter() - begin}))
