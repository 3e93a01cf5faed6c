"""The application: its commands, and `main`, which turns errors into exit statuses.

The result goes to standard output and everything else to standard error. Whatever can be found wrong without a fit
is found before torch is imported, which costs more than a second.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from glmfit import __version__
from glmfit.commands.anova import anova_command
from glmfit.commands.batch import batch_command
from glmfit.commands.check import check_command
from glmfit.commands.compare import compare_command
from glmfit.commands.completion import completion_command
from glmfit.commands.confint import confint_command
from glmfit.commands.explain import explain_command
from glmfit.commands.families import families_command
from glmfit.commands.fit import fit_command
from glmfit.commands.margins import margins_command
from glmfit.commands.output import output_error, say, write_stdout
from glmfit.commands.parser import Command, CommandLineError, Group, usage_error
from glmfit.commands.plot import plot_command
from glmfit.commands.predict import predict_command
from glmfit.commands.report import report_command
from glmfit.commands.residuals import residuals_command
from glmfit.commands.simulate import simulate_command
from glmfit.commands.step import step_command
from glmfit.commands.test import hypotheses_command
from glmfit.errors import GlmfitError, OutputError, explain, file_changed
from glmfit.memory import running_out

app = typer.Typer(
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        write_stdout(f"glmfit {__version__}\n", machine=False)
        raise typer.Exit()


@app.callback(epilog="'glmfit COMMAND --help' says more about a command.")
def glmfit(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Fit generalized linear models from CSV files by maximum likelihood.

    \b
    glmfit fit data.csv --y y --x x1,x2 --family poisson
    glmfit fit data.csv "claims ~ age*region + offset(log(years))" -f nb
    glmfit families
    """


app.command("fit", cls=Command, short_help="Fit one model and report it.")(fit_command)
app.command("predict", cls=Command, short_help="Predict from a saved model on new rows.")(predict_command)
app.command("compare", cls=Command, short_help="Compare saved models of the same data.")(compare_command)
app.command("anova", cls=Command, short_help="Test each term of a model.")(anova_command)
app.command("step", cls=Command, short_help="Choose the terms of a model.")(step_command)
app.command("test", cls=Command, short_help="Test hypotheses about a saved model.")(hypotheses_command)
app.command("confint", cls=Command, short_help="Intervals by profile likelihood or replicates.")(confint_command)
app.command("residuals", cls=Command, short_help="Residuals and influence of rows; a check of the fit.")(
    residuals_command
)
app.command("plot", cls=Command, short_help="Draw a picture of a saved model.")(plot_command)
app.command("simulate", cls=Command, short_help="Draw new responses from a saved model.")(simulate_command)
app.command("margins", cls=Command, short_help="Average effects and adjusted predictions.")(margins_command)
app.command("batch", cls=Command, short_help="Run a file of jobs, a line of JSON for each.")(batch_command)
app.command("report", cls=Command, short_help="A page of saved models and their data.")(report_command)
app.command("check", cls=Command, short_help="Check a likelihood of your own on data.")(check_command)
app.command("families", cls=Command, short_help="List the families of distributions.")(families_command)
app.command("completion", cls=Command, short_help="Let the shell complete words and columns.")(completion_command)
app.command("explain", cls=Command, short_help="Say what an error or a warning means, and what to do.")(explain_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; the only place where errors become text."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    status, error = attempt(argv)
    return status if error is None else _fail(error, argv)


def attempt(argv: list[str]) -> tuple[int, GlmfitError | None]:
    """Run the command line: the exit status, and the error where there was one."""
    try:
        status = _program(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status, None
    except GlmfitError as error:
        return error.exit_code, error
    except CommandLineError as error:
        return _failed(usage_error(error))
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return 130, None
    except BrokenPipeError:  # the reader of the help has gone
        return 0, None
    except OSError as error:  # the help could not be written; all else that reads or writes names its own errors
        return _failed(output_error("standard output", error))
    except Exception as error:  # a bug of ours: said in one line, with all there is to know under --verbose
        if {"-v", "--verbose"} & set(argv):
            import traceback

            traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}"
        return _failed(
            GlmfitError("internal", message, f"this is a bug in glmfit; please report it with {_what(argv)}")
        )


def _what(argv: Sequence[str]) -> str:
    """What a report of a bug needs of this command."""
    command = _parser().commands.get(argv[0]) if argv else None
    options = [option for one in getattr(command, "params", ()) for option in one.opts]
    return "--verbose" if "--verbose" in options else "the command and its input"


def _failed(error: GlmfitError) -> tuple[int, GlmfitError]:
    return error.exit_code, error


@functools.cache
def _parser() -> Any:
    """What parses the command line, made once."""
    return typer.main.get_command(app)


def _program(argv: list[str]) -> int:
    command = _parser()
    if not argv:
        argv = ["--help"]
    try:
        with running_out(), command.make_context("glmfit", argv, obj=attempt) as context:  # for commands of commands
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def _fail(error: GlmfitError, argv: Sequence[str]) -> int:
    say(f"error: {error.message}")
    say(f"hint: {error.hint}")
    say(f"more: {explain([error.code])}")
    if _wants_json(argv):
        from glmfit.report.document import error_json

        try:
            write_stdout(error_json(error), machine=True)
        except OutputError as second:
            say(f"error: {second.message}")
    return error.exit_code


def cut_short() -> int:
    """Says that a file that is being read has become shorter; the exit status."""
    return _fail(file_changed("a file of data"), sys.argv[1:])


def _wants_json(argv: Sequence[str]) -> bool:
    """Whether JSON was asked for, told from the words alone as options may be what is wrong."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    after = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--format"]
    return "--json" in words or "--format=json" in words or "json" in after
