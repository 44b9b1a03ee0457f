"""The author's kit: it names what is wrong with a part in one sentence, and finds nothing wrong with ours."""

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


# For each broken part, what the kit says of it first, and which check does.
SENTENCES = {
    "wrong_shape": (
        "shapes",
        "in 3-D, for 8 x 8 x 8 pixels, encoder.0.wrong_shape makes 8 x 6 x 6 x 6, and the graph says 8 x 8 x 8 x 8 "
        "(and 2 more like it); say what it makes: channels= and size= of g.module",
    ),
    "wrong_params": (
        "costs",
        "in 1-D, bottleneck.wrong_params.scale is (1,) in the network and none in the graph (and 2 more like it); "
        "make every parameter in __init__, the same ones each time",
    ),
    "shared_state": (
        "independence",
        "decoder.0.shared_state has its scale together with encoder.0.shared_state; "
        "make every tensor in __init__, not on the class or at import",
    ),
    "shared_memory": (
        "independence",
        "training one network changes what another one makes; "
        "keep nothing on the class or in the module's file that a pass changes",
    ),
    "inert_option": ("options", "option 'depth' changes nothing (tried 4, 3, 1); use it, or take it out"),
    "unused_parameter": (
        "gradients",
        "in 1-D, encoder.0.unused_parameter.unused.weight gets no gradient (and 2 more like it); "
        "use it in forward, or leave it out",
    ),
    "random_init": (
        "first_weights",
        "encoder.0.random_init.conv.weight starts otherwise with an equal seed; "
        "draw first weights with torch's own functions, which are seeded by the module's path",
    ),
    "lying_macs": (
        "costs",
        "in 1-D, the graph counts 6,208 MACs and torch 11,200 (and 2 more like it); "
        "do the same work on every device: what a module costs is measured on torch's meta device",
    ),
    "odd_sizes": (
        "shapes",
        "in 1-D, for 9 pixels, which the graph says fit, it fails: RuntimeError: stack expects each tensor to be "
        "equal size, but got [1, 2, 5] at entry 0 and [1, 2, 4] at entry 1 (and 4 more like it); "
        "refuse such sizes (multiple=, or a Rule with a residue), or handle them",
    ),
    "mutated_input": (
        "shapes",
        "in 1-D, for 8 pixels, encoder.0.mutated_input writes on its input (and 7 more like it); "
        "let it work on a tensor of its own; others may read that map",
    ),
    "few_channels": (
        "channels",
        "with channels [3, 5], it cannot be built in 2-D: encoder.0.few_channels: block 'few_channels' of "
        "support.broken_parts failed while making support.broken_parts:FourChannels: ValueError: num_channels (3) must be divisible "
        "by num_groups (4) (and 1 more like it); "
        "correct it, or let the part refuse what it cannot do: g.refuse(self, option, why, way_out)",
    ),
}


def said(part: type, **more: Any) -> list[str]:
    with pytest.raises(PartError) as found:
        check_part(part, **more)
    return str(found.value).splitlines()


@pytest.mark.parametrize("part", broken_parts.unetgen_parts(), ids=lambda part: part.type)
def test_each_broken_part_is_told_what_is_wrong(part: type) -> None:
    """Demand A75."""
    if part.type == "fine":
        check_part(part)
    elif part.type in SENTENCES:
        check, sentence = SENTENCES[part.type]
        assert said(part, only=[check])[0] == f"block '{part.type}': {sentence}"
        if part.type in ("inert_option", "unused_parameter", "random_init", "odd_sizes", "few_channels", "lying_macs"):
            assert len(said(part)) == 1
    elif part.type == "export_breaker":
        (line,) = said(part)
        assert line.startswith("block 'export_breaker': torch.export fails: ")
        assert line.endswith(
            " (and 1 more like it); decide nothing by the values in a tensor, and call nothing that torch cannot trace"
        )
    else:
        assert said(part) == [
            "block 'Silent Block': it has no docstring; say in one what it is, and whose paper it comes from",
            "block 'Silent Block': its type 'Silent Block' is no plain name; "
            "use lower-case letters, digits and underscores",
        ]


def test_every_broken_part_is_broken_for_somebody() -> None:
    """A row without a part, or a part without a row, would test nothing."""
    types = {part.type for part in broken_parts.unetgen_parts()}
    assert types - set(SENTENCES) == {"fine", "export_breaker", "Silent Block"}
    assert set(SENTENCES) <= types


# Parts of which the small networks here say too little: test_parts has them in frames of their own.
ELSEWHERE = {("shortcut", "repeat"), ("fusion", "none"), ("head", "none"), ("block", "unet"), ("decoder", "full_scale")}


@pytest.mark.parametrize(("slot", "name"), sorted(set(PART_OPTIONS) - ELSEWHERE))
def test_our_own_parts_keep_their_word(slot: str, name: str) -> None:
    """All but the options, which test_parts tries one by one; compilers trace each shipped spec elsewhere."""
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
        "(it has no effect: relu has no slope); name one in its trial: Trial(others={'negative_slope': ...})"
    )
    assert said(HeNormal, registry=unetgen.load_registry(), only=["options"]) == [sentence]
    together = Trial(ignored={"negative_slope": {"nonlinearity": "leaky_relu", "negative_slope": 0.3}})
    check_part(HeNormal, registry=unetgen.load_registry(), trial=together, only=["options"])
    check_part(HeNormal, registry=unetgen.load_registry(), trial=Trial(untried=("negative_slope",)), only=["options"])


