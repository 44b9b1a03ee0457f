"""Every refusal, word for word. The golden file is what people read: change it with --update-golden, and read the diff."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import unetgen
from support.paths import ROOT
from unetgen.errors import SpecError

BASE = "schema_version: 1\nin_channels: 1\nout_channels: 2\nwidths: [12, 24, 48]\n"
PADDED = BASE + "block: {padding: zeros}\n"

INVALID_SPECS = {
    # YAML itself
    "empty": "",
    "only a comment": "# nothing\n",
    "a list": "- 1\n- 2\n",
    "a word": "hello: there\nhello\n",
    "not YAML": "block: {type: conv\n",
    "a tab": "block:\n\ttype: conv\n",
    "two documents": BASE + "---\n" + BASE,
    "duplicate key": BASE + "decoder: {widths: [1, 2]}\nhead: conv\ndecoder: {}\n",
    "tag": BASE + 'name: !!python/object/apply:os.system ["id"]\n',
    "alias of nothing": BASE + "block: *x\n",
    "merge of a number": BASE + "block: {<<: 3}\n",
    "key that is a list": BASE + "? [a]\n: 1\n",
    "huge number": BASE.replace("12", "1" * 400),
    "huge hexadecimal": BASE.replace("12", "0x" + "f" * 400),
    "alias bomb": "a: &a [1]\n" + "".join(f"b{i}: &b{i} [{', '.join([f'*{p}'] * 9)}]\n" for i, p in enumerate(["a", *(f"b{j}" for j in range(12))])),
    "too deep": BASE + "block: " + "[" * 60 + "]" * 60 + "\n",
    # keys
    "unknown key": BASE.replace("widths", "wdiths"),
    "key of a block at the top": BASE + "norm: batch\n",
    "key of a skip at the top": BASE + "fusion: add\n",
    "unknown key of nowhere": BASE + "optimizer: adam\n",
    "missing keys": "schema_version: 1\nwidths: [1, 2]\n",
    "newer language": BASE.replace("1", "99", 1),
    "version as text": BASE.replace("schema_version: 1", "schema_version: '1'"),
    "name as number": BASE + "name: 3\n",
    "dims": BASE + "dims: 4\n",
    "channels as a truth": BASE.replace("in_channels: 1", "in_channels: true"),
    "channels as text": BASE.replace("in_channels: 1", "in_channels: '3'"),
    "channels as a float": BASE.replace("in_channels: 1", "in_channels: 4.0"),
    "channels as a tuple": BASE.replace("out_channels: 2", "out_channels: (2, 2)"),
    "channels with a comma": BASE.replace("out_channels: 2", "out_channels: 2,"),
    "no channels": BASE.replace("out_channels: 2", "out_channels: 0"),
    "input size": BASE + "input_size: [64]\n",
    "input size of text": BASE + "input_size: [64, x]\n",
    "input size as a number": BASE + "input_size: 64\n",
    "input size of nothing": BASE + "input_size: [0, 64]\n",
    "plugins": BASE + "plugins: acme\n",
    # depth and widths
    "depth and widths": BASE.replace("widths: [12, 24, 48]", "depth: 5\nwidths: [64, 128, 256, 512]"),
    "depth as a truth": BASE + "depth: true\n",
    "depth as text": BASE + "depth: '4'\n",
    "depth as a float": BASE + "depth: 4.0\n",
    "depth as a list": BASE + "depth: [4]\n",
    "depth of nothing": BASE + "depth: 0\n",
    "widths of floats": BASE.replace("12", "64.0"),
    "widths of zero and less": BASE.replace("[12, 24", "[0, -8"),
    "widths of lists": BASE.replace("[12, 24", "[[12], 24"),
    "one width": BASE.replace("[12, 24, 48]", "[12]"),
    "widths as a number": BASE.replace("[12, 24, 48]", "12"),
    "no widths": BASE.replace("widths: [12, 24, 48]\n", ""),
    "growth without depth": BASE.replace("[12, 24, 48]", "{base: 12}"),
    "growth to a fraction": BASE.replace("[12, 24, 48]", "{base: 3, growth: 1.5}\ndepth: 2"),
    "growth without base": BASE.replace("[12, 24, 48]", "{growth: 2}\ndepth: 2"),
    "decoder widths": BASE + "decoder: {widths: [1, 2, 3]}\n",
    "decoder widths as a number": BASE + "decoder: {widths: 3}\n",
    # parts
    "unknown option": BASE + "decoder:\n  block:\n    type: conv\n    nrom: batch\n",
    "unknown option of nothing like it": BASE + "downsample: {type: max_pool, colour: red}\n",
    "unknown option inside": BASE + "block: {norm: {type: batch, esp: 1.0e-3}}\n",
    "unknown type": BASE + "block: {norm: {type: goup}}\n",
    "type of another slot": BASE + "upsample: {type: concat}\n",
    "type of another slot by name": BASE + "skip: max_pool\n",
    "a path as type": BASE + "block: {type: os.system}\n",
    "code as a name": BASE + "block: {activation: \"__import__('os')\"}\n",
    "type that is no name": BASE + "block: {type: 3}\n",
    "part as a list": BASE + "block: [conv]\n",
    "part as nothing": BASE + "block: {norm: null}\n",
    "part switched off": BASE + "block: {norm: false}\n",
    "norm no": BASE + "block: {norm: no}\n",
    "norm off": BASE + "block: {norm: off}\n",
    "norm None": BASE + "block: {norm: None}\n",
    "kernel as a tuple": BASE + "block: {kernel_size: '(3, 3)'}\n",
    "kernel as a tuple in a list": BASE + "block: {kernel_size: [(3, 3)]}\n",
    "kernel with a comma": BASE + "block:\n  kernel_size: 3,\n",
    "kernel for the wrong axes": BASE + "block: {kernel_size: [3, 3, 3]}\n",
    "kernel of nothing": BASE + "block: {kernel_size: 0}\n",
    "kernel as a float": BASE + "block: {kernel_size: 3.0}\n",
    "kernel as a truth": BASE + "block: {kernel_size: [true, 3]}\n",
    "padding": BASE + "block: {padding: sam}\n",
    "rate that is no number": BASE + "block: {dropout: .nan}\n",
    "rate of one": BASE + "block: {dropout: 1}\n",
    "rate missing": BASE + "block: {dropout: element}\n",
    "eps as text": BASE + "block: {norm: {type: batch, eps: tiny}}\n",
    "eps of nothing": BASE + "block: {norm: {type: batch, eps: 0.0}}\n",
    "bias as text": BASE + "block: {bias: no}\n",
    "too many repeats": BASE + "block: {repeats: 1000000}\n",
    "order twice": BASE + "block: {order: [conv, conv]}\n",
    "order without conv": BASE + "block: {order: [norm]}\n",
    "order of too many": BASE + "block: {order: [conv, norm, activation, dropout, conv]}\n",
    "order as text": BASE + "block: {order: conv}\n",
    "mode": BASE + "upsample: {type: interpolate, mode: bilinear}\n",
    "bounds": BASE + "block: {activation: {type: hardtanh, min_val: 1.0, max_val: 0.0}}\n",
    "slopes": BASE + "block: {activation: {type: rrelu, lower: 0.5, upper: 0.1}}\n",
    "shuffle by one": BASE + "upsample: {type: pixel_shuffle, factor: 1}\n",
    # what would have no effect
    "idle padding mode": BASE + "block: {kernel_size: 1, padding: reflect}\n",
    "idle align_corners": BASE + "upsample: {type: interpolate, mode: nearest, align_corners: true}\n",
    "idle projection": BASE + "upsample: {type: interpolate, projection: none, kernel_size: 3}\n",
    "idle norm": BASE + "block: {norm: batch, order: [conv, activation]}\n",
    "idle momentum": BASE + "block: {norm: {type: instance, momentum: 0.2}}\n",
    "idle place": BASE + "block: {repeats: 1, dropout: {type: element, rate: 0.5, place: every}}\n",
    "idle middle": BASE + "block: {repeats: 1, mid_channels: 3}\n",
    "idle slope": BASE + "init: {type: he_normal, negative_slope: 0.1}\n",
    "idle border": BASE + "downsample: {type: conv, kernel_size: 2, padding: reflect}\n",
    "idle align": BASE + "skip: {align: pad, fusion: none}\n",
    "idle slot in a side": BASE + "bottleneck: {downsample: max_pool}\n",
    "idle option of an encoder": BASE + "encoder: {upsample: interpolate}\n",
    "idle slot at the bottom": BASE + "levels: {2: {upsample: interpolate}}\n",
    "idle resize corners": BASE + "skip: {align: {type: resize, align_corners: true}}\n",
    "idle slot in a decoder": BASE + "decoder: {downsample: max_pool}\n",
    # sides, levels, skips
    "block whose body is not indented": BASE + "block:\ntype: conv\n",
    "side whose body is not indented": BASE + "decoder:\nhead: conv\n",
    "bottleneck whose body is not indented": BASE + "bottleneck:\nblock: conv\n",
    "levels whose body is not indented": BASE + "levels:\n",
    "no such level": BASE + "levels: {3: {block: conv}}\n",
    "level by two digits": BASE + "levels: {00: {block: conv}}\n",
    "level key": BASE + "levels: {0: {blok: conv}}\n",
    "level as a name": BASE + "levels: {0: conv}\n",
    "levels as a list": BASE + "levels: [conv]\n",
    "side as a list": BASE + "bottleneck: [conv]\n",
    "side in a level as a name": BASE + "levels: {0: {encoder: conv}}\n",
    "skip as a list": BASE + "skip: [crop]\n",
    "skip option": BASE + "skip: {algin: crop}\n",
    # parts that do not go together
    "group norm": BASE + "block: {norm: {type: group, groups: 8}}\n",
    "group norm by default": BASE + "block: {norm: group}\n",
    "groups of a convolution": BASE + "block: {groups: 5}\n",
    "cubic in 3-D": BASE + "dims: 3\nupsample: {type: interpolate, mode: cubic}\n",
    "cubic resize in 1-D": BASE + "dims: 1\nskip: {align: {type: resize, mode: cubic}}\n",
    "add of unequal channels": BASE + "skip: {fusion: add}\nupsample: {type: interpolate, projection: none}\n",
    "rounding up": BASE + "downsample: {type: max_pool, kernel_size: 1, rounding: ceil}\n",
    "output padding": BASE + "upsample: {type: transposed_conv, output_padding: 2}\n",
    # sizes
    "size that does not divide": PADDED + "skip: {align: strict}\ninput_size: [350, 525]\n",
    "size that is too small": BASE + "input_size: [4, 3]\n",
    "size that no crop helps": PADDED.replace("zeros", "valid") + "skip: {align: {type: crop, operand: upsampled}}\ninput_size: [92, 92]\n",
    "size that no pad helps": BASE + "skip: {align: {type: pad, operand: skip}}\ninput_size: [44, 44]\n",
    "size that cannot join": BASE + "skip: {align: strict}\ninput_size: [44, 44]\n",
    "one pixel under an instance norm": PADDED.replace("zeros", "zeros, norm: instance") + "input_size: [4, 4]\n",
    "reflection of one pixel": PADDED.replace("zeros", "reflect") + "input_size: [4, 4]\n",
    "odd remainder": PADDED + "downsample: {type: max_pool, kernel_size: 3}\nskip: {align: resize}\ninput_size: [8, 8]\n",
    # skips: words and what they hold
    "unknown tap": BASE + "skip: {tap: before_block}\n",
    "unknown place": BASE + "skip: {place: above}\n",
    "tap that is no word": BASE + "skip: {tap: {type: x}}\n",
    "idle tap": BASE + "skip: {tap: after_downsample, fusion: none}\n",
    "idle transform": BASE + "skip: {transform: attention_gate, fusion: none}\n",
    "idle gate and place": BASE + "skip: {gate: additive, place: before_upsample, fusion: none}\n",
    "tap behind what the next block does": PADDED + "downsample: next_block\nskip: {tap: after_downsample}\n",
    "sum of what a tap has": PADDED + "skip: {tap: after_downsample, fusion: multiply, place: before_upsample}\n",
    "channels of no block": PADDED + "skip: {transform: {type: through, channels: 3}}\n",
    "place of a dropout on a skip": PADDED + "skip: {transform: {type: through, dropout: {type: element, rate: 0.1, place: every}}}\n",
    "signal of no block": PADDED + "skip: {transform: {type: grid_attention_gate, gating_channels: 3}}\n",
    "norm again of no norm": PADDED + "skip: {transform: {type: residual_path, norm: none, norm_again: true}}\n",
    "cubic gate in 1-D": PADDED + "dims: 1\nskip: {transform: {type: grid_attention_gate, mode: cubic}}\n",
    # heads
    "head and heads": BASE + "head: conv\nheads: {mask: conv}\n",
    "heads as a list": BASE + "heads: [conv]\n",
    "heads as a name": BASE + "heads: conv\n",
    "heads of nothing": BASE + "heads:\n",
    "name of an output": BASE + "heads: {my-mask: conv, 2nd: conv, _modules: conv}\n",
    "name of an output that modules have": BASE + "heads: {mask: conv, train: conv}\n",
    "level of a head": BASE + "head: {type: conv, level: 7}\n",
    "level of a head as a word": BASE + "head: {type: conv, level: top}\n",
    "level of one of several heads": BASE + "heads: {mask: conv, kind: {type: classification, level: 9}}\n",
    "levels of deep supervision": BASE + "head: {type: deep_supervision, levels: [0, 5]}\n",
    "level of deep supervision": BASE + "head: {type: deep_supervision, level: 1}\n",
    "fused natively": BASE + "head: {type: deep_supervision, fused: first}\n",
    "idle mode of deep supervision": BASE + "head: {type: deep_supervision, mode: nearest}\n",
    "idle bias of a fusion": BASE + "head: {type: deep_supervision, fused_bias: false}\n",
    "idle corners of deep supervision": BASE + "head: {type: deep_supervision, resolution: full, mode: nearest, align_corners: true}\n",
    "image on outputs of many sizes": PADDED.replace("in_channels: 1", "in_channels: 2") + "head: {type: deep_supervision, global_residual: true}\n",
    "image with other channels": PADDED + "head: {global_residual: true}\n",
    "idle channels of a head's block": BASE + "head: {block_channels: 3}\n",
    "place of a classifier's dropout": BASE + "heads: {m: conv, k: {type: classification, dropout: {type: element, rate: 0.1, place: every}}}\n",
    "head that makes nothing": BASE + "head: none\n",
    "cubic deep supervision in 3-D": PADDED + "dims: 3\nhead: {type: deep_supervision, resolution: full, mode: cubic}\n",
    # encoders and decoders with ways of their own
    "widths beside an encoder's own": BASE + "encoder: resnet\ndecoder: {widths: [4, 4, 4, 4, 4]}\n",
    "no decoder widths": BASE.replace("widths: [12, 24, 48]\n", "encoder: resnet\n"),
    "depth beyond the encoder's": BASE.replace("widths: [12, 24, 48]", "depth: 6") + "encoder: resnet\n",
    "block of an encoder that has its own": BASE.replace("widths: [12, 24, 48]\n", "") + "encoder: {type: resnet, block: conv}\ndecoder: {widths: [4, 4, 4, 4, 4]}\n",
    "downsampling of such an encoder": BASE.replace("widths: [12, 24, 48]\n", "") + "encoder: resnet\ndownsample: conv\ndecoder: {widths: [4, 4, 4, 4, 4]}\n",
    "downsampling of such an encoder's level": BASE.replace("widths: [12, 24, 48]\n", "") + "encoder: resnet\nlevels: {1: {encoder: {block: conv}, downsample: conv}}\ndecoder: {widths: [4, 4, 4, 4, 4]}\n",
    "upsampling of a decoder that has its own": PADDED + "decoder: {type: full_scale, upsample: interpolate}\n",
    "skip of such a decoder": PADDED + "decoder: full_scale\nskip: {align: crop}\n",
    "layers of an encoder": BASE.replace("widths: [12, 24, 48]\n", "") + "encoder: {type: resnet, layers: 35}\ndecoder: {widths: [4, 4, 4, 4, 4]}\n",
    "columns": PADDED + "decoder: {type: nested, columns: 3}\n",
    "no columns": PADDED + "decoder: {type: nested, columns: 0}\n",
    "cubic full scale in 1-D": PADDED + "dims: 1\ndecoder: {type: full_scale, mode: cubic}\n",
    # new blocks and what stands in them
    "block that cannot change the resolution": PADDED + "downsample: next_block\nbottleneck: {block: aspp}\n",
    "downsampling by such a block": PADDED + "downsample: {type: block, block: multi_resolution}\n",
    "transition that leaves it to the next block": PADDED + "downsample: {type: transition, downsample: next_block}\n",
    "downsampling of a small U-Net": BASE + "block: {type: unet, depth: 1, downsample: next_block}\n",
    "repeated channels": BASE + "block: {type: residual, padding: zeros, shortcut: repeat}\n",
    "repeated channels with a stride": PADDED + "downsample: {type: block, channels: keep, block: {type: residual, padding: zeros, shortcut: repeat}}\n",
    "few channels": PADDED.replace("zeros", "zeros, norm: {type: group, groups: 7, few_channels: one_group}"),
    "idle few channels": PADDED.replace("zeros", "zeros, norm: {type: group, groups: 1, few_channels: one_group}"),
    "padding of a pooling": PADDED + "downsample: {type: max_pool, padding: 2}\n",
    "idle order of a downsampling": PADDED + "downsample: {type: conv, order: [norm, activation, conv]}\n",
    "idle order of an upsampling": PADDED + "upsample: {type: transposed_conv, order: [norm, activation, dropout, conv]}\n",
    "even kernel of an attention": BASE + "block: {type: attended, attention: {type: eca, kernel_size: 4}}\n",
    "even kernel of the other attention": BASE + "block: {type: attended, attention: {type: cbam, kernel_size: 4}}\n",
    "attention as a block": BASE + "block: se\n",
    "more pooled than deep": BASE + "block: {type: unet, depth: 2, pooled: 3}\n",
    "dilations of another depth": BASE + "block: {type: unet, depth: 2, dilations: [1, 2]}\n",
    "dilations of a block without": BASE + "block: {type: unet, depth: 1, dilations: [1, 2], block: convnext}\n",
    "idle poolings of a small U-Net": BASE + "block: {type: unet, depth: 1, pooled: 0, downsample: avg_pool}\n",
    "widths of a sequence": BASE + "block: {type: sequence, blocks: [conv, conv], widths: [4]}\n",
    "sequence of nothing": BASE + "block: {type: sequence, blocks: []}\n",
    "sequence of no list": BASE + "block: {type: sequence, blocks: conv}\n",
    "mistake inside a sequence": BASE + "block: {type: sequence, blocks: [conv, {type: residual, nrom: batch}]}\n",
    "stack of what cannot be drawn": BASE + "block: {type: stack, count: 1, block: {groups: 5}}\n",
    "sum of different channels": BASE + "block: {type: parallel, join: sum, branches: [none, {padding: zeros}]}\n",
    "idle reduction": PADDED.replace("padding: zeros", "type: bottleneck, reduction: 2, mid_channels: 3"),
    "groups of a bottleneck": PADDED.replace("padding: zeros", "type: bottleneck, groups: 5"),
    "idle corners of a pyramid": BASE + "bottleneck: {block: {type: pyramid_pooling, mode: nearest, align_corners: true}}\n",
    "cubic pyramid in 1-D": BASE + "dims: 1\nbottleneck: {block: {type: pyramid_pooling, mode: cubic}}\n",
    "idle last activation": BASE + "block: {type: residual, order: [norm, activation, conv], last_activation: both}\n",
    # input, checkpointing, about
    "padding to a multiple without padding": BASE + "input: pad\n",
    "padding to a multiple of many outputs": PADDED + "input: pad\nhead: deep_supervision\n",
    "unknown input": BASE + "input: crop\n",
    "checkpointing as a name": BASE + "checkpointing: encoder\n",
    "checkpointing of nothing": BASE + "checkpointing: [encoder.9]\n",
    "checkpointing of numbers": BASE + "checkpointing: [1]\n",
    "about": BASE + "about: {papr: x}\n",
    "about as text": BASE + "about: the paper\n",
    # where specs come from
    "extends nothing": "extends: unet_papr\n",
    "extends a number": "extends: 3\n",
    "extends a NUL": 'extends: "a\\0b"\n',
}  # fmt: skip


def read_error(text: str) -> SpecError:
    with pytest.raises(SpecError) as error_info:
        unetgen.graph_of(text if "\n" in text else text + "\n")
    return error_info.value


def test_messages_match_the_golden_file(check_golden: Callable[[str, str], None]) -> None:
    pages = [f"## {name}\n{read_error(text)}\n" for name, text in INVALID_SPECS.items()]
    check_golden("messages.txt", "\n".join(pages))


@pytest.mark.parametrize("name", INVALID_SPECS)
def test_every_problem_has_a_location_and_a_message(name: str) -> None:
    for problem in read_error(INVALID_SPECS[name]).problems:
        assert problem.location is not None
        assert problem.location.line >= 1
        assert problem.message
        assert "pydantic" not in str(problem)
        assert "\n" not in str(problem)


def test_every_problem_code_is_covered() -> None:
    """A problem code without a case here would be an untested sentence."""
    files = (path for path in (ROOT / "unetgen").rglob("*.py") if "ablation" not in path.parts)  # see test_sweep
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    written = set(re.findall(r"(?:[Pp]roblem|_refuse)\(\s*\"(\w+)\"", source))
    shown = {problem.code for text in INVALID_SPECS.values() for problem in read_error(text).problems}
    elsewhere = {
        "set",
        "type",
        "encoding",
        "binary",
        "weights_file",
        "clip",
        "shape",
        "tile",
        "lost_skip",
        "dead_layer",
        "output",
        "model_built",
        "channels",
        "inherits_from",
        "kernel",
        "stages",
        "stride",
    }  # tested beside what raises them
    assert written - shown - elsewhere == set()


def test_six_problems_are_six_lines_in_order() -> None:
    text = (
        "schema_version: 1\nin_channels: 0\nout_channels: 2.5\nwdth: 3\nwidths: [8, 16]\n"
        "block: {norm: bath}\nupsample: concat\nhead: {type: conv, kernel: 1}\n"
    )
    error = read_error(text)
    assert [problem.location.line for problem in error.problems if problem.location] == [2, 3, 4, 6, 7, 8]
    assert len(str(error).splitlines()) == 6


def test_one_problem_in_a_large_spec_is_one_short_message() -> None:
    levels = "".join(
        f"  {i}: {{encoder: {{block: {{repeats: 3}}}}, decoder: {{block: {{repeats: 1}}}}}}\n" for i in range(12)
    )
    text = f"schema_version: 1\nin_channels: 1\nout_channels: 2\nwidths: {[8] * 13}\nlevels:\n{levels}"
    message = str(read_error(text.replace("repeats: 3", "repeats: x", 1)))
    assert message.count("\n") == 0
    assert len(message) < 200
