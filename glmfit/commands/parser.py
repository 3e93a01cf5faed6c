"""The parser of the command line: Typer's, with plain help, and errors that say what was meant."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from glmfit.commands import peers, slips
from glmfit.errors import UsageError, did_you_mean, shell

FIT = "glmfit fit DATA 'response ~ terms' --family FAMILY"
LONGEST = 300  # characters of a command that a hint repeats
# The base class of the errors of the parser (click's), wherever this version of Typer keeps it.
CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


class _Verbatim:
    """Values as typed: our options are text and flags, which `options` reads."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """`value`, nothing being an empty tuple for what may be repeated."""
        return () if value is None and (param.multiple or param.nargs == -1) else value


def _verbatim(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if hasattr(parameter, "_runtime_param"):  # a Typer that would import pydantic to convert values, for 0.15 s
            parameter._runtime_param = _Verbatim()
    return parameters


class Group(TyperGroup):
    """The commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _verbatim(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As it is; `help` and `help COMMAND` are `--help`, asked for in another way."""
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names; `UsageError` where there is none, as when `fit` was forgotten."""
        word, names = args[0], self.list_commands(ctx)
        if word in names:
            return super().resolve_command(ctx, args)
        is_data = "." in word or "~" in word or os.path.exists(word)
        near = did_you_mean(word, names) or f"the commands are {', '.join(names)}"
        as_typed = shell("glmfit", "fit", *args)
        forgotten = f"write {as_typed}" if is_data and len(as_typed) <= LONGEST else FIT
        raise UsageError("usage", f"no command '{word}'", forgotten if is_data else near)


class Command(TyperCommand):
    """A command whose help lists options by panel in plain text: examples first, no rich to import."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _verbatim(super().get_params(ctx))

    def make_parser(self, ctx: Any) -> Any:
        """Typer's, made once: each of a file of jobs is a command line."""
        if not hasattr(self, "_made"):
            self._made = super().make_parser(ctx)
        self._made.ctx = ctx
        return self._made

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As it is; `UsageError` where an option that takes one value is given twice, or a value is none."""
        parameters = [p for p in self.get_params(ctx) if p.param_type_name == "option"]
        options = {name for p in parameters for name in p.opts}
        slips.check(args, options, {name for p in parameters if not getattr(p, "is_flag", False) for name in p.opts})
        try:
            values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        except CommandLineError as error:
            raise usage_error(error, args, options) from error
        rest = super().parse_args(ctx, args)
        valued = [p for p in order if p.param_type_name == "option" and not getattr(p, "is_flag", False)]
        for option, times in Counter(valued).items():
            name, given = option.opts[0], values[option.name]
            if times > 1 and not option.multiple:
                raise UsageError("contradiction", f"{name} is given twice", "give it once")
            for value in given if option.multiple else [given]:
                if not value.strip() or value in options:
                    what = "has an empty value" if not value.strip() else f"has no value: {value} is an option"
                    raise UsageError("invalid_value", f"{name} {what}", f"write {name} {option.metavar}")
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(str(p.metavar) for p in self.get_params(ctx) if p.param_type_name == "argument")]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":  # without the type that Typer adds
                record = (str(parameter.metavar), getattr(parameter, "help", ""))
            panel = getattr(parameter, "rich_help_panel", None) or "Other options"
            panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records, col_max=26)


def usage_error(error: Any, args: Sequence[str] = (), options: Collection[str] = ()) -> UsageError:
    """Typer's error as ours; `args` are the words of a command, `options` those that it has."""
    codes = {"NoSuchOption": "unknown_option", "MissingParameter": "missing_argument", "BadParameter": "invalid_value"}
    context = getattr(error, "ctx", None)
    hint = f"'{'glmfit COMMAND' if context is None else context.command_path} --help' lists the options"
    option = getattr(error, "option_name", None)
    if context is not None and context.parent is None:
        hint = f"options follow a command: {FIT}"
    elif hasattr(error, "possibilities"):
        known = peers.near(str(option), options)
        hint = peers.meaning(str(option), _value(str(option), args), options) or (known and f"write {known}") or hint
    message = error.message if hasattr(error, "possibilities") else error.format_message()
    return UsageError(codes.get(type(error).__name__, "usage"), message, hint)


def _value(option: str, args: Sequence[str]) -> str | None:
    """What was given for an option that there is not: after `=`, or as the next word."""
    for at, word in enumerate(args):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option:
            after = args[at + 1] if at + 1 < len(args) else "-"
            return None if after.startswith("-") or "~" in after or os.path.exists(after) else after
    return None
