"""Numbers that text hides: thousands separators, decimal commas, currency and percent signs, a few words among them.

Nobody means a factor with a level for each amount. What a column of text would be if it were read in another way is
found from its levels; the way that reads most of them is the one meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glmfit.errors import shell, shorten
from glmfit.table.text import Numerals, is_number

FEW_WORDS = 0.1  # share of the rows that words may be where a column was meant as numbers,
MOST_LEVELS = 10  # and has more numbers than this, or words that stand for missing values in some program:
_STANDS_FOR_MISSING = re.compile(
    r"[-–—]{1,3}|\.{2,3}|[?*]|\.[a-z_]|n\.?[adk]\.?|missing|unknown|#(div/0!|value!|ref!|name\?|num!|null!)|<?nil>?",
    re.IGNORECASE,
)
_SIGN = r"(?:[%\u2030$\u00a2-\u00a5\u0e3f\u20a0-\u20cf\uff04]|EUR|USD|GBP|CHF|JPY)"
_SIGNED = re.compile(rf"([-+]?)\s*({_SIGN}?)\s*(.*?)\s*({_SIGN}?)", re.DOTALL)
_WAYS = tuple(
    Numerals(*way)
    for way in (("", "."), (",", "."), (" ", "."), ("'", "."), ("", ","), (".", ","), (" ", ","), ("'", ","))
)
_LONG = 25  # characters of what may stand for a missing value
_SAMPLE = 1000  # levels that are looked at first, as there may be millions


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """How a column of text could be read as numbers: `numbers` (m,) says for each level whether it is one then.

    `disguised` (m,) are those that are no plain numbers, `signs` what has to be taken off them, and `ways` how numbers
    are written, the likeliest first.
    """

    numbers: np.ndarray
    disguised: np.ndarray
    signs: tuple[str, ...]
    ways: tuple[Numerals, ...]

    def remedy(self, example: str) -> str:
        """The options, and the command, that would make numbers of them, of one of which this is an example."""
        text = _parts(example)[0]
        likely, value = self.ways[0], self.ways[0].plain(text)
        options = _options(likely)
        if self.signs:
            pattern = "|".join(re.escape(sign) for sign in self.signs)
            first = f"take off {' and '.join(self.signs)} first: sed -E 's/{pattern}//g' FILE | glmfit fit - "
            return first + (options or "...")
        other = next((way for way in self.ways[1:] if way.plain(text) != value), None)
        also = f", and {_options(other)} as {other.plain(text)}" if other is not None else ""
        return f"{options} reads '{shorten(example)}' as {value}{also}"


def hidden_numbers(levels: Sequence[str]) -> Hidden:
    """How these texts could be read as numbers, whether all of them can or none."""
    sample = levels[:: 1 + len(levels) // _SAMPLE]
    found = {way: int(_read(sample, way).sum()) for way in _WAYS}
    most = max(found.values())
    if 2 * most < len(sample):
        none = np.zeros(len(levels), dtype=bool)
        return Hidden(none, none, (), ())
    ways = [way for way, count in found.items() if count == most]
    read = {way: _read(levels, way) for way in ways}
    ways.sort(key=lambda way: -int(read[way].sum()))  # which leaves those that read as many in their order
    numbers = read[ways[0]]
    plain = np.array([is_number(level) for level in levels], dtype=bool)
    disguised = [level for level, hidden in zip(levels, numbers & ~plain, strict=True) if hidden]
    signs = dict.fromkeys(sign for level in disguised for sign in _parts(level)[1])
    equal = tuple(way for way in ways if read[way].sum() == numbers.sum())
    return Hidden(numbers, numbers & ~plain, tuple(signs), equal)


def was_meant_as_numbers(codes: np.ndarray, levels: Sequence[str], numbers: np.ndarray) -> bool:
    """Whether a column of text was meant as numbers, where `numbers` says which levels are: all, or all but a few.

    `codes` (n,) are those of the rows into the levels, -1 where missing.
    """
    words = [level for level, number in zip(levels, numbers, strict=True) if not number]
    if numbers.sum() < 2 or not words:
        return bool(numbers.all()) and len(levels) > 0
    if numbers.sum() > 2 and all(_STANDS_FOR_MISSING.fullmatch(word.strip()) for word in words):
        return True
    there = codes[codes >= 0]
    return bool(numbers.sum() > MOST_LEVELS and (~numbers)[there].mean() <= FEW_WORDS)


def missing_options(words: Sequence[str]) -> str:
    """The options that declare some words to be missing values."""
    return " ".join(shell("--na", word.strip()) for word in words[:4] if len(word) <= _LONG)


def _options(way: Numerals) -> str:
    thousands = {"": "", " ": "--thousands space ", "'": '--thousands "\'" '}.get(way.thousands)
    thousands = f"--thousands {way.thousands} " if thousands is None else thousands
    return (thousands + (f"--decimal {way.decimal}" if way.decimal != "." else "")).strip()


def _read(levels: Sequence[str], way: Numerals) -> np.ndarray:
    """Whether each of the levels, signs of currency and percent apart, is a number written in this way: bool (m,)."""
    return np.array([way.plain(_parts(level)[0]) is not None for level in levels], dtype=bool)


def _parts(level: str) -> tuple[str, list[str]]:
    """A text without the signs of currency and percent at its ends, and these."""
    match = _SIGNED.fullmatch(level.strip())
    if match is None:
        return level, []
    minus, before, number, after = match.groups()
    return minus + number, [sign for sign in (before, after) if sign]
