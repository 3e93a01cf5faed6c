"""`glmfit completion`: the script that makes a shell complete commands, options, families and columns.

The script holds a table of all words, so that a TAB costs no more than starting Python; `complete` answers from it.
"""

from __future__ import annotations

import json
import shlex
from typing import Annotated, Any

import typer

from glmfit.commands.complete import FLAG, VARIABLE, Words
from glmfit.commands.output import write_stdout
from glmfit.spec import DISPERSIONS, INTERVALS, OPTIMIZERS, SE_KINDS, one_of

SHELLS = {
    "bash": """\
_glmfit_words={words}
_glmfit() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done < <(
        {variable}=$_glmfit_words "${COMP_WORDS[0]}" {flag} bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null
    )
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -o default -F _glmfit glmfit
""",
    "zsh": """\
#compdef glmfit
_glmfit_words={words}
_glmfit() {
    local -a found
    found=("${(@f)$({variable}=$_glmfit_words $words[1] {flag} zsh "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    if (( $#found )); then
        compadd -- ${found:#*[=:]}
        compadd -S '' -- ${(M)found:#*[=:]}
    else
        _files
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _glmfit "$@"; else compdef _glmfit glmfit; fi
""",
    "fish": """\
set -g __glmfit_words {words}
function __glmfit_complete
    set -l found (env {variable}=$__glmfit_words glmfit {flag} fish (commandline -cp | string collect) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c glmfit -f -a '(__glmfit_complete)'
""",
}
# What an option takes, by its metavar, where that does not list the values itself; and by name where it does not tell.
_KINDS = {
    "COLUMN": "column",
    **dict.fromkeys(("COLUMNS", "NAME=VALUES", "NAME:WAY", "COLUMN|1"), "terms"),
    "TERMS": "terms",
    "LOWER,UPPER": "terms",
    "CONDITION": "formula",
    "[FORMULA]...": "formula",
    "FORMULA": "formula",
    "FAMILY": "family",
    "[FAMILY]...": "family",
    "[P=]LINK": "link",
    "[CODE]...": "code",
    "FORMAT": "format",
    "SHELL": "shell",
    "WHAT": "picture",
}
_BY_NAME = {
    "--se": "se",
    "--ci": "ci",
    "--bootstrap-by": "drawn",
    "--optimizer": "optimizer",
    "--dispersion": "dispersion",
}

Shell = Annotated[
    str,
    typer.Argument(metavar="SHELL", help="bash, zsh or fish.", rich_help_panel="Arguments", show_default=False),
]


def completion_command(context: typer.Context, shell: Shell) -> None:
    """Print the script that completes glmfit's command line; columns of the file on it included.

    \b
    eval "$(glmfit completion bash)"        in ~/.bashrc
    eval "$(glmfit completion zsh)"         in ~/.zshrc, after compinit
    glmfit completion fish | source         in ~/.config/fish/config.fish
    """
    script = SHELLS[one_of("SHELL", shell, tuple(SHELLS))]
    table = json.dumps(word_table(context.find_root().command), separators=(",", ":"), ensure_ascii=False)
    for name, text in (("words", _quoted(table, shell)), ("variable", VARIABLE), ("flag", FLAG)):
        script = script.replace(f"{{{name}}}", text)
    write_stdout(script, machine=False)


def _quoted(text: str, shell: str) -> str:
    if shell != "fish":
        return shlex.quote(text)
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def word_table(group: Any) -> Words:
    """All words that the command line knows, as `complete` takes them; `group` holds the commands."""
    from glmfit.after.pictures.kinds import KINDS
    from glmfit.commands.options import FORMATS
    from glmfit.explain import explanations
    from glmfit.families import FAMILIES, LINKS

    commands = {}
    for name, command in group.commands.items():
        options: dict[str, str | None] = {}
        arguments = []
        for parameter in command.params:
            if parameter.param_type_name == "argument":
                arguments.append(_kind("", str(parameter.metavar)))
            else:
                kind = None if parameter.is_flag else _kind(parameter.opts[0], str(parameter.metavar))
                options |= dict.fromkeys(parameter.opts, kind)
        commands[name] = {"arguments": arguments, "options": options}
    return {
        "commands": commands,
        "family": [family.name for family in FAMILIES],
        "link": list(LINKS),
        "se": [kind for kind in SE_KINDS if ":" not in kind] + ["cluster:", "wild:"],
        "ci": list(INTERVALS),
        "drawn": ["rows", "parametric", "cluster:"],
        "optimizer": list(OPTIMIZERS),
        "dispersion": list(DISPERSIONS),
        "format": list(FORMATS),
        "shell": list(SHELLS),
        "picture": [kind.name for kind in KINDS],
        "code": [explanation.code for explanation in explanations()],
    }


def _kind(option: str, metavar: str) -> str:
    """What an option or an argument takes: a kind of word, or the words themselves; empty where files are offered."""
    if option in _BY_NAME:
        return _BY_NAME[option]
    if metavar in _KINDS:
        return _KINDS[metavar]
    return metavar if "|" in metavar else f"{metavar}|" if metavar.islower() else ""
