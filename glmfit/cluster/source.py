"""Where the rows of a fit on a cluster are: coded parts that stay with their workers, and sums of what they give.

A pass sends theta and the name of a function; sums are added up in a tree on the workers, in the order of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from glmfit.cluster.coding import part_sum
from glmfit.cluster.tasks import packed, submitted
from glmfit.model import View, add

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
BRANCHES = 8  # sums that are added up together


class OnWorkers:
    """The parts of all rows, `n` observations."""

    def __init__(self, client: Client, parts: Sequence[Future], n: int) -> None:
        self.client, self.parts, self.n = client, parts, n

    def added(self, view: View, of: Callable[..., T], *arguments: Any) -> T:
        of_part, of_sums = packed(part_sum, view, of, arguments), packed(added_up)
        sums = [submitted(self.client, of_part, part) for part in self.parts]
        while len(sums) > 1:
            groups = [sums[at : at + BRANCHES] for at in range(0, len(sums), BRANCHES)]
            sums = [submitted(self.client, of_sums, *group) for group in groups]
        found: T = sums[0].result()
        return found


def added_up(*sums: Any) -> Any:
    """On a worker: the sum of sums."""
    total = sums[0]
    for one in sums[1:]:
        total = add(total, one)
    return total
