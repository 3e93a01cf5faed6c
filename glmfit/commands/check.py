"""`glmfit check`: a likelihood of one's own, where a fit to some data would begin."""

from __future__ import annotations

from glmfit.commands import options
from glmfit.commands.output import write_stdout
from glmfit.commands.reading import takes_data
from glmfit.reading import PLAIN, Reading


@takes_data
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
    where: options.Where = None,
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
        where=where,
        missing=missing,
        reading=reading,
        start=start,
    )
    from glmfit.commands.examine import examine  # imports torch

    write_stdout(examine(spec, data), machine=False)
