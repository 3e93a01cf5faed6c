"""Reports: one file that loads nothing and runs nothing but its own script, whatever the data say.

Where Chromium is installed the page is opened: no word on the console, no request, columns sort, ratios show.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glmfit.after.pictures.kinds import Inputs, Request, find
from glmfit.after.reported import Rows
from glmfit.commands.app import main
from glmfit.commands.shared import asked as asked_of_rows
from glmfit.commands.shared import open_saved
from glmfit.errors import ModelError
from glmfit.estimate.blueprint import asked
from glmfit.reading import Reading
from glmfit.report.command import command
from glmfit.spec import ModelSpec

DATA = Path(__file__).resolve().parents[2] / "sample_data"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """The elements of a page with their attributes, and its text without style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("style", "script"):
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A report of a fit to data that would like to be a program, one of two models, and one of many rows."""
    folder = tmp_path_factory.mktemp("pages")
    random = np.random.default_rng(5)
    n = 20_000
    x, g = random.normal(size=n), random.choice(["a", EVIL], n)
    y = random.poisson(np.exp(0.3 * x))
    lines = [f'y,"{EVIL}",g', *(f'{a},{b:.4f},"{c}"' for a, b, c in zip(y, x, g, strict=True))]
    (folder / "many.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = [str(folder / "many.csv"), f"y ~ `{EVIL}` + g", "--family", "poisson", "-q", "-o", str(folder / "f.txt")]
    assert main(["fit", *words, "--report", str(folder / "many.html")]) == 0
    quine = str(DATA / "quine.csv")
    for name, family in (("small", "poisson"), ("large", "negative-binomial")):
        save = ["--save", str(folder / f"{name}.json"), "-q", "-o", str(folder / "f.txt")]
        assert main(["fit", quine, "Days ~ Sex + Age", "--family", family, *save]) == 0
    models = [str(folder / "small.json"), str(folder / "large.json")]
    assert main(["report", *models, quine, "-o", str(folder / "two.html")]) == 0
    assert main(["report", models[1], "-o", str(folder / "one.md")]) == 0
    return {name: folder / name for name in ("many.html", "two.html", "one.md", "small.json", "large.json")}


@pytest.mark.parametrize("name", ["many.html", "two.html"])
def test_a_page_loads_nothing_and_runs_its_own_script_alone(name: str, pages: dict[str, Path]) -> None:
    text = pages[name].read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    tags = Tags(text)
    assert len(tags.named("script")) == 1
    (policy,) = [one["content"] for one in tags.named("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    for tag, attributes in tags.found:
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "form")
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key not in ("src", "href", "xlink:href") or (value or "").startswith(("#", "data:")), (
                tag,
                key,
                value,
            )
    identifiers = [value for _, attributes in tags.found if (value := attributes.get("id"))]
    anchors = {value[1:] for one in tags.named("a") if (value := one["href"])}
    assert anchors <= set(identifiers)
    assert len(anchors & set(identifiers)) == len(anchors)
    assert all(attributes.get("role") == "img" for attributes in tags.named("svg"))
    assert len(tags.named("title")) == 1 + len(tags.named("svg")) == 1 + len(tags.named("desc"))


def test_effects_of_a_fit_to_some_rows_are_averages_over_these(tmp_path: Path) -> None:
    whole = (DATA / "quine.csv").read_text(encoding="utf-8").splitlines()
    some = tmp_path / "some.csv"
    some.write_text(
        "\n".join([whole[0], *(row for row in whole if row.split(",")[0].strip('"') == "A")]), encoding="utf-8"
    )
    found = []
    for data, where in ((DATA / "quine.csv", ["--where", "Eth == 'A'"]), (some, [])):
        words = [str(data), "Days ~ Sex + Age + Lrn", "-f", "poisson", *where, "--save", str(tmp_path / "model.json")]
        assert main(["fit", *words, "-q", "-o", str(tmp_path / "f.txt")]) == 0
        model = open_saved(str(tmp_path / "model.json"), None)
        rows = Rows(str(data), asked_of_rows(None, None, "keep"))
        inputs = Inputs(model=model, source=rows.source(model), asked=rows.asked)
        found.append(find("effects").numbers(inputs, Request(x="Sex")).tables["curve"])
    assert len(some.read_text(encoding="utf-8").splitlines()) == 70
    assert found[0]["estimate"] == pytest.approx(found[1]["estimate"], rel=1e-12)
    assert found[0]["conf_low"] == pytest.approx(found[1]["conf_low"], rel=1e-10)


def test_a_likelihood_of_all_rows_together_has_a_page_and_no_residuals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, model, data = tmp_path / "own.py", str(tmp_path / "own.json"), str(DATA / "mtcars.csv")
    file.write_text(
        'start = {"a": 20.0}\ndef log_likelihood(params, data):\n    return -((data.mpg - params.a) ** 2).sum()\n'
    )
    fit = ["fit", data, "-f", str(file), "--save", model, "-q", "-o", str(tmp_path / "f.txt")]
    assert main([*fit, "--report", str(tmp_path / "own.html")]) == 0
    assert "There are no residuals to check" in (tmp_path / "own.html").read_text(encoding="utf-8")
    capsys.readouterr()
    for words in (["residuals"], ["residuals", "--check"], ["plot", "influence"], ["plot", "qq"]):
        picture = ["-o", str(tmp_path / "own.png")] if words[0] == "plot" else []
        assert main([*words, model, data, "--family", str(file), *picture]) == 3
        assert "says nothing of single rows" in capsys.readouterr().err


@pytest.mark.parametrize(("formula", "pictured"), [("Ozone ~ s(Temp)", True), ("Ozone ~ 0 + s(Temp)", False)])
def test_a_model_of_smooths_alone_has_a_page(
    formula: str, pictured: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its forest is of the intercept, and where there is none the page and the table say so and are there."""
    data, model, made = str(DATA / "airquality.csv"), str(tmp_path / "model.json"), tmp_path / "made.html"
    fit = ["fit", data, formula, "--plot", "--save", model, "--report", str(made), "-o", str(tmp_path / "fit.txt")]
    assert main([*fit, "-q"]) == 0
    later = tmp_path / "later.html"
    assert main(["report", model, data, "-o", str(later)]) == 0
    why = "Not drawn: the model has no coefficient to draw."
    for page in (made, later):
        text = page.read_text(encoding="utf-8")
        assert "Smooth terms" in text
        assert (why in text) is not pictured
    table = (tmp_path / "fit.txt").read_text(encoding="utf-8")
    assert "s(Temp)" in table
    assert (why in table) is not pictured
    if pictured:
        assert re.search(r"^Intercept +.*42\.1 \[38\.1, 46\.2\]$", table, re.M)
        assert "--terms" not in table  # the coefficients of the smooth are not counted among those that are left out
    assert capsys.readouterr().err == ""


