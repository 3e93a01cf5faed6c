"""`log_likelihood(params, data)`: against R, against the linear form, and what is said when something is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glmfit import fit_spec
from glmfit.commands.app import main
from glmfit.errors import GlmfitError, ModelError
from glmfit.result import Fit
from glmfit.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_data"
REFERENCES = json.loads((ROOT / "tests/reference/dense/dense.json").read_text(encoding="utf-8"))

EXAMPLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "cox": ("veteran", ("time ~ trt + celltype + karno",)),
    "random_intercept": ("bacteria", ("y ~ trt + I(week > 2)",)),
    "ar1": ("lakehuron", ("level ~ I(year - 1920)",)),
    "mixture": ("faithful", ()),
}

NORMAL = """
import torch
start = {"beta": torch.zeros(2), "sigma": 1.0}
links = {"sigma": "log"}
def log_likelihood(params, data):
    z = (data.y - data.X @ params.beta) / params.sigma
    return -torch.log(params.sigma) - 0.5 * z**2
"""
POISSON = """
import torch
def start(data):
    return {"beta": torch.zeros(data.X.shape[1])}
def log_likelihood(params, data):
    eta = data.X @ params["beta"]
    return data.y * eta - torch.exp(eta) - torch.lgamma(data.y + 1)
"""


def write(folder: Path, text: str, name: str = "own.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def fit(path: str, data: Any, formula: str | None = None, **options: Any) -> Fit:
    return fit_spec(ModelSpec(formulas=(formula,) if formula else (), family=path, **options), data)


def example(name: str, **options: Any) -> Fit:
    data, formulas = EXAMPLES[name]
    path = str(SAMPLES / "likelihoods" / f"{name}.py")
    return fit_spec(ModelSpec(formulas=formulas, family=path, **options), str(SAMPLES / f"{data}.csv"))


def estimates(fitted: Fit) -> list[float]:
    return [c.estimate for c in fitted.coefficients]


def errors(fitted: Fit) -> list[float]:
    return [c.std_error for c in fitted.coefficients]


def normal_data(n: int = 50, scale: float = 1.0) -> dict[str, Any]:
    random = np.random.default_rng(3)
    x = random.normal(size=n)
    return {
        "x": x,
        "v": scale * (2 + 3 * x + random.normal(size=n)),
        "g": np.arange(n) % 7,
        "w": np.arange(n) % 3 + 1.0,
    }


# ---- against R ----


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_equals_r(name: str) -> None:
    fitted, reference = example(name), REFERENCES[name]
    assert fitted.exit_code == 0
    assert not fitted.warnings
    assert estimates(fitted) == pytest.approx(reference["estimate"], rel=1e-8)
    assert errors(fitted) == pytest.approx(reference["std_error"], rel=1e-6)
    assert fitted.fit.log_likelihood == pytest.approx(reference["log_likelihood"], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "se", "key"),
    [("random_intercept", "cluster:ID", "cluster"), ("mixture", "hc0", "hc0"), ("mixture", "hc1", "hc1")],
)
def test_robust_standard_errors_equal_r(name: str, se: str, key: str) -> None:
    assert errors(example(name, se=se)) == pytest.approx(REFERENCES[name][key], rel=1e-6)


@pytest.mark.parametrize("optimizer", ["bfgs", "l-bfgs", "trust-exact"])
def test_other_optimisers_find_the_same_maximum(optimizer: str) -> None:
    fitted = example("cox", optimizer=optimizer)
    assert fitted.exit_code == 0
    assert estimates(fitted) == pytest.approx(REFERENCES["cox"]["estimate"], rel=1e-4)


# ---- against the linear form ----


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"se": "hc0"},
        {"se": "hc1"},
        {"se": "cluster:Subject"},
        {"freq_weights": "Copies"},
        {"freq_weights": "Copies", "se": "hc1"},
        {"freq_weights": "Copies", "se": "cluster:Subject"},
        {"sampling_weights": "Copies"},
        {"level": 0.9},
    ],
    ids=str,
)
def test_a_poisson_likelihood_equals_the_family(tmp_path: Path, options: dict[str, Any]) -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=80)
    data = {
        "count": random.poisson(np.exp(0.3 + 0.5 * x)).astype(float),
        "x": x,
        "group": np.where(np.arange(80) % 3 == 0, "a", np.where(np.arange(80) % 3 == 1, "b", "c")),
        "Subject": np.arange(80) % 11,
        "Copies": np.arange(80) % 4 + 0.0,  # rows of weight 0 are left out
    }
    own = fit(write(tmp_path, POISSON), data, "count ~ x*group", **options)
    family = fit("poisson", data, "count ~ x*group", **options)
    assert [c.term for c in own.coefficients] == [c.term for c in family.coefficients]
    for mine, theirs in zip(own.coefficients, family.coefficients, strict=True):
        for field in ("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"):
            assert getattr(mine, field) == pytest.approx(getattr(theirs, field), rel=1e-8), field
    assert np.array(own.covariance.matrix) == pytest.approx(np.array(family.covariance.matrix), rel=1e-9)
    assert (own.covariance.kind, own.covariance.correction) == (family.covariance.kind, family.covariance.correction)
    assert own.covariance.clusters == family.covariance.clusters
    for field in ("log_likelihood", "aic", "bic", "n_parameters", "df_residual"):
        assert getattr(own.fit, field) == pytest.approx(getattr(family.fit, field), rel=1e-12, nan_ok=True), field
    assert own.data.dropped == family.data.dropped


def test_constrained_parameters_are_reported_as_those_of_families(tmp_path: Path) -> None:
    text = """
