"""How plugins are found, what they contribute, and how broken ones are isolated."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.plugin_site import EXAMPLE_PLUGIN, PluginSite
from unetgen import plugins
from unetgen.config.registry.registry import Registry
from unetgen.errors import PluginError, SpecError

pytestmark = pytest.mark.usefixtures("isolated_plugins")

SPEC: dict[str, Any] = {"schema_version": 1, "in_channels": 1, "out_channels": 2, "widths": [4, 8]}


def list_parts(slot: str, *plugin_names: str) -> str:
    """The names of our parts of a slot, and of a plugin's, as messages list them."""
    entries = unetgen.load_registry().entries[slot]
    builtin_names = [
        name for name, loaded_registry in entries.items() if any(entry.provider.is_builtin for entry in loaded_registry)
    ]
    return ", ".join(sorted([*builtin_names, *plugin_names]))


def registry() -> Registry:
    plugins.clear_cache()
    return unetgen.load_registry()


def all_loaded() -> Registry:
    """The registry with every plugin imported."""
    loaded_registry = registry()
    loaded_registry.load()
    return loaded_registry


def spec_error(spec: Any, **overrides: Any) -> str:
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec(spec, registry=registry(), **overrides)
    return str(error_info.value)


# Files and modules named by the user


@pytest.fixture
def plugin_file(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "my_blocks.py"
    path.parent.mkdir()
    path.write_text(EXAMPLE_PLUGIN)
    return path


def process(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unetgen", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, check=False)


def test_a_file_is_found_from_another_folder(plugin_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(json.dumps({**SPEC, "block": "twice"}))
    here = tmp_path / "here"
    here.mkdir()
    done = process("validate", "../mine.yaml", "--plugin", "../elsewhere/my_blocks.py", cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, "../mine.yaml: valid\n", "")


@pytest.mark.parametrize("name", ["twice", "my_blocks/twice"])
def test_a_part_of_a_file_has_two_names(plugin_file: Path, name: str) -> None:
    file_registry = unetgen.load_registry([str(plugin_file)])
    spec = unetgen.load_spec(SPEC, registry=file_registry, block=name)
    assert spec.bottleneck.type == "twice"


def test_a_module_is_found_by_its_name(plugin_site: PluginSite, run_cli: RunCli) -> None:
    (plugin_site.folder / "acme_blocks.py").write_text(EXAMPLE_PLUGIN)
    outcome = run_cli("plugins", "--plugin", "acme_blocks", "--format", "json")
    row = next(part for part in json.loads(outcome.out)["parts"] if part["name"] == "twice")
    assert row == {
        "slot": "block",
        "name": "twice",
        "provider": "acme_blocks",
        "description": "Two convolutions and nothing else.",
    }


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (None, "file not found; check the path"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_requested_file_must_load(tmp_path: Path, run_cli: RunCli, source: str | None, cause: str) -> None:
    path = tmp_path / "mine.py"
    if source is not None:
        path.write_text(source)
    outcome = run_cli("validate", "unet_paper", "--plugin", str(path))
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err == f"plugin {path} failed to load: {cause}\n"


def test_a_file_may_import_its_neighbours(plugin_file: Path) -> None:
    (plugin_file.parent / "acme_beside.py").write_text(EXAMPLE_PLUGIN)
    plugin_file.write_text("from acme_beside import Twice, unetgen_parts\n")
    file_registry = unetgen.load_registry([str(plugin_file)])
    assert unetgen.load_spec(SPEC, registry=file_registry, block="twice").bottleneck.type == "twice"


def test_a_file_may_be_named_twice(plugin_file: Path) -> None:
    file_registry = unetgen.load_registry([str(plugin_file), str(plugin_file)])
    assert unetgen.load_spec(SPEC, registry=file_registry, block="twice").bottleneck.type == "twice"


def test_a_network_with_a_files_part_pickles(plugin_file: Path) -> None:
    file_registry = unetgen.load_registry([str(plugin_file)])
    model = unetgen.build(SPEC, registry=file_registry, seed=1, block="twice")
    again = pickle.loads(pickle.dumps(model))
    x = torch.ones(1, 1, 8, 8)
    assert torch.equal(model(x), again(x))


# Installed distributions


def test_an_installed_part_builds_runs_and_is_named_in_the_resolved_spec(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    loaded_registry = registry()
    assert loaded_registry.failures == ()
    model = unetgen.build(
        SPEC, registry=loaded_registry, seed=1, bottleneck={"block": "twice"}, block={"padding": "zeros"}
    )
    assert model(torch.ones(1, 1, 8, 8)).shape == (1, 2, 8, 8)
    assert model.spec.resolved()["plugins"] == ["acme-unet 1.2"]
    assert "bottleneck.conv2.weight" in model.state_dict()
    assert "Twice(" in repr(model)


def test_a_spec_without_plugins_parts_names_no_plugin(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    assert "plugins" not in unetgen.load_spec(SPEC, registry=registry()).resolved()


def test_a_resolved_spec_with_a_plugin_resolves_to_itself(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    first = unetgen.load_spec(SPEC, registry=registry(), block={"type": "acme-unet/twice", "kernel_size": 5})
    second = unetgen.load_spec(first.resolved(), registry=registry())
    assert second.resolved() == first.resolved()
    assert second.hash == first.hash


def test_a_plugins_part_survives_saving(plugin_site: PluginSite, tmp_path: Path) -> None:
    plugin_site.install("acme-unet")
    model = unetgen.build(SPEC, registry=registry(), seed=1, block="twice").eval()
    unetgen.save(model, tmp_path / "net.safetensors")
    again = unetgen.load(tmp_path / "net.safetensors", registry=registry())
    assert torch.equal(again(torch.ones(1, 1, 8, 8)), model(torch.ones(1, 1, 8, 8)))


def test_the_command_line_finds_what_is_installed(plugin_site: PluginSite, tmp_path: Path) -> None:
    plugin_site.install("acme-unet")
    (tmp_path / "mine.yaml").write_text(json.dumps({**SPEC, "block": "twice"}))
    done = process("show", "mine.yaml", "--format", "json", cwd=tmp_path, PYTHONPATH=str(plugin_site.folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["plugins"] == ["acme-unet 1.2"]


def test_installed_plugins_import_no_torch(plugin_site: PluginSite, tmp_path: Path) -> None:
    plugin_site.install("acme-unet")
    code = f"import sys, unetgen; unetgen.graph_of({SPEC!r}, block='twice'); assert 'torch' not in sys.modules"
    env = {**os.environ, "PYTHONPATH": str(plugin_site.folder)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_a_part_of_another_slot_is_registered_too(plugin_site: PluginSite) -> None:
    source = EXAMPLE_PLUGIN.replace("Block", "Head").replace("Twice", "Double").replace('"twice"', '"double"')
    plugin_site.install("acme-unet", source)
    model = unetgen.build(SPEC, registry=registry(), seed=1, head="double")
    assert model.spec.resolved()["plugins"] == ["acme-unet 1.2"]
    assert "head.0.conv2.weight" in model.state_dict()


# Broken ones

HOOK = "\n@unetgen.hookimpl\ndef unetgen_parts():\n    return [{parts}]\n"
PART = "from typing import ClassVar\nimport unetgen\nfrom unetgen.graph.part_types import Block\n"

BROKEN = {
    "import": ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
    "syntax": ("def", "SyntaxError: invalid syntax (acme_unet.py, line 1)"),
    "exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "assertion": ("assert False", "AssertionError"),
    "hook that raises": (
        "import unetgen\n\n@unetgen.hookimpl\ndef unetgen_parts():\n    raise ValueError('first\\nsecond')\n",
        "ValueError: first second",
    ),
    "nothing returned": (
        "import unetgen\n\n@unetgen.hookimpl\ndef unetgen_parts():\n    pass\n",
        "unetgen_parts() returned None, not a list of parts; return [MyBlock]",
    ),
    "no hook": ("x = 1", "the module implements no hook; implement one of those in unetgen/hookspecs.py"),
    "misspelt hook": (
        EXAMPLE_PLUGIN.replace("def unetgen_parts", "def unetgen_partz"),
        "PluginValidationError: unknown hook 'unetgen_partz' in plugin <module 'acme_unet' from 'SITE/acme_unet.py'>",
    ),
    "extra argument": (
        EXAMPLE_PLUGIN.replace("def unetgen_parts()", "def unetgen_parts(more)"),
        "PluginValidationError: Plugin 'acme-unet' for hook 'unetgen_parts' hookimpl definition: unetgen_parts(more) "
        "Argument(s) {'more'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "unknown options": (
        EXAMPLE_PLUGIN.replace("    kernel_size", "    model_config = {'extra': 'ignore'}\n    kernel_size"),
        "Twice accepts unknown options; set extra='forbid' in its model_config",
    ),
    "no part": (
        "import unetgen\n" + HOOK.format(parts="int"),
        "int is not a Part; subclass a base class in unetgen.graph.part_types",
    ),
    "no class": (
        "import unetgen\n" + HOOK.format(parts="3"),
        "3 is not a Part; subclass a base class in unetgen.graph.part_types",
    ),
    "no type": (
        PART + "class Nameless(Block):\n    def emit(self, g, x, channels):\n        return x\n" + HOOK.format(parts="Nameless"),
        "Nameless has no slot and type; subclass a base class such as Block and set type = 'my_name'",
    ),
    "not finished": (
        PART + "class Half(Block):\n    type: ClassVar[str] = 'half'\n" + HOOK.format(parts="Half"),
        "Half does not implement emit; see its base class in unetgen.graph.part_types",
    ),
    "ours": (
        "import unetgen\nfrom unetgen.parts.blocks.convolutional import Conv\n" + HOOK.format(parts="Conv"),
        "Conv is a built-in part; register a subclass with another type",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_one_warning(plugin_site: PluginSite, run_cli: RunCli, case: str) -> None:
    """``inspect`` asks every plugin for advice."""
    source, cause = BROKEN[case]
    cause = cause.replace("SITE", str(plugin_site.folder))
    plugin_site.install("acme-unet", source)
    outcome = run_cli("inspect", "unet_paper")
    assert outcome.code == 0
    assert outcome.out.startswith("side        level  output")
    assert outcome.err == (
        f"warning: plugin acme-unet 1.2 failed to load: {cause}; "
        "uninstall it, or set UNETGEN_DISABLE_PLUGINS=acme-unet\n"
    )


def test_a_broken_plugin_breaks_no_other(plugin_site: PluginSite, run_cli: RunCli) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    plugin_site.install("bob-unet", version="0.1")
    outcome = run_cli("plugins", "--format", "json")
    record = json.loads(outcome.out)
    assert record["failed"] == [
        {"provider": "acme-unet 1.2", "cause": "ModuleNotFoundError: No module named 'nowhere'"}
    ]
    assert "bob-unet 0.1" in {row["provider"] for row in record["parts"]}
    assert outcome.err.count("\n") == 1


def test_an_entry_point_without_module_is_a_broken_plugin(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", entry="acme = acme_unet:missing")
    (failure,) = all_loaded().failures
    assert str(failure) == "AttributeError: module 'acme_unet' has no attribute 'missing'"


def test_an_interrupt_is_not_a_broken_plugin(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        all_loaded()


@pytest.mark.parametrize(
    ("needs", "cause"),
    [
        (
            {"block": "acme-unet/twice"},
            f"block: unknown block 'acme-unet/twice'; blocks are {list_parts('block')}; pass your own with --plugin",
        ),
        (
            {"block": {"norm": "acme-unet/twice"}},
            f"block.norm: unknown norm 'acme-unet/twice'; norms are {list_parts('norm')}; pass your own with --plugin",
        ),
        (
            {"block": "twice", "plugins": ["acme-unet 1.2"]},
            f"block: unknown block 'twice'; blocks are {list_parts('block')}; pass your own with --plugin",
        ),
    ],
)
@pytest.mark.parametrize("command", ["validate", "show", "build"])
def test_a_spec_that_needs_a_broken_plugin_exits_with_3(
    plugin_site: PluginSite, run_cli: RunCli, tmp_path: Path, command: str, needs: dict[str, Any], cause: str
) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    path = tmp_path / "mine.yaml"
    path.write_text(json.dumps({**SPEC, **needs}))
    outcome = run_cli(command, str(path))
    assert outcome.code == 3
    *_, first, second = (outcome.out if command == "validate" else outcome.err).splitlines()
    assert first.startswith(f"{path}:1:")
    assert first.endswith(f": {cause}")
    assert second == "plugin acme-unet 1.2 failed to load: ModuleNotFoundError: No module named 'nowhere'"


def test_the_original_exception_is_the_cause(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    with pytest.raises(PluginError) as error_info:
        unetgen.load_spec(SPEC, registry=registry(), block="acme-unet/twice")
    assert isinstance(error_info.value.__cause__, ModuleNotFoundError)


def test_a_typo_is_not_attributed_to_a_broken_plugin(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    assert spec_error(SPEC, block="convv") == (
        f"override: block: unknown block 'convv'; did you mean 'conv'? Blocks are {list_parts('block')}"
    )


# Strict, disabled


@pytest.mark.parametrize("source", ["import nowhere", "import sys; sys.exit(0)", "def"])
def test_strict_raises(plugin_site: PluginSite, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    plugin_site.install("acme-unet", source)
    monkeypatch.setenv(plugins.STRICT_ENV_VAR, "1")
    with pytest.raises(PluginError) as error_info:
        registry()
    assert str(error_info.value).startswith("plugin acme-unet 1.2 failed to load: ")
    assert error_info.value.__cause__ is not None
    outcome = run_cli("validate", "unet_paper")
    assert (outcome.code, outcome.out, outcome.err) == (3, "", f"{error_info.value}\n")


@pytest.mark.parametrize("off", ["", "0"])
def test_strict_can_be_off(plugin_site: PluginSite, monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    plugin_site.install("acme-unet", "import nowhere")
    monkeypatch.setenv(plugins.STRICT_ENV_VAR, off)
    assert len(all_loaded().failures) == 1


@pytest.mark.parametrize("names", ["acme-unet", "other, acme-unet ,", "*", "acme_unet", "Acme-UNet"])
def test_a_disabled_plugin_is_not_imported(
    plugin_site: PluginSite, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    plugin_site.install("acme-unet", "raise SystemExit(9)")
    monkeypatch.setenv(plugins.DISABLE_ENV_VAR, names)
    assert all_loaded().failures == ()
    assert "acme_unet" not in sys.modules


def test_one_of_two_can_be_disabled(plugin_site: PluginSite, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_site.install("acme-unet")
    plugin_site.install("bob-unet")
    monkeypatch.setenv(plugins.DISABLE_ENV_VAR, "bob-unet")
    entry = registry().find("block", "twice")
    assert entry is not None
    assert str(entry.provider) == "acme-unet 1.2"


# Names


@pytest.mark.parametrize("order", [("acme-unet", "bob-unet"), ("bob-unet", "acme-unet")])
def test_one_name_from_two_distributions_is_ambiguous(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[str, str]
) -> None:
    for name in order:
        site = PluginSite(tmp_path / name)
        site.install(name)
        monkeypatch.syspath_prepend(str(site.folder))
    assert spec_error(SPEC, block="twice") == (
        "override: block: block 'twice' is ambiguous: provided by acme-unet 1.2 and bob-unet 1.2; "
        "write 'acme-unet/twice' or 'bob-unet/twice'"
    )
    for name in order:
        spec = unetgen.load_spec(SPEC, registry=registry(), block=f"{name}/twice")
        assert spec.plugins == (f"{name} 1.2",)
        assert type(spec.bottleneck).__module__ == name.replace("-", "_")
        again = unetgen.load_spec(spec.resolved(), registry=registry())
        assert again.resolved() == spec.resolved()


def test_a_built_in_name_is_never_replaced(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", EXAMPLE_PLUGIN.replace('"twice"', '"conv"'))
    loaded_registry = registry()
    assert unetgen.load_spec(SPEC, registry=loaded_registry).plugins == ()
    plugin_spec = unetgen.load_spec(SPEC, registry=loaded_registry, block="acme-unet/conv")
    assert type(plugin_spec.bottleneck).__name__ == "Twice"
    assert plugin_spec.plugins == ("acme-unet 1.2",)


def test_a_part_named_like_a_built_in_stays_itself_when_resolved(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", EXAMPLE_PLUGIN.replace('"twice"', '"conv"'))
    plugin_spec = unetgen.load_spec(SPEC, registry=registry(), block="acme-unet/conv")
    again = unetgen.load_spec(plugin_spec.resolved(), registry=registry())
    assert type(again.bottleneck).__name__ == "Twice"
    assert plugin_spec.hash == again.hash
    assert plugin_spec.hash != unetgen.load_spec(SPEC, registry=registry()).hash


@pytest.mark.parametrize("parts", ["[Twice, Twice]", "(Twice for _ in range(3))"])
def test_the_same_part_twice_is_harmless(plugin_site: PluginSite, parts: str) -> None:
    plugin_site.install("acme-unet", EXAMPLE_PLUGIN.replace("return [Twice]", f"return {parts}"))
    loaded_registry = registry()
    assert loaded_registry.failures == ()
    assert len(loaded_registry.entries["block"]["twice"]) == 1


def test_two_names_for_one_module_are_harmless(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", entry="one = acme_unet\ntwo = acme_unet")
    assert unetgen.load_spec(SPEC, registry=registry(), block="twice").plugins == ("acme-unet 1.2",)


def test_two_parts_of_one_name_in_one_distribution_are_a_broken_plugin(plugin_site: PluginSite) -> None:
    other = EXAMPLE_PLUGIN.replace("return [Twice]", "return [Twice, type('Other', (Twice,), {})]")
    plugin_site.install("acme-unet", other)
    (failure,) = all_loaded().failures
    assert str(failure) == "Twice and Other are both blocks called 'twice'; change the type of one"


def test_a_misspelt_name_finds_a_plugins_part(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    assert spec_error(SPEC, block="twise") == (
        f"override: block: unknown block 'twise'; did you mean 'twice' (acme-unet 1.2)? Blocks are {list_parts('block', 'twice')}"
    )


def test_the_options_of_a_plugins_part_are_checked_like_ours(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    assert spec_error(SPEC, block={"type": "twice", "kernel_sise": 3}) == (
        "override: block.kernel_sise: unknown option of block 'twice'; did you mean 'kernel_size'?"
    )


# Not installed


def test_a_missing_plugin_is_named_with_what_to_install(
    plugin_site: PluginSite, run_cli: RunCli, tmp_path: Path
) -> None:
    plugin_site.install("acme-unet")
    resolved = unetgen.load_spec(SPEC, registry=registry(), **{"bottleneck.block": "twice"}).resolved()
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps(resolved))
    for item in plugin_site.folder.glob("acme*"):
        item.rename(tmp_path / item.name)
    plugins.clear_cache()
    outcome = run_cli("validate", str(path))
    assert (outcome.code, outcome.err) == (1, "")
    (line,) = outcome.out.splitlines()
    assert line.startswith(f"{path}:1:")
    assert line.endswith(
        ": bottleneck.block.type: unknown block 'acme-unet/twice'; the spec needs acme-unet 1.2; run: pip install acme-unet"
    )


def test_a_missing_file_is_not_to_be_installed(plugin_file: Path) -> None:
    """A stranger could own that name on the package index."""
    file_registry = unetgen.load_registry([str(plugin_file)])
    resolved = unetgen.load_spec(SPEC, registry=file_registry, block="twice").resolved()
    sentence = spec_error(resolved)
    assert "pip install" not in sentence
    assert "--plugin" in sentence


def test_a_disabled_plugin_is_not_to_be_installed(plugin_site: PluginSite, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin_site.install("acme-unet")
    resolved = unetgen.load_spec(SPEC, registry=registry(), block="twice").resolved()
    monkeypatch.setenv(plugins.DISABLE_ENV_VAR, "acme-unet")
    sentence = spec_error(resolved)
    assert "pip install" not in sentence
    assert "UNETGEN_DISABLE_PLUGINS" in sentence


def test_weights_with_a_missing_plugin_name_it(plugin_site: PluginSite, tmp_path: Path) -> None:
    plugin_site.install("acme-unet")
    model = unetgen.build(SPEC, registry=registry(), seed=1, block="twice")
    unetgen.save(model, tmp_path / "net.safetensors")
    for item in plugin_site.folder.glob("acme*"):
        item.rename(tmp_path / item.name)
    with pytest.raises(SpecError) as error_info:
        unetgen.load(tmp_path / "net.safetensors", registry=registry())
    assert str(error_info.value).endswith("the spec needs acme-unet 1.2; run: pip install acme-unet")


def test_a_part_that_fails_while_reading_options_names_its_plugin(plugin_site: PluginSite) -> None:
    """Validators refuse by ValueError, which becomes a problem of the spec; anything else is a failure of the plugin."""
    check = "    @field_validator('kernel_size')\n    @classmethod\n    def check(cls, value):\n        return value / 0\n\n"
    source = EXAMPLE_PLUGIN.replace("    def emit", f"{check}    def emit").replace(
        "import unetgen\n", "from pydantic import field_validator\n\nimport unetgen\n", 1
    )
    plugin_site.install("acme-unet", source)
    with pytest.raises(PluginError) as failed:
        unetgen.load_spec(SPEC, registry=registry(), block={"type": "twice", "kernel_size": 5})
    assert str(failed.value) == (
        "block 'twice' of acme-unet 1.2 failed while reading its options: ZeroDivisionError: division by zero"
    )
    plugin_site.install("bob-unet", source.replace("value / 0", "int('no')").replace('"twice"', '"thrice"'))
    sentence = spec_error(SPEC, block={"type": "thrice", "kernel_size": 5})
    assert sentence == "override: block.kernel_size: invalid literal for int() with base 10: 'no'"


def test_a_failing_init_names_its_plugin(plugin_site: PluginSite) -> None:
    source = EXAMPLE_PLUGIN.replace("Block", "Init").replace(
        "def emit(self, g, x, channels)", "def rule(self, parameter)"
    )
    plugin_site.install("acme-unet", source)
    with pytest.raises(PluginError) as failed:
        unetgen.build(SPEC, registry=registry(), seed=1, init="twice")
    assert str(failed.value).startswith("init 'twice' of acme-unet 1.2 failed to initialise weights: NameError: ")


def test_parts_with_options_of_any_kind_are_listed(plugin_site: PluginSite, run_cli: RunCli) -> None:
    """Also those whose source cannot be read, and options that are words, lists and mappings."""
    options = (
        "    name: str = 'a'\n    table: dict[str, int] = {}\n    sizes: list[int] = Field([1], description='Some.')\n"
    )
    source = EXAMPLE_PLUGIN.replace("    kernel_size: int = 3\n", options).replace("self.kernel_size", "3")
    module = f"from pydantic import Field\nexec({source.replace('from __future__ import annotations', 'from pydantic import Field')!r})\n"
    plugin_site.install("acme-unet", module)
    outcome = run_cli("plugins", "--options", "block")
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line for line in outcome.out.splitlines() if line.startswith(("| `name`", "| `table`", "| `sizes`"))]
    assert rows == [
        "| `name` | text | `a` |  |", "| `table` | a mapping | `{}` |  |",
        "| `sizes` | a list of whole numbers | `[1]` | Some. |",
    ]  # fmt: skip


# What a stranger's part draws

DRAW = """\
from typing import ClassVar
import unetgen
from unetgen.graph.part_types import {kind}

class Odd({kind}):
    type: ClassVar[str] = "odd"

    def emit(self, g, x, {arguments}):
        {body}

@unetgen.hookimpl
def unetgen_parts():
    return [Odd]
"""

LOST_SKIP = """\
from unetgen.graph.part_types import Maps
        with g.scope("0"):
            up = g.interpolate(x, 2, "nearest", name="up")
        return Maps([up, x], [up])"""


@pytest.mark.parametrize(
    ("kind", "arguments", "body", "sentence"),
    [
        (
            "Block",
            "channels",
            "g.conv(x, 3, 1, name='lost'); return g.conv(x, channels, 1, name='conv')",
            "encoder.0.lost is not on a path to an output; this is a bug in the part that added it",
        ),
        (
            "Block",
            "channels",
            "return g.add(g.conv(x, channels, 1, name='conv'), g.conv(x, 1, 1, name='few'))",
            "the inputs of encoder.0.add have 4 and 1 channels; this is a bug in the part that added it",
        ),
        (
            "Decoder",
            "features, levels",
            LOST_SKIP,
            "the skip of level 0 is not used by the decoder; remove it: levels: {0: {skip: none}}",
        ),
        (
            "Head",
            "channels",
            "return g.conv(x, 7, 1, name='conv')",
            "the head has 7 output channels instead of 2; this is a bug in the part that added it",
        ),
    ],
)
def test_an_invalid_emission_is_rejected(
    plugin_site: PluginSite, kind: str, arguments: str, body: str, sentence: str
) -> None:
    plugin_site.install("acme-unet", DRAW.format(kind=kind, arguments=arguments, body=body))
    with pytest.raises(SpecError) as error_info:
        unetgen.graph_of(SPEC, registry=registry(), **{kind.lower(): "odd"})
    assert any(str(problem).endswith(sentence) for problem in error_info.value.problems), str(error_info.value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "g.conv(x, 3, 1, name='conv'); return g.conv(x, channels, 1, name='conv')",
            "two ops have the path 'encoder.0.conv'; rename one of them",
        ),
        (
            "return g.conv(x, channels, 1, name='train')",
            "the name 'train' is reserved by torch.nn.Module; rename the op or scope",
        ),
        (
            "with g.scope('type'): return g.conv(x, channels, 1, name='conv')",
            "the name 'type' is reserved by torch.nn.Module; rename the op or scope",
        ),
    ],
)
def test_an_emission_with_invalid_names_is_a_plugin_error(plugin_site: PluginSite, body: str, sentence: str) -> None:
    plugin_site.install("acme-unet", DRAW.format(kind="Block", arguments="channels", body=body))
    with pytest.raises(PluginError) as failed:
        unetgen.graph_of(SPEC, registry=registry(), block="odd")
    assert str(failed.value).endswith(sentence)


def test_a_part_that_reads_the_size_fixes_it(plugin_site: PluginSite) -> None:
    body = "assert x.size; return g.conv(x, channels, 1, name='conv')"
    plugin_site.install("acme-unet", DRAW.format(kind="Block", arguments="channels", body=body))
    graph = unetgen.graph_of(SPEC, registry=registry(), block="odd", input_size=[8, 12])
    assert [str(fit) for fit in graph.fits] == ["n = 8", "n = 12"]
