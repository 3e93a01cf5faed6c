"""Many fits in one run: a failure is a row of what is written, never a hole, and never a stop of the rest.

`groups` fits one model in each group of the rows, those together that can be; its records go to `stream` as they come.
`scan` fits one model a column, those of one shape together.
`jobs` reads files of jobs, `ledger` is the file of results that grows by a line a job. In: a specification and a source
of data, the path of a file of jobs. Out: records in order, jobs, lines of results. May use: after, report, explain,
dense, estimate, penalty, trust, inference, model, rows, design, formula, families, table, numerics.
"""
