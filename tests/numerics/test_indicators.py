"""Least squares on indicators against the columns themselves, where they are few; and levels that are hardly linked."""

from __future__ import annotations

import numpy as np
import pytest

from glmfit.numerics import Indicators


def dense(indicators: Indicators) -> np.ndarray:
    return np.concatenate([np.eye(s)[c] for c, s in zip(indicators.codes, indicators.sizes, strict=True)], axis=1)


@pytest.mark.parametrize("sizes", [(7,), (5, 9), (9, 5, 4)])
def test_what_is_left_beside_the_indicators(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(4)
    codes = [random.permutation(np.arange(80) % size) for size in sizes]
    indicators, weight, v = Indicators(codes, sizes), random.uniform(0.1, 3, 80), random.normal(size=(80, 2))
    D = dense(indicators)
    assert np.allclose(indicators.times(v[: indicators.size]), D @ v[: indicators.size])
    assert np.allclose(indicators.sums(v), D.T @ v)
    normal = indicators.normal(weight)
    found = v - indicators.times(normal.solve(indicators.sums(weight[:, None] * v)))
    root = np.sqrt(weight)[:, None]
    expected = v - D @ np.linalg.lstsq(root * D, root * v, rcond=None)[0]
    assert np.allclose(found, expected, rtol=0, atol=1e-11)
    assert np.isnan(indicators.normal(-weight).solve(indicators.sums(v))).all()


def test_a_chain_of_levels_is_solved_to_the_last_digits() -> None:
    """Each level meets the next alone: alternating projections would take some 10,000 rounds for each digit."""
    n = 2_000
    first, second = np.arange(n) // 2, (np.arange(n) + 1) // 2
    indicators = Indicators([first, second], [n // 2, n // 2 + 1])
    v = np.random.default_rng(1).normal(size=(n, 1))
    rest = v - indicators.times(indicators.normal(np.ones(n)).solve(indicators.sums(v)))
    assert np.abs(indicators.sums(rest)).max() < 1e-9
    assert np.abs(rest).max() < 1e-8  # a tree: the effects fit every row


def test_redundant_effects() -> None:
    first, second = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 0, 2, 2])
    indicators = Indicators([first, second, np.array([0, 1, 0, 1, 0, 1])], [4, 3, 2])
    assert indicators.redundant() == (0, 2, 1)
    assert np.linalg.matrix_rank(dense(Indicators([first, second], [4, 3]))) == 4 + 3 - 2
