"""The command line: options are defined once, commands are short, and `main` turns errors into exit statuses.

The result goes to standard output and everything else to standard error. Whatever can be found wrong without a fit
is found before torch is imported, which costs more than a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glmfit import __version__, fit_spec
from glmfit.commands import options
from glmfit.commands.output import check_target, output_error, say, write_file, write_stdout
from glmfit.commands.parser import Command, CommandLineError, Group, usage_error
from glmfit.errors import GlmfitError, OutputError, UsageError, explain
from glmfit.memory import running_out
from glmfit.reading import PLAIN, Reading

if TYPE_CHECKING:
    from glmfit.result import Fit

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


@app.command("fit", cls=Command, short_help="Fit one model and report it.")
@options.takes_data
def fit_command(
    data: options.Data,
    formulas: options.Formulas = None,
    y: options.Y = None,
    x: options.X = None,
    family: options.FamilyName = "gaussian",
    link: options.Link = None,
    fix: options.Fix = None,
    no_intercept: options.NoIntercept = False,
    offset: options.Offset = None,
    exposure: options.Exposure = None,
    success: options.Success = None,
    levels: options.Levels = None,
    relax: options.Relax = None,
    group: options.GroupColumn = None,
    event: options.Event = None,
    censor: options.Censor = None,
    weights: options.Weights = None,
    freq_weights: options.FreqWeights = None,
    sampling_weights: options.SamplingWeights = None,
    missing: options.Missing = "drop",
    reading: Reading = PLAIN,
    dispersion: options.DispersionOption = None,
    se: options.Se = None,
    ci: options.Ci = "wald",
    level: options.Level = "0.95",
    bias_reduction: options.BiasReduction = None,
    optimizer: options.OptimizerOption = "newton",
    max_iter: options.MaxIter = "100",
    tol: options.Tol = "1e-8",
    start: options.Start = None,
    separation: options.SeparationOption = "report",
    check_separation: options.CheckSeparation = False,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    exp: options.Exp = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fit one model and report its coefficients, standard errors and fit statistics.

    \b
    glmfit fit data.csv --y y --x x1,x2 --family poisson
    glmfit fit data.csv "claims ~ age*region" -f negative-binomial --json
    glmfit fit data.csv "y ~ x" "alpha ~ region" -f nb --se cluster:firm
    glmfit fit trials.csv --y dead/n --x dose -f binomial --link probit
    """
    chosen = options.output_format(json, format)
    spec = options.model_spec(
        formulas=formulas,
        y=y,
        x=x,
        no_intercept=no_intercept,
        family=family,
        link=link,
        fix=fix,
        weights=weights,
        freq_weights=freq_weights,
        sampling_weights=sampling_weights,
        offset=offset,
        exposure=exposure,
        success=success,
        levels=options.levels(levels),
        relax=options.items(relax),
        group=group,
        event=event,
        censor=censor,
        dispersion=options.dispersion(dispersion),
        se=se,
        ci=ci,
        level=options.number("--level", level),
        bias_reduction=bias_reduction,
        missing=missing,
        reading=reading,
        optimizer=optimizer,
        max_iter=options.whole_number("--max-iter", max_iter),
        tol=options.number("--tol", tol),
        separation=separation,
        check_separation=check_separation,
        start=start,
    )
    options.check(spec, exp=exp, quiet=quiet, verbose=verbose)
    _check_output(output, data)

    fit = fit_spec(spec, data, _trace if verbose else None)
    _report(fit, chosen, output, exp=exp, quiet=quiet)
    raise typer.Exit(fit.exit_code)


@app.command("check", cls=Command, short_help="Check a likelihood of your own on data.")
@options.takes_data
def check_command(
    file: options.LikelihoodFile,
    data: options.Data,
    formulas: options.Formulas = None,
    y: options.Y = None,
    x: options.X = None,
    link: options.Link = None,
    fix: options.Fix = None,
    no_intercept: options.NoIntercept = False,
    offset: options.Offset = None,
    exposure: options.Exposure = None,
    success: options.Success = None,
    weights: options.Weights = None,
    freq_weights: options.FreqWeights = None,
    sampling_weights: options.SamplingWeights = None,
    missing: options.Missing = "drop",
    reading: Reading = PLAIN,
    start: options.Start = None,
) -> None:
    """Check a likelihood of your own where a fit to these data would begin, without fitting it.

    \b
    glmfit check gumbel.py rain.csv "peak ~ region" "log_sigma ~ season"
    glmfit check likelihoods.py:weibull data.csv --y time --x dose
    """
    spec = options.model_spec(
        formulas=formulas,
        y=y,
        x=x,
        no_intercept=no_intercept,
        family=options.likelihood_file(file, data),
        link=link,
        fix=fix,
        offset=offset,
        exposure=exposure,
        success=success,
        weights=weights,
        freq_weights=freq_weights,
        sampling_weights=sampling_weights,
        missing=missing,
        reading=reading,
        start=start,
    )
    from glmfit.commands.examine import examine  # imports torch

    write_stdout(examine(spec, data), machine=False)


