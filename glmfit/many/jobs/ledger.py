"""The file of results: a line a job, in the order of the jobs, each whole on the disk before the next is begun.

A line has the id of its job and a fingerprint of all that was asked for, by which a run that was cut off goes on: what
is there already is left as it is, a last line without its end is done again, and results of other jobs are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glmfit.errors import DataError

_RESUME = "write to another file, or delete this one to begin anew"


def fingerprint(words: Sequence[str]) -> str:
    """Of the words of a command: 16 hexadecimal digits of a SHA-256."""
    return hashlib.sha256(json.dumps(list(words)).encode()).hexdigest()[:16]


def line(name: str, job: str, status: int, document: str) -> str:
    """A line of results: the id, the fingerprint of the job and its exit status, in front of its document."""
    head = json.dumps({"id": name, "job": job, "status": status}, ensure_ascii=False)
    return f"{head[:-1]}, {document.strip()[1:]}\n"


def unfinished(path: str, jobs: Mapping[str, str]) -> int:
    """How many results of these jobs a file holds, where there are some and not all; 0 else."""
    try:
        found = len(held(path, jobs).statuses)
    except (DataError, OSError):  # something else, which a new result may take the place of
        return 0
    return found if found < len(jobs) else 0


@dataclass(frozen=True, slots=True)
class Held:
    """What a file of results holds: the statuses of the jobs that are done, and where its last whole line ends."""

    statuses: Mapping[str, int]
    end: int


def held(path: str, jobs: Mapping[str, str]) -> Held:
    """Of a file, for jobs with these fingerprints by their ids; `DataError` where it has lines of any others."""
    statuses: dict[str, int] = {}
    end = 0
    if not os.path.exists(path):
        return Held(statuses, end)
    with open(path, "rb") as file:
        for number, content in enumerate(file, start=1):
            if not content.endswith(b"\n"):
                break  # cut off while it was written
            name, job, status = _head(content, f"line {number} of {path}")
            if name not in jobs:
                raise _refused(f"{path} has a result of a job '{name}' that is not in the file of jobs")
            if job != jobs[name]:
                raise _refused(f"{path} has a result of job '{name}' that was asked for otherwise (line {number})")
            if name in statuses:
                raise _refused(f"{path} has two results of job '{name}' (line {number})")
            statuses[name] = status
            end += len(content)
    return Held(statuses, end)


def _head(content: bytes, place: str) -> tuple[str, str, int]:
    try:
        found = json.loads(content)
        name, job, status = found["id"], found["job"], found["status"]
    except (ValueError, KeyError, TypeError):
        raise _refused(f"{place} is not a result of a job") from None
    return str(name), str(job), int(status)


def _refused(message: str) -> DataError:
    return DataError("other_results", message, _RESUME)
