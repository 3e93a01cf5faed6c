"""How DATA is read: the options that all commands share which take a file, and the `Reading` that they make.

A command that is marked `takes_data` has one parameter for all of them, `reading`, in whose place they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from glmfit.commands.options import option, whole_number
from glmfit.commands.together import standing_for
from glmfit.errors import UsageError
from glmfit.reading import Reading

_D = "Reading the data"
_READING = {  # the field of Reading -> the option of every command that takes DATA
    "na": Annotated[
        list[str] | None, option(_D, "--na", metavar="TEXT", help="A further spelling of a missing value. Repeatable.")
    ],
    "thousands": Annotated[
        str | None, option(_D, "--thousands", metavar="SIGN", help="Between thousands: , or . or ' or space.")
    ],
    "decimal": Annotated[str | None, option(_D, "--decimal", metavar="SIGN", help="Decimal sign: . (default) or ,.")],
    "comment": Annotated[
        str | None, option(_D, "--comment", metavar="TEXT", help="Leave out lines that begin with it, such as '#'.")
    ],
    "skip": Annotated[
        str | None, option(_D, "--skip", metavar="N[,M]", help="Leave out N lines above the header, M below it.")
    ],
    "separator": Annotated[
        str | None, option(_D, "--separator", metavar="SIGN", help="Between fields: any sign, tab, or whitespace.")
    ],
    "encoding": Annotated[
        str | None, option(_D, "--encoding", metavar="NAME", help="Of text that is not UTF-8, as windows-1252.")
    ],
    "sheet": Annotated[str | None, option(_D, "--sheet", metavar="NAME", help="Of a workbook; default the first.")],
}


def reading_of(*, na: Sequence[str] | None, skip: str | None, **others: str | None) -> Reading:
    """How DATA is to be read, from the options of a command."""
    lines = skip.split(",") if skip else ["0"]
    if len(lines) > 2:
        raise UsageError("invalid_value", f"--skip: '{skip}' is more than two numbers", "write --skip N or --skip N,M")
    above, below = [whole_number("--skip", line) for line in (*lines, "0")][:2]
    return Reading(na=tuple(na or ()), skip=(above, below), **others)


takes_data = standing_for("reading", _READING, reading_of)  # a command that takes DATA
