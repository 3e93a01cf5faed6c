"""A table of records, as most commands give one: aligned text, JSON under a key, CSV with the same names, Markdown.

Numbers go by their names: what is in the unit of the estimates has their decimals, a `p_value` is never 0. A number
that does not exist is NaN or None: null in JSON, an empty field in CSV. An object is one in JSON, else columns.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from glmfit.errors import Finding, explain
from glmfit.report import numbers
from glmfit.report.document import fit_document, layout, plain
from glmfit.report.layout import SENTENCES, Column, whole, within
from glmfit.report.markdown import escape, table, to_markdown
from glmfit.report.terminal import GAP, Line, printed, sentence, terminal, to_table, wrapped
from glmfit.result import Fit

IN_UNIT = ("estimate", "std_error", "conf_low", "conf_high", "pred_low", "pred_high", "fieller_low", "fieller_high")
HEADINGS = {
    "std_error": "Std. Error",
    "statistic_kind": "Kind",
    "df_residual": "Resid. df",
    "p_value": "p-value",
    "p_adjusted": "adjusted p",
    "conf_low": "{low}",
    "conf_high": "{high}",
    "aic": "AIC",
    "aicc": "AICc",
    "bic": "BIC",
    "df": "df",
    "fieller_low": "F {low}",
    "fieller_high": "F {high}",
}
SHORT = {  # headings where the line is too short for the usual ones
    "std_error": "SE",
    "statistic": "stat.",
    "df_residual": "res. df",
    "p_value": "p",
    "p_adjusted": "adj. p",
    "log_likelihood": "logLik",
    "n_parameters": "par.",
    "delta_aic": "dAIC",
    "deviance": "dev.",
}
LONGEST = 60  # characters of a text column


@dataclass(frozen=True, slots=True)
class Records:
    """Rows of values by name, all rows with the same names: numbers, texts, booleans, None, or objects of these.

    `schema` and `key` are those of the JSON document, whose other keys are `facts`; a fact is shown above the table.
    """

    schema: str
    key: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    level: float | None = None  # of the intervals
    findings: tuple[Finding, ...] = ()
    hidden: tuple[str, ...] = ()  # columns that a table for people leaves out
    least: tuple[str, ...] = ()  # columns that a short line leaves out, those first that say least

    def frame(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in self.rows], columns=list(self.columns))

    def flat(self) -> tuple[list[str], list[list[Any]]]:
        """Columns and rows with objects as columns of their own."""
        inner: dict[str, dict[str | None, None]] = {}
        for row in self.rows:
            for name in self.columns:
                if isinstance(row[name], Mapping):
                    inner.setdefault(name, {}).update(dict.fromkeys(row[name]))
        places = [
            (name, part)
            for name in self.columns
            for part in inner.get(name, {None: None})
            if not (name not in inner and self.rows and all(row[name] == {} for row in self.rows))
        ]
        heading = [name if part is None else f"{name}.{part}" for name, part in places]
        body = [
            [row[name] if part is None else (row[name] or {}).get(part) for name, part in places] for row in self.rows
        ]
        return heading, body


def to_format(records: Records, format: str, *, file: bool = False) -> str:
    """The records as table, json, csv or markdown; a table for a file has no colour and 80 columns."""
    if format == "table":
        return records_table(records, file=file)
    return {"json": records_json, "csv": records_csv, "markdown": records_markdown}[format](records)


def together(parts: Sequence[Records], format: str, *, file: bool = False) -> str:
    """Several tables of one schema: one JSON document, tables one after the other; CSV has room for the first alone."""
    if format == "csv":
        return records_csv(parts[0])
    if format != "json":
        return "\n".join(to_format(part, format, file=file) for part in parts if part.rows)
    facts = {name: value for part in parts for name, value in part.facts.items()}
    rows = {part.key: [{name: row[name] for name in part.columns} for row in part.rows] for part in parts}
    findings = [finding for part in parts for finding in part.findings]
    return layout(plain({"schema": parts[0].schema, **facts, **rows, "warnings": findings})) + "\n"


def with_fit(records: Records, fit: Fit, format: str, *, file: bool = False) -> str:
    """Records and the fit that they led to: in one JSON document, one below the other; CSV has the records alone."""
    if format == "json":
        rows = [{name: row[name] for name in records.columns} for row in records.rows]
        parts = {records.key: rows, "fit": fit_document(fit), "warnings": fit.warnings}
        return layout(plain({"schema": records.schema, **records.facts, **parts})) + "\n"
    if format == "csv":
        return records_csv(records)
    if format == "markdown":
        return f"{records_markdown(records)}\n{to_markdown(fit)}"
    return f"{records_table(records, file=file)}\n{to_table(fit, plain=file)}"


def records_json(records: Records) -> str:
    """A document with the rows under their key."""
    rows = [{name: row[name] for name in records.columns} for row in records.rows]
    level = {} if records.level is None else {"level": records.level}
    document = {"schema": records.schema, **records.facts, **level, records.key: rows, "warnings": records.findings}
    return layout(plain(document)) + "\n"


def records_csv(records: Records) -> str:
    """CSV (RFC 4180, LF line ends) with the names of the JSON."""
    heading, body = records.flat()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows([_field(value) for value in row] for row in body)
    return out.getvalue()


def records_markdown(records: Records) -> str:
    """A table to paste into a report, under the facts."""
    heading, cells, texts = shown(records)
    facts = {name: value for name, value in records.facts.items() if value != {}}
    blocks = ["\n".join(f"- {_label(name)}: {escape(_fact(value))}" for name, value in facts.items())]
    blocks.append(table(heading, cells, max(1, texts)))
    blocks += [f"> **Warning** ({finding.code}): {escape(finding.message)}" for finding in records.findings]
    return "\n\n".join(block for block in blocks if block) + "\n"


def shown(records: Records) -> tuple[list[str], list[list[str]], int]:
    """The headings and rows of a table for people, and how many of its columns are texts, which come first."""
    columns = _shown(records)
    heading = [column.headings[0] for column in columns]
    cells = [list(row) for row in zip(*(column.cells[0] for column in columns), strict=True)]
    return heading, cells, sum(column.is_text for column in columns)


def records_table(records: Records, *, file: bool = False, width: int | None = None) -> str:
    """Aligned text: in a terminal, or where `width` is given, no line is longer; a file or a pipe has all columns."""
    console = terminal(width, file)
    return printed(console, _lines(records, console.width, width is not None or (console.is_terminal and not file)))


def _lines(records: Records, width: int, fits: bool) -> Iterator[Line]:
    facts = {name: value for name, value in records.facts.items() if value != {}}
    labels = max((len(_label(name)) for name in facts), default=0) + len(GAP)
    for name, value in facts.items():
        for at, part in enumerate(wrapped(_fact(value), max(width - labels, 20)) or [""]):
            yield [((_label(name) if at == 0 else "").ljust(labels), "bold"), (part, "")]
    if records.facts:
        yield []
    columns = _shown(records)
    yield from within(columns, records.least, width) if fits else whole(columns)
    if records.findings:
        yield []
    for finding in records.findings:
        yield from sentence(f"Warning: {finding.message} [{finding.code}]", "yellow", width)
    if records.findings:
        yield from sentence(f"More: {explain(finding.code for finding in records.findings)}", "dim", width)


def _shown(records: Records) -> list[Column]:
    """Headings and cells as text, columns of texts first; what is empty throughout is left out."""
    names, body = records.flat()
    columns = {name: [row[at] for row in body] for at, name in enumerate(names) if name not in records.hidden}
    columns = {name: values for name, values in columns.items() if not all(map(_empty, values)) or name == "estimate"}
    words = [name for name, values in columns.items() if any(isinstance(value, str | bool) for value in values)]
    usual, short = (_texts(columns, words, fewer) for fewer in (0, 1))
    order = [*words, *(name for name in columns if name not in words)]
    return [Column(name, _headings(name, records.level), (usual[name], short[name]), name in words) for name in order]


def _texts(columns: Mapping[str, list[Any]], words: Sequence[str], fewer: int) -> dict[str, list[str]]:
    """The cells of each column, with so many digits fewer than usual."""
    texts = {name: [_word(value, whole=name in SENTENCES) for value in columns[name]] for name in words}
    unit = [name for name in IN_UNIT if name in columns]
    rows = range(len(next(iter(columns.values()), [])))
    scaled = numbers.columns([_in_unit(columns, unit, at) for at in rows], fewer) if unit else []
    for at, name in enumerate(unit):
        texts[name] = ["" if _empty(columns[name][row]) else scaled[row][at] for row in rows]
    for name, values in columns.items():
        if name not in texts:
            texts[name] = _numbers(name, values, fewer)
    return texts


def _in_unit(columns: Mapping[str, list[Any]], unit: Sequence[str], at: int) -> list[float]:
    """A row of what is in the unit of the estimate; `numbers.columns` goes by the second, the standard error."""
    values = [_number(columns[name][at]) for name in unit]
    return values if len(values) > 1 else [*values, math.nan]


def _numbers(name: str, values: Sequence[Any], fewer: int) -> list[str]:
    """One column of numbers that are in a unit of their own."""
    found = [_number(value) for value in values]
    if name in ("p_value", "p_adjusted"):
        shown = [numbers.p_value(value) for value in found]
    elif all(isinstance(value, int) or _empty(value) for value in values):
        shown = [f"{value:.0f}" if math.isfinite(value) else "" for value in found]
    elif name == "statistic":
        shown = numbers.test_statistics(found, fewer)
    elif name in ("df", "df_residual"):
        shown = [numbers.short(value) for value in found]
    else:
        shown = numbers.statistics(found, fewer)
    return ["" if _empty(value) else text for value, text in zip(values, shown, strict=True)]


def _headings(name: str, level: float | None) -> tuple[str, str]:
    """The usual heading of a column and a shorter one."""
    tail = 0.5 * (1 - (level if level is not None else 0.95))
    low, high = numbers.percent(tail), numbers.percent(1 - tail)
    usual = HEADINGS.get(name, name.replace("_", " ")).format(low=low, high=high)
    return usual, SHORT.get(name, usual)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _fact(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return numbers.short(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_word(item)}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else _word(value)


def _word(value: Any, *, whole: bool = False) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = numbers.visible(str(value)) if isinstance(value, str) else numbers.short(_number(value))
    return text if whole or len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _field(value: Any) -> str:
    if _empty(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(value)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
