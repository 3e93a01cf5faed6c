"""A `Fit` as text: an aligned table, JSON, tidy CSV or Markdown; nothing here computes a statistic of its own.

Every form tells the same story from the same `Fit`; numbers for people are rounded here, numbers for machines never.
In: a `Fit`, or an error. Out: text. May use: explain, families.
"""

from __future__ import annotations

from glmfit.report.delimited import to_csv
from glmfit.report.document import error_json, fit_from_json, schema, to_json
from glmfit.report.markdown import to_markdown
from glmfit.report.terminal import to_table

FORMATS = ("table", "json", "csv", "markdown")

__all__ = ["FORMATS", "error_json", "fit_from_json", "schema", "to_csv", "to_json", "to_markdown", "to_table"]
