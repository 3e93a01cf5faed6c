"""A fit on the workers of a cluster is the fit of one machine, however the rows are parted and whoever dies."""

from __future__ import annotations

import os
import signal
import socketserver
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pandas
import pytest

from glmfit import fit_spec
from glmfit.cluster import fit_on_cluster
from glmfit.cluster import scheduler as scheduling
from glmfit.cluster.refusals import refuse
from glmfit.commands.app import main
from glmfit.errors import GlmfitError
from glmfit.result import Fitted
from glmfit.spec import ModelSpec

distributed = pytest.importorskip("distributed")

CUTS = (0, 90, 400, 860, 880, 900)  # the last part alone has a level, and one has no complete row
GUMBEL = Path(__file__).resolve().parents[2] / "sample_data" / "likelihoods" / "gumbel.py"


def two_processes() -> Any:
    port = "127.0.0.1:0"  # any that is free
    return distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=port, silence_logs=50)


def frame() -> pandas.DataFrame:
    random = np.random.default_rng(2)
    n = CUTS[-1]
    data = pandas.DataFrame({name: random.normal(size=n).round(4) for name in ("x1", "x2")})
    data["g"] = random.choice(list("abcd"), n)
    data["h"] = [f"h{code:02d}" for code in random.integers(0, 12, n)]
    data["unit"] = random.integers(100, 130, n)
    data["w"] = random.integers(1, 4, n)
    data["e"] = random.uniform(0.5, 2, n).round(3)
    eta = (0.3 + 0.4 * data.x1 - 0.3 * data.x2 + 0.2 * (data.g == "c")).to_numpy()
    data["count"] = random.poisson(np.exp(eta) * data.e)
    data["spread"] = random.negative_binomial(2, 2 / (2 + np.exp(eta)))
    data["inflated"] = data["spread"] * (random.random(n) < 0.7)
    data["amount"] = (np.exp(eta) * random.gamma(2, 0.5, n)).round(5)
    data["real"] = (eta + random.normal(size=n)).round(4)
    data["said"] = np.where(random.random(n) < 1 / (1 + np.exp(-eta)), "yes", "no")
    data["level"] = random.choice(["high", "low", "mid"], n)
    data["twice"] = 2 * data.x1
    data.loc[random.integers(0, CUTS[-2], 20), "x2"] = np.nan
    data.loc[CUTS[3] : CUTS[4] - 1, "x2"] = np.nan
    data.loc[CUTS[4] :, "g"] = "last"
    return data


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The rows as one file, and as a folder of parts whose columns have another order."""
    folder = tmp_path_factory.mktemp("parts")
    whole, data = str(folder / "whole.csv"), frame()
    data.to_csv(whole, index=False)
    (folder / "parts").mkdir()
    for k, (start, stop) in enumerate(pairwise(CUTS)):
        part = data.iloc[start:stop]
        part[list(part.columns)[:: -1 if k == 1 else 1]].to_csv(folder / "parts" / f"{k}.csv", index=False)
    return whole, str(folder / "parts")


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    with two_processes() as found:
        yield found


class Greets(socketserver.BaseRequestHandler):
    """A server that speaks HTTP, as a dashboard does."""

    def handle(self) -> None:
        self.request.sendall(b"HTTP/1.1 400 Bad Request: this is no scheduler\r\n\r\n")


def asked(*formulas: str, family: str, **options: Any) -> ModelSpec:
    return ModelSpec(formulas=formulas, family=family, **options)


def same(one: Fitted, other: Fitted) -> None:
    """All numbers to 1e-10 of their size, and the same words."""
    assert [c.term for c in one.coefficients] == [c.term for c in other.coefficients]
    for name in ("estimate", "std_error", "p_value"):
        pairs = [
            (getattr(a, name), getattr(b, name)) for a, b in zip(one.coefficients, other.coefficients, strict=True)
        ]
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=1e-9, atol=1e-10, equal_nan=True)
    for name in ("log_likelihood", "deviance", "null_deviance", "pearson_chi2", "aic", "bic", "df_residual", "df_null"):
        a, b = getattr(one.fit, name), getattr(other.fit, name)
        assert a == pytest.approx(b, rel=1e-10, abs=1e-8, nan_ok=True), name
    assert one.dispersion.estimate == pytest.approx(other.dispersion.estimate, rel=1e-10)
    assert one.covariance.kind == other.covariance.kind
    assert one.covariance.clusters == other.covariance.clusters
    assert (one.data.rows_read, one.data.rows_used) == (other.data.rows_read, other.data.rows_used)
    assert one.data.dropped == other.data.dropped
    assert one.exit_code == other.exit_code
    assert [w.code for w in one.warnings] == [w.code for w in other.warnings]
    assert one.identification.aliased == other.identification.aliased


CASES = {
    "poisson": asked("count ~ x1*g + x2 + offset(log(e))", family="poisson"),
    "gaussian": asked("real ~ x1 + x2 + g", family="gaussian", se="hc1"),
    "gamma": asked("amount ~ x1 + x2", family="gamma", links={"mu": "log"}, dispersion="ml"),
    "words": asked("said ~ x1 + C(w) + h", family="binomial", links={"mu": "probit"}, se="expected"),
    "clusters": asked("count ~ x1 + g", family="poisson", se="cluster:unit"),
    "cr1s": asked("count ~ x1 + g", family="poisson", se="cluster:unit", small_sample="cr1s"),
    "leverage": asked("count ~ x1 + g", family="quasi-poisson", se="hc3"),
    "two formulas": asked("spread ~ x1 + g", "alpha ~ x2", family="negative-binomial", se="hc0"),
    "inflated": asked("inflated ~ x1 + x2", "zero ~ x1", family="zero-inflated-poisson"),
    "categories": asked("level ~ x1 + x2", family="multinomial"),
    "ordered": asked("level ~ x1 + x2 + g", family="ordinal", levels=("low", "mid", "high")),
    "weights": asked("amount ~ x1 + g", family="gamma", freq_weights="w"),
    "prior": asked("real ~ x1 + x2", family="gaussian", weights="e"),
    "aliased": asked("count ~ x1 + twice + g", family="poisson"),
    "learned": asked("count ~ poly(x1, 2) + bs(e, df=4) + center(w)", family="poisson"),
    "some rows": asked("count ~ 0 + g + x1:h", family="poisson", where="e > 0.7 & x1 < 2"),
    "profile": asked("spread ~ x1", family="negative-binomial", ci="profile"),
    "own": asked("real ~ x1", "log_sigma ~ x2", family=str(GUMBEL)),
}


@pytest.mark.parametrize("name", CASES)
def test_parts_give_the_fit_of_the_whole(name: str, paths: tuple[str, str], workers: Any) -> None:
    whole, parts = paths
    spec = CASES[name]
    same(fit_on_cluster(spec, parts, workers.scheduler_address), fit_spec(spec, whole))


def test_a_worker_that_dies_costs_nothing_but_time_and_a_scheduler_that_dies_the_fit(
    paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = paths
    steps = 0

    def at_second_step(what: Callable[[], object]) -> Callable[[dict[str, Any]], None]:
        def trace(_: dict[str, Any]) -> None:
            nonlocal steps
            steps += 1
            if steps == 2:
                what()

        return trace

    with two_processes() as found:
        spec, address = CASES["two formulas"], found.scheduler_address
        kill = at_second_step(lambda: os.kill(next(iter(found.workers.values())).pid, signal.SIGKILL))
        same(fit_on_cluster(spec, parts, address, kill), fit_spec(spec, whole))
        assert steps > 2
        steps = 0
        monkeypatch.setattr(scheduling, "ANSWERS_WITHIN", 2)
        with pytest.raises(GlmfitError, match="is gone") as caught:
            fit_on_cluster(spec, parts, address, at_second_step(found.close))
    assert (caught.value.code, caught.value.exit_code) == ("scheduler_lost", 3)


def test_a_row_that_contradicts_the_example_joins_it(
    paths: tuple[str, str], workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`twice` is 2 x1 but in one row, which no example would hold."""
    from glmfit.cluster import fit as fitting

    monkeypatch.setattr(fitting, "EXAMPLES", 10)
    random = np.random.default_rng(3)
    data = pandas.DataFrame({"x": random.normal(size=4000).round(3)})
    data["twice"] = 2 * data.x
    data["y"] = random.poisson(1.5, 4000)
    middle = int(np.argsort(np.abs(data.x.to_numpy()))[1000])
    data.loc[middle, "twice"] += 0.25
    data.iloc[:2000].to_parquet(tmp_path / "0.parquet")
    data.iloc[2000:].to_parquet(tmp_path / "1.parquet")
    spec = asked("y ~ x + twice", family="poisson")
    fit = fit_on_cluster(spec, str(tmp_path), workers.scheduler_address)
    assert not fit.identification.aliased
    same(fit, fit_spec(spec, data))


