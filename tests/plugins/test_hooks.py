"""The hooks of plugins other than parts, plugin discovery, and versions of the plugin API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from support.plugin_site import EXAMPLE_PLUGIN, PluginSite
from unetgen import hookspecs, plugins
from unetgen.authoring import Block, Builder, Value
from unetgen.errors import FormatError, PluginError, SpecError

pytestmark = pytest.mark.usefixtures("isolated_plugins")

SPEC: dict[str, Any] = {"schema_version": 1, "in_channels": 1, "out_channels": 2, "widths": [4, 8]}

HOOK = """\
from pathlib import Path
import unetgen

@unetgen.hookimpl
def unetgen_{name}({arguments}):
    {body}
"""


def hook(name: str, body: str, arguments: str = "") -> str:
    return HOOK.format(name=name, body=body, arguments=arguments)


# When they are imported


@pytest.mark.parametrize("command", ["validate", "show"])
def test_a_spec_of_built_in_parts_imports_no_plugin(plugin_site: PluginSite, run_cli: RunCli, command: str) -> None:
    plugin_site.install("acme-unet", "raise SystemExit(9)")
    outcome = run_cli(command, "unet_paper")
    assert (outcome.code, outcome.err) == (0, "")
    assert "acme_unet" not in sys.modules


def test_a_qualified_name_imports_only_that_distribution(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet")
    plugin_site.install("bob-unet", "raise SystemExit(9)")
    registry = unetgen.load_registry()
    assert unetgen.load_spec(SPEC, registry=registry, block="acme-unet/twice").plugins == ("acme-unet 1.2",)
    assert "bob_unet" not in sys.modules
    assert registry.failures == ()


def test_an_unknown_name_is_attributed_to_a_broken_plugin(plugin_site: PluginSite) -> None:
    """Demand A30, for a spec that names its block and no plugin."""
    plugin_site.install("acme-unet", "import nowhere")
    with pytest.raises(PluginError) as failed:
        unetgen.load_spec(SPEC, block="twice")
    first, second = str(failed.value).splitlines()
    assert first.startswith("override: block: unknown block 'twice'; blocks are ")
    assert second == "plugin acme-unet 1.2 failed to load: ModuleNotFoundError: No module named 'nowhere'"


def test_build_loads_every_plugin_and_warns_of_failures(plugin_site: PluginSite, run_cli: RunCli) -> None:
    """Demand A29: others are loaded all the same."""
    plugin_site.install("acme-unet", "import sys; sys.exit(3)")
    plugin_site.install("bob-unet", hook("advice", "return 'Wear a hat.'", "spec, graph"), "0.1")
    outcome = run_cli("build", "unet_paper")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == "advice           Wear a hat. (bob-unet 0.1)"
    assert outcome.err == (
        "warning: plugin acme-unet 1.2 failed to load: SystemExit: 3; "
        "uninstall it, or set UNETGEN_DISABLE_PLUGINS=acme-unet\n"
    )


# Where they are looked for


def test_the_nearest_pyproject_names_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_plugins: None
) -> None:
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks/mine.py").write_text(EXAMPLE_PLUGIN)
    (tmp_path / "pyproject.toml").write_text('[tool.unetgen]\nplugins = ["blocks/mine.py"]\n')
    (tmp_path / "deep/down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/down")
    model = unetgen.build(SPEC, seed=1, block="twice")
    assert model.spec.plugins == (f"mine {provider_version(tmp_path / 'blocks/mine.py')}",)
    monkeypatch.setenv(plugins.DISABLE_ENV_VAR, "*")
    with pytest.raises(SpecError):
        unetgen.load_spec(SPEC, block="twice")


def provider_version(file: Path) -> str:
    import hashlib

    return "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool.unetgen]\nplugins = 3\n", "[tool.unetgen] plugins must be a list of files and modules; write [\"a.py\"]"),
        ("[tool.unetgen\n", "invalid TOML: Expected ']' at the end of a table declaration (at line 1, column 14); correct it"),
    ],
)  # fmt: skip
def test_an_invalid_pyproject_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert unetgen.load_spec(SPEC).plugins == ()
    with pytest.raises(PluginError) as error_info:
        unetgen.load_spec(SPEC, block="twice")
    assert str(error_info.value) == f"{tmp_path / 'pyproject.toml'}: {sentence}"


def test_a_pyprojects_broken_file_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("import nowhere")
    (tmp_path / "pyproject.toml").write_text('[tool.unetgen]\nplugins = ["mine.py"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "unetgen", "inspect", "unet_1d"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == (
        f"warning: plugin {tmp_path / 'mine.py'} failed to load: ModuleNotFoundError: No module named 'nowhere'; "
        "correct it, or set UNETGEN_DISABLE_PLUGINS=mine\n"
    )


def test_the_newest_class_of_a_notebook_is_used() -> None:
    """Demand A35: a cell that is run twice is no collision; nothing is registered for good."""

    def cell(width: int) -> type[Block]:
        class Mine(Block):
            type: ClassVar[str] = "mine"

            def emit(self, g: Builder, x: Value, channels: int) -> Value:
                return g.conv(x, channels, width, padding="zeros", name="conv")

        return Mine

    kernels = []
    for width in (3, 5):
        model = unetgen.build(SPEC, registry=unetgen.load_registry([cell(width)]), seed=1, block="mine")
        kernels.append(tuple(model.get_submodule("bottleneck.conv").kernel_size))
    assert kernels == [(3, 3), (5, 5)]


def test_a_files_version_is_its_content_hash(tmp_path: Path) -> None:
    """Two folders, one content: one plugin. Another content: a notice for whoever wrote the spec with the first."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(EXAMPLE_PLUGIN)
    both = unetgen.load_registry([str(tmp_path / "one/mine.py"), str(tmp_path / "two/mine.py")])
    spec = unetgen.load_spec(SPEC, registry=both, block="twice")
    (tmp_path / "two/mine.py").write_text(EXAMPLE_PLUGIN + "\n# better\n")
    other = unetgen.load_registry([str(tmp_path / "two/mine.py")])
    later = unetgen.load_spec(spec.resolved(), registry=other)
    was, now = (provider_version(tmp_path / folder / "mine.py") for folder in ("one", "two"))
    assert later.notices == (f"the spec was written with mine {was}, but mine {now} is installed",)
    assert later.hash == spec.hash


