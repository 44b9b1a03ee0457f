"""Results of a run: the database, paired tests, the table, and the HTML report without a network."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.stats import ttest_rel

import unetgen
from support.command_line import RunCli
from support.plugin_site import EXAMPLE_PLUGIN
from unetgen.ablation.results.database import ResultsDatabase, VariantRow
from unetgen.ablation.results.html_report.plots import build_scatter_data
from unetgen.ablation.results.results_table import ResultsTable
from unetgen.ablation.results.significance import SIGNIFICANCE_LEVEL, apply_holm_correction, compare_variants_to_base
from unetgen.config.yaml.writer import dump_yaml
from unetgen.errors import RunError
from unetgen.plugins import load_registry

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def make_row(number: int, choice: str) -> VariantRow:
    spec = unetgen.load_spec("unet_milesial", widths=[4, 8 + number], input_size=[16, 16], name=f"v{number}")
    costs = {"params": 1000 + number, "macs": 10**6 * (number + 1), "input": [3, 16, 16], "output": [2, 16, 16]}
    return VariantRow(f"v{number}", spec.hash, dump_yaml(spec.resolved()), {"skip.fusion": choice}, costs)


def write_results(folder: Path, variants: int = 4, seeds: int = 5, steps: int = 3) -> Path:
    """Write results: v1 is significantly better than the base, v2 is not, v3 failed once."""
    folder.mkdir(parents=True)
    choices = ["concat", "add", "none", "<script>alert('fusion')</script>"]
    entries = [*(make_row(n, choices[n % 4]) for n in range(variants)), VariantRow("majority")]
    settings = {
        "sweep": "fusion & <others>", "file": {"base": "unet_milesial"}, "base": entries[0].hash, "trial": "t.py:fit",
        "options": {"epochs": 3}, "plugins": [], "better": {"loss": "lower"}, "unetgen": "1", "torch": "2", "python": "3",
        "machine": "here",
    }  # fmt: skip
    random = np.random.default_rng(0)
    luck = random.normal(0, 0.05, seeds)
    with ResultsDatabase.create(folder, settings, entries) as database:
        database.add_trials(range(seeds))
        for number in range(variants):
            for seed in range(seeds):
                database.start_trial(f"v{number}", seed)
                gain = (0, 0.02, 0, 0.01)[number % 4] + random.normal(0, 0.004)
                metrics = {"dice": 0.8 + luck[seed] + gain, "loss": 0.5 - gain}
                curves = [(step, {"loss": 1 / (step + 1 + number), "dice": float("nan")}) for step in range(steps)]
                failed = number == 3 and seed == 1
                database.finish_trial(
                    f"v{number}",
                    seed,
                    {} if failed else metrics,
                    curves,
                    1.0,
                    "cpu",
                    "Error: </script> x" if failed else "",
                )
        database.start_trial("majority", 0)
        database.finish_trial("majority", 0, {"dice": 0.4}, (), 0.1, "cpu", "")
    return folder


# Statistics


@given(some.lists(some.tuples(some.floats(-1, 1), some.floats(-1, 1)), min_size=2, max_size=9))
def test_differences_are_tested_as_scipy_tests_them(pairs: list[tuple[float, float]]) -> None:
    expected = [b - a for a, b in pairs]
    values = {"base": {n: a for n, (a, _) in enumerate(pairs)}, "other": {n: b for n, (_, b) in enumerate(pairs)}}
    difference = compare_variants_to_base(values, "base")["other"]
    assert difference.mean == pytest.approx(np.mean(expected))
    assert difference.num_seeds == len(pairs)
    if np.std(expected) > 1e-6:
        assert difference.p == pytest.approx(ttest_rel(*zip(*pairs, strict=True)).pvalue, abs=1e-9)


def test_p_values_are_corrected_for_their_number() -> None:
    """Check the textbook example of Holm's method: 0.01, 0.04, 0.03, 0.005."""
    assert apply_holm_correction({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06}
    )
    assert apply_holm_correction({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert apply_holm_correction({}) == {}


def test_only_seeds_that_both_have_are_compared() -> None:
    values = {
        "base": {0: 0.5, 1: 0.6, 2: 0.9},
        "a": {1: 0.7, 5: 0.1},
        "b": {7: 0.2},
        "c": {0: 0.5, 1: 0.6},
        "d": {0: 0.6, 1: 0.7},
    }
    differences = compare_variants_to_base(values, "base")
    assert set(differences) == {"a", "c", "d"}
    assert (str(differences["a"]), str(differences["c"]), str(differences["d"])) == (
        "+0.1, one seed",
        "not significant, p 1",
        "+0.1, no spread",
    )


def test_rounding_is_no_difference_and_no_spread() -> None:
    exact, rounded = {0: 0.3, 1: 0.3, 2: 0.3}, {0: 0.1 * 3, 1: 0.1 * 3, 2: 0.3}
    differences = compare_variants_to_base({"base": exact, "a": rounded, "b": {0: 0.4, 1: 0.1 * 4, 2: 0.4}}, "base")
    assert str(differences["a"]).startswith("not significant, p 1")
    assert (str(differences["b"]), differences["b"].is_significant) == ("+0.1, no spread", False)
    tiny = compare_variants_to_base({"base": {0: 5e-324, 1: 5e-324}, "a": {0: 1e-323, 1: 1e-323}}, "base")
    assert str(tiny["a"]) == "not significant, p 1"
    two = compare_variants_to_base({"base": {0: 0.9, 1: 0.8}, "a": {0: 0.91, 1: 0.81}}, "base")
    assert str(two["a"]) == "+0.01, no spread"


def test_false_differences_are_as_rare_as_is_said() -> None:
    """Without true differences, the chance that any of ten variants is significant is the level."""
    random = np.random.default_rng(1)
    false = 0
    for _ in range(400):
        values = {str(n): dict(enumerate(random.normal(0.8, 0.02, 5))) for n in range(11)}
        false += any(difference.is_significant for difference in compare_variants_to_base(values, "0").values())
    assert false / 400 < SIGNIFICANCE_LEVEL + 0.03


# The table


def test_the_table_tells_what_is_more_than_spread(
    tmp_path: Path, run_cli: RunCli, check_golden: Callable[[str, str], None]
) -> None:
    folder = write_results(tmp_path / "out")
    outcome = run_cli("report", str(folder))
    assert outcome.code == 0
    check_golden("results.txt", outcome.out)
    assert (
        run_cli("report", str(folder), "--sort", "-dice", "--format", "csv")
        .out.splitlines()[1]
        .startswith("v1,add,1001,2000000,5,")
    )
    assert [line[:2] for line in run_cli("report", str(folder), "--sort", "macs").out.splitlines()[1:5]] == [
        "v0",
        "v1",
        "v2",
        "v3",
    ]
    other = run_cli("report", str(folder), "--base", "v1", "--format", "json")
    rows = {row["variant" if "variant" in row else "name"]: row for row in json.loads(other.out)}
    assert rows["v0"]["dice.difference"] == pytest.approx(-0.02, abs=0.01)
    assert rows["v0"]["dice.p"] < 0.05
    assert rows["v1"]["dice.p"] is None
    assert run_cli("report", str(folder), "--format", "latex").out.startswith("\\begin{tabular}{llrrrrlrlr}\n")


def test_metrics_keep_to_themselves_whatever_they_are_called(tmp_path: Path) -> None:
    settings = {"base": "", "better": {}}
    with ResultsDatabase.create(tmp_path, settings, [make_row(0, "add"), make_row(1, "none")]) as database:
        database.add_trials([0])
        for name, value in (("v0", 1.0), ("v1", 0.5)):
            database.finish_trial(name, 0, {"params": value, "variant": -value, "low": 2 * value}, (), 1.0, "cpu", "")
        results = ResultsTable.of(database)
    rows = json.loads(results.sheet().json())
    assert [(row["params"], row["params.mean"], row["variant.mean"]) for row in rows] == [
        (1000, 1.0, -1.0), (1001, 0.5, -0.5),
    ]  # fmt: skip
    assert [row.name for row in results.sort_rows("params")] == ["v1", "v0"]
    assert build_scatter_data(results)["rows"][0] == {
        "variant": "v0",
        "costs": {"params": 1000, "macs": 1000000},
        "metrics": {"low": (2.0, 0.0), "params": (1.0, 0.0), "variant": (-1.0, 0.0)},
    }


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ([0.91234, 0.90123], "0.9068 ± 0.0079"),
        ([3e-8, 5e-8], "4e-08 ± 1.4e-08"),
        ([1e30], "1e+30"),
        ([0.0, 0.0], "0.0000 ± 0.0000"),
        ([1234.5, 1236.5], "1,236 ± 1"),
    ],
)
def test_numbers_of_every_size_can_be_read(values: list[float], cell: str, tmp_path: Path) -> None:
    with ResultsDatabase.create(tmp_path, {"base": "", "better": {}}, [make_row(0, "add")]) as database:
        database.add_trials(range(len(values)))
        for seed, value in enumerate(values):
            database.finish_trial("v0", seed, {"m": value}, (), 1.0, "cpu", "")
        table = ResultsTable.of(database).sheet()
    assert dict(zip([column.name for column in table.columns], table.rows[0], strict=True))["m.mean_std"] == cell


