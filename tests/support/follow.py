"""Follows hints as somebody would who believes every word: what a hint says is done to the command, to be run again.

A hint names a fix in fixed ways: `--option value` to add or to replace, `leave --option out`, `give it once`, `did you
mean 'word'`, `possible values: a, b`, `write TEXT` in place of what the message quotes, `write NEW for OLD`, formulas
in quotes for those that were typed, `write glmfit ...`. Alternatives are joined by `or` and `;`, and each is followed.
CAPITALS stand for what only the user knows.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import typer

from glmfit.commands.app import app

QUOTED = re.compile(r"(?<!\w)'(?:[^']|'\"'\"')*'(?!\w)|`[^`]*`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*(?![\w-])")
CAPITALS = re.compile(r"\b[A-Z]{3,}\d?\b|\b[PKN]=|\bK\b")
COMMANDS: dict[str, object] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Option:
    """What the command line knows of an option."""

    names: tuple[str, ...]
    takes_value: bool
    repeats: bool


@cache
def options_of(command: str) -> dict[str, Option]:
    """The options of a command of glmfit by each of their names."""
    known: dict[str, Option] = {}
    for parameter in getattr(COMMANDS.get(command), "params", ()):
        if parameter.param_type_name == "option":
            one = Option(tuple(parameter.opts), not parameter.is_flag, bool(parameter.multiple))
            known.update(dict.fromkeys(one.names, one))
    return known


@dataclass
class Way:
    """One alternative: options to put with their values, options to drop, texts to swap, formulas, or a command."""

    put: list[tuple[str, str | None]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    swap: list[tuple[str, str]] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    adds: bool = False  # to what an option has already, where it may stand several times

    def __bool__(self) -> bool:
        return bool(self.put or self.drop or self.swap or self.formulas or self.command)

    @property
    def asks(self) -> bool:
        """Whether it leaves something to the user."""
        texts = [*(value or "" for _, value in self.put), *(new for _, new in self.swap), *self.formulas]
        return any(
            CAPITALS.search(text) or re.search(r"\b(terms|response)\b|\.\.\.", text) for text in (*texts, *self.command)
        )


def ways(command: list[str], message: str, hint: str) -> list[Way]:
    """The alternatives that a hint names; none where it is words for the user."""
    known = options_of(command[0])
    found = list(_whole(command, message, hint, known))
    if found:
        return found
    for part in _alternatives(hint):
        way = _way(command, message, part, known)
        if not way and found and found[-1].put and re.fullmatch(r"[\w:.-]+", part.strip()):
            way = Way(
                put=[(found[-1].put[-1][0], part.strip())], drop=found[-1].drop
            )  # another value of the option before
        if way:
            found.append(way)
    return found


def _alternatives(hint: str) -> Iterator[str]:
    """The parts of a hint between `or`, `;` and the commas of a list of values, quoted texts kept whole."""
    held = iter(QUOTED.findall(hint))
    for part in re.split(r"; |,? or |: (?=--)|, (?=--)", QUOTED.sub("\0", hint)):
        whole = re.sub("\0", lambda _: next(held), part)
        listed = re.search(r"(--[a-z-]+ [\w:-]+)((?:, [\w:-]+)+)$", whole)
        yield whole[: listed.end(1)] if listed else whole
        yield from listed[2].strip(", ").split(", ") if listed else ()


def _whole(command: list[str], message: str, hint: str, known: dict[str, Option]) -> Iterator[Way]:
    """The forms that are a hint as a whole."""
    given = [name for name in dict.fromkeys(OPTION.findall(f"{message} {hint}")) if _at(command, known.get(name))]
    if elsewhere := re.search(r"glmfit [a-z]+ (?:DATA|[A-Z]+\.json)", hint):
        yield Way(command=[elsewhere[0]])
    elif typed := re.search(r"(?<=write )glmfit fit [^A-Z].*", hint):
        yield Way(command=shlex.split(typed[0])[1:])
    elif hint.startswith("did you mean '"):
        for near in re.findall(r"'([^']*)'", hint):
            if old := _nearest(near, _names(message), command):
                yield Way(swap=[(old, near)])
    elif listed := re.match(r"(?:possible values|the commands are|links for \w+|links|the levels are):? (.*)", hint):
        first = listed[1].split(", ")[0].strip("'")
        names = [*_names(message), *re.findall(r"the (\S+) link makes", message)]
        yield from [Way(swap=[(name, first)]) for name in names if _has(command, name)][:1]
    elif hint == "give it once":
        yield Way(drop=given[:1])
    elif hint.startswith("give one") and len(given) > 1:
        yield from (Way(drop=[name for name in given if name != kept]) for kept in given)


def _way(command: list[str], message: str, part: str, known: dict[str, Option]) -> Way:
    """One alternative."""
    bare = QUOTED.sub("", part)
    way = Way(
        put=_put(part, known),
        adds=bool(re.search(r"\badd\b", part)),
        formulas=[text for text in _texts(part) if "~" in text],
    )
    names = [name for name in _names(message) if _has(command, name)]
    if left := re.search(r"\bleave (--[a-z-]+)(?: [\w:,]+)? out", part):
        return Way(drop=[left[1]])
    if re.search(r"\bleave (it|\(.*\)) out\b", part):
        fragment = re.search(r"leave (\(.*\)) out", part)
        way.drop = [] if fragment else [one for one in OPTION.findall(message) if _at(command, known.get(one))]
        taken = [fragment[1]] if fragment else [] if way.drop else names[:1]
        way.swap = [(text, "") for text in taken]
        return way
    if unknown := re.search(r"No such option: (--?[\w.-]+)|'(-\w+)' has one dash", message):
        way.drop = [unknown[1] or unknown[2]] if way.put or way.formulas else []
        way.adds = way.adds or "further" in part
        return way
    if way.formulas:
        return way
    way.swap = [(tick, f"`{tick}`") for tick in re.findall(r"`([^`]*)`", part) if _has(command, tick)][:1]
    if "nothing in its place" in part:
        way.swap = [(max(names, key=len), "")]
    elif sample := re.search(r"\bsuch as (\S+)", bare):
        wrong = re.search(r"(?:: | is )'?(\S+?)'? (?:is not|needs)|, not '(.*)'", message)
        way.swap = [] if wrong is None else [(wrong[1] or wrong[2], sample[1])]
    elif pair := re.search(r"\bwrite (\S.*?) for (\S.*)$", part):
        way.swap = [(pair[2], pair[1])] if _has(command, pair[2]) else _written(part, names)
    elif not way.swap:
        way.swap = _written(part, names)
    return way


def _written(part: str, names: list[str]) -> list[tuple[str, str]]:
    """`write TEXT` in place of the longest text that the message quotes, or of one sign."""
    text = re.search(
        r"\bwrite (?!--|an? |the |them |each |numbers|arithmetic|straight)(.+?)(?:,? with .*| for .*)?$", part
    )
    if text is None or not names:
        return []
    new = text[1].strip("'") if re.fullmatch(r"'[^']*'", text[1]) else text[1]
    return [(max(names, key=len) if len(new) > 2 else min(names, key=len), new)]


def _put(part: str, known: dict[str, Option]) -> list[tuple[str, str | None]]:
    """The options in a part of a hint with their values, as a shell reads them."""
    found: list[tuple[str, str | None]] = []
    for at in OPTION.finditer(part):
        if at[0] == "--help":
            continue
        option, rest = known.get(at[0]), part[at.end() :].lstrip()
        value = None
        if option is not None and option.takes_value and re.match(r"[^\s-]|-\d", rest):
            word = re.match(r"'(?:[^']|'\"'\"')*'|\"[^\"]*\"|\S+", rest)
            value = word[0].rstrip("?;:)") if word else None
            if value and value[0] in "'\"" and value[-1] == value[0]:
                value = shlex.split(value)[0]
            elif value:
                value = value.rstrip(",")
        found.append((at[0], value))
    return found


def _texts(part: str) -> list[str]:
    return ["".join(shlex.split(text)) for text in QUOTED.findall(part) if text.startswith("'")]


def _names(message: str) -> list[str]:
    """What a message quotes, and the words after options."""
    quoted = [text[1:-1] for text in re.findall(r"(?<![\w(=])'.+?'(?![\w)(=])", message)]
    return [*quoted, *re.findall(r"'([^']*)'", message), *re.findall(r"--[a-z-]+ ([^\s:]+)", message)]


def _has(command: list[str], text: str) -> bool:
    return bool(text) and (text == command[0] or any(text in word for word in command[1:]))


def _nearest(near: str, names: list[str], command: list[str]) -> str | None:
    """Of what the message quotes what is most like the word that was meant."""
    like = difflib.SequenceMatcher(None, b=near.casefold())

    def ratio(name: str) -> float:
        like.set_seq1(name.casefold().rpartition("/")[2])
        return like.ratio()

    return max((name for name in names if _has(command, name) and name != near), key=ratio, default=None)


def _at(command: list[str], option: Option | None) -> int | None:
    places = (at for at, word in enumerate(command) if option and word.partition("=")[0] in option.names)
    return next(places, None)


def done(command: list[str], way: Way) -> list[str]:
    """The command with what the way asks for; LookupError for an option that the command does not have."""
    if way.command:
        return way.command
    known, new = options_of(command[0]), list(command)
    for name in way.drop:
        new = _without(new, known.get(name) or Option((name,), any(value for _, value in way.put) or True, False))
    for old, text in way.swap:
        new = _swapped(new, old, text)
    if way.formulas:
        new = [*(new if way.adds else _without_formulas(new)), *way.formulas]
    for name, value in way.put:
        option = known.get(name)
        if option is None:
            raise LookupError(name)
        if option.takes_value and value is None:  # the value stays, under another name
            value = _value(command, way.drop)
        if not option.repeats or not (way.adds or (value and "=" in value)):
            new = _without(new, option)
        elif value and "=" in value:  # P=VALUE in place of P alone, or of another value
            at = _at(new, option)
            if at is not None and new[at + 1].partition("=")[0] == value.partition("=")[0]:
                new = _without(new, option)
        new += [name, value] if option.takes_value and value else [name]
    return new


def _without(command: list[str], option: Option) -> list[str]:
    at = _at(command, option)
    if at is None:
        return command
    after = command[at + 1 : at + 2]
    takes = option.takes_value and "=" not in command[at] and bool(after) and (after == ["-"] or after[0][:1] != "-")
    end = at + 1 + takes
    while "--levels" in option.names and command[end : end + 1] and re.fullmatch(r"\w+", command[end]):
        end += 1  # the items of a list that blanks separate
    return command[:at] + command[end:]


def _value(command: list[str], dropped: list[str]) -> str | None:
    """The value that a dropped option had."""
    for at, word in enumerate(command):
        name, _, value = word.partition("=")
        if name in dropped:
            return value or next(iter(command[at + 1 : at + 2]), None)
    return None


def _without_formulas(command: list[str]) -> list[str]:
    """The command and the data, then the options: what stands between them are formulas or pieces of them."""
    options = next((at for at, word in enumerate(command) if at and word.startswith("-")), len(command))
    return [*command[:2], *command[options:]]


def _swapped(command: list[str], old: str, new: str) -> list[str]:
    """The text `old` replaced where it stands, in the option's value or the formula that has it, else in the file."""
    if command[0] == old:
        return [new, *command[1:]]
    places = [at for at, word in enumerate(command) if at and old in word]
    at = min(places, key=lambda at: (command[at] != old, at == 1), default=None)
    if at is None:
        return command
    word = command[at].replace(old, new)
    if not new:
        word = re.sub(r"~\s*$", "~ 1", re.sub(r"~\s*\+", "~", re.sub(r"[+-]\s*(?=[+-]|$)", "", word).strip()))
    return [*command[:at], word, *command[at + 1 :]]