import torch
start = {"beta": torch.zeros(2), "alpha": 1.0}
links = {"alpha": "log"}
def log_likelihood(params, data):
    mu = torch.exp(data.X @ params.beta)
    k = 1 / params.alpha
    y = data.y
    return (torch.lgamma(y + k) - torch.lgamma(k) - torch.lgamma(y + 1) + k * torch.log(k / (k + mu))
            + y * torch.log(mu / (k + mu)))
"""
    path, data = write(tmp_path, text), str(SAMPLES / "quine.csv")
    own, family = fit(path, data, "Days ~ Sex"), fit("negative-binomial", data, "Days ~ Sex")
    (mine,), (theirs,) = own.auxiliary, family.auxiliary
    assert mine.name == theirs.name == "alpha"
    for field in ("estimate", "std_error", "conf_low", "conf_high"):
        assert getattr(mine, field) == pytest.approx(getattr(theirs, field), rel=1e-8)
    assert own.fit.log_likelihood == pytest.approx(family.fit.log_likelihood, rel=1e-12)
    held = fit(path, data, "Days ~ Sex", fixed={"alpha": 2.0})
    assert [(a.estimate, a.fixed) for a in held.auxiliary] == [(2.0, True)]
    assert held.model.fixed == {"alpha": 2.0}
    assert held.fit.n_parameters == 2
    family_held = fit("negative-binomial", data, "Days ~ Sex", fixed={"alpha": 2.0})
    assert errors(held) == pytest.approx(errors(family_held), rel=1e-9)
    root = fit(path, data, "Days ~ Sex", links={"alpha": "sqrt"})
    assert root.model.links["alpha"] == "sqrt"
    assert root.auxiliary[0].estimate == pytest.approx(mine.estimate, rel=1e-8)
    assert root.coefficients[-1].estimate == pytest.approx(math.sqrt(mine.estimate), rel=1e-8)


# ---- parameters ----


def test_parameters_of_any_shape_and_their_labels(tmp_path: Path) -> None:
    text = """
