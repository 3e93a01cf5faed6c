"""Every hint is a promise: it is followed, and the next one, until there is a fit, or words for the user alone.

What is wrong comes from the tables of wrong commands and data, from the slips of people who know other programs, and
from the options that these call by other names. `follow` does what a hint says.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import test_bad_commands
import test_bad_data
from bad_cases import Case, Cases, answer
from follow import COMMANDS, OPTION, done, options_of, ways

from glmfit.commands.peers import MEANINGS

MOST_STEPS = 5
# Where hints may end without a fit, and why: these ask for something that only the user knows.
WORDS = {
    "the data are wrong, and only their owner knows what is right": (
        *("correct the value", "drop these rows", "the column holds text", "make a column of", "check that column"),
        *("leave out the columns that are missing", "exchange the two values", "keep rows of both levels"),
        *("write numbers with a decimal point", "there is nothing to explain", "leave out terms, or add data"),
        *("check --group", "for successes out of trials", "cluster by a column", "drop the row"),
    ),
    "which of these is meant is for the user to say": (
        *("the columns are", "'glmfit families' lists", "the transforms are", "a formula holds", "coefficients:"),
        *("it has:", "it can fix:", "it takes", "it defines:", "the levels are", "links:", "use a continuous one"),
        *("it is for", "use gaussian, gamma", "leave out the reference", "the first line is read", "give one file"),
        *("a further formula is", "the parameters are", "name a column here", "0 or -1 drops"),
    ),
    "what was to stand there is not known": (
        *("a random effect stands", "add it by itself", "write \\(1 \\| g\\) for"),
        *("complete the formula", "what opens must close", "remove it, or open it", "join t", "put a column name"),
        *("write arithmetic", "write straight quotes", "delete it: it is an invisible", "columns stand in the first"),
        *("[a-z]+: [a-zA-Z-]+ ?[a-z]*[:;,]", "log: natural", "lower it to", "add a term", "write each by itself"),
        *("take it out: a response", "write the name of a column without", "write the name of the column alone"),
        *("write one formula for each", "'=' stands between", "write them in brackets", "add it: ", "leave the power"),
        *("order these, the lowest first: C", "write 'response ~ terms'", "pmin: ", "0.95 is usual", "1e-8 is usual"),
        *("give a lower limit", "give a positive value", "write cbind", "remove parentheses", "write the formula"),
        *("'glmfit [a-z]+ --help'", "'glmfit COMMAND --help'", "write a number", "write ', ' for"),
    ),
    "there is nothing to type": ("nothing: ", "write the file alone", "write C\\(", "it has no parameter"),
    "dates are numbers or levels in more than one way": ("make numbers of it", "say what of them counts"),
    "a path, or the code of a file": (
        *(
            "check the pattern",
            "give the number of lines",
            "write or download",
            "take off",
            "unpack",
            "give an archive",
        ),
        *("write each of its values", "make all values", "if it is what you take it for", "write , or"),
        *("correct the file", "links for", "download it"),
        *("check the path", "did you mean 'data.csv'", "FILE.py first", "create the folder", "give another file"),
        *("give the name of a file", "give a shorter name", "free some space", "give a path"),
    ),
}
# What is wrong with a file is mended in the file.
READING = (
    "not_a_table",
    "empty_file",
    "not_utf8",
    "ragged_rows",
    "unclosed_quote",
    "nul_bytes",
    "long_value",
    "no_rows",
)
READING += ("damaged_compression", "damaged_parquet", "duplicate_column", "is_directory")
FREE = tuple(pattern for patterns in WORDS.values() for pattern in patterns)

CASES = Cases()
for slip in (
    ["y ~ x", "--se", "robust"],
    ["y ~ x", "--se", "HC3"],
    ["y ~ x", "--se", "bootstrap"],
    ["y ~ x", "--small-sample", "cr2"],
    ["y ~ x", "--bread", "expected"],
    ["s ~ x"],
    ["g ~ x"],
    ["w ~ x", "-f", "binomial"],
    ["n ~ x | z", "-f", "zinb"],
    ["n ~ x | z", "-f", "poisson"],
    ["y ~ (1 | x) + z"],
    ["y ~ i.k + c.x"],
    ["y ~ c.x##i.k"],
    ["y ~ strata(k)"],
    ["b ~ x + strata(k)"],
    ["y ~ interaction(k, g)"],
    ["y ~ rcs(x, 4)"],
    ["o ~ x", "-f", "oprobit"],
    ["g ~ x", "-f", "oprobit", "--levels", "a,b,c"],
    ["n ~ x", "-f", "negative.binomial(2)"],
    ["n ~ x", "-f", "nb", "--fix", "theta=1.2"],
    ["n ~ x", "-f", "glm.nb"],
    ["n ~ x", "-f", "negbinomial"],
    ["n ~ x", "-f", "neg_binomial"],
    ["n ~ x", "-f", "zeroinfl"],
    ["t ~ x", "-f", "gamma", "--link", "1/mu"],
    ["g ~ x", "-f", "ordinal", "--levels", "a", "b", "c"],
    ["n ~ x", "-family", "nb"],
    ["n ~ x -f nb"],
    ["y = x"],
    ["y ~ x^2 + my col"],
    ["n/m ~ x", "-f", "binomial", "--weights", "m"],
    ["n ~ x", "-f", "poisson", "--fix", "phi=2"],
    ["y ~ x", "--fix", "x=2"],
    ["n ~ x", "-f", "nb", "--dispersion", "2"],
    ["n ~ x", "-f", "nb", "--se", "hc2"],
    ["y ~ x", "--link", "log,log"],
    ["y ~ log(g)"],
    ["y ~ C(g, Helmert)"],
):  # fmt: skip
    CASES.add(shlex.join(slip), slip, 0, "")
VALUES = {"level": "0.9", "start": "x=1", "max-iter": "50", "tol": "1e-8", "optimizer": "bfgs", "link": "identity"}


def given(meaning: str) -> str | None:
    """A value as it is given to an option that means this here."""
    slot = re.search(r"\{([A-Z,]+)\}", meaning)
    by_slot = {"FAMILY": "gaussian", "LINK": "identity", "COLUMN": "w", "COLUMN,COLUMN": "x,z", "CONDITION": "x > 0",
               "TEXT": "NA", "B": "199", "KIND": "hc1", "SHARE": "0.9", "VALUE": "1.5", "N": "50", "T": "1e-8",
               "NAME": "bfgs", "LIMIT": "0.5", "TRIALS": "m", "FILE": "FOLDER/out.txt"}  # fmt: skip
    return by_slot[slot[1]] if slot else None


for word, means in MEANINGS.items():
    if word not in {name.lstrip("-") for name in options_of("fit")}:
        value = given(means)
        CASES.add(f"--{word}", ["y ~ x", f"--{word}", *([] if value is None else [value])], 2, "unknown_option")


class Broken(AssertionError):
    """A hint that leads nowhere."""


FOLLOWED: dict[tuple[str, str], int] = {}  # error and hint: the ways on from it


def follow(command: list[str], capsys: pytest.CaptureFixture[str], trail: tuple[list[str], ...] = ()) -> None:
    """Fails where a hint leads nowhere, in a circle, or to an option that is none; the same words are followed once."""
    status, _, err = answer(command, capsys)
    if status in (0, 4, 5):
        return
    said = dict(re.findall("^(error|hint): (.*)$", err, flags=re.MULTILINE))
    message, hint = said["error"], said["hint"]
    told = "\n".join([*(shlex.join(words) for words in (*trail, command)), message, hint])
    if command in trail or len(trail) > MOST_STEPS:
        raise Broken(f"in a circle:\n{told}")
    elsewhere = set().union(*(options_of(name) for name in re.findall(r"glmfit ([a-z]+)", hint) if name in COMMANDS))
    wrong = set(OPTION.findall(hint)) - set(options_of(command[0])) - elsewhere - {"--help", "--family"}
    if wrong and command[0] in COMMANDS:
        raise Broken(f"no such option {wrong}:\n{told}")
    if strange := [name for name in re.findall(r"glmfit ([a-z]+)", hint) if name not in COMMANDS]:
        raise Broken(f"no such command {strange}:\n{told}")
    found = ways(command, message, hint)
    key = re.sub(r"/\S*/", "", message), re.sub(r"/\S*/", "", hint)
    if key in FOLLOWED:
        return
    FOLLOWED[key] = len(found)
    if not found and not any(re.match(words, hint) for words in FREE):
        raise Broken(f"neither a fix nor words that are known:\n{told}")
    for way in found:
        if not way.asks:
            follow(done(command, way), capsys, (*trail, command))


@pytest.mark.parametrize(
    "wrong",
    [
        wrong
        for wrong in (*CASES, *test_bad_commands.CASES, *test_bad_data.CASES)
        if wrong.code not in READING
        and len(wrong.data) < 10_000
        and wrong.own is None
        and max(map(len, wrong.arguments)) < 200
    ],
    ids=lambda wrong: wrong.name[:60],
)
def test_a_hint_leads_to_a_fit(
    wrong: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    follow(wrong.command(tmp_path), capsys)


def test_every_name_of_a_peer_is_followed() -> None:
    assert {f"--{name}" for name in MEANINGS} <= {case.name for case in CASES} | set(options_of("fit"))