def test_rows_are_sorted_by_every_column(tmp_path: Path, run_cli: RunCli) -> None:
    folder = write_results(tmp_path / "out")
    names_by_key = {
        "variant": "v0 v1 v2 v3 majority", "-skip.fusion": "v2 v0 v1 v3 majority", "-macs": "v3 v2 v1 v0 majority",
        "failed": "v0 v1 v2 v3 majority", "-failed": "v3 v0 v1 v2 majority", "finished": "v3 v0 v1 v2 majority",
    }  # fmt: skip
    with ResultsDatabase.open(folder, writing=False) as database:
        results = ResultsTable.of(database)
    for key, names in names_by_key.items():
        assert " ".join(row.name for row in results.sort_rows(key)) == names
    html_file = tmp_path / "page.html"
    assert run_cli("report", str(folder), "-o", str(html_file), "--sort", "-failed").code == 0
    assert re.findall(r'<a href="#(v\d)">', html_file.read_text())[:2] == ["v3", "v0"]


def test_what_is_not_finished_is_told_beside_the_table(tmp_path: Path, run_cli: RunCli) -> None:
    folder = write_results(tmp_path / "out")
    with ResultsDatabase.open(folder) as database:
        database.add_trials([7])
        database.start_trial("v0", 7)
    outcome = run_cli("report", str(folder))
    assert (outcome.code, outcome.err) == (
        0,
        f"note: of 25 trials, 1 failed, 1 running, 3 waiting; run them with: unetgen run {folder} --resume\n",
    )


