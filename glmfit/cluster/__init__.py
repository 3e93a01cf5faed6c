"""One fit over many machines: dask holds partitions of the rows on its workers, and adds up what is summed there.

In: a `ModelSpec`, the paths of files that workers can see, the address of a scheduler. Out: the same `Fit` as of one
machine. dask owns scheduling, locality, retries and failure. May use: estimate, inference, model, design, rows,
formula, families, table, numerics.
"""

from glmfit.cluster.fit import fit_on_cluster

__all__ = ["fit_on_cluster"]
