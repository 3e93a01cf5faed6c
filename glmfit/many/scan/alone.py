"""One model of a scan by the ordinary route, from columns that have been read: as if it had been asked for alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from glmfit.errors import Finding, GlmfitError
from glmfit.estimate.pipeline import fit_data
from glmfit.many.fits import problem_of
from glmfit.many.scan.designed import scanned_terms
from glmfit.many.scan.gapped import Scan
from glmfit.many.scan.rows import FIRTH, OK, ScanRecord, ScanRow
from glmfit.memory import running_out
from glmfit.result import Coefficient, Fitted
from glmfit.rows import Data, read
from glmfit.spec import ModelSpec

SEPARATION = "separation"
LEFT_OUT = "aliased"


@dataclass(frozen=True, eq=False)
class Alone:
    """Fits models of a scan one by one."""

    scan: Scan

    def record(self, name: str, caution: Finding | None = None) -> ScanRecord:
        """The rows of the model of one column; `caution` is what is known of it beforehand."""
        spec = replace(self.scan.template.of(name), where=None)
        try:
            data, fit = self.fitted(spec, name)
            if self.scan.firth_fallback and problem_of(fit) == SEPARATION:
                data, fit = self.fitted(replace(spec, bias_reduction="firth"), name)
        except GlmfitError as error:
            main = ScanRow(name, "", name, 0, status=error.code, failed=True, message=error.message)
            return ScanRecord([main])
        return ScanRecord([self._row(name, data, fit, *one, caution) for one in self.reported(name, data, fit)])

    def fitted(self, spec: ModelSpec, name: str) -> tuple[Data, Fitted]:
        """The prepared rows, and the fit."""
        with running_out():
            data = read(spec, self.scan.part(name))
            return data, fit_data(data)

    def reported(self, name: str, data: Data, fit: Fitted) -> list[tuple[int, Coefficient]]:
        """The coefficients that a scan reports, each with the place of its term among those of its parameter."""
        terms = zip(fit.blueprint.terms, fit.coefficients, strict=True)
        if self.scan.of_response:
            places = {term: at for at, term in enumerate(dict.fromkeys(fit.blueprint.terms))}
            rows = [(places[term], row) for term, row in terms if row.term != "Intercept"]
            return rows or [(0, row) for row in fit.coefficients if row.parameter in fit.model.main]
        places = scanned_terms(data.formula, name)
        return [(places[term], row) for term, row in terms if term in places]

    def _row(
        self, name: str, data: Data, fit: Fitted, place: int, found: Coefficient, caution: Finding | None
    ) -> ScanRow:
        problem = problem_of(fit)
        missing = math.isnan(found.estimate) or math.isnan(found.std_error)
        status = problem or (found.status if missing and found.status else None)
        failed = status is not None
        message = None if problem is None else _message(fit, problem)
        if status in (None, LEFT_OUT) and caution is not None:
            status, message = caution.code, caution.message
        if (
            status is None
            and self.scan.firth_fallback
            and data.spec.bias_reduction != self.scan.template.asked.bias_reduction
        ):
            status = FIRTH
        return ScanRow(
            column=name,
            parameter=found.parameter,
            term=found.term,
            place=place,
            n=fit.data.rows_used,
            estimate=found.estimate,
            std_error=found.std_error,
            statistic=found.statistic,
            df=math.nan if found.df is None else found.df,
            p_value=found.p_value,
            status=status or OK,
            failed=failed,
            findings=[finding.code for finding in fit.warnings],
            message=message,
        )


def _message(fit: Fitted, problem: str) -> str | None:
    return next((finding.message for finding in fit.warnings if finding.code == problem), None)