@app.command("families", cls=Command, short_help="List the families of distributions.")
def families_command(
    names: options.FamilyNames = None, every: options.All = False, json: options.AsJson = False
) -> None:
    """List the families of distributions, or say all about some: parameters, links, support and an example.

    \b
    glmfit families
    glmfit families negative-binomial
    """
    from glmfit.families.catalogue import FAMILIES, find_family
    from glmfit.report.listing import families_json, family_list, family_text

    if names and every:
        raise UsageError("contradiction", "--all and the name of a family exclude each other", "leave out one of them")
    chosen = tuple(map(find_family, names)) if names else FAMILIES
    text = "\n".join(map(family_text, chosen)) if names or every else family_list(chosen)
    write_stdout(families_json(chosen) if json else text, machine=json)


@app.command("explain", cls=Command, short_help="Say what an error or a warning means, and what to do.")
def explain_command(
    codes: options.Codes = None, json: options.AsJson = False, markdown: options.AsMarkdown = False
) -> None:
    """Say what errors and findings mean, why they matter, and what to do; list them all where none is named.

    \b
    glmfit explain
    glmfit explain separation
    """
    from glmfit.explain import explanations, find, pages

    if json and markdown:
        raise UsageError("contradiction", "--json and --markdown contradict each other", "give one of them")
    chosen = find(codes) if codes else explanations()
    write = pages.to_json if json else pages.to_markdown if markdown else pages.text if codes else pages.overview
    write_stdout(write(chosen), machine=json or markdown)


def _check_output(output: str | None, data: str) -> None:
    if output is None:
        return
    check_target(output)
    if data != "-" and os.path.exists(data) and os.path.exists(output) and os.path.samefile(data, output):
        raise UsageError("overwrites_data", f"--output {output} would overwrite the data", "give another file")


def _trace(step: dict[str, Any]) -> None:
    say("  ".join(f"{key.replace('_', ' ')} {value:.10g}" for key, value in step.items()))


def _report(fit: Fit, format: str, output: str | None, *, exp: bool, quiet: bool) -> None:
    from glmfit import report

    if format == "table":
        text = report.to_table(fit, exp=exp, plain=output is not None)
    else:
        write = {"json": report.to_json, "csv": report.to_csv, "markdown": report.to_markdown}[format]
        text = write(fit, exp=exp)
    if output is None:
        write_stdout(text, machine=format != "table")
    else:
        write_file(output, text)
    if not quiet and (format == "csv" or output is not None):
        for finding in fit.warnings:
            say(f"warning: {finding.message} [{finding.code}]")
        if fit.warnings:
            say(f"more: {explain(finding.code for finding in fit.warnings)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; the only place where errors become text."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _program(argv)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except GlmfitError as error:
        return _fail(error, argv)
    except CommandLineError as error:
        return _fail(usage_error(error), argv)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return 130
    except BrokenPipeError:  # the reader of the help has gone
        return 0
    except OSError as error:  # the help could not be written; all else that reads or writes names its own errors
        return _fail(output_error("standard output", error), argv)
    except Exception as error:  # a bug of ours: said in one line, with all there is to know under --verbose
        if {"-v", "--verbose"} & set(argv):
            import traceback

            traceback.print_exc()
        message = f"internal error: {type(error).__name__}: {error}"
        return _fail(GlmfitError("internal", message, "this is a bug in glmfit; please report it with --verbose"), argv)


def _program(argv: list[str]) -> int:
    command = typer.main.get_command(app)
    if not argv:
        argv = ["--help"]
    try:
        with running_out(), command.make_context("glmfit", argv) as context:
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


def _wants_json(argv: Sequence[str]) -> bool:
    """Whether JSON was asked for, told from the words alone as options may be what is wrong."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    after = [words[i + 1] for i, word in enumerate(words[:-1]) if word == "--format"]
    return "--json" in words or "--format=json" in words or "json" in after
