"""A large symmetric matrix as plain numbers: the parts that add up to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RootSummary:
    """`sign` A A' of a sparse matrix A (p, width): `values` at `rows` and `columns`."""

    sign: float
    width: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LowRankSummary:
    """A matrix (p, p) as the sum D + F K F' + roots: `blocks` of D (m, d, d) at the places `inner` (m, d), `columns` F
    (p, r), `core` K (r, r); NaN at the places `unknown`."""

    inner: tuple[tuple[int, ...], ...]
    blocks: tuple[tuple[tuple[float, ...], ...], ...]
    columns: tuple[tuple[float, ...], ...]
    core: tuple[tuple[float, ...], ...]
    roots: tuple[RootSummary, ...] = ()
    unknown: tuple[int, ...] = ()
