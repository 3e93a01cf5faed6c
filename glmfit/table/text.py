"""What a piece of text means: the spellings of a missing value, of a number, of a truth value and of a date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

# Quoted or not, as in R. "None" is a missing value only among numbers: among words it is too often a category.
MISSING = frozenset(
    ["", ".", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan", "NULL", "Null", "null"]
)
MISSING_NUMBER = "None"

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+(?:,\d+)?(?:e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DATE = re.compile(
    r"\d{4}([-/.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ][0-2]\d:[0-5]\d(?::[0-6]\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?"
    r"|[0-2]?\d:[0-5]\d(?::[0-6]\d(?:\.\d+)?)?",
    re.ASCII,
)
_TRUE = frozenset(["TRUE", "True", "true", "T"])
_FALSE = frozenset(["FALSE", "False", "false", "F"])

_SAME = {" ": " \u00a0\u2009\u202f", "'": "'\u2019"}  # signs between thousands that are typed alike

EXACT = 2.0**53  # every integer below is a float64; above, the neighbours of some are missing


def is_number(text: str) -> bool:
    """Whether the text is a decimal number or an infinity, blanks around it allowed."""
    return _NUMBER.fullmatch(text.strip()) is not None


def number(text: str) -> float:
    """The number that such a text means; float alone refuses some of the blanks that strip removes."""
    return float(text.strip())


@dataclass(frozen=True, slots=True)
class Numerals:
    """How numbers are written: the sign between thousands (a blank is any kind of blank) and that before decimals."""

    thousands: str = ""
    decimal: str = "."

    def plain(self, text: str) -> str | None:
        """The text as `is_number` reads it; None where it is no number that is written so."""
        text = text.strip()
        if _pattern(self.thousands, self.decimal).fullmatch(text) is None:
            return None
        for sign in _SAME.get(self.thousands, self.thousands):
            text = text.replace(sign, "")
        return text.replace(self.decimal, ".")


@cache
def _pattern(thousands: str, decimal: str) -> re.Pattern[str]:
    groups = ""
    if thousands:
        sign = f"[{re.escape(_SAME.get(thousands, thousands))}]"
        groups = rf"\d{{1,3}}(?:{sign}\d{{2,3}})*{sign}\d{{3}}|"  # of two digits as in India: 12,34,567
    point = re.escape(decimal)
    whole = rf"[+-]?(?:(?:{groups}\d+)(?:{point}\d*)?|{point}\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?"
    return re.compile(whole, re.IGNORECASE | re.ASCII)


def has_decimal_commas(texts: list[str]) -> bool:
    """Whether all are numbers written with a comma, `1,5`, or integers, and a comma does occur."""
    return any("," in text for text in texts) and all(_DECIMAL_COMMA.fullmatch(text.strip()) for text in texts)


def is_date(text: str) -> bool:
    """Whether the text is a date written from the year down, `2024-05-31`, with or without a time, or a time of day."""
    return _DATE.fullmatch(text.strip()) is not None


def truth_values(texts: list[str]) -> list[bool] | None:
    """The truth value of every text, or None where one is neither true nor false.

    `T` and `F` count only where both occur or a longer spelling does: a column of nothing but `F` may well mean female.
    """
    if not all(text.strip() in _TRUE or text.strip() in _FALSE for text in texts):
        return None
    stripped = [text.strip() for text in texts]
    return None if set(stripped) in ({"T"}, {"F"}) else [text in _TRUE for text in stripped]


def is_inexact_integer(text: str) -> bool:
    """Whether the text is an integer that no float64 represents."""
    text = text.strip()
    if not _INTEGER.fullmatch(text):
        return False
    value = abs(float(text))
    if not EXACT <= value < float("inf"):
        return False
    return int(text.lstrip("+-0")) != int(value)
