"""What a piece of text means: the spellings of a missing value, of a number, of a truth value and of a date."""

from __future__ import annotations

import re

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

EXACT = 2.0**53  # every integer below is a float64; above, the neighbours of some are missing


def is_number(text: str) -> bool:
    """Whether the text is a decimal number or an infinity, blanks around it allowed."""
    return _NUMBER.fullmatch(text.strip()) is not None


def number(text: str) -> float:
    """The number that such a text means; float alone refuses some of the blanks that strip removes."""
    return float(text.strip())


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