def test_a_part_that_is_drawn_nowhere_says_why() -> None:
    from unetgen.parts.blocks.composites import Stack

    registry = unetgen.load_registry()
    (fault,) = faults(Subject(Stack, registry), "described")
    assert str(fault) == (
        "it is drawn in no number of dimensions: 'count' is missing; "
        "let it be drawn in one, or say in its `trial` with which options it can be tried"
    )


# What a plugin registers


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
        ("nobody-unet", "there is no distribution 'nobody-unet' with a plugin, and no module of that name; install it, or give a file: ./my_blocks.py"),
        ("nowhere.py", "plugin {cwd}/nowhere.py failed to load: there is no such file; give the path of a Python file"),
        ("acme-unet", "plugin acme-unet 1.2 failed to load: ModuleNotFoundError: No module named 'nowhere'"),
        ("json", "plugin json failed to load: it implements none of unetgen's hooks; they are in unetgen/hookspecs.py"),
    ],
)  # fmt: skip
def test_what_does_not_load_is_said(plugin_site: PluginSite, name: str, sentence: str) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    with pytest.raises(PluginError) as refused:
        collect_subjects(name)
    assert str(refused.value) == sentence.format(cwd=Path.cwd())


def test_the_command_prints_a_line_for_each_part(plugin_site: PluginSite, run_cli: RunCli) -> None:
    plugin_site.install(
        "acme-unet",
        EXAMPLE_PLUGIN.replace("    kernel_size: int = 3\n", "    kernel_size: int = 3\n    idle: int = 2\n"),
    )
    outcome = run_cli("plugins", "check", "acme-unet")
    assert (outcome.code, outcome.err) == (3, "")
    lines = outcome.out.splitlines()
    assert lines[-1] == "block 'twice': option 'idle' changes nothing (tried 4, 3, 0, 1); use it, or take it out"
    record = json.loads(run_cli("plugins", "check", "acme-unet", "--format", "json").out)
    assert record["plugin"] == "acme-unet 1.2"
    assert record["parts"][0]["part"] == "block 'twice'"


# pytest


def pytested(folder: Path, *path: Path, arguments: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "UNETGEN_DISABLE_PLUGINS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)


def test_pytest_tries_every_check_of_every_part(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nunetgen_plugin = support.broken_parts\n")
    (tmp_path / "test_it.py").write_text("def test_parts(unetgen_check):\n    unetgen_check()\n")
    listed = pytested(tmp_path, TESTS, arguments=("--collect-only",))
    parts = broken_parts.unetgen_parts()
    wanted = [f"test_it.py::test_parts[block-{part.type}-{check}]" for part in parts for check in CHECKS]
    assert [line for line in listed.stdout.splitlines() if "::" in line] == wanted
    done = pytested(tmp_path, TESTS, arguments=("-k", "options and (fine or inert)"))
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 passed")
    assert "block 'inert_option': option 'depth' changes nothing (tried 4, 3, 1); use it, or take it out" in done.stdout


def test_pytest_says_what_it_must_be_told(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text("def test_parts(unetgen_check):\n    unetgen_check()\n")
    done = pytested(tmp_path)
    assert done.returncode != 0
    assert (
        "unetgen_check: nothing says whose parts are to be tried; "
        'write unetgen_plugin = "acme-unet" under [tool.pytest.ini_options]'
    ) in done.stdout + done.stderr


def test_pytest_imports_nothing_for_others(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n\ndef test_it():\n    assert not {'torch', 'pydantic', 'unetgen.testing'} & set(sys.modules)\n"
    )
    assert pytested(tmp_path).returncode == 0


# plugins new


def test_a_new_distribution_installs_and_passes_its_tests(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = run_cli("plugins", "new", "acme-unet")
    assert outcome.out == "acme-unet: written; next: pip install -e acme-unet && cd acme-unet && pytest\n"
    written = sorted(str(p.relative_to(tmp_path / "acme-unet")) for p in (tmp_path / "acme-unet").rglob("*.*"))
    assert written == [
        "README.md", "acme_unet/__init__.py", "acme_unet/inverted.py", "acme_unet/plugin.py", "examples/first.yaml",
        "pyproject.toml", "tests/test_parts.py",
    ]  # fmt: skip
    plugin_site = tmp_path / "site"
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(plugin_site)]
    subprocess.run([sys.executable, *pip, str(tmp_path / "acme-unet")], check=True, capture_output=True)
    done = pytested(tmp_path / "acme-unet", plugin_site)
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
        ("Acme", "'Acme' is no name for a distribution; write small letters and hyphens: acme-unet"),
        ("../acme", "'../acme' is no name for a distribution; write small letters and hyphens: acme-unet"),
        ("tests", "tests is there already; choose another name, or move it away"),
    ],
)
def test_a_name_that_cannot_be_is_refused(run_cli: RunCli, name: str, sentence: str) -> None:
    outcome = run_cli("plugins", "new", name)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == f"Error: {sentence}"
