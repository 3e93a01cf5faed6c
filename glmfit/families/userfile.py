"""A user's own file of Python: loaded from a path given explicitly, its errors told by its own lines.

Nothing is searched for, nothing is written beside the file, and what it prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType

from glmfit.errors import GlmfitError, ModelError, UsageError
from glmfit.lazy import load_all, torch
from glmfit.memory import ran_out

# Words of Python's and torch's errors, and what to do where they are met in a likelihood.
REMEDIES = (
    ("'torch' is not defined", "add 'import torch' at the top of the file"),
    ("call numpy()", "numpy cannot be differentiated: write torch.abs for np.abs, torch.exp for np.exp and so on"),
    (
        "converted to Python scalars",
        "math takes single numbers: write torch.exp for math.exp, and drop float() and .item()",
    ),
    (
        "Boolean value of Tensor",
        "'if', max() and min() take single numbers: write torch.where(y > mu, a, b), or torch.maximum(a, b)",
    ),
    (
        "bool value of Tensor",
        "'if', max() and min() take single numbers: write torch.where(y > mu, a, b), or torch.maximum(a, b)",
    ),
    ("unhashable type: 'list'", "take one column at a time: torch.stack([data.a, data.b], dim=1)"),
)


def is_path(family: str) -> bool:
    """Whether a family's name is a file: `gumbel.py`, `gumbel.py:NAME`, or anything with a separator of folders."""
    path, _ = split(family)
    return path.endswith(".py") or any(mark in family for mark in (os.sep, os.altsep) if mark)


def split(family: str) -> tuple[str, str | None]:
    """`FILE.py:NAME` -> ("FILE.py", "NAME"); ("FILE.py", None) without a name."""
    path, colon, name = family.rpartition(":")
    return (path, name.strip()) if colon and path.endswith(".py") else (family, None)


def is_dense(family: str) -> bool:
    """Whether a family is a file whose likelihood is `log_likelihood(params, data)`, which is no sum over rows."""
    if not is_path(family):
        return False
    path, name = split(family)
    if name is not None:
        return name == "log_likelihood"
    module = load(path)
    return hasattr(module, "log_likelihood") and not hasattr(module, "log_density")


def stem(path: str) -> str:
    """`likelihoods/gumbel.py` -> "gumbel"."""
    return os.path.splitext(os.path.basename(path))[0]


def load(path: str) -> ModuleType:
    """The file as a module, run once as long as it does not change; UsageError or ModelError where that fails."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        raise _unreadable(path, error) from error
    return _load(path, os.path.abspath(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _load(path: str, absolute: str, modified: int, size: int) -> ModuleType:
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise _unreadable(path, error) from error
    linecache.checkcache(path)
    load_all()
    module = ModuleType(f"glmfit_user_{stem(path)}_{modified}")
    module.__file__ = absolute
    sys.modules[module.__name__] = module  # dataclasses look their module up
    with running(path, "cannot be loaded"):
        exec(compile(source, path, "exec"), module.__dict__)
    return module


def _unreadable(path: str, error: Exception) -> UsageError:
    reason = getattr(error, "strerror", None) or error
    return UsageError("no_such_file", f"cannot read {path}: {reason}", "check the path of the file")


@contextlib.contextmanager
def running(path: str, what: str = "failed") -> Iterator[None]:
    """While the code of a file runs: prints go to standard error, and an exception becomes a ModelError.

    Its message names the line of the file that was running. An interrupt and a want of memory go through. Numbers are
    float64.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr), _in_float64():
            yield
    except GlmfitError as error:  # of what we gave to the file, such as a column that is not there
        where = own_line(error, path)
        raise type(error)(error.code, f"{where}: {error.message}" if where else error.message, error.hint) from error
    except (Exception, SystemExit) as error:  # whatever the file's code may raise
        if ran_out(error):
            raise
        where = own_line(error, path) or path
        said = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n")[0]
        reason = f"{type(error).__name__}: {said}".removesuffix(": ")
        hint = next((hint for words, hint in REMEDIES if words in reason), "correct the file")
        raise ModelError("user_code", f"{path} {what}: {reason} (at {where})", hint) from error


@contextlib.contextmanager
def _in_float64() -> Iterator[None]:
    """torch with float64 where nothing else is said (the quotient of two integers, too, otherwise of 7 digits)."""
    kind = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(kind)


def is_outside_domain(error: ModelError) -> bool:
    """Whether the file's code met a value without a likelihood, which in a search is a step too far.

    That is a matrix that cannot be factored, or an argument that a distribution of torch refuses.
    """
    cause = error.__cause__
    if not isinstance(cause, ValueError):
        return isinstance(cause, torch.linalg.LinAlgError)
    trace = cause.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("torch.distributions.")


def own_line(error: BaseException, path: str) -> str | None:
    """`gumbel.py:7: z = (y - mu) / sigma`, the last line of the file that an exception went through."""
    number: int | None = None
    if isinstance(error, SyntaxError) and error.filename == path:
        number = error.lineno
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            number = trace.tb_lineno
        trace = trace.tb_next
    if number is None:
        return None
    return line_text(path, number)


def line_text(path: str, number: int) -> str:
    """A line of the file as messages show it: `gumbel.py:7: z = (y - mu) / sigma`."""
    return f"{os.path.basename(path)}:{number}: {linecache.getline(path, number).strip()}".removesuffix(": ")
