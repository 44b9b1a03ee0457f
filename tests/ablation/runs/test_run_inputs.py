"""Inputs of a run that change: its code, plugins, data and packages. Every change is noticed, and only those."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import unetgen
from support.command_line import RunCli
from support.runs import query_results
from unetgen.ablation.runs.inputs import fingerprint
from unetgen.ablation.runs.inputs.run_input import PluginUsage, RunInput, collect_inputs, describe_changes, find_changes
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.trial_function import load_trial_function
from unetgen.errors import RunError

FILES = {
    "train.py": (
        "import beside\nfrom folder import inner\n"
        "def fit(model, spec, context, data='', value=1.0):\n"
        "    from lazy import VALUE\n"
        "    if context is None:\n"
        "        from spaces import one\n"
        "    return {'a': VALUE * value}\n"
    ),
    "beside.py": "import below\n",
    "below.py": "",
    "lazy.py": "VALUE = 1.0\n",
    "folder/__init__.py": "",
    "folder/inner.py": "from . import sibling\nfrom .deep.leaf import NAME\n",
    "folder/sibling.py": "",
    "folder/deep/__init__.py": "",
    "folder/deep/leaf.py": "NAME = 'leaf'\n",
    "spaces/one.py": "import spaces.two, os.path, no_such_module, broken_later\n",
    "spaces/two.py": "",
    "broken_later.py": "",
    "unrelated.py": "",
    "data/a.txt": "1\n",
    "data/more/b.txt": "2\n",
    "notes.txt": "no input\n",
    "blocks.py": (
        "from unetgen.authoring import Block, hookimpl\nimport widths_of_blocks\n"
        "class Doubled(Block):\n"
        "    type = 'doubled'\n"
        "    def emit(self, g, x, channels):\n"
        "        return g.conv(x, channels, 3, padding='zeros', name='conv')\n"
        "@hookimpl\n"
        "def unetgen_parts():\n"
        "    return [Doubled]\n"
    ),
    "widths_of_blocks.py": "",
    "base.yaml": "{extends: unet_milesial, widths: [4, 8], input_size: [16, 16]}\n",
    "sweep.yaml": "base: base.yaml\naxes: {block: [conv, doubled]}\n",
}
TRIAL_CODE = [
    "train.py", "beside.py", "below.py", "lazy.py", "folder/__init__.py", "folder/inner.py", "folder/sibling.py",
    "folder/deep/__init__.py", "folder/deep/leaf.py", "spaces/one.py", "spaces/two.py", "broken_later.py",
]  # fmt: skip
PLUGIN_CODE = ["blocks.py", "widths_of_blocks.py"]
DATA = ["data/a.txt", "data/more/b.txt"]
WAYS_ON = (
    "; restore them, choose another --out, run the trials that depend on them again with --rerun-changed, or keep "
    "their results, marked as outdated, with --accept-changes"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with a trial, a plugin, data and a sweep; its modules are forgotten at the end."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


class ChangeRecorder(RunListener):
    """Records the changes that a run reports at its end."""

    def __init__(self) -> None:
        self.changes: list[str] = []

    def on_inputs_changed_during_run(self, changes: str) -> None:
        self.changes.append(changes)


def run(**arguments: Any) -> Any:
    return unetgen.run("sweep.yaml", workers=0, plugins=["blocks.py"], **arguments)


def start(**options: Any) -> Any:
    return run(trial="train.py:fit", options={"data": "data", **options})


def edit(path: Path) -> None:
    """Append a line, and let the modification time differ however coarse the clock is."""
    path.write_text(path.read_text() + "# edited\n")
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def refusal(**arguments: Any) -> str:
    with pytest.raises(RunError) as error_info:
        run(resume=True, **arguments)
    return str(error_info.value)


@pytest.mark.parametrize("name", [*TRIAL_CODE, *PLUGIN_CODE, *DATA])
@pytest.mark.parametrize("change", [edit, Path.unlink])
def test_every_input_is_noticed(name: str, change: Callable[[Path], None], project: Path) -> None:
    spec = unetgen.load_spec("base.yaml", block="doubled", registry=unetgen.load_registry(["blocks.py"]))
    usage = PluginUsage()
    usage.add("doubled", spec)
    inputs = collect_inputs(load_trial_function("train.py:fit"), {"data": ["data"]}, usage)
    assert {item.name for item in inputs} == {*TRIAL_CODE, *PLUGIN_CODE, "data", "unetgen", "torch"}
    assert find_changes(inputs) == []
    stored = [RunInput.from_dict(item.to_dict()) for item in inputs]
    edit(project / "unrelated.py")
    edit(project / "notes.txt")
    assert find_changes(stored) == []
    change(project / name)
    [(before, _)] = changes = find_changes(stored)
    is_gone = change is Path.unlink and name not in DATA
    named = "data" if name in DATA else name
    assert describe_changes(changes) == (f"{named} is missing" if is_gone else f"{named} changed")
    assert before.affects("doubled")
    assert before.affects("other") == (name not in PLUGIN_CODE)


@pytest.mark.parametrize("name", ["lazy.py", "data/more/b.txt"])
def test_a_change_is_refused_until_it_is_undone(name: str, project: Path) -> None:
    start()
    text = (project / name).read_text()
    edit(project / name)
    shown = "data" if name in DATA else name
    assert refusal(repeat=2) == f"the results in sweep have other inputs: {shown} changed{WAYS_ON}"
    assert query_results_of(project) == [(0, "finished")] * 2
    (project / name).write_text(text)
    assert run(resume=True, repeat=2).counts()["finished"] == 4


def query_results_of(project: Path) -> list[tuple[Any, ...]]:
    (project / "out").unlink(missing_ok=True)
    (project / "out").symlink_to("sweep")
    return query_results(project, "SELECT seed, state FROM trials ORDER BY seed")


def test_accepted_results_are_counted_as_outdated(project: Path) -> None:
    start()
    (project / "lazy.py").write_text("VALUE = 100.0\n")
    table = run(resume=True, repeat=2, changes="accept")
    assert table.outdated == {(row.name, 0) for row in table.variant_rows}
    sheet = table.sheet()
    assert [column.title for column in sheet.columns][-1] == "outdated seeds"
    assert [row[-1] for row in sheet.rows] == [1, 1]
    assert [dict(values) for values in table.metrics["a"].values()] == [{0: 1.0, 1: 100.0}] * 2
    assert run(resume=True).outdated == table.outdated  # accepted once, they stay marked
    edit(project / "beside.py")
    table = run(resume=True, changes="rerun")
    assert table.outdated == frozenset()
    assert [dict(values) for values in table.metrics["a"].values()] == [{0: 100.0, 1: 100.0}] * 2
    assert "outdated" not in [column.name for column in table.sheet().columns]


def test_only_affected_trials_run_again(project: Path) -> None:
    start()
    edit(project / "widths_of_blocks.py")
    assert refusal() == f"the results in sweep have other inputs: widths_of_blocks.py changed{WAYS_ON}"
    table = run(resume=True, changes="rerun")
    attempts = {trial.variant: trial.attempts for trial in table.trial_rows}
    assert sorted(attempts.values()) == [1, 2]
    assert next(name for name, n in attempts.items() if n == 2).startswith("block=doubled")
    trials = {path.parent.name.partition("-")[0]: path.name for path in Path("sweep/trials").glob("*/*.replaced-1")}
    assert trials == {"block=doubled": "seed-0.replaced-1"}


def test_what_nothing_was_computed_with_may_change(project: Path) -> None:
    listener = RunListener()
    assert run(trial="train.py:fit", options={"value": 0.5}, listener=listener).counts()["finished"] == 2
    (project / "new.py").write_text("")
    (project / "lazy.py").write_text("import new\nVALUE = 3.0\n")
    run(resume=True, changes="accept")
    edit(project / "new.py")  # imported since the change
    assert refusal().startswith("the results in sweep have other inputs: new.py changed; ")


def test_a_changed_base_is_refused_but_its_results_go_on(project: Path) -> None:
    start()
    (project / "base.yaml").write_text(FILES["base.yaml"].replace("8", "16"))
    hashes = [unetgen.load_spec(text).hash[:16] for text in ("base.yaml", FILES["base.yaml"].rstrip() + "\n")]
    assert refusal(changes="accept") == (
        f"the base of sweep.yaml was changed: its hash is {hashes[0]}, and the results in sweep are of {hashes[1]}; "
        "continue with the networks of the results: unetgen run sweep --resume, or choose another --out"
    )
    table = unetgen.run("sweep", resume=True, repeat=2, workers=0)
    assert table.counts()["finished"] == 4


def test_a_failed_trial_may_be_repaired(project: Path) -> None:
    (project / "lazy.py").write_text("import no_such_module\n")
    assert start().counts()["failed"] == 2
    (project / "lazy.py").write_text("VALUE = 1.0\n")
    table = run(resume=True)
    assert (table.counts()["finished"], table.outdated) == (2, frozenset())


def test_a_checkpoint_is_not_continued_by_other_code(project: Path) -> None:
    (project / "lazy.py").write_text("VALUE = None\n")
    failing = FILES["train.py"].replace("    from lazy", "    context.checkpoint.write_text('1')\n    from lazy")
    (project / "train.py").write_text(failing)
    assert start().counts()["failed"] == 2
    (project / "lazy.py").write_text("VALUE = 1.0\n")
    assert refusal() == f"the results in sweep have other inputs: lazy.py changed{WAYS_ON}"
    table = run(resume=True, changes="accept")
    assert len(table.outdated) == 2
    edit(project / "lazy.py")
    assert run(resume=True, changes="rerun").outdated == frozenset()


def test_another_version_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    version = importlib.metadata.version("unetgen")
    read_version = fingerprint.version
    monkeypatch.setattr(fingerprint, "version", lambda name: "9.9" if name == "unetgen" else read_version(name))
    assert refusal() == f"the results in sweep have other inputs: unetgen {version} became 9.9{WAYS_ON}"


def test_changes_during_a_run_are_reported(run_cli: RunCli, project: Path) -> None:
    editing = "import pathlib\npathlib.Path('data/a.txt').write_text('3')\n"
    (project / "lazy.py").write_text(editing + "VALUE = 1.0\n")
    recorder = ChangeRecorder()
    run(trial="train.py:fit", options={"data": "data"}, listener=recorder)
    assert recorder.changes == ["data changed"]
    assert refusal().startswith("the results in sweep have other inputs: data changed; ")
    outcome = run_cli("run", "sweep", "--resume", "--workers", "0", "--repeat", "2", "--accept-changes")
    assert (outcome.code, outcome.err) == (0, "2 finished before, 2 to run\n")
    (project / "data/a.txt").write_text("4")
    outcome = run_cli("run", "sweep", "--resume", "--workers", "0", "--repeat", "3", "--accept-changes")
    assert outcome.code == 0
    assert outcome.err == "4 finished before, 2 to run\n"  # the module is imported once in this process


def test_large_files_count_by_size_and_time(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "MAX_HASHED_BYTES", 1)
    file = project / "data" / "a.txt"
    before = fingerprint.fingerprint_data(project / "data")
    os.utime(file, ns=(0, 0))
    assert fingerprint.fingerprint_data(project / "data") != before


def test_data_counts_without_hidden_files_and_results(project: Path) -> None:
    before = fingerprint.fingerprint_data(project)
    (project / ".cache").write_text("x")
    start()
    for cache in project.rglob("__pycache__"):
        cache.rename(cache.with_name(".pycache"))
    assert fingerprint.fingerprint_data(project) == before
    assert fingerprint.fingerprint_data(project / "nothing") == "missing"


def test_options_of_changed_inputs_need_resume(run_cli: RunCli, project: Path) -> None:
    messages = {
        ("--rerun-changed", "--accept-changes", "--resume"): (
            "--rerun-changed and --accept-changes exclude each other; remove one of them"
        ),
        ("--rerun-changed",): "--rerun-changed has no effect without --resume; add it",
        ("--accept-changes",): "--accept-changes has no effect without --resume; add it",
    }
    for arguments, message in messages.items():
        outcome = run_cli("run", "sweep.yaml", "--trial", "train.py:fit", *arguments)
        assert (outcome.code, outcome.err.splitlines()[-1]) == (2, f"Error: {message}")
    with pytest.raises(RunError) as error_info:
        run(trial="train.py:fit", changes="rerun")
    assert str(error_info.value) == "changes='rerun' has no effect on a new run; add resume"
    with pytest.raises(RunError) as error_info:
        run(resume=True, changes="keep")
    assert str(error_info.value) == "changes='keep' is unknown; use one of refuse, accept, rerun"