import torch
start = {"m": 0.5, "vector": [1, 2], "matrix": torch.ones(2, 2, dtype=torch.float32), "slope": torch.zeros(2)}
names = {"vector": ["first", "second"]}
links = {"matrix": "log"}
def log_likelihood(params, data):
    assert params.matrix.shape == (2, 2) and params["matrix"].dtype == torch.float64
    assert params.m.shape == ()
    params.matrix[0, 0] += 0  # a copy of its own
    target = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    fit = ((params.matrix - target)**2).sum() + ((params.vector - target[0])**2).sum() + params.m**2
    return -fit - ((data.y - data.X @ params.slope)**2).sum()
"""
    fitted = fit(write(tmp_path, text), normal_data(), "v ~ x")
    assert [(c.parameter, c.term) for c in fitted.coefficients] == [
        ("m", "Intercept"),
        ("vector", "first"),
        ("vector", "second"),
        *(("matrix", label) for label in ("1,1", "1,2", "2,1", "2,2")),
        ("slope", "Intercept"),
        ("slope", "x"),
    ]
    assert [a.name for a in fitted.auxiliary] == [f"matrix:{label}" for label in ("1,1", "1,2", "2,1", "2,2")]
    assert [a.estimate for a in fitted.auxiliary] == pytest.approx([1, 2, 3, 4], rel=1e-9)


@pytest.mark.parametrize("key", ["sigma", "beta:x", "x"])
def test_a_start_may_be_given_by_name(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, NORMAL.replace('"sigma": 1.0', '"sigma": 2.0'))
    fitted = fit(path, normal_data(), "v ~ x", start={key: 3.0})
    assert fitted.exit_code == 0
    begun = fit(path, normal_data(), "v ~ x", start={key: 3.0}, max_iter=0)
    at = {"sigma": 2}.get(key, 1)
    assert begun.coefficients[at].estimate == pytest.approx(math.log(3) if key == "sigma" else 3)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"start": {"sigm": 1}}, "unknown_term", "sigm"),
        ({"start": {"sigma": -1}}, "bad_start", "sigma"),
        ({"fixed": {"sigma": -1}}, "bad_fix", "sigma"),
        ({"fixed": {"tau": 1}}, "unknown_parameter", "tau"),
        ({"fixed": {"sigma": 1, "beta": 0}}, "empty_model", "nothing"),
        ({"links": {"mu": "log"}}, "unknown_parameter", "mu"),
        ({"links": {"sigma": "lug"}}, "unknown_link", "lug"),
        ({"weights": "w"}, "contradiction", "--weights"),
        ({"offset": "w"}, "contradiction", "--offset"),
        ({"dispersion": "ml"}, "contradiction", "--dispersion"),
        ({"se": "expected"}, "bad_se", "expected"),
        ({"se": "hc3"}, "bad_se", "hc3"),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(GlmfitError) as caught:
        fit(write(tmp_path, NORMAL), normal_data(), "v ~ x", **options)
    assert caught.value.code == code
    assert words in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("options", [{"se": "hc0"}, {"se": "cluster:g"}, {"freq_weights": "w"}], ids=str)
def test_what_needs_rows_is_refused_for_a_sum(tmp_path: Path, options: dict[str, Any]) -> None:
    text = NORMAL.replace("-torch.log(params.sigma) - 0.5 * z**2", "(-torch.log(params.sigma) - 0.5 * z**2).sum()")
    path = write(tmp_path, text)
    assert fit(path, normal_data(), "v ~ x").exit_code == 0
    with pytest.raises(GlmfitError) as caught:
        fit(path, normal_data(), "v ~ x", **options)
    assert (caught.value.code, caught.value.exit_code) == ("needs_rows", 2)


# ---- data ----


def test_only_columns_that_are_used_need_to_be_complete(tmp_path: Path) -> None:
    data = normal_data(6) | {
        "a": np.array([1, np.nan, 3, 4, 5, 6.0]),
        "b": np.array([1, 2, 3, np.nan, 5, 6.0]),
        "unused": np.full(6, np.nan),
        "text": ["red", "blue", "red", "green", "blue", None],
        "flag": [True, False, True, True, False, True],
    }
    text = """