def test_what_is_not_there_is_told(tmp_path: Path, run_cli: RunCli) -> None:
    folder = write_results(tmp_path / "out", variants=2)
    sentences = {
        (str(tmp_path),): f"no results found in {tmp_path}; create them with unetgen run",
        (str(folder), "--sort", "dize"): "unknown column 'dize' to sort by; did you mean 'dice'?",
        (
            str(folder),
            "--sort",
            "zzz",
        ): "unknown column 'zzz' to sort by; use one of variant, skip.fusion, params, macs, finished, failed, dice, loss",
        (str(folder), "--base", "v7"): "'v7' is not one of the variants; use one of v0, v1",
        (str(folder), "--base", "vv1"): "'vv1' is not one of the variants; did you mean 'v1'?",
    }
    for arguments, sentence in sentences.items():
        outcome = run_cli("report", *arguments)
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"{sentence}\n")
    outcome = run_cli("report", str(folder), "-o", str(tmp_path / "table.xls"))
    assert outcome.err.endswith("table.xls; use one of .html, .csv, .md, .tex, .json, .txt\n")


def test_files_of_other_layouts_are_told(tmp_path: Path, run_cli: RunCli) -> None:
    folder = write_results(tmp_path / "out", variants=2)
    file = folder / "results.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 9")
    assert (
        run_cli("report", str(folder)).err
        == f"{file} has schema version 9, but this unetgen reads 2; use the unetgen that wrote it\n"
    )
    file.write_bytes(b"no database, but as long as one" * 9)
    assert run_cli("report", str(folder)).err == (f"{file}: file is not a database; repair the file, or move it away\n")


def test_a_run_that_has_just_begun_has_a_table(tmp_path: Path) -> None:
    settings = {"base": "", "better": {}}
    with ResultsDatabase.create(tmp_path, settings, [make_row(0, "add")]) as database:
        database.add_trials([0])
        results = ResultsTable.of(database)
    assert results.sheet().text().splitlines()[1].split() == ["v0", "add", "1.00", "k", "1.00", "M", "0"]
    assert results.counts() == {"finished": 0, "failed": 0, "running": 0, "waiting": 1}
    with pytest.raises(RunError, match="no results found in"), ResultsDatabase.open(tmp_path / "no"):
        pass


# The page


class Page(HTMLParser):
    """The tags of a document, and the addresses in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run of 100 variants."""
    from unetgen.ablation.results.html_report.rendering import render_html

    folder = write_results(tmp_path_factory.mktemp("page") / "out", variants=100, steps=300)
    file = folder / "report.html"
    file.write_text(render_html(folder), encoding="utf-8")
    return file


