"""Many fits in one run: the same model in each group of the rows, written as a stream of records.

A record is what became of one unit of work; a failure is a record too, and never a hole nor a stop of the rest. What
can be fitted together is, as one batch of matrices; all else goes through the pipeline of a single fit.
In: a specification and a source of data. Out: records, in order, as JSON lines, CSV or a table. May use: after, report,
explain, dense, estimate, trust, inference, model, rows, design, formula, families, table, numerics.
"""
