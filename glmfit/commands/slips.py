"""Slips of a command line that would be read as something else: one dash for two, an open quote, blanks for commas.

They are found in the words as typed, before these become options and arguments.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence

from glmfit.errors import UsageError, shell

LISTS = ("--x", "--levels", "--relax", "--censor")  # several items between commas
REPEATED = ("--na", "--fix", "--link", "--start")  # an item each


def check(args: Sequence[str], options: Collection[str], valued: Collection[str]) -> None:
    """`UsageError` for a slip among the words of a command that has `options`, of which the `valued` take a value."""
    words = list(args[: args.index("--")] if "--" in args else args)
    positional = 0
    at = 0
    while at < len(words):
        word = words[at]
        if word in valued:
            _several(word, words[at + 1 :], options, positional)
            at += 1  # over its value
        elif word.startswith("-") and word != "-":
            if not word.startswith("--") and "-" + word.partition("=")[0] in options:
                raise UsageError("unknown_option", f"'{word}' has one dash", f"write -{word}, with two")
        else:
            positional += 1
            _unclosed(word, options)
        at += 1


def _unclosed(word: str, options: Collection[str]) -> None:
    """Refuses a formula that runs on into options."""
    if "~" not in word:
        return
    # `-f nb` is two names side by side, which no formula has; `-f` alone might take a column away
    for found in re.finditer(r"\s(--[a-z][a-z-]*(?![\w(])|-\w(?=\s+[\w.]))", word):
        if found[1] in options:
            formula, rest = shell(word[: found.start()].rstrip()), word[found.start() :].strip()
            message = f"the formula '{word}' holds the option {found[1]}"
            raise UsageError("formula", message, f"close the quote before it: {formula} {rest}")


def _several(option: str, after: Sequence[str], options: Collection[str], positional: int) -> None:
    """Refuses the items of a list that blanks separate: all but the first would be taken for formulas."""
    if option not in (*LISTS, *REPEATED) or not positional or not after:
        return
    items = [after[0]]
    for word in after[1:]:
        if word.startswith("-"):
            break
        if "~" in word or os.path.exists(word):
            return
        items.append(word)
    if len(items) == 1:
        return
    together = shell(option, ",".join(item.strip(",") for item in items))
    if option in REPEATED:
        together = " ".join(shell(option, item) for item in items)
    raise UsageError("usage", f"{option}: '{items[1]}' stands apart from '{items[0]}'", f"write {together}")
