"""How a file is to be read where it does not say so itself: what `--na`, `--thousands`, `--skip` and such ask for."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from glmfit.errors import UsageError, did_you_mean

WHITESPACE = "whitespace"  # runs of blanks and tabs
_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "windows-1252", "windows-1250", "windows-1251",
              "iso-8859-15", "mac-roman", "shift-jis", "gb18030", "big5", "euc-kr", "koi8-r")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What was asked of reading; None means what the file's own marks say.

    `skip` is the lines above the header and those right below it that are left out; a number alone is the former.
    """

    na: tuple[str, ...] = ()  # further spellings of a missing value
    thousands: str | None = None  # sign between thousands; a blank stands for all kinds of blanks
    decimal: str | None = None  # sign before decimals
    comment: str | None = None  # what lines begin with that are left out
    skip: tuple[int, int] = (0, 0)
    separator: str | None = None  # WHITESPACE, or what stands between fields
    encoding: str | None = None  # one that Python knows
    sheet: str | None = None  # of a workbook

    def __post_init__(self) -> None:
        _validate_types(self)
        settle = object.__setattr__
        settle(self, "na", tuple(self.na))
        settle(self, "skip", (self.skip, 0) if isinstance(self.skip, int) else self.skip)
        settle(self, "thousands", " " if self.thousands == "space" else self.thousands)
        settle(self, "separator", _SEPARATORS.get(str(self.separator), self.separator))
        _validate(self)

    @property
    def lines_above(self) -> int:
        """Lines above the header that are left out."""
        return self.skip[0]

    @property
    def lines_below(self) -> int:
        """Lines right below the header that are left out."""
        return self.skip[1]

    def asked(self) -> list[str]:
        """The fields that were asked for."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(PLAIN, field.name)]

    def again(self, given: Reading) -> Reading:
        """How the old data are read again: as they were, unless something else is given."""
        return self if given == PLAIN else self.for_new_data(given)

    def for_new_data(self, given: Reading) -> Reading:
        """How new data are read where the old ones were read like this: as given, and where that does not say, with
        the same missing values and the same signs in numbers; where a table begins in a file, each file says anew."""
        na = tuple(dict.fromkeys((*self.na, *given.na)))
        if given.thousands is None and given.decimal is None:
            return replace(given, na=na, thousands=self.thousands, decimal=self.decimal)
        return replace(given, na=na)


def from_options(options: Mapping[str, Any]) -> Reading:
    """What options of these names ask for; `UsageError` for a name that is not among the fields."""
    known = [field.name for field in fields(Reading)]
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or f"options of reading: {', '.join(known)}"
            raise UsageError("unknown_option", f"no option '{name}'", hint)
    return Reading(**options)


def _validate_types(reading: Reading) -> None:
    """From Python any value may come."""
    for name in ("thousands", "decimal", "comment", "separator", "encoding", "sheet"):
        if not isinstance(getattr(reading, name), str | None):
            raise _invalid(name, getattr(reading, name), "is not text", "give text")
    if not isinstance(reading.na, tuple | list) or not all(isinstance(text, str) for text in reading.na):
        raise _invalid("na", reading.na, "is not a sequence of texts", "give a tuple of texts")
    lines = reading.skip if isinstance(reading.skip, tuple) else (reading.skip, 0)
    if not (len(lines) == 2 and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in lines)):
        hint = "give the number of lines above the header, or 0,1 to leave out one below it"
        raise _invalid("skip", reading.skip, "is no number of lines", hint)


def _validate(reading: Reading) -> None:
    thousands, decimal, separator = reading.thousands, reading.decimal, reading.separator
    if decimal not in (None, ".", ","):
        raise _invalid("decimal", decimal, "is no decimal sign", "write --decimal , or leave it out")
    if thousands is not None and (len(thousands) != 1 or thousands.isalnum() or thousands in '+-"\n\r'):
        raise _invalid("thousands", thousands, "is no sign between thousands", "write , or . or ' or space")
    if thousands is not None and thousands == (decimal or "."):
        other = "." if thousands == "," else ","
        message = f"--thousands {thousands}: the decimal sign is '{thousands}' too"
        raise UsageError("contradiction", message, f"add --decimal {other}")
    if reading.comment is not None and not reading.comment.strip():
        raise _invalid("comment", reading.comment, "is empty", "write what comments begin with: --comment '#'")
    if separator is not None and not _can_separate(separator):
        known = (WHITESPACE, *_SEPARATORS)
        hint = did_you_mean(separator, known) or "write one character, or tab, or whitespace for runs of blanks"
        raise _invalid("separator", separator, "is no separator", hint)
    if reading.encoding is not None:
        _validate_encoding(reading.encoding)


def _can_separate(sign: str) -> bool:
    if sign == WHITESPACE:
        return True
    return bool(sign) and not set(sign) & set('"\n\r') and not (len(sign) > 1 and sign.isalnum())


def _validate_encoding(name: str) -> None:
    try:
        codecs.lookup(name)
        "".encode(name)  # which refuses what encodes no text, such as base64
    except (LookupError, ValueError):
        hint = did_you_mean(name, _ENCODINGS) or f"known are {', '.join(_ENCODINGS[:8])} and others of Python's"
        raise _invalid("encoding", name, "is no encoding of text", hint) from None


def _invalid(name: str, value: Any, what: str, hint: str) -> UsageError:
    return UsageError("invalid_value", f"--{name}: {value!r:.60} {what}", hint)


PLAIN = Reading()