import torch
start = {"mu": 0.0}
def log_likelihood(params, data):
    total = data.a + data.b
    text = data.codes("text")
    assert data.levels("text") == ("blue", "red")
    assert text.tolist() == [1, 1, 0] and text.dtype == torch.int64
    assert data.flag.tolist() == [1.0, 1.0, 0.0] and data["a"].tolist() == [1.0, 3.0, 5.0]
    assert data.codes("a").tolist() == [0, 1, 2] and data.levels("a") == ("1", "3", "5")
    assert len(data) == 3 and "unused" in data and "other" not in data
    assert not hasattr(data, "other")
    return -(total - params.mu)**2
"""
    fitted = fit(write(tmp_path, text), data)
    assert (fitted.data.rows_read, fitted.data.rows_used) == (6, 3)
    assert fitted.data.dropped == {"missing": {"a": 1, "b": 1, "text": 1}}
    assert fitted.coefficients[0].estimate == pytest.approx(6.0)
    assert fitted.model.formulas == ()
    with pytest.raises(GlmfitError) as caught:
        fit(write(tmp_path, text), data, missing="error")
    assert caught.value.code == "missing_values"


def test_text_is_not_computed_with(tmp_path: Path) -> None:
    text = """
start = {"mu": 0.0}
def log_likelihood(params, data):
    return -(data.v - params.mu - data.word)**2
"""
    data = normal_data(6) | {"word": ["a", "b", "c", "a", "b", "c"]}
    with pytest.raises(GlmfitError, match=r"own\.py:4: .*column 'word' holds text, not numbers") as caught:
        fit(write(tmp_path, text), data)
    assert caught.value.code == "not_numeric"
    assert "data.codes('word')" in str(caught.value.hint)


def test_a_column_of_a_branch_taken_later_is_read_if_it_is_complete(tmp_path: Path) -> None:
    text = """
import torch
start = {"mu": 0.0}
def log_likelihood(params, data):
    other = data.other if params.mu > 0.5 else 0.0
    return -(data.v - other - params.mu)**2
