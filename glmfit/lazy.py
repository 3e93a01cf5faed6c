"""What costs time to load, imported at its first use: torch (over a second), and the modules of a package.

Links and families state their facts without paying for torch, and a package may name what it hands out without
loading it.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any


class _LazyModule:
    def __init__(self, name: str) -> None:
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return _LazyModule, (self._name,)

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)  # the next look-up does not come here
        return value


if TYPE_CHECKING:
    import torch
else:
    torch = _LazyModule("torch")


def load_meanwhile(module: str) -> None:
    """Begin to load a module in a thread of its own; whoever imports it waits for what is left of that."""
    if module not in sys.modules:
        threading.Thread(target=importlib.import_module, args=(module,), daemon=True).start()


def handed_out(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose `modules` (module -> names, separated by blanks) load when one is asked for.

    Raises AttributeError for a name that the package does not hand out.
    """
    home = {name: f"{package}.{module}" for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(home[name]), name)

    return get


__all__ = ["handed_out", "load_meanwhile", "torch"]
