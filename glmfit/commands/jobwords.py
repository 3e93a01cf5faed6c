"""A job as the words of a command line: its keys are the long names of options, with `_` or `-` between their words.

What is given as a list is repeated, a mapping becomes NAME=VALUE, true is a flag. Paths start from the folder of the
file of jobs. Whether the values make sense is then for the command to say, of each job by itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from glmfit.errors import DataError, UsageError, did_you_mean
from glmfit.families.userfile import is_path
from glmfit.many.jobs.listed import Job

COMMANDS = ("fit", "predict", "compare", "anova", "step", "test", "confint", "residuals", "simulate", "margins")
_OURS = ("json", "quiet", "verbose")  # what a job has no say in: its result is a line of JSON
_FITTING = ("fit", "anova", "step")
_OTHERWISE = ("family", "offset", "exposure", "weights", "missing")  # what means something else after a fit
_PATHS = ("data", "model", "models", "save", "output")


class Words:
    """The commands that a job may name, with their parameters; `commands` are those of the application by name."""

    def __init__(self, commands: Mapping[str, Any]) -> None:
        self.parameters = {name: _parameters(commands[name]) for name in COMMANDS}

    def of(self, job: Job) -> list[str]:
        """The words after `glmfit`; `DataError` for a key that is none, or a value of no possible form."""
        if job.command not in self.parameters:
            hint = did_you_mean(job.command, COMMANDS) or f"the commands are {', '.join(COMMANDS)}"
            raise DataError("job_file", f"{job.place}: no command '{job.command}' for a job", hint)
        known = self.parameters[job.command]
        everything = {name for parameters in self.parameters.values() for name in parameters}
        options: list[str] = []
        arguments: dict[str, list[str]] = {}
        for key, value in job.given.items():
            name = key.replace("-", "_")
            if name not in known:
                if key in job.own or name not in everything:
                    raise _unknown(job, key, known, everything)
                continue  # a default of other commands
            if key not in job.own and job.command not in _FITTING and name in _OTHERWISE and not _is_path(name, value):
                continue  # a default of the fit: the model knows it
            parameter = known[name]
            values = _Values(job, key, _resolved(job.folder) if _is_path(name, value) else str)
            if parameter.param_type_name == "argument":
                arguments[name] = values.several(value) if parameter.nargs == -1 else [values.one(value)]
            else:
                options += values.options(parameter, value)
        order = [name for name, parameter in known.items() if parameter.param_type_name == "argument"]
        given = [word for name in order for word in arguments.get(name, [])]
        if "-" in given:
            what = f"{job.place} reads standard input, which can be read only once"
            raise DataError("job_file", what, "write the data to a file, and name it")
        return [job.command, *options, *_asks(job, options), "--", *given]


def _asks(job: Job, options: Sequence[str]) -> list[str]:
    """For JSON, which a line of results holds, where nothing goes to a file."""
    if any(word.startswith("--output=") for word in options):
        return []
    format = next((word for word in options if word.startswith("--format=")), "--format=json")
    if format != "--format=json":
        message = f"{job.place} asks for {format.removeprefix('--format=')}, and its line of results is JSON"
        raise DataError("job_file", message, 'add a file to write, "output": "FILE", or leave `format` out')
    return [] if format in options else ["--json"]


def runs_code(job: Job) -> bool:
    """Whether a job names a file of Python, which would be run."""
    family = job.given.get("family")
    return isinstance(family, str) and is_path(family)


def reads(job: Job) -> list[str]:
    """The files of models that a job reads, and of data."""
    found = [job.given[name] for name in ("model", "models", "data") if name in job.given]
    listed = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return [_resolved(job.folder)(str(path)) for path in listed]


def writes(job: Job) -> list[str]:
    """The files that a job writes."""
    return [_resolved(job.folder)(str(job.given[name])) for name in ("save", "output") if name in job.given]


def _parameters(command: Any) -> dict[str, Any]:
    """The parameters of a command by the names of keys: those of an option with `_` in place of `-`."""
    found = {}
    for parameter in command.params:
        option = parameter.param_type_name == "option"
        name = parameter.opts[0].lstrip("-").replace("-", "_") if option else parameter.name
        if name not in _OURS:
            found[name] = parameter
    return found


def _is_path(name: str, value: Any) -> bool:
    return name in _PATHS or (name == "family" and isinstance(value, str) and is_path(value))


def _resolved(folder: str) -> Callable[[Any], str]:
    """Paths from a folder."""
    return lambda path: str(path) if str(path) == "-" else os.path.join(folder, str(path))


def _unknown(job: Job, key: str, known: Mapping[str, Any], everything: set[str]) -> DataError:
    if key.replace("-", "_") in _OURS:
        return DataError("job_file", f"{job.place}: '{key}' is not for a job", "leave it out: a job gives JSON")
    spelled = {name: name.replace("_", "-") for name in (*known, "id", "command")}
    near = did_you_mean(key.replace("_", "-"), list(spelled.values()))
    elsewhere = f"'{job.command}' has no such option; others have" if key.replace("-", "_") in everything else None
    hint = near or elsewhere or f"keys are the long options of 'glmfit {job.command} --help'"
    return DataError("job_file", f"{job.place} has an unknown key '{key}'", hint)


class _Values:
    """The values of one key of a job, as words; `word` makes one of a text or number."""

    def __init__(self, job: Job, key: str, word: Callable[[Any], str]) -> None:
        self.job, self.key, self.word = job, key, word

    def options(self, parameter: Any, value: Any) -> Iterator[str]:
        """`--name=value` for each, `--name` for a flag that is true."""
        name = parameter.opts[0]
        if getattr(parameter, "is_flag", False):
            if not isinstance(value, bool):
                raise self._bad(value, "true or false")
            yield from [name] if value else []
        elif isinstance(value, Mapping) and parameter.multiple:
            for key, one in value.items():
                listed = one if isinstance(one, list) else [one]
                yield f"{name}={key}=" + ",".join(self.one(each) for each in listed)
        elif parameter.multiple:
            for one in self.several(value):
                yield f"{name}={one}"
        else:
            yield f"{name}={self.one(value)}"

    def several(self, value: Any) -> list[str]:
        return [self.one(one) for one in value] if isinstance(value, list) else [self.one(value)]

    def one(self, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._bad(value, "a text or a number")
        return self.word(value)

    def _bad(self, value: Any, wanted: str) -> DataError:
        shown = json.dumps(value, default=str, ensure_ascii=False)
        return DataError("job_file", f"{self.job.place}: {self.key} is {shown:.60}", f"write {wanted}")


def check_code(jobs: Sequence[Job], allowed: bool) -> None:
    """`UsageError` where a job would run a file of Python and that was not allowed."""
    asking = [job for job in jobs if runs_code(job)]
    if asking and not allowed:
        message = f"{asking[0].place} would run the code in {asking[0].given['family']}"
        raise UsageError("code_not_allowed", message, "add --allow-code if you trust that file")
