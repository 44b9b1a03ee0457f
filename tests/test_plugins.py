"""Parts by strangers: they come in by entry point, module or file, and a broken one harms nobody but who needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

import unetgen
from unetgen.config.registry import Entry, Provider, Registry
from unetgen.errors import PluginError, SpecError
from unetgen.plugins import load_registry

# A whole plugin: one block, with an option.
WIDE = '''
from typing import ClassVar
import unetgen
from unetgen.config.part import Count
from unetgen.graph.kinds import Block


class {name}(Block):
    """A 1x1 convolution, repeated."""

    type: ClassVar[str] = "{type}"
    times: Count = 1

    def emit(self, g, x, channels):
        for number in range(self.times):
            x = g.conv(x, channels, 1, name=f"conv{{number}}")
        return x


@unetgen.hookimpl
def unetgen_parts():
    return [{name}]
'''
GOOD = WIDE.format(name="Wide", type="wide")
SPEC = "schema_version: 1\nin_channels: 1\nout_channels: 2\nwidths: [2, 4]\nskip: {align: strict}\n"


def install(site: Path, distribution: str, source: str, version: str = "1.2") -> None:
    """A distribution with one plugin module, as an installer leaves it."""
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[unetgen]\n{distribution} = {module}\n")


def run(site: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(site), **environment}
    command = [sys.executable, "-m", "unetgen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC + "block: {type: wide, times: 2}\n")
    return path


# The ways in


def test_a_file_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_blocks.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    registry = load_registry(["my_blocks.py"])
    model = unetgen.build(SPEC + "block: wide\n", registry=registry)
    assert "encoder.0.conv0.weight" in model.state_dict()
    assert model.spec.plugins == ("my_blocks",)


def test_a_file_on_the_command_line(tmp_path: Path, spec: Path) -> None:
    (tmp_path / "my_blocks.py").write_text(GOOD)
    done = run(tmp_path, "inspect", str(spec), "--nodes", "--plugin", str(tmp_path / "my_blocks.py"))
    assert done.returncode == 0, done.stderr
    assert "encoder.0.conv1" in done.stdout


def test_a_module_by_name(tmp_path: Path, spec: Path) -> None:
    (tmp_path / "acme_blocks.py").write_text(GOOD)
    assert run(tmp_path, "validate", str(spec), "--plugin", "acme_blocks").returncode == 0


def test_an_installed_distribution(tmp_path: Path, spec: Path) -> None:
    install(tmp_path, "acme-unet", GOOD)
    done = run(tmp_path, "show", str(spec), "--format", "json")
    assert done.returncode == 0, done.stderr
    assert '"plugins": [\n    "acme-unet 1.2"\n  ]' in done.stdout
    spec.write_text(SPEC + "block: {type: acme-unet/wide}\n")
    assert run(tmp_path, "validate", str(spec)).returncode == 0
    assert "acme-unet 1.2" in run(tmp_path, "plugins").stdout


def test_installed_plugins_import_no_torch(tmp_path: Path, spec: Path) -> None:
    install(tmp_path, "acme-unet", GOOD)
    code = "import sys, unetgen; unetgen.graph_of(sys.argv[1]); assert 'torch' not in sys.modules"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code, str(spec)], env=env, check=True)


def test_options_of_a_plugin_get_the_same_errors(tmp_path: Path, spec: Path) -> None:
    install(tmp_path, "acme-unet", GOOD)
    spec.write_text(SPEC + "block: {type: wide, tims: 2}\n")
    done = run(tmp_path, "validate", str(spec))
    assert done.stdout == f"{spec}:6:21: block.tims: unknown option of block 'wide'; did you mean 'times'?\n"


def test_a_near_miss_names_the_plugins_part(tmp_path: Path, spec: Path) -> None:
    install(tmp_path, "acme-unet", GOOD)
    spec.write_text(SPEC + "block: wode\n")
    done = run(tmp_path, "validate", str(spec))
    assert "unknown block 'wode'; did you mean 'wide'? Blocks are conv, residual, wide" in done.stdout


# Broken ones

BROKEN = {
    "import": ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    "syntax": ("def (:", "SyntaxError: invalid syntax"),
    "exit": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "misspelt": ("import unetgen\n@unetgen.hookimpl\ndef unetgen_part(): return []", "PluginValidationError: unknown hook 'unetgen_part'"),
    "argument": ("import unetgen\n@unetgen.hookimpl\ndef unetgen_parts(path): return []", "PluginValidationError: Plugin 'acme-unet' for hook 'unetgen_parts'"),
    "no part": ("import unetgen\n@unetgen.hookimpl\ndef unetgen_parts(): return [int]", "TypeError: int is not a Part; subclass one of the kinds in unetgen.graph.kinds"),
    "careless": (GOOD.replace("    times:", "    model_config = {'extra': 'ignore'}\n    times:"), "TypeError: Wide accepts unknown options; leave extra='forbid' in its model_config"),
    "no type": (GOOD.replace('type: ClassVar[str] = "wide"', "pass"), "TypeError: Wide has no slot and type; subclass a kind such as Block and set type = 'my_name'"),
    "ours": ("import unetgen\nfrom unetgen.parts.blocks import Conv\n@unetgen.hookimpl\ndef unetgen_parts(): return [Conv]", "TypeError: Conv is one of unetgen's own parts; register a subclass with a name of its own"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_set_aside_with_one_line(tmp_path: Path, name: str) -> None:
    source, cause = BROKEN[name]
    install(tmp_path, "acme-unet", source)
    install(tmp_path, "other-unet", WIDE.format(name="Other", type="other"))
    done = run(tmp_path, "validate", "unet_paper")
    assert done.returncode == 0
    assert done.stdout == "unet_paper: valid\n"
    assert done.stderr.startswith(f"warning: plugin acme-unet 1.2 failed to load: {cause}")
    assert done.stderr.endswith("; uninstall it, or set UNETGEN_DISABLE_PLUGINS=acme-unet\n")
    assert len(done.stderr.splitlines()) == 1
    assert "other-unet 1.2" in run(tmp_path, "plugins").stdout


@pytest.mark.parametrize("said", ["block: acme-unet/wide\n", "block: wide\nplugins: [acme-unet 1.2]\n"])
def test_a_spec_that_needs_a_broken_plugin_is_3_with_the_cause(tmp_path: Path, spec: Path, said: str) -> None:
    install(tmp_path, "acme-unet", "import nowhere_at_all")
    spec.write_text(SPEC + said)
    done = run(tmp_path, "build", str(spec))
    assert done.returncode == 3
    assert "plugin acme-unet 1.2 failed to load: ModuleNotFoundError: No module named 'nowhere_at_all'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_given_by_hand_is_3(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("1 / 0")
    done = run(tmp_path, "validate", "unet_paper", "--plugin", str(path))
    assert done.returncode == 3
    assert done.stderr == f"plugin {path} failed to load: ZeroDivisionError: division by zero\n"
    with pytest.raises(
        PluginError, match=r"^plugin nowhere\.py failed to load: FileNotFoundError: there is no file .*nowhere\.py$"
    ):
        load_registry(["nowhere.py"])


def test_strict_raises_and_disable_skips(tmp_path: Path) -> None:
    install(tmp_path, "acme-unet", "import nowhere_at_all")
    strict = run(tmp_path, "--traceback", "validate", "unet_paper", UNETGEN_STRICT_PLUGINS="1")
    assert strict.returncode != 0
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'" in strict.stderr
    for off in ("acme-unet", "*", "x, acme-unet"):
        quiet = run(tmp_path, "validate", "unet_paper", UNETGEN_DISABLE_PLUGINS=off)
        assert (quiet.returncode, quiet.stderr) == (0, "")


def test_a_missing_plugin_is_named_with_what_to_install(tmp_path: Path, spec: Path) -> None:
    spec.write_text(SPEC + "block: wide\nplugins: [acme-unet 1.2]\n")
    done = run(tmp_path, "validate", str(spec))
    assert done.returncode == 1
    assert done.stdout == (
        f"{spec}:6:8: block: unknown block 'wide'; the spec needs acme-unet 1.2; run: pip install acme-unet\n"
    )


# Names


def entries(*named: tuple[str, type]) -> list[Entry]:
    return [Entry(part, Provider(name, "1.0")) for name, part in named]


def defined(source: str) -> dict[str, object]:
    """What a plugin's source defines."""
    scope: dict[str, object] = {}
    exec(compile(source, "plugin", "exec", dont_inherit=True), scope)  # noqa: S102  # the sources are above
    return scope