def test_the_page_has_everything_in_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 5_000_000
    document = Page(text)
    assert document.tags.count("img") == 100
    assert document.tags.count("script") == 3
    assert document.tags.count("tr") == 102
    assert all(address.startswith(("#", "data:")) for address in document.addresses)
    assert "fusion &amp; &lt;others&gt;" in text
    assert "<script>alert" not in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])  # type: ignore[index]
    assert len(data["points"]["rows"]) == 101
    assert data["points"]["metrics"] == {"dice": True, "loss": False}
    assert data["points"]["rows"][0]["costs"] == {"params": 1000, "macs": 1000000}
    assert set(data["points"]["rows"][-1]) == {"variant", "costs", "metrics"}
    assert set(data["curves"]) == {"loss"}  # dice was never finite
    assert len(data["curves"]["loss"]["v0"]["steps"]) == 100
    assert data["curves"]["loss"]["v0"]["steps"][-1] == 299


def test_the_plugins_of_the_run_draw_its_figures(tmp_path: Path, run_cli: RunCli, isolated_plugins: None) -> None:
    plugin = tmp_path / "acme_twice.py"
    plugin.write_text(EXAMPLE_PLUGIN)
    spec = unetgen.load_spec("unet_milesial", block="twice", registry=load_registry([str(plugin)]))
    row = VariantRow("twice", spec.hash, dump_yaml(spec.resolved()), {}, {"params": 1, "macs": 1})
    settings = {
        "sweep": "s", "file": {}, "base": spec.hash, "trial": "t.py:fit", "options": {}, "plugins": [str(plugin)],
        "better": {}, "unetgen": "1", "torch": "2", "python": "3", "machine": "here",
    }  # fmt: skip
    (tmp_path / "out").mkdir()
    with ResultsDatabase.create(tmp_path / "out", settings, [row]) as database:
        database.add_trials([0])
    outcome = run_cli("report", str(tmp_path / "out"), "-o", str(tmp_path / "page.html"))
    assert outcome.code == 0
    assert Page((tmp_path / "page.html").read_text()).tags.count("img") == 1


def test_without_its_packages_the_extra_is_named(
    tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    folder = write_results(tmp_path / "out", variants=2)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    outcome = run_cli("report", str(folder), "-o", str(tmp_path / "report.html"))
    assert (outcome.code, outcome.err) == (
        2, "an HTML report needs vl_convert, which is not installed; run: pip install 'unetgen[report]'\n",
    )  # fmt: skip
    assert not (tmp_path / "report.html").exists()


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_without_a_network_shows_it(page: Path, scheme: Any) -> None:
    from playwright.sync_api import sync_playwright

    messages: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        shown = browser.new_context(offline=True, color_scheme=scheme).new_page()
        shown.on("console", lambda message: messages.append(message.text))
        shown.on("pageerror", lambda error: messages.append(str(error)))
        shown.on("dialog", lambda dialog: messages.append(dialog.message))
        shown.goto(page.as_uri())
        shown.wait_for_selector("#pareto svg")
        shown.wait_for_selector("#curves svg")
        # The baseline has no costs, and is a line across.
        assert shown.locator("#pareto svg .mark-symbol.role-mark path").count() == 100
        assert "majority" in shown.locator("#pareto").inner_text()
        assert shown.locator("#curves svg .mark-line.role-mark path").count() == 100
        # Drawn for real: every picture has its size.
        assert shown.evaluate(
            "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); })).then(() => [...document.images].every(i => i.naturalWidth > 100))"
        )
        first = lambda column: shown.locator(f"#results tbody tr td:nth-child({column})").all_inner_texts()  # noqa: E731
        assert first(1)[:3] == ["v0", "v1", "v2"]
        params = shown.locator("#results th", has_text="params")
        for sort, names in (("ascending", ["v0", "v1"]), ("descending", ["v99", "v98"])):
            params.locator("button").click()
            assert params.get_attribute("aria-sort") == sort
            assert first(1)[:2] == names
            assert first(1)[-1] == "majority"
        shown.locator("#results th", has_text="dice").first.locator("button").click()
        means = [float(text.split()[0]) for text in first(6)[:-1]]
        assert means == sorted(means)
        shown.select_option("#metric", "metrics loss")
        shown.select_option("#cost", "metrics dice")
        shown.wait_for_function("document.querySelector('#pareto svg').textContent.includes('loss')")
        assert shown.locator("#pareto svg .mark-symbol.role-mark path").count() == 100
        assert "majority" not in shown.locator("#pareto").inner_text()
        browser.close()
    assert messages == []