"""
    data = normal_data() | {"other": np.zeros(50)}
    assert fit(write(tmp_path, text), data).exit_code == 0
    data["other"][7] = np.nan
    with pytest.raises(GlmfitError) as caught:
        fit(write(tmp_path, text), data)
    assert caught.value.code == "incomplete_column"
    assert "own.py:5" in caught.value.message


def test_the_model_matrix_without_an_intercept_keeps_the_coding_of_factors(tmp_path: Path) -> None:
    text = POISSON.replace("import torch", "import torch\nintercept = False")
    data = normal_data() | {"count": np.arange(50) % 4, "sex": ["f", "m"] * 25}
    data["twice"] = 2 * data["x"]
    fitted = fit(write(tmp_path, text), data, "count ~ sex + x + twice")
    assert [c.term for c in fitted.coefficients] == ["sex[T.m]", "x"]
    assert fitted.identification.aliased == ("twice",)
    assert [c.term for c in fit(write(tmp_path, POISSON), data, "count ~ 0 + sex").coefficients] == ["sex[f]", "sex[m]"]
    plain = fit_spec(ModelSpec(y="count", x=("sex", "x"), family=write(tmp_path, POISSON)), data)
    assert [c.term for c in plain.coefficients] == ["Intercept", "sex[T.m]", "x"]
    none = ModelSpec(y="count", x=("x",), intercept=False, family=write(tmp_path, POISSON))
    assert [c.term for c in fit_spec(none, data).coefficients] == ["x"]


# ---- what a file does wrong ----

BAD_FILES = {
    "no_start": ("def log_likelihood(params, data): return 0", "bad_likelihood", "start"),
    "empty_start": ("start = {}\ndef log_likelihood(params, data): return 0", "bad_likelihood", "start"),
    "start_text": ("start = {'a': 'b'}\ndef log_likelihood(params, data): return 0", "user_code", "start of a"),
    "start_fails": (
        "def start(data):\n    return 1 / 0\ndef log_likelihood(params, data): return 0",
        "user_code",
        ":2",
    ),
    "links": (
        "start = {'a': 1.0}\nlinks = {'b': 'log'}\ndef log_likelihood(params, data): return 0",
        "bad_likelihood",
        "b",
    ),
    "names": (
        "start = {'a': [1.0, 2.0]}\nnames = {'a': ['one']}\ndef log_likelihood(params, data): return 0",
        "bad_likelihood",
        "2 different",
    ),
    "syntax": ("start = {'a': 1.0}\ndef log_likelihood(params, data) return 0", "user_code", "own.py:2"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_a_file_declares_is_checked(tmp_path: Path, name: str) -> None:
    text, code, words = BAD_FILES[name]
    with pytest.raises(GlmfitError) as caught:
        fit(write(tmp_path, text), normal_data())
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert words in caught.value.message
    assert "own.py" in caught.value.message


def test_a_function_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    assert fit(write(tmp_path, NORMAL) + ":log_likelihood", normal_data(), "v ~ x").exit_code == 0
    with pytest.raises(GlmfitError) as caught:
        fit(write(tmp_path, "start = {'a': 1.0}") + ":log_likelihood", normal_data())
    assert caught.value.code == "bad_likelihood"


BAD_RETURNS: Mapping[str, tuple[str, ...]] = {
    "float": ("return params.a.item()", "bad_likelihood", "returns float"),
    "none": ("pass", "bad_likelihood", "NoneType"),
    "square": ("return data.v - data.v[:, None] * params.a", "bad_likelihood", "(50, 50)", "sub at own.py:4"),
    "column": ("return data.v[:, None] * params.a", "bad_likelihood", "(50, 1)"),
    "short": ("return data.v[1:] * params.a", "bad_likelihood", "(49,)"),
    "float32": ("return -(data.v.float() * params.a.float())**2", "bad_likelihood", "float32", "float at own.py:4"),
    "detached": ("return -(data.v - params.a.item())**2", "bad_likelihood", "does not depend"),
    "nan_row": ("return -torch.sqrt(data.v - params.a * 0 + 1e-9)", "bad_start", "row", "sqrt at own.py:4"),
    "nan_sum": ("return torch.log(-params.a)", "bad_start", "nan"),
    "infinite_slope": ("return -torch.sqrt(params.a - 1.0)", "bad_start", "derivatives in a", "sqrt at own.py:4"),
    "random": ("return -((params.a - torch.rand(1, dtype=torch.float64)[0])**2)", "bad_likelihood", "same parameters"),
    "overwrites": ("data.v.mul_(2)\n    return -(data.v - params.a)**2", "bad_likelihood", "overwrites data.v"),
    "raises": ("return params.a / undefined", "user_code", "own.py:4: return params.a / undefined"),
    "column_name": ("return data.vv * params.a", "unknown_column", "own.py:4"),
    "no_formula": ("return data.X @ params.a", "unknown_column", "formula"),
    "parameter_name": ("return data.v * params.b", "bad_likelihood", "no parameter 'b'"),
    "exits": ("raise SystemExit(3)", "user_code", "SystemExit"),
    "broken_graph": ("x = params.a.exp()\n    y = x * x\n    x += 1\n    return y", "user_code", "differentiated"),
}


@pytest.mark.parametrize("name", BAD_RETURNS)
def test_what_a_function_returns_is_checked(tmp_path: Path, name: str) -> None:
    body, code, *words = BAD_RETURNS[name]
    text = f"import torch\nstart = {{'a': 1.0}}\ndef log_likelihood(params, data):\n    {body}\n"
    with pytest.raises(GlmfitError) as caught:
        fit(write(tmp_path, text), normal_data())
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert all(word in caught.value.message for word in words), caught.value.message
    assert caught.value.hint


def test_an_interrupt_in_a_file_goes_through(tmp_path: Path) -> None:
    text = "start = {'a': 1.0}\ndef log_likelihood(params, data):\n    raise KeyboardInterrupt\n"
    with pytest.raises(KeyboardInterrupt):
        fit(write(tmp_path, text), normal_data())


# ---- verdicts ----


def test_a_parameter_that_is_not_used_is_named(tmp_path: Path) -> None:
    fitted = fit(write(tmp_path, NORMAL.replace('"sigma": 1.0', '"sigma": 1.0, "tau": 2.0')), normal_data(), "v ~ x")
    assert fitted.exit_code == 5
    assert [(w.code, w.terms) for w in fitted.warnings] == [("flat_direction", ("tau",))]
    assert [c.status for c in fitted.coefficients] == [None, None, None, "not_identified"]
    without = fit(write(tmp_path, NORMAL, "without.py"), normal_data(), "v ~ x")
    assert [c.std_error for c in fitted.coefficients[:3]] == pytest.approx([c.std_error for c in without.coefficients])


def test_parameters_of_which_only_the_sum_is_used_are_named(tmp_path: Path) -> None:
    text = NORMAL.replace('"sigma": 1.0', '"sigma": 1.0, "a": 0.0, "b": 0.0').replace(
        "data.y -", "data.y - (params.a + params.b) * data.g -"
    )
    fitted = fit(write(tmp_path, text), normal_data(), "v ~ x")
    assert fitted.exit_code == 5
    assert [(w.code, w.terms) for w in fitted.warnings] == [("flat_direction", ("a", "b"))]


def test_separation_is_not_believed(tmp_path: Path) -> None:
    text = POISSON.replace(
        "data.y * eta - torch.exp(eta) - torch.lgamma(data.y + 1)",
        "torch.nn.functional.logsigmoid((2 * data.y - 1) * eta)",
    )
    data = {"x": np.arange(20.0), "won": (np.arange(20) > 9).astype(float)}
    for optimizer in ("newton", "bfgs"):
        fitted = fit(write(tmp_path, text), data, "won ~ x", optimizer=optimizer)
        assert fitted.exit_code == 5, optimizer
        assert fitted.warnings[0].code == "flat_direction"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_start_far_away_is_no_flat_direction(tmp_path: Path, scale: float) -> None:
    data = normal_data(scale=scale)
    data["v"] = data["v"] - data["v"].mean()
    fitted, family = fit(write(tmp_path, NORMAL), data, "v ~ x"), fit("gaussian", data, "v ~ x")
    assert fitted.exit_code == 0
    assert not fitted.warnings
    assert estimates(fitted)[1] == pytest.approx(estimates(family)[1], rel=1e-8)


def test_a_saddle_is_no_maximum() -> None:
    spec = ModelSpec(family=str(SAMPLES / "likelihoods/mixture.py"), start={"mu:short": 70, "mu:long": 70})
    fitted = fit_spec(spec, str(SAMPLES / "faithful.csv"))
    assert fitted.exit_code == 5


def test_an_end_of_the_search_before_the_maximum(tmp_path: Path) -> None:
    fitted = fit(write(tmp_path, NORMAL), normal_data(), "v ~ x", max_iter=1)
    assert fitted.exit_code == 4
    assert fitted.warnings[0].code == "not_converged"


def test_a_matrix_that_cannot_be_factored_is_a_rejected_step(tmp_path: Path) -> None:
    text = """
