"""One model in each group of the rows: `run` has a record for each, in order, `split` which rows are whose.

Those that can be are fitted together, a `block` of groups at a time: `scales` standardises the columns of each by
itself, `begin` finds where the searches start, `maximum` where they end, `robust` the covariances, `answers` and
`remarks` all that is said of them, `documents` how it is written. A group of which anything is out of the ordinary
leaves on the way.
"""
