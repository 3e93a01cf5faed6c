"""Arithmetic in pairs of floats, against fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import glmfit
from glmfit.numerics.precise import Pair, as_written, exact, normal_equations, two_product, two_sum


def fraction(pair: Pair) -> list[Fraction]:
    return [Fraction(h) + Fraction(low) for h, low in zip(pair.high.tolist(), pair.low.tolist(), strict=True)]


def wide(seed: int, n: int = 40) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal(size=n) * 10.0 ** random.integers(-12, 12, n))


def test_a_sum_and_a_product_lose_nothing() -> None:
    a, b = wide(1), wide(2)
    for (high, low), expected in (
        (two_sum(a, b), [Fraction(x) + Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]),
        (two_product(a, b), [Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]),
    ):
        assert fraction(Pair(high, low)) == expected


@pytest.mark.parametrize("n", [1, 2, 3, 17, 64])
def test_sums_of_products_have_twice_the_digits(n: int) -> None:
    a, b = wide(3, n), wide(4, n)
    parts = [Fraction(x) * Fraction(y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    found = (exact(a) * exact(b))[:, None].sum()
    assert abs(fraction(found)[0] - sum(parts)) <= sum(map(abs, parts)) * Fraction(1, 2**100)


def test_a_number_is_what_the_file_says() -> None:
    values = [0.1, 1.11111, 60323.0, 2.5e-7, 1 / 3]
    assert fraction(as_written(torch.tensor(values, dtype=torch.float64)))[:4] == pytest.approx(
        [Fraction(1, 10), Fraction(111111, 100000), Fraction(60323), Fraction(25, 10**8)], rel=1e-31
    )


def test_normal_equations_of_runs_of_rows_add_up() -> None:
    x, y, w = wide(5, 60).reshape(20, 3), wide(6, 20), wide(7, 20).abs()
    whole = normal_equations([(x, exact(y), w)])
    parts = normal_equations((x[s], exact(y[s]), w[s]) for s in (slice(0, 7), slice(7, 20)))
    columns = [*x.T.tolist(), y.tolist()]
    for i, left in enumerate(columns):
        for j, right in enumerate(columns):
            terms = [Fraction(a) * Fraction(b) * Fraction(c) for a, b, c in zip(left, right, w.tolist(), strict=True)]
            for found in (whole, parts):
                error = fraction(found[i, j : j + 1])[0] - sum(terms)
                assert abs(error) <= sum(map(abs, terms)) * Fraction(1, 2**98)


@pytest.mark.parametrize("options", [{"weights": "w"}, {"freq_weights": "w"}, {"offset": "o"}, {"intercept": False}])
def test_the_estimates_are_those_of_exact_arithmetic(options: dict[str, Any]) -> None:
    """A cubic far from 0, whose columns have a condition number of 1e14 as they are."""
    year = np.arange(1990.0, 2010)
    data: dict[str, Any] = {"x": year, "y": np.round(np.sin(year) * 64) / 64, "o": year / 8}
    data |= {"w": 2.0 ** (np.arange(20) % 3)}
    fit = glmfit.fit((), data, y="y", x=("x", "I(x**2)", "I(x**3)"), **options)
    first = 0 if options.get("intercept", True) else 1
    columns = [[Fraction(v) ** k for k in range(first, 4)] for v in year.tolist()]
    offset = data["o"] if "offset" in options else np.zeros(20)
    weight = data["w"] if {"weights", "freq_weights"} & options.keys() else np.ones(20)
    y = [Fraction(a) - Fraction(b) for a, b in zip(data["y"].tolist(), offset.tolist(), strict=True)]
    rows = list(zip(columns, y, map(Fraction, weight.tolist()), strict=True))
    size = 4 - first
    table = [
        [sum(w * row[i] * other for row, v, w in rows for other in [[*row, v][j]]) for j in range(size + 1)]
        for i in range(size)
    ]
    for i in range(size):  # Gauss and Jordan
        table[i] = [value / table[i][i] for value in table[i]]
        for k in range(size):
            if k != i:
                factor = table[k][i]
                table[k] = [a - factor * b for a, b in zip(table[k], table[i], strict=True)]
    for row, line in zip(fit.coefficients, table, strict=True):
        assert row.estimate == pytest.approx(float(line[-1]), rel=1e-15)


def test_decimals_of_up_to_15_digits_are_read_as_written() -> None:
    rng = np.random.default_rng(0)
    values = [round(v, k) for k in range(13) for v in (rng.normal(size=60) * 10.0 ** rng.integers(-3, 5, 60)).tolist()]
    values += [3e-30, 1.7e-25, 1.25e300, 0.0, -0.1, 1e22, 999999999999999.0, 0.000123456789012345]
    found = as_written(torch.tensor(values, dtype=torch.float64))
    for value, low in zip(values, found.low.tolist(), strict=True):
        decimal = Decimal(repr(value))
        assert low == (float(decimal - Decimal(value)) if len(decimal.as_tuple().digits) < 16 else 0)
