"""Formula text -> tokens, or the items of a list; a character that fits nowhere is named, with what was meant by it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glmfit.errors import UsageError, shell, shorten
from glmfit.formula import stata

MAX_LENGTH = 100_000
NAME = r"(?:[^\W\d]|\.(?=[^\W\d]))[\w.]*"  # of a column, as R writes it
_TOKEN = re.compile(
    rf"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>{NAME}|\.)
      | (?P<quoted>`[^`]+`)
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<operator>%in%|\*\*|//|<=|>=|==|!=|&&|\|\||[-+*/:^~(),\[\]=<>&|%!])""",
    re.VERBOSE | re.DOTALL,
)
_SYNONYMS = {"^": "**", "&&": "&", "||": "|"}
_MEANT = {"-": "−–—－", "*": "×∗⋅·＊", "/": "÷∕／", "+": "＋", "~": "∼˜～", ":": "：", "=": "＝", "(": "（", ")": "）"}
_MEANT |= {",": "，", "<=": "≤", ">=": "≥", "!=": "≠", "**": "²³", "'": "‘’‚′", '"': "“”„″«»"}
_LOOKALIKES = {sign: plain for plain, signs in _MEANT.items() for sign in signs}  # what text processors make of them


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: number, name, quoted (in backticks), string, operator or end."""

    kind: str
    text: str
    start: int


def tokenize(text: str, names: re.Pattern[str] | None = None) -> list[Token]:
    """The tokens of a formula, closed by one of kind `end`; raises UsageError at a character that fits nowhere.

    What `names` matches is a name as it stands, `g[T.b]:x` or whatever else, and comes as if it were in backticks.
    """
    if len(text) > MAX_LENGTH:
        what = f"the formula has {len(text)} characters; at most {MAX_LENGTH} are read"
        raise UsageError("formula", what, "write . for all columns, or give the model fewer terms")
    tokens, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        exact = None if names is None else names.match(text, place)
        if exact is not None:
            tokens.append(Token("quoted", f"`{exact.group()}`", place))
            place = exact.end()
            continue
        match = _TOKEN.match(text, place)
        if match is None:
            raise _no_meaning(text, place)
        kind = match.lastgroup or ""
        piece = match.group()
        tokens.append(Token(kind, _SYNONYMS.get(piece, piece), place))
        place = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _no_meaning(text: str, place: int) -> UsageError:
    sign = text[place]
    if sign in "\"'`":
        return syntax(text, place, f"{sign} opens and nothing closes it", "what opens must close")
    if sign == "$":
        return syntax(text, place, "'$' has no meaning here", "write the name of the column alone: x, not data$x")
    if sign == "#":
        hint = f"write {shell(stata.translated(text))}" if shorten(text) == text else "write * for ##, and : for #"
        return syntax(text, place, "'#' has no meaning here", hint)
    if not sign.isprintable():
        hint = "delete it: it is an invisible character, perhaps copied along with the text"
        return syntax(text, place, f"U+{ord(sign):04X} has no meaning here", hint)
    hint = "put a column name with unusual characters in backticks"
    if plain := _LOOKALIKES.get(sign):
        hint = f"write '{plain}'" if plain not in "'\"" else "write straight quotes"
    return syntax(text, place, f"'{sign}' has no meaning here", hint)


def syntax(text: str, place: int, what: str, hint: str) -> UsageError:
    """The error for a formula that cannot be read from character `place` (from 0) on."""
    shown = text if len(text) <= 120 else text[max(0, place - 50) : place + 50]
    return UsageError("formula", f"cannot read '{shown}': {what} (character {place + 1})", hint)


def split_list(text: str, quotes: str = "\"'`") -> tuple[str, ...]:
    """The items between top-level commas, stripped: "x1,poly(x2, 2)" has two; empty items are dropped."""
    items, depth, quoted, start = [], 0, "", 0
    for place, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in quotes:
            quoted = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth <= 0:
            items.append(text[start:place])
            start = place + 1
    items.append(text[start:])
    return tuple(stripped for item in items if (stripped := item.strip()))