def test_a_row_that_a_term_fits_exactly_is_named_wherever_it_is(
    paths: tuple[str, str], workers: Any, tmp_path: Path
) -> None:
    data = frame()[["count", "x1", "g"]]
    data.loc[500, "g"] = "solo"
    for k, (start, stop) in enumerate(pairwise(CUTS)):
        data.iloc[start:stop].to_csv(tmp_path / f"{k}.csv", index=False)
    spec = asked("count ~ x1 + g", family="poisson", se="hc0")
    fit, whole = fit_on_cluster(spec, str(tmp_path), workers.scheduler_address), fit_spec(spec, data)
    same(fit, whole)
    assert [w.message for w in fit.warnings if w.code == "exact_rows"] == [
        w.message for w in whole.warnings if w.code == "exact_rows"
    ]
    assert "row 501 is fitted exactly" in " ".join(w.message for w in fit.warnings)


def test_a_large_factor_is_fitted_by_blocks_and_its_separation_is_left_open(workers: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    data = pandas.DataFrame({"x": random.normal(size=6000).round(3), "level": [f"l{k % 600:03d}" for k in range(6000)]})
    data["y"] = random.poisson(np.exp(0.5 + 0.3 * data.x))
    data.loc[0, "y"] = data.loc[600::600, "y"] = 3
    spec = asked("y ~ x + level", family="poisson", se="hc0")
    for separated in (False, True):
        if separated:
            data.loc[data.level == "l007", "y"] = 0
        for k in range(3):
            data.iloc[2000 * k : 2000 * (k + 1)].to_parquet(tmp_path / f"{k}.parquet")
        fit = fit_on_cluster(spec, str(tmp_path), workers.scheduler_address)
        if separated:
            assert "separation_undecided" in {w.code for w in fit.warnings}
            assert fit.exit_code == 5
        else:
            same(fit, fit_spec(spec, data))


@pytest.mark.parametrize(
    ("part", "code", "message"),
    [
        ("y,x\n1,2\n", "different_columns", "b.csv has no column 'g', which"),
        ("g,y,x,more\na,1,2,3\n", "different_columns", "b.csv has a column 'more', which"),
        ("g,y,x\na,1,red\nb,2,blue\n", "mixed_types", "column 'x' is of different kinds: number in"),
        ("g,y,x\na,-1,2\nb,2,3\n", "outside_support", "-1 in row 6"),
    ],
)
def test_parts_that_do_not_go_together(part: str, code: str, message: str, workers: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y,x,g\n1,1,a\n2,2,b\n3,1.5,a\n2,3,b\n4,2.5,b\n")
    (tmp_path / "b.csv").write_text(part)
    with pytest.raises(GlmfitError) as caught:
        fit_on_cluster(asked("y ~ x", family="poisson"), str(tmp_path), workers.scheduler_address)
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("address", ["4", "local:0", "local:x", "local", "somewhere"])
def test_addresses_that_are_none(address: str, paths: tuple[str, str]) -> None:
    with pytest.raises(GlmfitError, match="--dask") as caught:
        fit_on_cluster(CASES["poisson"], paths[0], address)
    assert (caught.value.code, caught.value.exit_code) == ("bad_dask", 2)


def test_nobody_answers_or_a_server_of_another_kind(paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "ANSWERS_WITHIN", 1)
    with socketserver.TCPServer(("127.0.0.1", 0), Greets) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for port in (1, server.server_address[1]):
            with pytest.raises(GlmfitError, match="no dask scheduler answers") as caught:
                fit_on_cluster(CASES["poisson"], paths[0], f"127.0.0.1:{port}")
            assert (caught.value.code, caught.value.exit_code) == ("no_scheduler", 3)
        server.shutdown()


def test_workers_of_another_version(paths: tuple[str, str], workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "__version__", "99")
    with pytest.raises(GlmfitError, match="and this is 99") as caught:
        fit_on_cluster(CASES["poisson"], paths[0], workers.scheduler_address)
    assert (caught.value.code, caught.value.exit_code) == ("bad_worker", 3)


def test_workers_without_glmfit(workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with distributed.Client(workers, set_as_default=False) as client:
        monkeypatch.setattr(client, "run", lambda _: {"tcp://10.0.0.2:4001": None})
        with pytest.raises(GlmfitError, match=r"worker tcp://10.0.0.2:4001 has no glmfit") as caught:
            scheduling._check_workers(client, "tcp://10.0.0.1:8786")
    assert (caught.value.code, caught.value.exit_code) == ("bad_worker", 3)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"se": "wild:unit"}, "--se wild:unit does not go together with --dask: it fits the rows anew"),
        ({"se": "cluster:unit,g"}, "--se cluster:unit,g"),
        ({"se": "cluster:unit", "small_sample": "cr2"}, "--small-sample cr2"),
        ({"ci": "bca"}, "--ci bca"),
        ({"bias_reduction": "firth"}, "--bias-reduction"),
        ({"check_separation": True}, "--check-separation"),
        ({"separation": "drop"}, "--separation drop"),
        ({"sampling_weights": "w"}, "--sampling-weights"),
        ({"group": "g"}, "--group"),
        ({"event": "w", "family": "weibull"}, "--event"),
        ({"absorb": ("g",)}, "--absorb"),
        ({"memory": "1G"}, "--memory does not go together with --dask: the rows are in the memory of the workers"),
        ({"spill": "folder"}, "--spill"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_what_is_no_sum_over_rows_is_refused_by_name(option: dict[str, Any], message: str) -> None:
    with pytest.raises(GlmfitError) as caught:
        refuse(asked("y ~ x", **{"family": "binomial"} | option))
    assert caught.value.message.startswith(message)
    assert (caught.value.code, caught.value.exit_code) == ("not_on_cluster", 3)


@pytest.mark.parametrize("words", [["--by", "g"], ["--scan", "x*"], ["--save", "m.json"], ["--report", "r.html"]])
def test_options_of_the_command_that_need_all_rows_are_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("y,x,g\n1,1,a\n2,2,b\n3,1.5,a\n")
    formula = "y ~ {}" if words[0] == "--scan" else "y ~ x"
    assert main(["fit", "a.csv", formula, "-f", "poisson", "--dask", "local:2", *words]) == 3
    said = capsys.readouterr().err
    assert f"{words[0]} does not go together with --dask: " in said
    assert os.listdir() == ["a.csv"]


def test_a_loop_over_rows_that_are_elsewhere_is_an_error_and_no_number() -> None:
    from glmfit.model.elsewhere import _Example

    for use in (len, list, lambda rows: rows[1]):
        with pytest.raises(GlmfitError, match="on the workers"):
            use(_Example(None))  # type: ignore[arg-type, operator]