import torch
start = {"mu": 0.0, "rho": 0.0}
def log_likelihood(params, data):
    one = torch.ones((), dtype=torch.float64)
    V = torch.stack([torch.stack([one, params.rho]), torch.stack([params.rho, one])])
    L = torch.linalg.cholesky(V)
    z = torch.linalg.solve_triangular(L, torch.stack([data.a, data.b]) - params.mu, upper=False)
    return -torch.log(torch.diagonal(L)).sum() - 0.5 * (z**2).sum(dim=0)
"""
    random = np.random.default_rng(1)
    a = random.normal(size=40)
    data = {"a": a, "b": a + 0.05 * random.normal(size=40)}
    fitted = fit(write(tmp_path, text), data, start={"rho": -0.9})
    assert fitted.exit_code == 0
    assert 0.99 < fitted.coefficients[1].estimate < 1


def test_an_argument_that_a_distribution_refuses_is_a_rejected_step(tmp_path: Path) -> None:
    text = """
import torch
start = {"mu": 0.0, "sigma": 0.05}
def log_likelihood(params, data):
    return torch.distributions.Normal(params.mu, params.sigma).log_prob(data.v)
"""
    fitted = fit(write(tmp_path, text), normal_data())
    assert fitted.exit_code == 0
    assert estimates(fitted) == pytest.approx([normal_data()["v"].mean(), normal_data()["v"].std()], rel=1e-8)


# ---- the command line ----


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["fit", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_prints_of_a_file_leave_the_result_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "print('loading')\n" + NORMAL.replace("    z =", "    print('calling')\n    z =")
    data = str(SAMPLES / "trees.csv")
    status, out, err = run(capsys, data, "Volume ~ Girth", "--family", write(tmp_path, text), "--json")
    assert status == 0
    assert json.loads(out)["model"]["family"] == "own"
    assert "loading" in err
    assert "calling" in err
    assert err.count("loading") == 1


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
def test_every_format_reports_an_example(name: str, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, formulas = EXAMPLES[name]
    family = str(SAMPLES / "likelihoods" / f"{name}.py")
    status, out, err = run(capsys, str(SAMPLES / f"{data}.csv"), *formulas, "--family", family, "--format", format)
    assert (status, err) == (0, "")
    assert name in out.replace("\\", "") or format == "csv"


def test_a_saved_fit_can_be_read_again() -> None:
    from glmfit import report
    from glmfit.report.document import fit_from_json

    fitted = example("mixture")
    assert report.to_json(fit_from_json(report.to_json(fitted))) == report.to_json(fitted)


def test_ratios_where_the_file_says_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    family = str(SAMPLES / "likelihoods/cox.py")
    status, out, _ = run(capsys, str(SAMPLES / "veteran.csv"), "time ~ karno", "--family", family, "--exp")
    assert status == 0
    assert "Hazard ratio" in out
    status, _, err = run(
        capsys, str(SAMPLES / "trees.csv"), "Volume ~ Girth", "--family", write(tmp_path, NORMAL), "--exp"
    )
    assert status == 2
    assert "exp" in err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, str(SAMPLES / "trees.csv"), "Volume ~ Girth", "--family", "nowhere/own.py")
    assert status == 2
    assert "nowhere/own.py" in err


# ---- the page ----


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_stands_in_the_page_as_it_is(name: str) -> None:
    text = (SAMPLES / "likelihoods" / f"{name}.py").read_text(encoding="utf-8")
    text = f"```python\n# sample_data/likelihoods/{name}.py\n{text}```\n"
    assert text in (ROOT / "docs/your-own-likelihood.md").read_text(encoding="utf-8")


def test_straight_lines_are_refused(tmp_path: Path) -> None:
    text = """
import torch
start = {"m": 0.0, "b": 1.0}
links = {"b": "log"}
def log_likelihood(params, data):
    return -torch.log(params.b) - torch.abs(data.v - params.m) / params.b
"""
    with pytest.raises(ModelError, match=r"second derivatives of 0 in m, made of straight lines: abs at own\.py:6"):
        fit(write(tmp_path, text), normal_data())
