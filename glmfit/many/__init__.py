"""Many fits in one run: a failure is a row of what is written, never a hole, and never a stop of the rest.

`scan` fits one model a column, many of them together where they are of one shape; `jobs` reads files of jobs, `ledger`
is the file of results that grows by a line a job. In: a specification and a source of data, or the path of a file of
jobs, documents. Out: records in order, jobs, lines of results. May use: after, explain, estimate, trust, inference,
model, rows, design, formula, families, table, numerics.
"""
