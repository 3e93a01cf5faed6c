"""What may stand at the end of a command line: the words that a shell offers at the TAB key.

It has to answer within a blink: nothing is imported but the standard library, and what it knows of commands, options
and families comes in a table that the script of the shell holds (`completion` makes both). Of a file only the header is
read.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

Words = dict[str, Any]  # {"commands": {name: {"arguments": [kind], "options": {name: kind}}}, kind: [word]}
VARIABLE = "GLMFIT_COMPLETION"  # where the script hands the table over
FLAG = "--complete"

_PARTIAL = re.compile(r"(?:[^\W\d]|\.(?=[^\W\d]))[\w.]*$|$")  # the name at the end of an expression
_PLAIN = re.compile(r"(?:[^\W\d]|\.(?=[^\W\d]))[\w.]*")
_SPECIAL = re.compile(r"""([\s"'`\\$&|;<>()*?\[\]{}!#~])""")


def run(arguments: Sequence[str]) -> int:
    """`glmfit --complete SHELL LINE`: a candidate a line; none where files are to be offered."""
    shell, line = [*arguments, "", ""][:2]
    words: Words = json.loads(os.environ.get(VARIABLE) or '{"commands": {}}')
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogateescape")
    with stream:
        stream.writelines(f"{candidate}\n" for candidate in complete(line, words, shell))
    return 0


def complete(line: str, words: Words, shell: str = "") -> list[str]:
    """The candidates for the last word of a line, as `shell` takes them: plain, or as bash puts them on the line."""
    typed, raw, quote = _split(line)
    current = typed[-1] if typed else ""
    found = [word for word in _candidates(typed[1:-1], current, words, quote) if word.startswith(current)]
    found = list(dict.fromkeys(word for word in found if word and word.isprintable()))
    return [_for_bash(word, raw, quote) for word in found] if shell == "bash" else found


def _for_bash(word: str, raw: str, quote: str) -> str:
    """As bash expects it: within quotes as it is typed there, else escaped, and from the last `:` or `=` on."""
    if quote == "'":
        return word
    if quote:
        return re.sub(r'([\\"$`])', r"\\\1", word)
    start = max(raw.rfind(":"), raw.rfind("=")) + 1
    return _SPECIAL.sub(r"\\\1", word)[start:]


def _split(line: str) -> tuple[list[str], str, str]:
    """The words of a line as a shell reads them, the last one as it is typed, and the quote that is open in it."""
    found, word, raw, quote, begun = [], "", "", "", False
    at = 0
    while at < len(line):
        sign = line[at]
        at += 1
        if sign == "\\" and quote != "'" and at < len(line) and (not quote or line[at] in '\\"$`'):
            word, raw, begun = word + line[at], raw + sign + line[at], True
            at += 1
        elif quote:
            word, quote, raw = (word, "", raw + sign) if sign == quote else (word + sign, quote, raw + sign)
        elif sign in "\"'":
            quote, raw, begun = sign, raw + sign, True
        elif sign.isspace():
            if begun:
                found.append(word)
            word, raw, begun = "", "", False
        else:
            word, raw, begun = word + sign, raw + sign, True
    return [*found, word], raw, quote


def _candidates(before: Sequence[str], current: str, words: Words, quote: str) -> Iterator[str]:
    """What may stand for `current` after the words `before`."""
    commands = words["commands"]
    if not before:
        yield from (*commands, "--help", "--version")
    elif before[0] in commands:
        command = commands[before[0]]
        options, arguments = command["options"], command["arguments"]
        given, waiting = _arguments(before[1:], options)
        if waiting is not None:
            yield from _values(options[waiting], "", current, given, words, quote)
        elif current.startswith("--") and "=" in current:
            option, _, value = current.partition("=")
            yield from _values(options.get(option), f"{option}=", value, given, words, quote)
        elif current.startswith("-"):
            yield from (*options, "--help")
        elif arguments:
            kind = arguments[min(len(given), len(arguments) - 1)]
            yield from _values(kind, "", current, given, words, quote)


def _arguments(before: Sequence[str], options: dict[str, str | None]) -> tuple[list[str], str | None]:
    """The arguments given so far, and the option that waits for its value."""
    given: list[str] = []
    waiting = None
    for word in before:
        if waiting is not None:
            waiting = None
        elif word.startswith("-") and word != "-":
            waiting = word if options.get(word) is not None else None
        else:
            given.append(word)
    return given, waiting


def _values(kind: str | None, left: str, current: str, given: Sequence[str], words: Words, quote: str) -> Iterator[str]:
    """The values of an option or an argument of this kind, `left` in front of each."""
    if kind == "column":
        yield from (left + name for name in _columns(given))
    elif kind in ("terms", "formula"):
        part = _PARTIAL.search(current)
        stem = current[: part.start()] if part else current
        ticks = kind == "formula" or quote != ""
        for name in _columns(given):
            plain = _PLAIN.fullmatch(name) is not None
            yield left + stem + (name if plain or not ticks else f"`{name}`")
    elif kind == "link":
        parameter, equals, _ = current.rpartition("=")
        yield from (left + parameter + equals + name for name in words["link"])
    elif kind in ("se", "drawn"):
        yield from (left + name for name in words[kind])
        if current.startswith(("cluster:", "wild:")):
            stem = current[: max(current.rfind(":"), current.rfind(",")) + 1]
            yield from (left + stem + name for name in _columns(given))
    elif kind:
        yield from (left + name for name in words.get(kind, kind.split("|") if "|" in kind else ()))


def _columns(given: Sequence[str]) -> list[str]:
    """The columns of the first file among the arguments that has any, or of the first file of a folder or a pattern."""
    for path in given:
        found = _first_file(os.path.expanduser(path))
        if found is not None and not (path.endswith(".py") or ".py:" in path):
            from glmfit.commands.headers import header

            names = [name for name in header(found) if name]
            if names:  # a saved model has none, and the data come after it
                return names
    return []


def _first_file(path: str) -> str | None:
    if os.path.isfile(path):
        return path
    pattern = os.path.join(glob.escape(path), "*.*") if os.path.isdir(path) else path
    files = (found for found in glob.iglob(pattern) if os.path.isfile(found)) if glob.has_magic(pattern) else ()
    return min(files, default=None)