def part(type_: str) -> type:
    return defined(WIDE.format(name="Wide", type=type_))["Wide"]  # type: ignore[return-value]


def builtin() -> set[Entry]:
    return {e for names in load_registry().entries.values() for found in names.values() for e in found}


@pytest.mark.parametrize("turned", [False, True])
def test_two_distributions_with_one_name(turned: bool) -> None:
    """The same sentence in either order of installation; the full name always works."""
    ones = entries(("acme", part("wide")), ("best", part("wide")))
    registry = Registry.of([*builtin(), *(reversed(ones) if turned else ones)])
    sentence = r"^<text>:6:8: block: block 'wide' comes from acme 1\.0 and best 1\.0; write 'acme/wide' or 'best/wide'$"
    with pytest.raises(SpecError, match=sentence):
        unetgen.load_spec(SPEC + "block: wide\n", registry=registry)
    chosen = unetgen.load_spec(SPEC + "block: best/wide\n", registry=registry).bottleneck
    assert type(chosen) is next(e.part for e in ones if e.provider.name == "best")


def test_a_builtin_name_is_never_taken_over() -> None:
    from unetgen.parts.blocks import Conv

    theirs = part("conv")
    registry = Registry.of([*entries(("acme", theirs)), *builtin()])
    assert type(unetgen.load_spec(SPEC + "block: conv\n", registry=registry).bottleneck) is Conv
    assert type(unetgen.load_spec(SPEC + "block: acme/conv\n", registry=registry).bottleneck) is theirs