def test_another_version_of_a_distribution_is_a_notice(
    plugin_site: PluginSite, run_cli: RunCli, tmp_path: Path
) -> None:
    plugin_site.install("acme-unet", version="1.3")
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**SPEC, "block": "twice", "plugins": ["acme-unet 1.2", "gone 2"]}))
    outcome = run_cli("validate", str(path))
    assert (outcome.code, outcome.out) == (0, f"{path}: valid\n")
    assert outcome.err == f"note: {path}: the spec was written with acme-unet 1.2, but acme-unet 1.3 is installed\n"


# Versions of the plugin API


@pytest.mark.parametrize(
    ("declared_version", "sentence"),
    [
        ("(2, 0)", "the plugin requires plugin API 2.0, but unetgen {version} has {api}; upgrade unetgen"),
        ("(1, 99)", "the plugin requires plugin API 1.99, but unetgen {version} has {api}; upgrade unetgen"),
        ("(0, 9)", "the plugin requires plugin API 0.9, but unetgen {version} has {api}; upgrade acme-unet"),
        ("'1'", "unetgen_api must be two integers, not '1'; write for example (1, 0)"),
    ],
)
def test_a_plugin_of_another_api_version_names_the_upgrade(
    plugin_site: PluginSite, declared_version: str, sentence: str
) -> None:
    """Demand A37."""
    plugin_site.install(
        "acme-unet",
        f"unetgen_api = {declared_version}\n{EXAMPLE_PLUGIN.replace('from __future__ import annotations', '')}",
    )
    registry = unetgen.load_registry()
    registry.load()
    (failure,) = registry.failures
    api = ".".join(map(str, hookspecs.API_VERSION))
    assert str(failure) == sentence.format(version=unetgen.__version__, api=api)


def test_a_plugin_of_this_api_loads(plugin_site: PluginSite) -> None:
    plugin_site.install(
        "acme-unet",
        f"unetgen_api = {hookspecs.API_VERSION}\n{EXAMPLE_PLUGIN.replace('from __future__ import annotations', '')}",
    )
    assert unetgen.load_spec(SPEC, block="twice").plugins == ("acme-unet 1.2",)


