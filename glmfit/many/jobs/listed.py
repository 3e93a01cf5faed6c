"""Files of jobs: TOML, or JSON lines. A job is an id, a command and what is given to it, under the names of options.

What stands under `defaults` is given to every job of the file that does not say otherwise; `include` names further
files, whose jobs come in its place, with defaults of their own before those of the file that includes them. Nothing in
a file of jobs is evaluated.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from glmfit.errors import DataError, did_you_mean

_OF_FILE = ("defaults", "include", "jobs")
_WRITE = 'write {"id": "a", "data": "data.csv", "formulas": ["y ~ x"]}, one job a line, or TOML with [[jobs]]'


@dataclass(frozen=True, slots=True)
class Job:
    """One job: `given` are names of options and arguments with their values, `own` those that it says itself.

    `folder` is what its relative paths start from, `place` says where it stands, for messages.
    """

    id: str
    command: str
    given: Mapping[str, Any]
    own: frozenset[str]
    folder: str
    place: str


@dataclass(frozen=True, slots=True)
class _File:
    """What a file holds: its defaults, and in order jobs with their places and names of files to include."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    entries: tuple[tuple[str, Any], ...] = ()  # (place, a job as a mapping, or the path of a file)


def read_jobs(path: str) -> list[Job]:
    """The jobs of a file, `-` for standard input, in their order; `DataError` for what is wrong with the file."""
    jobs = list(_jobs(path, {}, ()))
    seen: dict[str, Job] = {}
    for job in jobs:
        if job.id in seen:
            message = f"two jobs have the id '{job.id}': {seen[job.id].place} and {job.place}"
            raise _error(message, "give each job an id of its own: results are found by it")
        seen[job.id] = job
    if not jobs:
        raise _error(f"{_named(path)} holds no job", _WRITE)
    return jobs


def _jobs(path: str, defaults: Mapping[str, Any], within: tuple[str, ...]) -> Iterator[Job]:
    """Those of a file that the files `within` include, one within the other."""
    here = path if path == "-" else os.path.realpath(path)
    if here in within:
        round_about = " includes ".join(os.path.basename(one) for one in (*within[within.index(here) :], here))
        raise _error(f"files of jobs include each other: {round_about}", "leave one `include` out")
    found = _parsed(path)
    shared = {**defaults, **found.defaults}
    folder = os.path.dirname(path) if path != "-" else ""
    for place, entry in found.entries:
        if isinstance(entry, str):
            yield from _jobs(os.path.join(folder, entry), shared, (*within, here))
        else:
            yield _job(entry, shared, folder, place)


def _job(entry: Any, defaults: Mapping[str, Any], folder: str, place: str) -> Job:
    if not isinstance(entry, dict):
        raise _error(f"{place} is not an object: {json.dumps(entry, default=str):.60}", _WRITE)
    given = {**defaults, **entry}
    name = given.pop("id", None)
    if name is None:
        raise _error(f"{place} has no id", "give it an id of its own: results are found by it")
    if isinstance(name, bool) or not isinstance(name, str | int) or str(name).strip() == "":
        raise _error(f"{place}: the id {json.dumps(name, default=str):.60} is not a text or a whole number", "name it")
    command = given.pop("command", "fit")
    if not isinstance(command, str):
        raise _error(f"{place}: the command {json.dumps(command, default=str):.60} is not a text", "write fit")
    given = {key: value for key, value in given.items() if value is not None}  # null takes a default away
    return Job(str(name), command, given, frozenset(entry), folder, f"{place} ('{name}')")


def _parsed(path: str) -> _File:
    text = _text(path)
    what = _named(path)
    begins = text.lstrip()[:1]
    if begins == "{":
        return _of_lines(text, what)
    if begins == "[" and _is_json(text):
        return _of_table({"jobs": json.loads(text)}, what)
    return _of_table(_toml(text, what), what)


def _text(path: str) -> str:
    try:
        if path == "-":
            if sys.stdin is None:
                raise DataError("not_readable", "standard input is closed", "give a file, or pipe the jobs in")
            content = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                content = file.read()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        folder = os.path.dirname(path) or "."
        near = did_you_mean(os.path.basename(path), sorted(os.listdir(folder)) if os.path.isdir(folder) else [])
        raise DataError("not_found", f"no file {path}", near or "check the path") from None
    except OSError as error:
        raise DataError("not_readable", f"{path!r} cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise _error(f"{_named(path)} is not UTF-8 (byte {error.start + 1})", "save it as UTF-8") from error
    if not text.strip():
        raise _error(f"{_named(path)} is empty", _WRITE)
    return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _of_lines(text: str, what: str) -> _File:
    """JSON lines: a job each, or {"defaults": ...} or {"include": ...}; or one object that is all of it."""
    if _is_json(text) and "jobs" in json.loads(text):
        return _of_table(json.loads(text), what)
    defaults: dict[str, Any] = {}
    entries: list[tuple[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"line {number} of {what}"
        try:
            entry = json.loads(line)
        except ValueError as error:
            at = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise _error(f"{place}{at} is not JSON: {why}", "write one job a line, each a JSON object") from error
        if isinstance(entry, dict) and set(entry) == {"defaults"}:
            if entries:
                raise _error(f"{place}: defaults stand below jobs", "put them above: they are those of all jobs")
            defaults |= _mapping(entry["defaults"], f"{place}: defaults")
        elif isinstance(entry, dict) and set(entry) == {"include"}:
            entries += _included(entry["include"], place)
        else:
            entries.append((place, entry))
    return _File(defaults, tuple(entries))


def _toml(text: str, what: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _error(
            f"{what} is not TOML: {error}", 'check that line; texts stand in quotes: family = "poisson"'
        ) from error


def _of_table(table: Mapping[str, Any], what: str) -> _File:
    """TOML, or one JSON object: `defaults`, `include` and a list of `jobs`."""
    for key in table:
        if key not in _OF_FILE:
            hint = did_you_mean(key, _OF_FILE) or f"at the top of the file stand {', '.join(_OF_FILE)}"
            raise _error(f"{what} has an unknown key '{key}'", hint)
    jobs = table.get("jobs", [])
    if not isinstance(jobs, list):
        raise _error(f"{what}: jobs is not a list", "head each job with [[jobs]]")
    entries = _included(table.get("include", []), what)
    entries += [(f"job {number} of {what}", job) for number, job in enumerate(jobs, start=1)]
    return _File(_mapping(table.get("defaults", {}), f"{what}: defaults"), tuple(entries))


def _included(names: Any, place: str) -> list[tuple[str, Any]]:
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise _error(f"{place}: include is not the name of a file, or a list of them", 'write include = ["more.toml"]')
    return [(place, name) for name in listed]


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _error(f"{what} is not an object of options", 'write {"family": "poisson"}, or [defaults] in TOML')
    for key in ("id", "save", "output"):
        if key in value:
            raise _error(f"{what} gives '{key}' to all jobs", "give each job its own")
    return value


def _named(path: str) -> str:
    return "standard input" if path == "-" else path


def _error(message: str, hint: str) -> DataError:
    return DataError("job_file", message, hint)
