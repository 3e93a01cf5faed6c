"""What was fitted, with every default filled in: family, links, columns of rows; and the rows that it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping

from glmfit.model import Model
from glmfit.result import DataSummary, ModelSummary
from glmfit.rows import Data


def reported_model(data: Data, model: Model) -> ModelSummary:
    """The model of a fit as it is reported."""
    spec = data.spec
    used, main = {p.parameter for p in model.rows.predictors}, model.family.main
    return ModelSummary(
        formulas=data.formula.texts,
        response=data.response.label,
        family=model.family.name,
        links={name: link.name for name, link in model.links.items() if name in used},
        fixed=dict(spec.fixed),
        weights=spec.weights,
        freq_weights=spec.freq_weights,
        sampling_weights=spec.sampling_weights,
        offset=spec.offset,
        exposure=spec.exposure,
        success=data.response.success,
        levels=data.response.levels,
        base=data.response.levels[0] if model.family.shared_formula and spec.shrinkage is None else None,
        group=spec.group,
        event=spec.event,
        censor=spec.censor,
        main=tuple(dict.fromkeys(p.name for p in model.family.parameters)) if model.family.shared_formula else (main,),
        measure=model.family.exp_measure(model.links[main].name),
        bias_reduction=spec.bias_reduction,
        where=spec.where,
        absorbed=() if model.absorbed is None else model.absorbed.factors,
    )


def reported_data(data: Data, codes: Mapping[str, str]) -> DataSummary:
    """The rows of a fit as they are reported; `codes` are numeric columns that may hold codes of categories."""
    return DataSummary(
        data.table.source,
        data.table.rows_read,
        len(data.table),
        data.dropped,
        censoring=data.response.censoring,
        numeric_codes=codes,
    )
