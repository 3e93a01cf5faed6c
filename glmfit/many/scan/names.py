"""Which columns are scanned: names, patterns, ranges of the header, and what is taken out of them.

a,b    x*    g1:g100    x*,!x7        an exact name comes before everything else that it could mean
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

from glmfit.errors import DataError, UsageError, column_hint, shorten
from glmfit.formula import split_list

_PATTERN = re.compile(r"[*?\[]")


def chosen(asked: Sequence[str], header: Sequence[str]) -> list[str]:
    """The columns asked for, each once: items in the order given, those of a pattern in that of the header."""
    places = {name: at for at, name in enumerate(header)}
    found: dict[str, None] = {}
    out: set[str] = set()
    for text in asked:
        for item in [text] if text in places else split_list(text):
            if item.startswith("!") and item not in places:
                out.update(_matched(item[1:].strip(), header, places))
            else:
                found.update(dict.fromkeys(_matched(item, header, places)))
    kept = [name for name in found if name not in out]
    if not kept:
        message = f"--scan {shorten(','.join(asked))} matches no column"
        raise DataError("scan_columns", message, _listed(header))
    return kept


def from_file(path: str) -> list[str]:
    """The names in a file, one a line."""
    try:
        with open(path, encoding="utf-8-sig") as lines:
            names = [line.strip() for line in lines]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            "scan_file", f"--scan-file {path} cannot be read: {reason}", "give a file with a name a line"
        ) from error
    if not any(names):
        raise UsageError("scan_file", f"--scan-file {path} has no names", "give a file with a name a line")
    return [name for name in names if name]


def _matched(item: str, header: Sequence[str], places: dict[str, int]) -> list[str]:
    name = item[1:-1] if len(item) > 2 and item[0] == item[-1] == "`" else item
    if name in places:
        return [name]
    if _PATTERN.search(item):
        fits = re.compile(translate(item)).match
        return [one for one in header if fits(one)]
    first, colon, last = item.partition(":")
    if colon and first.strip() in places and last.strip() in places:
        start, end = places[first.strip()], places[last.strip()]
        if start > end:
            hint = f"write {last.strip()}:{first.strip()}"
            raise UsageError("scan_columns", f"--scan {item}: '{first}' stands after '{last}' in the header", hint)
        return list(header[start : end + 1])
    raise DataError("unknown_column", f"--scan: no column '{shorten(item)}'", column_hint(item, header))


def _listed(header: Sequence[str]) -> str:
    shown = ", ".join(f"'{shorten(name)}'" for name in header[:8])
    return f"the columns are {shown}" + (f" and {len(header) - 8} more" if len(header) > 8 else "")
