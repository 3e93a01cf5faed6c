"""Several options that a command takes as one argument, made of them: those of reading, those of a penalty."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any


def standing_for(
    argument: str, options: Mapping[str, Any], make: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For a command with this argument: `options`, annotated by name, stand in its place, and `make` has it of them."""

    def taking(command: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(command, eval_str=True)
        added = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=False if annotation.__origin__ is bool else None,
                annotation=annotation,
            )
            for name, annotation in options.items()
        ]
        places = own.parameters.items()
        parameters = [new for name, one in places for new in (added if name == argument else [one])]

        @functools.wraps(command)
        def with_options(**given: Any) -> Any:
            asked = {one.name: given.pop(one.name, one.default) for one in added}
            return command(**given, **{argument: make(**asked)})

        with_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_options

    return taking
