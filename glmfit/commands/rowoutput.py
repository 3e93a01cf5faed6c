"""What commands that write a row for each row of the data share: their formats, and how they are chosen."""

from __future__ import annotations

from typing import Annotated

from glmfit.commands.options import option
from glmfit.errors import UsageError
from glmfit.spec import one_of

FORMATS = ("csv", "json", "parquet", "markdown", "table")
Keep = Annotated[
    list[str] | None,
    option("Output", "--keep", metavar="COLUMNS", help="Columns of the input to write in front; all for all of them."),
]
Format = Annotated[
    str | None,
    option("Output", "--format", metavar="FORMAT", help="csv (default), json (lines), parquet, markdown or table."),
]
Json = Annotated[bool, option("Output", "--json", help="JSON lines: the same as --format json.")]


def row_format(json: bool, format: str | None, output: str | None) -> str:
    """The format asked for, or that of the name of the file."""
    ending = "parquet" if output is not None and output.endswith(".parquet") else "csv"
    chosen = one_of("--format", format or ("json" if json else ending), FORMATS)
    if json and chosen != "json":
        raise UsageError("contradiction", f"--json and --format {chosen} contradict each other", "give one of them")
    if chosen == "parquet" and output is None:
        raise UsageError("contradiction", "Parquet is for a file, not for standard output", "add -o FILE.parquet")
    return chosen