@pytest.fixture(scope="session")
def old_pluggy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pluggy 1.6, which keeps a plugin that it has rejected."""
    target = tmp_path_factory.mktemp("pluggy")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), "pluggy==1.6.0"]
    subprocess.run(command, check=True, capture_output=True)
    return target


@pytest.mark.parametrize("case", ["unetgen_partz():", "unetgen_parts(more):"])
def test_misspelt_hooks_are_rejected_with_older_pluggy_too(
    plugin_site: PluginSite, old_pluggy: Path, case: str
) -> None:
    """Demand A32; test_plugins has the same with the pluggy that is installed."""
    plugin_site.install("acme-unet", EXAMPLE_PLUGIN.replace("unetgen_parts():", case))
    code = (
        "import pluggy, unetgen; assert pluggy.__version__ == '1.6.0', pluggy.__version__\n"
        "registry = unetgen.load_registry(); registry.load()\n"
        "print(*registry.failures); assert registry.find('block', 'twice') is None"
    )
    env = {**os.environ, "PYTHONPATH": f"{old_pluggy}:{plugin_site.folder}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.startswith("PluginValidationError: ")
    assert ("unknown hook 'unetgen_partz'" in done.stdout) is ("partz" in case)


# Specs


@pytest.fixture
def with_specs(plugin_site: PluginSite) -> PluginSite:
    plugin_site.install("acme-unet", hook("specs", "return Path(__file__).parent / 'acme_specs'"))
    folder = plugin_site.folder / "acme_specs"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(
        "schema_version: 1\nname: tiny\nin_channels: 1\nout_channels: 2\nwidths: [4, 8]\n"
    )
    return plugin_site


def test_a_plugins_spec_is_built_and_extended_by_its_name(
    with_specs: PluginSite, run_cli: RunCli, tmp_path: Path
) -> None:
    assert unetgen.load_spec("acme-unet/tiny").widths == (4, 8)
    mine = tmp_path / "mine.yaml"
    mine.write_text("schema_version: 1\nextends: acme-unet/tiny\nwidths: [4, 8, 16]\n")
    assert unetgen.load_spec(mine).depth == 2
    outcome = run_cli("show", "acme-unet/tiny", "--provenance")
    assert "acme-unet/tiny.yaml:5:9" in outcome.out
    row = next(line for line in run_cli("specs", "tiny").out.splitlines() if line.startswith("acme-unet/tiny "))
    assert row.split()[1:6] == ["1", "x", "64", "x", "64"]


def test_an_unknown_plugin_spec_lists_the_existing_ones(with_specs: PluginSite) -> None:
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec("acme-unet/tiney")
    assert str(error_info.value) == (
        "cannot read 'acme-unet/tiney': no such file, and no shipped spec of that name; did you mean 'acme-unet/tiny'?"
    )


def test_an_invalid_plugin_spec_is_a_warning_in_the_list(with_specs: PluginSite, run_cli: RunCli) -> None:
    (with_specs.folder / "acme_specs/wrong.yaml").write_text("schema_version: 1\nwidths: [4]\n")
    outcome = run_cli("specs", "tiny")
    assert outcome.code == 0
    assert outcome.err.startswith("warning: plugin acme-unet 1.2 failed to describe its spec 'acme-unet/wrong': ")


def test_a_folder_of_specs_must_exist(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", hook("specs", "return [Path('/nowhere')]"))
    registry = unetgen.load_registry()
    registry.load()
    assert (
        str(registry.failures[0])
        == "unetgen_specs() returned /nowhere, which is not a folder; ship the folder with the package"
    )


# Formats

WRITE = "def write(model, path):\n        path.write_text(' '.join(model.state_dict()))\n    return {'keys': write}"


def test_a_plugins_format_is_written_by_its_name_or_suffix(
    plugin_site: PluginSite, run_cli: RunCli, tmp_path: Path
) -> None:
    plugin_site.install("acme-unet", hook("formats", WRITE))
    for arguments in (["-o", str(tmp_path / "a.keys")], ["-o", str(tmp_path / "a.txt"), "--format", "acme-unet/keys"]):
        outcome = run_cli("export", "unet_1d", *arguments)
        assert (outcome.code, outcome.out, outcome.err) == (0, f"{arguments[1]}: written\n", "")
    assert (tmp_path / "a.keys").read_text() == (tmp_path / "a.txt").read_text()
    assert (tmp_path / "a.keys").read_text().startswith("encoder.0.conv1.weight ")


def test_the_built_in_format_is_the_weights_file(run_cli: RunCli, tmp_path: Path) -> None:
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    assert run_cli("export", "unet_1d", "-o", str(first), "--seed", "3").code == 0
    assert run_cli("export", str(first), "-o", str(second)).code == 0
    one, other, built = unetgen.load(first), unetgen.load(second), unetgen.build("unet_1d", seed=3)
    for a, b, c in zip(one.parameters(), other.parameters(), built.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-o", "a.keys"], 2, "a.keys: unknown format 'keys'; available formats: aoti, onnx, pt2, python, safetensors\n"),
        (["-o", "a.safetensor"], 2, "a.safetensor: unknown format 'safetensor'; did you mean 'safetensors'?\n"),
        (["-o", "nowhere/a.keys"], 2, "Error: Invalid value for '-o' / '--out': directory not found: nowhere; create it first\n"),
    ],
)  # fmt: skip
def test_an_unknown_format_is_rejected(run_cli: RunCli, arguments: list[str], code: int, sentence: str) -> None:
    outcome = run_cli("export", "unet_1d", *arguments)
    assert outcome.code == code
    assert outcome.err.endswith(sentence)
    assert not (ROOT / arguments[1]).exists()


def test_two_formats_of_one_name_need_qualified_names(plugin_site: PluginSite, tmp_path: Path) -> None:
    from unetgen.outputs.formats import collect_formats, export

    for name in ("acme-unet", "bob-unet"):
        plugin_site.install(name, hook("formats", WRITE))
    registry = unetgen.load_registry()
    assert sorted(collect_formats(registry)) == [
        "acme-unet/keys",
        "aoti",
        "bob-unet/keys",
        "onnx",
        "pt2",
        "python",
        "safetensors",
    ]
    with pytest.raises(FormatError):
        export(unetgen.build(SPEC, seed=1), tmp_path / "a", "keys", registry)


def test_a_failing_format_names_its_plugin(plugin_site: PluginSite, tmp_path: Path) -> None:
    from unetgen.outputs.formats import export

    plugin_site.install("acme-unet", hook("formats", "return {'keys': lambda model, path: 1 / 0}"))
    with pytest.raises(PluginError) as failed:
        export(unetgen.build(SPEC, seed=1), tmp_path / "a.keys", "keys", unetgen.load_registry())
    assert str(failed.value) == (
        f"{tmp_path / 'a.keys'}: format 'keys' of acme-unet 1.2 failed while writing: "
        "ZeroDivisionError: division by zero"
    )


def test_a_format_is_a_function(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", hook("formats", "return {'keys': 3}"))
    registry = unetgen.load_registry()
    registry.load()
    assert str(registry.failures[0]) == "format 'keys' is not a function; return a function (model, path)"


# Advice


def test_advice_is_printed_by_build_and_inspect(plugin_site: PluginSite, run_cli: RunCli) -> None:
    body = "yield f'{spec.name} has {len(graph.nodes)} nodes.'\n    yield 'That is many.'"
    plugin_site.install("acme-unet", hook("advice", body, "spec, graph"))
    lines = run_cli("inspect", "unet_1d").out.splitlines()
    count = len(unetgen.graph_of("unet_1d").nodes)
    assert lines[-2:] == [
        f"advice           unet_1d has {count} nodes. (acme-unet 1.2)",
        "advice           That is many. (acme-unet 1.2)",
    ]
    record = json.loads(run_cli("inspect", "unet_1d", "--format", "json").out)
    assert record["advice"][1] == {"provider": "acme-unet 1.2", "sentence": "That is many."}


@pytest.mark.parametrize("answer", ["None", "[]"])
def test_advice_may_be_none(plugin_site: PluginSite, run_cli: RunCli, answer: str) -> None:
    plugin_site.install("acme-unet", hook("advice", f"return {answer}", "graph"))
    outcome = run_cli("inspect", "unet_1d")
    assert "advice" not in outcome.out
    assert outcome.err == ""


def test_advice_that_fails_is_a_warning(plugin_site: PluginSite, run_cli: RunCli) -> None:
    plugin_site.install("acme-unet", hook("advice", "return 1 / 0", "spec"))
    outcome = run_cli("inspect", "unet_1d")
    assert outcome.code == 0
    assert outcome.err == (
        "warning: plugin acme-unet 1.2 failed to give advice: ZeroDivisionError: division by zero; "
        "uninstall it, or set UNETGEN_DISABLE_PLUGINS=acme-unet\n"
    )


# Transforms of the finished network

SPECTRAL = """\
from torch import nn
    for module in list(model.modules()):
        if isinstance(module, nn.Conv2d):
            nn.utils.parametrizations.spectral_norm(module)"""

QUANTISED = """\
import torch
    model.get_submodule("head.0.conv").weight.data.round_()
    return model"""


def test_a_transform_runs_if_the_spec_names_it(plugin_site: PluginSite, tmp_path: Path) -> None:
    """What happens to be installed changes no network; what the spec names is recorded, saved and loaded."""
    plugin_site.install("acme-norm", hook("model_built", SPECTRAL, "model"))
    plain = unetgen.build(SPEC, seed=1)
    assert not any("parametrizations" in key for key in plain.state_dict())
    normed = unetgen.build(SPEC, seed=1, model_built=["acme-norm"]).eval()
    assert "encoder.0.conv1.parametrizations.weight.original" in normed.state_dict()
    assert normed.spec.resolved()["model_built"] == ["acme-norm"]
    assert normed.spec.plugins == ("acme-norm 1.2",)
    assert normed.spec.hash != plain.spec.hash
    unetgen.save(normed, tmp_path / "net.safetensors")
    x = torch.randn(1, 1, 44, 44)
    assert torch.equal(unetgen.load(tmp_path / "net.safetensors")(x), normed(x))


def test_transforms_run_in_the_order_of_the_spec(plugin_site: PluginSite) -> None:
    for name, factor in (("acme-double", "2"), ("bob-square", "None")):
        body = f"weight = model.get_submodule('head.0.conv').weight.data\n    weight.mul_({factor} or weight)"
        plugin_site.install(name, hook("model_built", body, "model"))
    plain, one, other = (
        unetgen.build(SPEC, seed=1, model_built=names).get_submodule("head.0.conv").weight
        for names in ([], ["acme-double", "bob-square"], ["bob-square", "acme-double"])
    )
    assert torch.allclose(one, 4 * plain**2)
    assert torch.allclose(other, 2 * plain**2)


def test_a_transform_may_return_the_network(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-round", hook("model_built", QUANTISED, "model, spec"))
    weight = unetgen.build(SPEC, seed=1, model_built=["acme_round"]).get_submodule("head.0.conv").weight
    assert torch.equal(weight, weight.round())


def test_on_the_meta_device_nothing_is_transformed(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-fail", hook("model_built", "1 / 0", "model"))
    assert unetgen.build(SPEC, device="meta", model_built=["acme-fail"]).spec.model_built == ("acme-fail",)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("1 / 0", "plugin acme-norm 1.2 failed to transform the finished network: ZeroDivisionError: division by zero"),
        ("return 3", "unetgen_model_built of plugin acme-norm 1.2 returned a int; return the UNet, or None if it was changed in place"),
    ],
)  # fmt: skip
def test_a_failing_transform_names_its_plugin(plugin_site: PluginSite, body: str, sentence: str) -> None:
    plugin_site.install("acme-norm", hook("model_built", body, "model"))
    with pytest.raises(PluginError) as failed:
        unetgen.build(SPEC, seed=1, model_built=["acme-norm"])
    assert str(failed.value) == sentence


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["acme-norm"], "model_built[0]: plugin 'acme-norm' not found; run: pip install acme-norm, or pass its file with --plugin"),
        (["bob-unet"], "model_built[0]: plugin bob-unet 1.2 has no hook unetgen_model_built; delete 'bob-unet'"),
        ("bob-unet", "model_built: model_built must be a list of distributions; write [acme-lora]"),
    ],
)  # fmt: skip
def test_an_unknown_transform_is_rejected(plugin_site: PluginSite, names: Any, sentence: str) -> None:
    plugin_site.install("bob-unet")
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec({**SPEC, "model_built": names})
    assert str(error_info.value) == sentence


def test_a_transform_of_a_broken_plugin_is_that_plugins_failure(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-norm", "import nowhere")
    with pytest.raises(PluginError) as failed:
        unetgen.load_spec({**SPEC, "model_built": ["acme-norm"]})
    assert str(failed.value) == "plugin acme-norm 1.2 failed to load: ModuleNotFoundError: No module named 'nowhere'"


# Known plugins, and the list of what there is


def test_a_part_of_a_known_plugin_names_what_to_install() -> None:
    with pytest.raises(SpecError) as error_info:
        unetgen.load_spec(SPEC, encoder={"type": "timm", "name": "resnet18"})
    assert str(error_info.value) == (
        "override: encoder.type: unknown encoder 'timm', which unetgen-timm provides; run: pip install unetgen-timm"
    )


def test_the_list_shows_contributions_and_sources(with_specs: PluginSite, run_cli: RunCli) -> None:
    with_specs.install("bob-unet")
    record = json.loads(run_cli("plugins", "--format", "json").out)
    assert record["plugins"] == [
        {"provider": "acme-unet 1.2", "place": "entry point acme_unet = acme_unet", "gives": "1 spec"},
        {"provider": "bob-unet 1.2", "place": "entry point bob_unet = bob_unet", "gives": "1 part"},
    ]
    assert run_cli("plugins").out.splitlines()[-1].split() == [
        "bob-unet",
        "1.2",
        "entry",
        "point",
        "bob_unet",
        "=",
        "bob_unet",
        "1",
        "part",
    ]
