"""The JSON Schema for editors agrees with ``unetgen validate``, as far as a schema can."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import unetgen
from support.command_line import RunCli
from support.plugin_site import PluginSite
from unetgen.config.spec_sources import list_shipped_specs

HEAD = "schema_version: 1\nin_channels: 2\nout_channels: 2\n"
BASE = HEAD + "widths: [8, 16, 32]\n"
PADDED = BASE + "block: {padding: zeros}\n"
RESNET = HEAD + "encoder: resnet\ndecoder: {widths: [8, 8, 8, 8, 8]}\n"
EXTENDED = "extends: base.yaml\n"

# The spec that others extend.
UNDER = (
    BASE + "block: {type: stack, count: 2, block: {type: residual, padding: zeros}}\nheads: {mask: {kernel_size: 3}}\n"
)

ACME = '''\
"""A plugin with parts that are difficult to describe in a schema."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import core_schema

from unetgen.authoring import Block, In, Kernel, Norm, hookimpl
from unetgen.parts.layers.norms import Group, Layer


class Even:
    """An option that pydantic checks by a function and cannot describe."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_plain_validator_function(lambda value: value)


class Window(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    size: int = 3
    default: bool = False


class Twice(Block):
    """Two convolutions."""

    type: ClassVar[str] = "twice"

    kernel_size: Kernel = 3
    window: Window | None = None
    anything: Annotated[Any, Even] = None
    norm: Annotated[Norm, In("norm")] = Layer(eps=1e-3)

    def emit(self, g, x, channels):
        for number in (1, 2):
            x = g.conv(x, channels, self.kernel_size, name=f"conv{number}", padding="zeros")
        return x


class Needy(Twice):
    """A block with a required option."""

    type: ClassVar[str] = "needy"

    how: Literal["so", "so_so"]


class Ours(Twice):
    """A part whose short name is taken by a built-in one."""

    type: ClassVar[str] = "conv"


class Scaled(Group):
    """A norm."""

    type: ClassVar[str] = "scaled"


@hookimpl
def unetgen_parts():
    return [Twice, Needy, Ours, Scaled]


@hookimpl
def unetgen_model_built(model, spec):
    return model
'''

GOOD = {
    "as little as there can be": HEAD + "widths: [1, 2]\n",
    "every single value": PADDED + "dims: 2\nname: x\ndescription: y\nabout: {paper: p, reference: r, adds: a}\ndepth: 2\ninput_size: [16, 32]\n",
    "the key of editors": BASE + "$schema: unetgen.schema.json\n",
    "no size": BASE + "input_size: null\n",
    "widths that grow": HEAD + "depth: 3\nwidths: {base: 8, growth: 1.5, max: 16}\n",
    "checkpointing": BASE + "checkpointing: [encoder.0, decoder.0]\n",
    "a plugin that the network is given to": BASE + "model_built: [acme-unet]\n",
    "plugins of a resolved spec": BASE + "plugins: [acme-unet 1.2]\n",
    "names alone": BASE + "block: residual\ndownsample: avg_pool\nupsample: interpolate\nskip: add\nhead: conv\ninit: orthogonal\ninput: none\nencoder: plain\ndecoder: plain\n",
    "options without a type": BASE + "block: {repeats: 1}\ndownsample: {rounding: floor}\nupsample: {channels: 8}\nhead: {bias: false}\ninit: {mode: fan_out}\n",
    "an empty mapping": BASE + "block: {}\nskip: {}\nbottleneck: {}\nlevels: {}\n",
    "a number for a dropout": BASE + "block: {dropout: 0.5}\n",
    "a list for each axis": BASE + "dims: 3\nblock: {kernel_size: [3, 1, 3], padding: zeros, dilation: [1, 1, 2]}\ndownsample: {kernel_size: [2, 2, 1], stride: [2, 2, 1]}\nupsample: {kernel_size: [2, 2, 1], stride: [2, 2, 1]}\n",
    "words where numbers could be": BASE + "block: {mid_channels: half_output, padding: zeros, norm: {type: group, groups: channels}}\nupsample: {channels: half}\n",
    "an order": BASE + "block: {order: [norm, activation, conv], norm: batch}\n",
    "a whole number where any is taken": BASE + "init: {type: normal, mean: 1, std: 2}\n",
    "every option of a skip": PADDED + "skip: {tap: after_block, gate: additive, align: {type: resize, mode: nearest}, transform: {type: attention_gate, norm: none}, fusion: {type: concat, order: upsampled_first}, place: after_upsample}\n",
    "a skip through a block": PADDED + "skip: {transform: {type: through, block: {padding: zeros}, activation: {type: threshold, threshold: 0, value: -1}}}\n",
    "no skip": BASE + "skip: none\n",
    "a side without a type": BASE + "block: residual\ndecoder: {block: {shortcut: {kernel_size: 3}}}\n",
    "another type in a side": BASE + "block: residual\nbottleneck: {block: {type: conv, mid_channels: 4}}\ndecoder: {block: none}\n",
    "sides of levels": PADDED + "levels:\n  0: {skip: none, encoder: {block: {repeats: 1}}}\n  1: {block: {dropout: 0.1}, decoder: {upsample: interpolate, skip: add}}\n  2: {bottleneck: {block: {repeats: 3}}}\n",
    "a level over a side of another type": PADDED + "decoder: {block: residual}\nlevels: {0: {block: {bias: false}, decoder: {block: {first: conv}}}}\n",
    "a decoder with options and widths": PADDED + "decoder: {type: nested, columns: 1, widths: [8, 8], block: {repeats: 1}, skip: {fusion: concat}}\n",
    "a decoder with ways of its own": PADDED + "decoder: {type: full_scale, branch_width: 4, branch: {kernel_size: 1, padding: valid}, block: {repeats: 1}}\n",
    "an encoder with widths of its own": RESNET + "bottleneck: {block: none}\nblock: {padding: zeros}\n",
    "such an encoder with options": HEAD + "encoder: {type: resnet, layers: 18, norm: {type: batch, eps: 1e-3}}\ndecoder: {widths: [8, 8, 8, 8, 8]}\nblock: {padding: zeros}\n",
    "several heads": BASE + "heads: {mask: conv, größe: {type: conv, out_channels: 1}, kind: {type: classification, level: bottleneck, dropout: 0.5}}\n",
    "deep supervision": PADDED + "head: {type: deep_supervision, levels: [0, 1], resolution: full, fused: first, block: {padding: zeros}}\n",
    "an input that pads": PADDED + "input: {type: pad, mode: reflect, place: both}\n",
    "a sequence": PADDED + "bottleneck: {block: {type: sequence, blocks: [none, {padding: zeros}, {type: residual, padding: zeros}], widths: [32, 8, 8]}}\n",
    "blocks beside each other": PADDED + "bottleneck: {block: {type: parallel, branches: [acme-unet/twice, aspp], join: sum}}\n",
    "a stack of attended blocks": BASE + "block: {type: stack, count: 2, block: {type: attended, attention: {type: eca, kernel_size: 3}, block: {padding: zeros}}}\n",
    "a small U-Net": BASE + "block: {type: unet, depth: 1, mid_channels: 4, dilations: [1, 2], upsample: {align_corners: true}, fusion: {order: skip_first}}\n",
    "a default that lies below": BASE + "block: {type: convnext, norm: {eps: 1e-3}}\n",
    "a part of a plugin by its name": BASE + "block: {type: twice, kernel_size: [3, 5], window: {size: 5, default: true}}\nbottleneck: {block: acme-unet/twice}\n",
    "a plugin's part of a name of ours": BASE + "block: {type: acme-unet/conv, norm: {eps: 1e-2}, anything: [1, {a: b}]}\n",
    "a plugin's part inside ours": PADDED + "decoder: {block: {norm: {type: acme-unet/scaled, groups: 4}}}\nlevels: {0: {block: {norm: {type: scaled, group_size: 4}}}}\n",
    "a plugin's part with what it needs": BASE + "block: {type: needy, how: so}\nlevels: {0: {block: {how: so_so}}}\n",
    "laid over another spec": EXTENDED + "widths: [8, 16]\ndescription: less\n",
    "overlays on inherited types": EXTENDED + "block: {count: 1, block: {attention: se}}\nheads: {mask: {bias: false}}\nlevels: {0: {encoder: {block: {block: {repeats: 1}}}}}\n",
    "a type said again": EXTENDED + "block: {type: stack, block: {type: residual, repeats: 1}}\ndecoder: {block: {type: stack, count: 1}}\n",
    "growth of which some is inherited": "extends: growing.yaml\nwidths: {max: 16}\nin_channels: 1\n",
}  # fmt: skip

BAD = {
    "an unknown key": BASE + "optimizer: adam\n",
    "a key of a block": BASE + "norm: batch\n",
    "no channels": "widths: [8, 16, 32]\nin_channels: 2\n",
    "no widths": HEAD,
    "channels as text": BASE.replace("in_channels: 2", "in_channels: '2'"),
    "a fraction of a channel": BASE.replace("out_channels: 2", "out_channels: 2.5"),
    "a width of nothing": BASE.replace("[8, ", "[0, "),
    "one width": HEAD + "widths: [8]\n",
    "growth without a depth": HEAD + "widths: {base: 8}\n",
    "growth beyond its bound": HEAD + "depth: 2\nwidths: {base: 8, growth: 17}\n",
    "a newer language": BASE.replace("schema_version: 1", "schema_version: 2"),
    "four dimensions": BASE + "dims: 4\n",
    "an axis of nothing": BASE + "input_size: [0, 64]\n",
    "a depth beyond its bound": BASE + "depth: 13\n",
    "an unknown key about it": BASE + "about: {papr: x}\n",
    "checkpointing of a number": BASE + "checkpointing: [1]\n",
    "plugins without a name": BASE + "plugins: ['']\n",
    "a plugin to build with as text": BASE + "model_built: acme\n",
    "an unknown part": BASE + "block: convolution\n",
    "a part of another slot": BASE + "downsample: transposed_conv\n",
    "nothing for a part": BASE + "block:\n",
    "an unknown option": BASE + "block: {type: residual, kernel: 3}\n",
    "an option of another type": BASE + "block: {shortcut: projection}\n",
    "an option of a type that is not inherited": BASE + "block: {type: attended, block: {padding: zeros}}\ndecoder: {block: {repeats: 1}}\n",
    "an option of a type that no level inherits": BASE + "levels: {1: {encoder: {block: {shortcut: projection}}}}\n",
    "an unknown option of a level's skip": BASE + "levels: {0: {skip: {alignment: crop}}}\n",
    "a key that a side does not have": BASE + "bottleneck: {downsample: max_pool}\n",
    "a level by a name": BASE + "levels: {finest: {block: residual}}\n",
    "too large a kernel for one axis": BASE + "block: {kernel_size: [3, 256]}\n",
    "a rate of more than all": BASE + "block: {dropout: 1.5}\n",
    "a word that is none of the words": BASE + "levels: {0: {decoder: {upsample: {type: interpolate, mode: bilinear}}}}\n",
    "an order with a step twice": BASE + "block: {order: [conv, norm, conv], norm: batch}\n",
    "a fusion that is none": BASE + "skip: crop\n",
    "heads of a name that is none": BASE + "heads: {my-mask: conv}\n",
    "heads of a name that modules have": BASE + "heads: {train: conv}\n",
    "a head beside heads": BASE + "head: conv\nheads: {mask: conv}\n",
    "an encoder's option of another type": BASE + "encoder: {type: plain, layers: 34}\n",
    "no widths beside an encoder of its own": HEAD + "encoder: {type: resnet, layers: 18}\n",
    "a stack without a count": BASE + "bottleneck: {block: {type: stack}}\n",
    "a mistake in a list of blocks": EXTENDED + "block: {type: sequence, blocks: [none, {norm: {eps: 0.1}}]}\n",
    "a plugin's part without what it needs": BASE + "block: acme-unet/needy\n",
    "an unknown option of a plugin's part": BASE + "levels: {0: {block: {type: twice, kernel: 3}}}\n",
    "an unknown option inside a plugin's option": BASE + "block: {type: twice, window: {width: 3}}\n",
    "a plugin's part of a plugin that has it not": BASE + "block: acme/twice\n",
}  # fmt: skip


def write_specs(folder: Path, specs: dict[str, str], ending: str = "yaml") -> list[str]:
    """Write each spec to a file and return the file names, by which both tools report them."""
    names = {name: f"{name.replace(' ', '_')}.{ending}" for name in specs}
    for name, file in names.items():
        (folder / file).write_text(specs[name], encoding="utf-8")
    return list(names.values())


def validate_by_schema(schema: Path, files: Iterable[str]) -> dict[str, bool]:
    """Return whether the schema accepts each file."""
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema), "-o", "json", *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=schema.parent, check=False)
    assert done.stdout, done.stderr
    record = json.loads(done.stdout)
    assert not record.get("parse_errors")
    refused = {error["filename"] for error in record["errors"]}
    return {file: file not in refused for file in files}


@pytest.fixture
def schema(run_cli: RunCli, tmp_path: Path) -> Path:
    """Write the schema of all installed parts to a file."""
    file = tmp_path / "unetgen.schema.json"
    assert run_cli("schema", "-o", str(file)).code == 0
    return file


@pytest.fixture
def acme(plugin_site: PluginSite) -> None:
    plugin_site.install("acme-unet", ACME)


def test_schema_and_validate_agree(acme: None, schema: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = schema.parent
    write_specs(folder, {"base": UNDER, "growing": HEAD + "depth: 2\nwidths: {base: 8}\n"})
    expected = dict.fromkeys(write_specs(folder, GOOD), True) | dict.fromkeys(write_specs(folder, BAD), False)
    assert len(expected) == len(GOOD) + len(BAD) >= 80
    monkeypatch.chdir(folder)
    outcome = json.loads(run_cli("validate", *expected, "--format", "json").out)
    assert {row["spec"]: row["valid"] for row in outcome} == expected, [row for row in outcome if row["problems"]]
    assert validate_by_schema(schema, expected) == expected


def test_every_shipped_spec_and_its_resolved_form_are_valid(schema: Path) -> None:
    resolved = {f"{name} resolved": json.dumps(unetgen.load_spec(name).resolved()) for name in list_shipped_specs()}
    expected = [*write_specs(schema.parent, resolved, "json"), *map(str, list_shipped_specs().values())]
    assert validate_by_schema(schema, expected) == dict.fromkeys(expected, True)


def test_names_are_suggested_short_ones_first_and_only_if_sufficient(acme: None, schema: Path) -> None:
    slots = json.loads(schema.read_text())["$defs"]
    whole, overlay = (slots[name]["anyOf"][0]["enum"] for name in ("block", "block_overlay"))
    assert whole[-2:] == ["acme-unet/conv", "acme-unet/twice"]
    assert {"stack", "needy", "acme-unet/needy"} == {name for name in overlay if name.endswith(("stack", "needy"))}
    assert not {"stack", "needy", "acme-unet/needy"} & set(whole)
