"""`glmfit fit`: from options to a specification, and from a fit to where its report goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from glmfit import fit_spec
from glmfit.commands import options, random
from glmfit.commands import scan as scanning
from glmfit.commands.groups import check_groups, fit_by
from glmfit.commands.model import takes_model
from glmfit.commands.output import say, write_file, write_stdout
from glmfit.commands.plot import forest_of
from glmfit.commands.progress import progress
from glmfit.commands.report import report_of, target_of
from glmfit.commands.shared import check_output, check_save, warn
from glmfit.commands.shrink import check_alone, refuse_unchosen
from glmfit.errors import ModelError, UsageError
from glmfit.report.delimited import left_out
from glmfit.report.random import without_modes
from glmfit.spec import ModelSpec
from glmfit.threads import use

if TYPE_CHECKING:
    from glmfit.result import Fitted


@takes_model()
def fit_command(
    data: options.Data,
    spec: ModelSpec,
    by: options.By = None,
    overall: options.Overall = False,
    dask: options.Dask = None,
    scan: scanning.Columns = None,
    scan_file: scanning.ColumnsFile = None,
    adjust: scanning.Adjust = None,
    firth_fallback: scanning.FirthFallback = False,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    exp: options.Exp = False,
    covariance: options.Covariance = False,
    ranef: random.Ranef = False,
    save: options.Save = None,
    all_levels: options.AllLevels = False,
    plot: options.Plot = False,
    report: options.Report = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fit one model and report its coefficients, standard errors and fit statistics.

    \b
    glmfit fit data.csv --y y --x x1,x2 --family poisson
    glmfit fit data.csv "claims ~ age*region" -f negative-binomial --json
    glmfit fit data.csv "y ~ x" "alpha ~ region" -f nb --se cluster:firm
    glmfit fit trials.csv --y dead/n --x dose -f binomial --link probit
    glmfit fit shops.csv "sales ~ price" -f poisson --by shop --json
    glmfit fit wide.csv "y ~ {} + age" -f binomial --scan 'g*' --format csv
    """
    chosen = options.output_format(json, format, output)
    options.check(spec, exp=exp, quiet=quiet, verbose=verbose)
    if threads is not None:
        use(threads)
    random.check_ranef(ranef, spec)
    check_output(output, data)
    check_save(save, output, data)
    if report is not None:
        target_of(report, data, option="--report")
    columns = scanning.asked_columns(scan, scan_file)
    _check_dask(dask, by=by, scan=columns, save=save, report=report)
    alone = {
        "--by": bool(by), "--save": save is not None, "--plot": plot, "--exp": exp, "--covariance": covariance,
        "--all-levels": all_levels, "--ranef": ranef, "--report": report is not None, "--verbose": verbose,
    }  # fmt: skip
    scanning.check_scan(columns, [*spec.formulas, *spec.x, spec.y or ""], alone, adjust, firth_fallback)
    groups = options.levels(by)
    if spec.shrinkage is not None:
        alone = {"--by": bool(groups), "--dask": dask is not None, "--scan": bool(columns), "--plot": plot}
        check_alone({**alone, "--exp": exp, "--covariance": covariance, "--report": report is not None})
    if columns:
        scanned = scanning.ScanAsked(columns, adjust or "bh", firth_fallback)
        raise typer.Exit(scanning.fit_scan(spec, data, scanned, chosen, output, quiet=quiet))
    check_groups(groups, overall=overall, save=save, all_levels=all_levels, verbose=verbose, plot=plot)
    if plot and chosen != "table":
        message = f"--plot draws below a table, and --format {chosen} is for machines"
        raise UsageError("contradiction", message, "save the model with --save, then: glmfit plot forest MODEL")
    if groups and report is not None:
        hint = "fit one of the groups with --where, and --report"
        raise UsageError("contradiction", "--report is of one fit, and --by makes many", hint)
    if groups:
        asked = {"overall": overall, "quiet": quiet, "exp": exp, "covariance": covariance}
        raise typer.Exit(fit_by(spec, data, groups, chosen, output, **asked))

    with progress("replicates", quiet=quiet) as told:
        fit = fit_spec(spec, data, _trace if verbose else None, told, dask)
    if verbose:
        for column, text in fit.data.numeric_codes.items():
            say(f"{column}: {text}")
    if save is not None:
        from glmfit.report.saved import model_json

        refuse_unchosen(fit)
        write_file(save, model_json(fit))
    shown = fit if ranef else without_modes(fit)
    _report(shown, chosen, output, exp=exp, covariance=covariance, all_levels=all_levels, plot=plot, quiet=quiet)
    if report is not None:
        report_of(fit, spec, data, report)
    raise typer.Exit(fit.exit_code)


_NOT_ON_CLUSTER = {  # why, and what to do instead
    "by": ("a group may lie in several parts of the rows", "fit one group with --where, or all without --dask"),
    "scan": ("each column is a fit to all rows in one place", "leave --dask out"),
    "save": (
        "the file knows its rows by a checksum of all of them",
        "write --json for the numbers, or leave --dask out",
    ),
    "report": ("its check draws from all rows in one place", "leave --report out; --plot draws the coefficients"),
}


def _check_dask(dask: str | None, **others: object) -> None:
    """What a command that fits on a cluster is not for; of the model, the fit says so itself."""
    for option, given in others.items():
        if dask is not None and given:
            reason, hint = _NOT_ON_CLUSTER[option]
            raise ModelError("not_on_cluster", f"--{option} does not go together with --dask: {reason}", hint)


def _trace(step: dict[str, Any]) -> None:
    say("  ".join(f"{key.replace('_', ' ')} {value:.10g}" for key, value in step.items()))


def _report(
    fit: Fitted,
    format: str,
    output: str | None,
    *,
    exp: bool,
    covariance: bool,
    all_levels: bool,
    plot: bool,
    quiet: bool,
) -> None:
    from glmfit import report

    if format == "table":
        text = report.to_table(fit, exp=exp, plain=output is not None, all_levels=all_levels)
        text += "\n" + forest_of(fit, exp=exp, file=output is not None) if plot else ""
    elif format == "markdown":
        text = report.to_markdown(fit, exp=exp, all_levels=all_levels)
    else:
        text = report.to_csv(fit, exp=exp) if format == "csv" else report.to_json(fit, exp=exp, covariance=covariance)
    if output is None:
        write_stdout(text, machine=format != "table")
    else:
        write_file(output, text)
    if not quiet and (format == "csv" or output is not None):
        warn(fit.warnings)
    if not quiet and format == "csv" and (left := left_out(fit)):
        say(f"CSV has the coefficients alone: {left} are in --json")
