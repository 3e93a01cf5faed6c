"""`glmfit margins`: average effects, contrasts and adjusted predictions of a saved model over rows of data."""

from __future__ import annotations

from typing import Annotated

import typer

from glmfit.commands import options, shared
from glmfit.commands.options import option
from glmfit.commands.reading import takes_data
from glmfit.reading import PLAIN, Reading
from glmfit.spec import one_of

POLICIES = ("error", "drop")
_I, _R, _E = "Inference", "Rows", "Effects"
Terms = Annotated[
    list[str] | None, option(_E, "--terms", metavar="COLUMNS", help="Effects of these; default all. Repeatable.")
]
At = Annotated[
    list[str] | None,
    option(
        _E, "--at", metavar="NAME=VALUES", help="Hold a column at x=0,1,2 in all rows; or means, observed. Repeatable."
    ),
]
Pairwise = Annotated[
    list[str] | None, option(_E, "--pairwise", metavar="COLUMNS", help="Compare all pairs of levels. Repeatable.")
]
Contrast = Annotated[
    list[str] | None,
    option(_E, "--contrast", metavar="NAME:WAY", help="g:reference, g:sequential or g:pairwise. Repeatable."),
]
Inverse = Annotated[
    list[str] | None,
    option(
        _E, "--inverse", metavar="NAME=VALUES", help="x=0.5,0.9: the x at which the mean is that (LD50). Repeatable."
    ),
]
By = Annotated[list[str] | None, option(_E, "--by", metavar="COLUMNS", help="Average within groups of rows.")]
Ratio = Annotated[bool, option(_E, "--ratio", help="Ratios in place of differences; of numbers, of x + 1 to x.")]
MarginWeights = Annotated[
    str | None, option(_R, "--weights", metavar="COLUMN|1", help="Weights of the rows; default: those of the fit.")
]
Missing = Annotated[
    str, option(_R, "--missing", metavar="error|drop", help="Rows with missing values: error (default) or drop.")
]
Adjust = Annotated[
    str | None,
    option(_I, "--adjust", metavar="METHOD", help="holm, bonferroni, bh or single-step: several contrasts."),
]
Random = Annotated[
    str | None,
    option(_E, "--random", metavar="population|include|zero", help="Averaged over any level, those of the rows, or 0."),
]


@takes_data
def margins_command(
    model: shared.Model,
    data: shared.NewData,
    terms: Terms = None,
    at: At = None,
    pairwise: Pairwise = None,
    contrast: Contrast = None,
    inverse: Inverse = None,
    by: By = None,
    of: shared.Of = None,
    ratio: Ratio = False,
    weights: MarginWeights = None,
    offset: shared.NewOffset = None,
    exposure: shared.NewExposure = None,
    missing: Missing = "error",
    reading: Reading = PLAIN,
    family: shared.FamilyFile = None,
    adjust: Adjust = None,
    random: Random = None,
    level: shared.NewLevel = None,
    json: options.Json = False,
    format: options.Format = None,
    output: options.Output = None,
    quiet: options.Quiet = False,
) -> None:
    """Average effects of covariates, contrasts and adjusted predictions of a saved model.

    \b
    glmfit margins model.json data.csv
    glmfit margins model.json data.csv --terms age --by region
    glmfit margins model.json data.csv --at age=20,40,60 --at means
    glmfit margins model.json data.csv --pairwise region --adjust holm
    glmfit margins model.json data.csv --inverse dose=0.5,0.9
    """
    chosen = options.output_format(json, format)
    share = shared.level(level)
    one_of("--missing", missing, POLICIES)
    asked = shared.asked(offset, exposure, "keep" if missing == "drop" else "error")
    shared.check_output(output, data, model)
    saved = shared.open_saved(model, family)
    source = shared.open_new_data(data, reading, saved)
    from glmfit.after.effects import Request
    from glmfit.after.margins import margins

    request = Request(
        of=of,
        terms=options.levels(terms),
        at=tuple(at or ()),
        pairwise=options.levels(pairwise),
        contrast=tuple(contrast or ()),
        inverse=tuple(inverse or ()),
        by=options.levels(by),
        ratio=ratio,
        weights=weights,
        level=share,
        adjust=adjust,
        random=random,
    )
    records = margins(saved, source, asked, request)
    shared.emit(records, chosen, output, quiet=quiet)
    raise typer.Exit(5 if any(finding.code == "no_margin" for finding in records.findings) else 0)