def test_a_page_says_what_the_commands_say(pages: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    said = " ".join(" ".join(Tags(pages["two.html"].read_text(encoding="utf-8")).words).split())
    assert main(["compare", str(pages["small.json"]), str(pages["large.json"]), "--format", "csv"]) == 0
    assert all(row.split(",")[3][:6] in said for row in capsys.readouterr().out.splitlines()[1:])
    assert main(["residuals", str(pages["large.json"]), str(DATA / "quine.csv"), "--check", "--json"]) == 0
    for check in json.loads(capsys.readouterr().out)["checks"]:
        assert check["verdict"] in said
    for words in ("overdispersion", "What to do:", "--family negative-binomial", "not nested", "SHA-256"):
        assert words in said
    many = " ".join(Tags(pages["many.html"].read_text(encoding="utf-8")).words)
    assert EVIL in many
    assert "20,000 rows" in many


def test_markdown_has_its_pictures_beside_it(pages: dict[str, Path]) -> None:
    text = pages["one.md"].read_text(encoding="utf-8")
    pictures = re.findall(r"!\[.+?\]\((.+?)\)", text)
    assert pictures == ["one_files/large-forest.svg"]
    assert (pages["one.md"].parent / pictures[0]).read_text(encoding="utf-8").startswith("<svg")
    assert "need the data" in text


def test_the_file_is_no_model_or_the_data_are_others(
    pages: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = str(pages["large.json"]), str(tmp_path / "r.html")
    (tmp_path / "part.csv").write_text(
        "\n".join((DATA / "quine.csv").read_text(encoding="utf-8").splitlines()[:99]), encoding="utf-8"
    )
    for words, status, said in (
        ([model, str(tmp_path / "part.csv"), "-o", out], 3, "was fitted to 146 rows"),
        ([str(DATA / "quine.csv"), "-o", out], 2, "is no saved model"),
        ([model, model, "-o", out], 2, "given twice"),
        ([model], 2, "-o report.html"),
        ([model, "-o", str(tmp_path / "r.pdf")], 2, "neither HTML nor Markdown"),
        ([model, "gone.json", "-o", out], 3, "no file gone.json"),
        ([], 2, "needs a saved model"),
    ):
        assert main(["report", *words]) == status
        assert said in capsys.readouterr().err
    assert not Path(out).exists()


# ---- In a browser ----

PROBE = """
const out = {}, table = document.querySelector(".two .first table"), head = table.tHead.rows[0].cells;
const column = (at) => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent);
out.before = column(1);
head[1].querySelector("button").click(); out.up = column(1); out.sorted = head[1].getAttribute("aria-sort");
head[1].querySelector("button").click(); out.down = column(1);
head[1].querySelector("button").click(); out.again = column(1);
const style = (name) => getComputedStyle(document.querySelector(".two ." + name)).display;
const shown = () => [style("first"), style("second")];
out.plain = shown(); document.querySelector(".two input").click(); out.ratio = shown();
out.narrow = document.documentElement.scrollWidth <= window.innerWidth;
document.body.innerHTML = "<pre id=out>" + JSON.stringify(out) + "</pre>";
"""


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    always = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    return subprocess.run(
        [CHROMIUM, *always, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_has_nothing_to_say_and_nothing_to_load(pages: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "net.json"
    found = browse(pages["two.html"], f"--log-net-log={log}")
    assert "CONSOLE" not in found.stderr
    assert "</html>" in found.stdout
    asked_for = set(re.findall(r'"url":\s*"([^"]+)"', log.read_text(encoding="utf-8")))
    own = {url for url in asked_for if not re.search(r"google|gstatic|chrome|^data:", url)}
    assert own <= {pages["two.html"].as_uri()}

    text = pages["two.html"].read_text(encoding="utf-8")
    probed = tmp_path / "probed.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    probed.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    found = browse(probed, "--window-size=500,900")
    out = json.loads(re.findall(r'<pre id="out">(.*?)</pre>', found.stdout, re.DOTALL)[0])
    values = [float(value) for value in out["before"]]
    assert [float(value) for value in out["up"]] == sorted(values)
    assert out["sorted"] == "ascending"
    assert [float(value) for value in out["down"]] == sorted(values, reverse=True)
    assert out["again"] == out["before"]
    assert (out["plain"], out["ratio"]) == (["block", "none"], ["none", "block"])
    assert out["narrow"]


# ---- The command ----

SPECS = [
    ModelSpec(formulas=("y ~ x",)),
    ModelSpec(y="dead/n", x=("a,b", "C(g)"), intercept=False, family="binomial", links={"mu": "power:0.25"}),
    ModelSpec(formulas=("y ~ x", "phi ~ g"), family="nb", fixed={"alpha": 0.1}, start={"x": 1e-9}, seed=7, ci="bca:9"),
    ModelSpec(formulas=("y ~ 'x'",), levels=("a,b", " c", "it's"), relax=("x", "z"), where="g == 'a' & x > 1"),
    ModelSpec(
        formulas=("y ~ x",), se="cluster:a b,c", check_separation=True, dispersion=1.5, tol=1e-10, max_iter=7,
        reading=Reading(na=("none", "-"), skip=(2, 1), separator="|", decimal=",", thousands=" "),
    ),
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
def test_the_command_asks_for_the_same(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    fit: Any = SimpleNamespace(
        blueprint=SimpleNamespace(asked=asked(spec), reading=spec.reading), data=SimpleNamespace(source="a file.csv")
    )
    got: list[tuple[ModelSpec, str]] = []

    def fit_spec(spec: ModelSpec, data: str, *rest: Any) -> None:
        got.append((spec, data))
        raise ModelError("internal", "that is all", "nothing to do")

    monkeypatch.setattr("glmfit.commands.fit.fit_spec", fit_spec)
    main(shlex.split(command(fit))[1:])
    assert got == [(spec, "a file.csv")]
