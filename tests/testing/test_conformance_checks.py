"""The conformance checks name each fault of a broken part in one sentence, and pass for the built-in parts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import unetgen
from support import broken_parts
from support.command_line import RunCli
from support.part_options import PART_OPTIONS, SURROUNDING_SPECS
from support.paths import TESTS
from support.plugin_site import EXAMPLE_PLUGIN, PluginSite
from unetgen.errors import PluginError
from unetgen.testing import CHECKS, PartError, Trial, check_part, faults
from unetgen.testing.part_collection import collect_subjects
from unetgen.testing.part_under_test import Subject

pytestmark = [pytest.mark.usefixtures("isolated_plugins"), pytest.mark.usefixtures("single_torch_thread")]


# For each broken part, the check that fails and its first sentence.
FIRST_FAULTS = {
    "wrong_shape": (
        "shapes",
        "in 3-D, for 8 x 8 x 8 pixels, encoder.0.wrong_shape returns 8 x 6 x 6 x 6, the graph has 8 x 8 x 8 x 8 "
        "(and 2 more like it); declare the output with channels= and size= of g.module",
    ),
    "wrong_params": (
        "costs",
        "in 1-D, bottleneck.wrong_params.scale is (1,) in the network and missing in the graph (and 2 more like it); "
        "create every parameter in __init__, the same ones each time",
    ),
    "shared_state": (
        "independence",
        "decoder.0.shared_state shares its scale with encoder.0.shared_state; "
        "create every tensor in __init__, not on the class or at import",
    ),
    "shared_memory": (
        "independence",
        "training one network changes the outputs of another; "
        "keep no state that a forward pass changes on the class or at module level",
    ),
    "inert_option": ("options", "option 'depth' has no effect (tried 4, 3, 1); use it or remove it"),
    "unused_parameter": (
        "gradients",
        "in 1-D, encoder.0.unused_parameter.unused.weight gets no gradient (and 2 more like it); "
        "use it in forward or remove it",
    ),
    "random_init": (
        "first_weights",
        "encoder.0.random_init.conv.weight has other initial values with the same seed; "
        "initialise with torch's random functions; they are seeded by the module's path",
    ),
    "lying_macs": (
        "costs",
        "in 1-D, the graph counts 6,208 MACs and torch 11,200 (and 2 more like it); "
        "run the same operations on every device: module costs are measured on the meta device",
    ),
    "odd_sizes": (
        "shapes",
        "in 1-D, for 9 pixels, the forward pass fails although the graph accepts the size: RuntimeError: stack expects each tensor to be "
        "equal size, but got [1, 2, 5] at entry 0 and [1, 2, 4] at entry 1 (and 4 more like it); "
        "handle such sizes, or reject them with multiple= or a Rule with a residue",
    ),
    "mutated_input": (
        "shapes",
        "in 1-D, for 8 pixels, encoder.0.mutated_input modifies its input in place (and 7 more like it); "
        "use a new tensor; other layers may read the same input",
    ),
    "few_channels": (
        "channels",
        "with channels [3, 5], the part cannot be built in 2-D: encoder.0.few_channels: block 'few_channels' of "
        "support.broken_parts failed while creating support.broken_parts:FourChannels: ValueError: num_channels (3) must be divisible "
        "by num_groups (4) (and 1 more like it); "
        "fix the part, or reject unsupported options: g.refuse(self, option, message, hint)",
    ),
}


def fault_lines(part: type, **arguments: Any) -> list[str]:
    with pytest.raises(PartError) as error:
        check_part(part, **arguments)
    return str(error.value).splitlines()


@pytest.mark.parametrize("part", broken_parts.unetgen_parts(), ids=lambda part: part.type)
def test_each_fault_of_a_broken_part_is_reported(part: type) -> None:
    """Demand A75."""
    if part.type == "fine":
        check_part(part)
    elif part.type in FIRST_FAULTS:
        check, sentence = FIRST_FAULTS[part.type]
        assert fault_lines(part, only=[check])[0] == f"block '{part.type}': {sentence}"
        if part.type in ("inert_option", "unused_parameter", "random_init", "odd_sizes", "few_channels", "lying_macs"):
            assert len(fault_lines(part)) == 1
    elif part.type == "export_breaker":
        (line,) = fault_lines(part)
        assert line.startswith("block 'export_breaker': torch.export fails: ")
        assert line.endswith(" (and 1 more like it); avoid branches on tensor values and calls that torch cannot trace")
    else:
        assert fault_lines(part) == [
            "block 'Silent Block': the part has no docstring; add one that describes it and cites its paper",
            "block 'Silent Block': the type 'Silent Block' is not a valid name; "
            "use lower-case letters, digits and underscores",
        ]


def test_every_broken_part_has_a_row() -> None:
    """A row without a part, or a part without a row, would test nothing."""
    types = {part.type for part in broken_parts.unetgen_parts()}
    assert types - set(FIRST_FAULTS) == {"fine", "export_breaker", "Silent Block"}
    assert set(FIRST_FAULTS) <= types


# Parts that have no effect in the minimal specs: test_parts tests them in specs of their own.
TESTED_IN_TEST_PARTS = {
    ("shortcut", "repeat"),
    ("fusion", "none"),
    ("head", "none"),
    ("block", "unet"),
    ("decoder", "full_scale"),
}


@pytest.mark.parametrize(("slot", "name"), sorted(set(PART_OPTIONS) - TESTED_IN_TEST_PARTS))
def test_the_built_in_parts_pass(slot: str, name: str) -> None:
    """Without the options, which test_parts tests one by one, and tracing, which is tested with the shipped specs."""
    part = unetgen.load_registry().find(slot, name).part
    frame = {key: value for key, value in SURROUNDING_SPECS.get((slot, name), {}).items() if key == "levels"}
    checks = [check for check in CHECKS if check not in ("options", "tracing")]
    check_part(
        part, registry=unetgen.load_registry(), trial=Trial(PART_OPTIONS[slot, name][0], frame=frame), only=checks
    )


def test_options_are_tried_with_what_they_need() -> None:
    from unetgen.parts.layers.inits import HeNormal

    sentence = (
        "init 'he_normal': option 'negative_slope': no other value could be tried "
        "('negative_slope' has no effect: relu has no slope); add a valid value to the part's trial: Trial(others={'negative_slope': ...})"
    )
    assert fault_lines(HeNormal, registry=unetgen.load_registry(), only=["options"]) == [sentence]
    together = Trial(others={"negative_slope": {"nonlinearity": "leaky_relu", "negative_slope": 0.3}})
    check_part(HeNormal, registry=unetgen.load_registry(), trial=together, only=["options"])
    check_part(HeNormal, registry=unetgen.load_registry(), trial=Trial(untried=("negative_slope",)), only=["options"])


def test_a_part_that_cannot_be_built_gives_the_reason() -> None:
    from unetgen.parts.blocks.composites import Stack

    registry = unetgen.load_registry()
    (fault,) = faults(Subject(Stack, registry), "described")
    assert str(fault) == (
        "the part cannot be built in 1-D, 2-D or 3-D: 'count' is missing; "
        "support one of them, or set the required options in the part's `trial`"
    )


# Parts of a plugin


@pytest.mark.parametrize("name", ["acme-unet", "acme_unet", "Acme.UNet"])
def test_a_distributions_parts_are_found(plugin_site: PluginSite, name: str) -> None:
    plugin_site.install("acme-unet")
    provider, subjects = collect_subjects(name)
    assert (str(provider), [subject.called for subject in subjects]) == ("acme-unet 1.2", ["block 'twice'"])


def test_a_files_parts_are_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(EXAMPLE_PLUGIN)
    _, subjects = collect_subjects(str(tmp_path / "mine.py"))
    assert [subject.called for subject in subjects] == ["block 'twice'"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nobody-unet", "no distribution with a plugin and no module is named 'nobody-unet'; install it, or pass a file: ./my_blocks.py"),
        ("nowhere.py", "plugin {cwd}/nowhere.py failed to load: file not found; check the path"),
        ("acme-unet", "plugin acme-unet 1.2 failed to load: ModuleNotFoundError: No module named 'nowhere'"),
        ("json", "plugin json failed to load: the module implements no hook; implement one of those in unetgen/hookspecs.py"),
    ],
)  # fmt: skip
def test_plugins_that_do_not_load_are_reported(plugin_site: PluginSite, name: str, sentence: str) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    with pytest.raises(PluginError) as error:
        collect_subjects(name)
    assert str(error.value) == sentence.format(cwd=Path.cwd())


def test_the_command_prints_a_line_for_each_part(plugin_site: PluginSite, run_cli: RunCli) -> None:
    plugin_site.install(
        "acme-unet",
        EXAMPLE_PLUGIN.replace("    kernel_size: int = 3\n", "    kernel_size: int = 3\n    idle: int = 2\n"),
    )
    outcome = run_cli("plugins", "check", "acme-unet")
    assert (outcome.code, outcome.err) == (3, "")
    lines = outcome.out.splitlines()
    assert lines[-1] == "block 'twice': option 'idle' has no effect (tried 4, 3, 0, 1); use it or remove it"
    record = json.loads(run_cli("plugins", "check", "acme-unet", "--format", "json").out)
    assert record["plugin"] == "acme-unet 1.2"
    assert record["parts"][0]["part"] == "block 'twice'"


# pytest


def run_pytest(folder: Path, *path: Path, arguments: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "UNETGEN_DISABLE_PLUGINS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)


def test_pytest_runs_every_check_of_every_part(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nunetgen_plugin = support.broken_parts\n")
    (tmp_path / "test_it.py").write_text("def test_parts(unetgen_check):\n    unetgen_check()\n")
    collected = run_pytest(tmp_path, TESTS, arguments=("--collect-only",))
    parts = broken_parts.unetgen_parts()
    expected = [f"test_it.py::test_parts[block-{part.type}-{check}]" for part in parts for check in CHECKS]
    assert [line for line in collected.stdout.splitlines() if "::" in line] == expected
    done = run_pytest(tmp_path, TESTS, arguments=("-k", "options and (fine or inert)"))
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 passed")
    assert "block 'inert_option': option 'depth' has no effect (tried 4, 3, 1); use it or remove it" in done.stdout


def test_pytest_reports_a_missing_option(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text("def test_parts(unetgen_check):\n    unetgen_check()\n")
    done = run_pytest(tmp_path)
    assert done.returncode != 0
    assert (
        "unetgen_check: option 'unetgen_plugin' is missing; "
        'write unetgen_plugin = "acme-unet" under [tool.pytest.ini_options]'
    ) in done.stdout + done.stderr


def test_pytest_imports_nothing_if_the_argument_is_unused(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n    assert not {'torch', 'pydantic', 'unetgen.testing'} & set(sys.modules)\n"
    )
    assert run_pytest(tmp_path).returncode == 0


# plugins new


def test_a_new_distribution_installs_and_passes_its_tests(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run_cli("plugins", "new", "acme-unet")
    assert outcome.out == "acme-unet: written; next: cd acme-unet && pip install -e '.[test]' && pytest\n"
    readme = (tmp_path / "acme-unet" / "README.md").read_text(encoding="utf-8")
    assert "\npip install -e '.[test]'\npytest\n" in readme  # pytest is only in the extra
    written = sorted(str(p.relative_to(tmp_path / "acme-unet")) for p in (tmp_path / "acme-unet").rglob("*.*"))
    assert written == [
        "README.md", "acme_unet/__init__.py", "acme_unet/inverted.py", "acme_unet/plugin.py", "examples/first.yaml",
        "pyproject.toml", "tests/test_parts.py",
    ]  # fmt: skip
    plugin_site = tmp_path / "site"
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(plugin_site)]
    subprocess.run([sys.executable, *pip, str(tmp_path / "acme-unet")], check=True, capture_output=True)
    done = run_pytest(tmp_path / "acme-unet", plugin_site)
    assert done.returncode == 0, done.stdout
    assert f"{len(CHECKS) + 1} passed" in done.stdout


def test_a_new_distribution_passes_our_checks(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_cli("plugins", "new", "acme-unet")
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, str(tmp_path / "acme-unet")], check=False)
        assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Acme", "'Acme' is not a distribution name; use lower-case letters and hyphens: acme-unet"),
        ("../acme", "'../acme' is not a distribution name; use lower-case letters and hyphens: acme-unet"),
        ("tests", "tests already exists; choose another name, or move it"),
    ],
)
def test_a_name_that_cannot_be_is_refused(run_cli: RunCli, name: str, sentence: str) -> None:
    outcome = run_cli("plugins", "new", name)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == f"Error: {sentence}"
