"""Many fits in one run: a failure is a row of what is written, never a hole, and never a stop of the rest.

`groups` fits one model in each group of the rows, `scan` one model a column, `jobs` are lists of models of any kind.
`cores` has pieces of work done side by side, `fits` are the records, `stream` writes them as they come, `overview` as a
table. In: a specification and a source of data, the path of a file of jobs. Out: records in order, jobs, lines of
results. May use: after, report, explain, dense, estimate, penalty, trust, inference, model, rows, design, formula,
families, table, numerics.
"""
