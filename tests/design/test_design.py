"""The model matrix is formulaic's, column by column and name by name; its operations are those of the dense matrix."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from glmfit.design import Categorical, Dense, Matrix, build
from glmfit.errors import DataError, ModelError
from glmfit.formula import Evaluator, Factor, parse
from glmfit.formula.expression import read
from glmfit.spec import ModelSpec
from glmfit.table import Column, Table

N = 60


def column(name: str, values: np.ndarray) -> Column:
    if values.dtype.kind == "f":
        return Column(name, "number", values)
    levels, codes = np.unique(values.astype(str), return_inverse=True)
    kind = "boolean" if values.dtype == np.bool_ else "text"
    return Column(name, kind, codes.astype(np.int64), tuple(levels.tolist()))


def table(**columns: object) -> Table:
    made = {name: column(name, np.asarray(values)) for name, values in columns.items()}
    n = len(next(iter(made.values())).values)
    return Table("test", n, made, np.arange(1, n + 1), {})


def evaluate(expression: str, source: Table) -> np.ndarray:
    is_column = expression in source.columns
    factor = Factor.of_column(expression) if is_column else Factor.of(read(expression, arithmetic=True))
    return Evaluator(source).numbers(factor)


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "y": rng.normal(size=N),
        "x": rng.normal(size=N) + 3,
        "z": rng.uniform(1, 2, N),
        "w": rng.normal(size=N),
        "a": rng.choice(["a1", "a2", "a3"], N),
        "b": rng.choice(["b1", "b2"], N),
        "c": rng.choice(list("pqrs"), N),
        "flag": rng.choice([False, True], N),
        "am": rng.integers(0, 3, N).astype(float),
        "h": rng.choice([0.5, 1.5], N),
        "k": rng.integers(1, 5, N).astype(float),
    }


def matrix(text: str, source: Table) -> Matrix:
    model = parse(ModelSpec(formulas=("y ~ " + text,)), list(source.columns))
    return build(model.predictors[0], source)[0]


FORMULAS = """x
x + z
0 + x
a
0 + a
a + b
0 + a + b
a*b
a:b
0 + a:b
a + a:b
b + a:b
x:a
x + x:a
0 + x:a
a:x
a*x
a + x:b
a*b*c
a:b:c
a:b + a:c
0 + a:b + b:c
x*z
x:z
a/b
a/x
(a + b + c)**2
(a + x)**2 - a
flag
flag*x
0 + flag
flag:a
I(x**2)
I(x**2 + z)
log(z) + exp(x)
poly(x, 3)
poly(x, 2, raw=True)
poly(x, 2):a
a:poly(x, 2)
a*poly(x, 2)*b
bs(x, df=5)
bs(x, df=5, include_intercept=True)
0 + bs(x, df=5, include_intercept=True)
a + bs(x, df=4, include_intercept=True)
bs(x, df=5, include_intercept=True):a
bs(x, knots=[2, 3], degree=2)
bs(x, df=4):a
cr(x, df=4)
cr(x, df=4, constraints='center')
cc(x, df=4)
cs(x, df=5, constraints='center'):b
center(x) + scale(z)
standardize(x)
scale(x, ddof=0)
I(center(x) * z)
C(am)
C(am)*x
C(h)
C(a)
C(a, Treatment('a2'))
C(a, contr.treatment('a3'))
C(a, contr.treatment(base='a3'))
C(a, Treatment(reference='a2')):b
C(am, Treatment(1))
C(a, contr.sum)
C(a, Sum)
C(a, contr.sum)*b
C(c, contr.sum)*C(a, contr.helmert, levels=['a1', 'a2', 'a3'])
0 + C(a, contr.sum)
C(k, contr.poly)
C(c, Poly, levels=['p', 'q', 'r', 's']):x
C(c, contr.helmert, levels=['p', 'q', 'r', 's'])
C(c, contr.helmert(reverse=False), levels=['p', 'q', 'r', 's'])
C(c, contr.helmert(scale=True), levels=['p', 'q', 'r', 's'])
C(c, contr.diff, levels=['p', 'q', 'r', 's'])
C(c, contr.diff(backward=False), levels=['p', 'q', 'r', 's'])
C(c, contr.SAS)
C(k, contr.poly(scores=[1, 2, 4, 8]))
C(a, levels=['a3', 'a1', 'a2'])
C(c, contr.sum):x + c
x:a:b
a:x:z
I(x > 3)
I((x > 3) & (z < 1.5))
C(x > 3)
poly(x, 2):poly(z, 2)
poly(x, 2):c:poly(z, 2)
c:x:a
-1 + x + a:x
a + b + c + a:b:c
x + a:b
0 + x + a:b
a:b + x:a
log(x**2) + sqrt(z)
I(-x ** 2 + 2 * (x - z) / 3 // 2 % 5)
abs(x - 3)
sin(x)*cos(x)
log10(z):log2(z) + log1p(z)
expm1(x)"""


@pytest.mark.parametrize("text", FORMULAS.splitlines())
def test_columns_and_names_are_those_of_formulaic(text: str) -> None:
    import pandas as pd
    from formulaic import model_matrix

    columns = data()
    frame = pd.DataFrame(columns)
    frame["am"] = frame["am"].astype(int)
    frame["flag"] = frame["flag"].astype(str)  # a boolean column is a factor here, as in R
    more = {name: getattr(np, name) for name in ("sqrt", "abs", "sin", "cos", "log1p", "expm1")}
    expected = model_matrix(text, frame, context=more)
    ours = matrix(text, table(**columns))
    assert list(ours.names) == list(expected.columns)
    np.testing.assert_allclose(ours.dense().numpy(), np.asarray(expected, dtype=float), rtol=1e-12, atol=1e-12)


def test_orthogonal_polynomial_contrasts_are_those_of_r() -> None:
    # contr.poly(4) of R 4.
    expected = [
        [-0.670820393249937, 0.5, -0.223606797749979],
        [-0.223606797749979, -0.5, 0.670820393249937],
        [0.223606797749979, -0.5, -0.670820393249937],
        [0.670820393249937, 0.5, 0.223606797749979],
    ]
    ours = matrix("C(g, contr.poly)", table(y=[0.0] * 4, g=[1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(ours.dense()[:, 1:].numpy(), expected, atol=1e-14)


def test_blocks_merge_numbers_and_keep_factors_as_codes() -> None:
    ours = matrix("x + z + a + a:x", table(**data()))
    assert [type(block).__name__ for block in ours.blocks] == ["Columns", "Categorical", "Categorical"]
    assert ours.blocks[0].shape == (N, 3)
    working = ours.standardized()[0].blocks[0]
    assert isinstance(working, Dense)
    assert working.values.T.is_contiguous()
    first, second = ours.blocks[1:]
    assert isinstance(first, Categorical)
    assert isinstance(second, Categorical)
    assert first.codes.data_ptr() == second.codes.data_ptr()
    assert first.multiplier is None
    assert second.multiplier is not None


def test_predictors_share_what_was_evaluated() -> None:
    source = table(**data())
    model = parse(ModelSpec(formulas=("y ~ a", "sigma ~ x + a:x")), list(source.columns))
    evaluator = Evaluator(source)
    mu, sigma = (build(p, source, evaluator)[0] for p in model.predictors)
    codes = [b.codes.data_ptr() for m in (mu, sigma) for b in m.blocks if isinstance(b, Categorical)]
    assert len(codes) == 2
    assert codes[0] == codes[1]
    close(mu.sandwich(torch.ones(N, dtype=torch.float64), sigma), mu.dense().T @ sigma.dense())


def close(ours: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    assert ours.shape == expected.shape
    assert ours.dtype == torch.float64
    size = max(float(expected.abs().max()) if expected.numel() else 0.0, 1e-300)
    if expected.numel():
        assert float((ours - expected).abs().max()) <= tolerance * size


def random_blocks(n: int, seed: int) -> list[Dense | Categorical]:
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    def codes(levels: int) -> Tensor:
        return torch.randint(levels, (n,), generator=g)

    shared = codes(7)
    return [
        Dense(normal(n, 4)),
        Dense(torch.ones(n, 1, dtype=torch.float64)),
        Categorical(shared, torch.arange(7), 7),
        Categorical(shared, torch.arange(1, 7), 7, normal(n)),
        Categorical(shared, normal(7, 3), 7),
        Categorical(shared, torch.tensor([5, 0, 2]), 7, normal(n)),
        Categorical(codes(5), normal(5, 5), 5, normal(n)),
        Categorical(codes(300), torch.arange(1, 300), 300),
        Categorical(codes(7), torch.tensor([6, 1]), 7),
    ]


@pytest.mark.parametrize("n", [0, 1, 50, 20_000])
def test_every_operation_of_a_block_is_that_of_its_dense_matrix(n: int) -> None:
    blocks = random_blocks(n, n)
    g = torch.Generator().manual_seed(99)
    v, h = (torch.randn(n, generator=g, dtype=torch.float64) for _ in range(2))
    for block in blocks:
        dense = block.dense()
        beta = torch.randn(block.shape[1], generator=g, dtype=torch.float64)
        assert dense.shape == block.shape
        close(block.matvec(beta), dense @ beta)
        close(block.rmatvec(v), dense.T @ v)
        for other in blocks:
            close(block.sandwich(h, other), dense.T @ (h[:, None] * other.dense()))
        part = slice(n // 4, n // 2)
        close(block.rows(part).dense(), dense[part])
        chosen = [block.shape[1] - 1, 0] if block.shape[1] > 1 else [0]
        close(block.select(chosen).dense(), dense[:, chosen])


def random_matrix(n: int, seed: int) -> Matrix:
    """All kinds of blocks with their columns dealt out at random."""
    blocks = random_blocks(n, seed)
    p = sum(block.shape[1] for block in blocks)
    order = torch.randperm(p, generator=torch.Generator().manual_seed(seed))
    places = torch.split(order, [block.shape[1] for block in blocks])
    return Matrix(tuple(blocks), tuple(places), tuple(f"v{j}" for j in range(p)), n)


@pytest.mark.parametrize("n", [0, 50, 9_000])
def test_every_operation_of_a_matrix_is_that_of_its_dense_matrix(n: int) -> None:
    ours, other = random_matrix(n, 3), random_matrix(n, 4)
    dense, p = ours.dense(), ours.shape[1]
    g = torch.Generator().manual_seed(7)
    v, h = (torch.randn(n, generator=g, dtype=torch.float64) for _ in range(2))
    beta = torch.randn(p, generator=g, dtype=torch.float64)
    close(ours.matvec(beta), dense @ beta)
    close(ours.rmatvec(v), dense.T @ v)
    close(ours.sandwich(h), dense.T @ (h[:, None] * dense))
    close(ours.sandwich(h, ours), dense.T @ (h[:, None] * dense))
    close(ours.sandwich(h, other), dense.T @ (h[:, None] * other.dense()))
    close(ours.rows(slice(3, 17)).dense(), dense[3:17])
    assert ours.rows(slice(3, 17)).n_rows == len(range(n)[3:17])
    chosen = [p - 1, 0, 5, 11, 2]
    some = ours.select(chosen)
    close(some.dense(), dense[:, chosen])
    assert some.names == tuple(ours.names[j] for j in chosen)
    close(some.matvec(beta[:5]), dense[:, chosen] @ beta[:5])
    close(some.sandwich(h), dense[:, chosen].T @ (h[:, None] * dense[:, chosen]))


def test_a_matrix_without_columns() -> None:
    ours = matrix("0", table(**data()))
    assert ours.shape == (N, 0)
    assert torch.equal(ours.matvec(torch.zeros(0, dtype=torch.float64)), torch.zeros(N, dtype=torch.float64))
    assert ours.sandwich(torch.ones(N, dtype=torch.float64)).shape == (0, 0)
    ours.standardized()


@pytest.mark.parametrize(
    ("text", "constant"),
    [
        ("x + z + a", True),
        ("x + z + a + a:x", True),
        ("0 + a + x", True),
        ("0 + a:b + x", True),
        ("0 + x + z", False),
        ("0 + C(a, contr.sum)*x + z", True),
        ("0 + x:a", False),
        ("poly(x, 2):a + w", True),
        ("0", False),
    ],
)
def test_standardised_coefficients_map_back(text: str, constant: bool) -> None:
    columns = data()
    columns["x"] = columns["x"] * 1e-8 + 1e-6
    columns["z"] = columns["z"] * 1e8 + 1e14
    columns["w"] = columns["w"] + 1e6
    ours = matrix(text, table(**columns))
    g = torch.Generator().manual_seed(5)
    working, back = ours.standardized()
    p = ours.shape[1]
    dense = ours.dense()
    assert bool(back.unit.any()) == constant
    if constant:
        close(dense @ back.unit, torch.ones(N, dtype=torch.float64))
        assert float(back.center @ back.unit) == 0.0
    else:
        assert not bool(back.center.any())
    for block, place in zip(working.blocks, working.places, strict=True):
        if isinstance(block, Dense):
            scale, center = back.scale[place], back.center[place]
            values = block.values[:, scale != 1]
            if constant:
                assert bool((values.mean(dim=0).abs() <= 1 / 32).all())
            spread = (values**2).mean(dim=0).log2() / 2
            assert bool((spread.abs() <= 0.502).all())
            # Powers of two and short numbers: the working columns are the columns themselves, not rounded ones.
            assert torch.equal(torch.frexp(scale).mantissa, torch.full_like(scale, 0.5))
            assert torch.equal(torch.round(16 * center / scale), 16 * center / scale)
            assert torch.equal(block.values * scale + center, dense[:, place])
    gamma = torch.randn(p, generator=g, dtype=torch.float64)
    theta = back.coefficients(gamma)
    close(back.working(theta), gamma, 1e-6)  # 1e6 common parts over a spread of 1 cost digits of the intercept
    transform = torch.stack([back.coefficients(row) for row in torch.eye(p, dtype=torch.float64)], dim=1) if p else None
    if transform is None:
        return
    m = torch.randn(p, p, generator=g, dtype=torch.float64)
    inverse = torch.stack([back.working(row) for row in torch.eye(p, dtype=torch.float64)], dim=1)
    close(back.sandwich(m, back), transform @ m @ transform.T, 1e-9)
    close(back.gradient(gamma), inverse.T @ gamma, 1e-9)
    # The same predictor: X_working gamma = X theta, to the digits that the common part leaves.
    common = (dense.abs() @ theta.abs()).max()
    assert float((working.matvec(gamma) - ours.matvec(theta)).abs().max()) <= 1e-12 * float(common)


def test_standardisation_survives_extreme_columns() -> None:
    spread = np.linspace(-1, 1, N)
    source = table(y=spread, big=spread * 1e200, far=1e9 + spread, small=spread * 1e-200, same=np.full(N, 7.0))
    working, back = matrix("big + far + small + same", source).standardized()
    rms = working.dense().square().mean(dim=0).sqrt()
    assert bool((rms[1:4].log2().abs() <= 0.502).all())
    assert [float(back.scale[j]) for j in (0, 4)] == [1.0, 1.0]
    assert [float(back.center[j]) for j in (0, 4)] == [0.0, 0.0]
    assert float(rms[4]) == 7.0


def test_offsets_add_up() -> None:
    source = table(**data())
    model = parse(ModelSpec(formulas=("y ~ x + offset(log(z)) + offset(w)",)), list(source.columns))
    offset = build(model.predictors[0], source)[1].numpy()
    np.testing.assert_allclose(offset, np.log(data()["z"]) + data()["w"], rtol=1e-15)


def test_expressions_evaluate() -> None:
    columns = data()
    source = table(**columns)
    np.testing.assert_array_equal(evaluate("y", source), columns["y"])
    np.testing.assert_array_equal(evaluate("flag", source), columns["flag"].astype(float))
    np.testing.assert_allclose(evaluate("log(z) - x ** 2", source), np.log(columns["z"]) - columns["x"] ** 2)
    np.testing.assert_array_equal(evaluate("10", source), np.full(N, 10.0))
    np.testing.assert_array_equal(evaluate("a b", table(**{"a b": [1.0, 2.0]})), [1.0, 2.0])
    expected = (columns["x"] > 3) & (columns["z"] < 1.5) | (columns["w"] != 0) & columns["flag"]
    np.testing.assert_array_equal(evaluate("I((x > 3) & (z < 1.5) | (w != 0) & flag)", source), expected.astype(float))


def test_a_value_that_is_not_finite_is_named_with_its_row() -> None:
    source = table(y=[1.0, 2.0, 3.0], x=[1.0, 0.0, -2.0])
    source = Table("test", 9, source.columns, np.array([2, 5, 9]), {})
    with pytest.raises(DataError, match=r"row 5: 'log\(x\)' is -inf where x = 0 \(2 rows in all\)") as caught:
        matrix("log(x)", source)
    assert caught.value.code == "not_finite"
    with pytest.raises(DataError, match=r"row 9: 'sqrt\(x\)' is nan where x = -2"):
        matrix("sqrt(x)", source)
    with pytest.raises(DataError, match=r"row 5: 'I\(y / x\)' is inf where y = 2, x = 0"):
        evaluate("I(y / x)", source)
    with pytest.raises(DataError, match="row 1: 'x' is inf"):
        matrix("x", table(y=[1.0, 2.0], x=[np.inf, 1.0]))


@pytest.mark.parametrize("text", ["log(a)", "I(a + 1)"])
def test_arithmetic_on_words_names_the_first_of_them(text: str) -> None:
    with pytest.raises(DataError) as caught:
        matrix(text, table(**data()))
    assert caught.value.code == "not_numeric"
    assert "column 'a' is not numeric: 'a1' in row 1" in caught.value.message


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("C(a, Treatment('a9'))", "unknown_level", "'a9' is not a level"),
        ("C(a, ref='A2')", "unknown_level", "'A2' is not a level"),
        ("C(a, contr.sum, ref='a1')", "reference", "treatment"),
        ("one", "single_level", "single level"),
        ("x + one:a", "single_level", "single level"),
        ("poly(am, 3)", "transform", "distinct"),
        ("poly(x, 0)", "transform", "degree"),
        ("bs(x, df=2)", "transform", "df"),
        ("bs(x, knots=['q'])", "transform", "bs"),
        ("cr(x)", "transform", "cr"),
        ("C(k, contr.poly(scores=[1, 2]))", "scores", "4 levels"),
        ("C(a, levels='a1')", "levels", "list"),
    ],
)
def test_what_the_data_cannot_give_is_a_model_error(text: str, code: str, part: str) -> None:
    source = table(**data(), one=np.array(["same"] * N))
    with pytest.raises(ModelError, match=part) as caught:
        matrix(text, source)
    assert caught.value.code == code


def test_values_outside_the_levels_listed_are_named_with_their_row() -> None:
    with pytest.raises(DataError, match="row 3: 'c' is not among the levels of 'g'"):
        matrix("C(g, levels=['b', 'a'])", table(y=[1.0, 2.0, 3.0], g=["a", "b", "c"]))


def test_a_reference_level_can_be_chosen_in_every_spelling() -> None:
    source = table(**data())
    spellings = ["Treatment('a2')", "Treatment(reference='a2')", "contr.treatment(base='a2')", "ref='a2'"]
    for spelling in spellings:
        ours = matrix(f"C(a, {spelling})", source)
        assert [name.rsplit("[", 1)[1] for name in ours.names[1:]] == ["T.a1]", "T.a3]"]
        close(ours.dense()[:, 1:], matrix("0 + a", source).dense()[:, [0, 2]])


def test_new_data_are_evaluated_as_the_old() -> None:
    columns = data()
    source = table(**columns)
    text = "a*center(x) + poly(z, 2) + bs(w, df=5) + scale(x) + C(am, contr.sum)"
    model = parse(ModelSpec(formulas=("y ~ " + text,)), list(source.columns))
    evaluator = Evaluator(source)
    whole = build(model.predictors[0], source, evaluator)[0]
    keep = [i for i in range(N) if columns["a"][i] != "a1" and columns["am"][i] != 1.0][::-1]
    part = table(**{name: values[keep] for name, values in columns.items()})
    new = build(model.predictors[0], part, Evaluator(part, evaluator.state))[0]
    assert new.names == whole.names
    close(new.dense(), whole.dense()[keep])
    strange = table(**{**columns, "a": np.array(["a1"] * (N - 1) + ["a7"])})
    with pytest.raises(DataError, match=f"row {N}: 'a7' is not among the levels of 'a'"):
        build(model.predictors[0], strange, Evaluator(strange, evaluator.state))


def test_five_thousand_levels_stay_codes() -> None:
    rng = np.random.default_rng(2)
    levels = np.array([f"g{i:04d}" for i in range(5000)])
    source = table(
        y=rng.normal(size=20_000), x=rng.normal(size=20_000), g=np.append(levels, rng.choice(levels, 15_000))
    )
    ours = matrix("x + g", source)
    assert ours.shape == (20_000, 5001)
    block = ours.blocks[1]
    assert isinstance(block, Categorical)
    assert block.coding.numel() == 4999
    beta = torch.randn(5001, dtype=torch.float64)
    codes = torch.from_numpy(source["g"].values)
    expected = beta[0] + beta[1] * torch.from_numpy(source["x"].values) + torch.cat([torch.zeros(1), beta[2:]])[codes]
    close(ours.matvec(beta), expected)
    gram = ours.sandwich(torch.ones(20_000, dtype=torch.float64))
    close(torch.diagonal(gram)[2:], torch.bincount(codes).to(torch.float64)[1:])


def test_too_many_columns_are_refused_before_they_are_built() -> None:
    many = np.array([f"g{i}" for i in range(1000)])
    with pytest.raises(ModelError, match="would add 998001 columns"):
        matrix("g + h + g:h", table(y=np.zeros(1000), g=many, h=many))


def test_read_only_columns_are_taken_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    source = table(**data())
    for item in source.columns.values():
        item.values.setflags(write=False)
    matrix("a + a:x + x", source).sandwich(torch.ones(N, dtype=torch.float64))
    assert not recwarn.list


def test_plain_columns_and_factors_import_neither_pandas_nor_formulaic() -> None:
    code = """
import sys
import numpy as np
from glmfit.design.matrix import build
from glmfit.formula import parse
from glmfit.spec import ModelSpec
from glmfit.table import Column, Table

columns = {"y": Column("y", "number", np.arange(3.0)), "x": Column("x", "number", np.arange(3.0)),
           "g": Column("g", "text", np.array([0, 1, 0]), ("a", "b"))}
table = Table("t", 3, columns, np.arange(1, 4), {})
model = parse(ModelSpec(y="y", x=("x", "g*x", "log1p(x)", "C(g, contr.sum)")), ["y", "x", "g"])
build(model.predictors[0], table)
print([m for m in ("pandas", "formulaic", "scipy") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
