"""What costs time to load, imported at its first use: torch (a second), parts of it, and the modules of a package.

Links and families state their facts without paying for torch, a package may name what it hands out without loading it,
and of torch itself that is put off which a third of its loading goes to and nothing here ever asks for.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
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


# What tensors without values ("meta"), and the compiler that traces programs with them, know of each operation.
_PUT_OFF = ("torch._meta_registrations", "torch.distributed._meta_registrations")


class _PutOff(SourceFileLoader):
    """Loads a module when something asks for a name in it."""

    def exec_module(self, module: ModuleType) -> None:
        def get(name: str) -> Any:
            if name.startswith("__"):  # which whoever looks through all modules asks for
                raise AttributeError(f"module '{module.__name__}' has no attribute '{name}'")
            if module.__dict__.pop("__getattr__", None) is not None:
                SourceFileLoader.exec_module(self, module)
            return getattr(module, name)

        module.__dict__["__getattr__"] = get


class _Finder:
    """Finds the modules to put off, where this version of torch has them."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in _PUT_OFF else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _PutOff(name, spec.loader.path)
        return spec


def put_off() -> None:
    """In a process of our own that has not loaded torch yet: leave out of it what is put off."""
    sys.meta_path.insert(0, _Finder)


def load_all() -> None:
    """torch as it is for all others, for code of theirs."""
    if _Finder in sys.meta_path:
        sys.meta_path.remove(_Finder)
        importlib.import_module("torch")
        for name in _PUT_OFF:
            getattr(sys.modules.get(name), "load", None)  # any name that is none of its own


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
