"""Many fits in one run: a failure is a row of what is written, never a hole, and never a stop of the rest.

`jobs` reads files of jobs, `ledger` is the file of results that grows by a line a job. In: the path of a file of jobs,
documents. Out: jobs, lines of results. May use: the top of the package.
"""
