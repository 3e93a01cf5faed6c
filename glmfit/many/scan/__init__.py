"""One model a column: `run` has a record for each, in order, `names` which columns are meant.

`template` and `gapped` are the model with a gap, `beforehand` what is said of a column before its model is fitted,
`alone` that model by itself. Those of one shape are fitted `together` on columns that all share: `columns` are
covariates, whose own columns `designed` makes and `own` standardises, `responses` are responses; `sums` and
`covariances` are what is said of their maxima. `rows` are what is written, `listing` the table of them.
"""