def test_the_same_part_twice_is_harmless() -> None:
    one = part("wide")
    registry = Registry.of([*builtin(), *entries(("acme", one), ("acme", one))])
    assert unetgen.load_spec(SPEC + "block: wide\n", registry=registry).bottleneck.describe() == {
        "type": "wide",
        "times": 1,
    }


def test_a_plugins_part_keeps_its_options_through_the_resolved_form() -> None:
    registry = Registry.of([*builtin(), *entries(("acme", part("wide")))])
    spec = unetgen.load_spec(SPEC + "block: {type: wide, times: 3}\n", registry=registry)
    again = unetgen.load_spec(spec.resolved(), registry=registry)
    assert (again.hash, again.bottleneck.times) == (spec.hash, 3)


# What a drawing must be


LOOP = """        for number in range(self.times):
            x = g.conv(x, channels, 1, name=f"conv{{number}}")
        return x"""


def drawn(body: str, slot: str = "Block", arguments: str = "x, channels") -> None:
    """A spec whose one foreign part draws as the body says."""
    source = WIDE.replace(LOOP, body).format(name="Odd", type="odd").replace("Block", slot)
    odd = defined(source.replace("x, channels)", f"{arguments})", 1))["Odd"]
    registry = Registry.of([*builtin(), *entries(("acme", odd))])  # type: ignore[arg-type]
    unetgen.graph_of(SPEC + f"{slot.lower()}: odd\n", registry=registry)


def test_a_layer_on_no_path_to_the_output_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"encoder\.0\.lost is on no path to the output; this is a fault of the part that drew it"
    ):
        drawn("        g.conv(x, channels, 1, name='lost')\n        return g.conv(x, channels, 1, name='conv')")


def test_a_decoder_that_loses_a_skip_is_refused() -> None:
    body = "        for i in (0,):\n            with g.scope('0'):\n                x = g.interpolate(x, 2, 'nearest', name='up')\n        return x"
    with pytest.raises(
        SpecError, match=r"the skip of level 0 reaches no decoder node; drop it: levels: \{0: \{skip: none\}\}"
    ):
        drawn(body, "Decoder", "x, features, levels")


def test_a_head_with_other_channels_is_refused() -> None:
    with pytest.raises(SpecError, match=r"the head makes 7 channels of 2; this is a fault of the part that drew it"):
        drawn("        return g.conv(x, 7, 1, name='conv')", "Head")


def test_a_part_that_asks_for_the_size_binds_the_network_to_it() -> None:
    curious = defined(GOOD.replace("for number", "assert x.size\n        for number"))["Wide"]
    registry = Registry.of([*builtin(), *entries(("acme", curious))])  # type: ignore[arg-type]
    graph = unetgen.graph_of(SPEC + "block: wide\ninput_size: [8, 12]\n", registry=registry)
    assert [str(fit) for fit in graph.fits] == ["n = 8", "n = 12"]
