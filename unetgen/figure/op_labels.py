"""Words: what ops are called in a figure, one by one and in a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.ops import Activation, AvgPooling, Convolution, Dropout, Interpolation, MaxPooling, Normalization, Pad, PixelShuffle, TransposedConvolution
from unetgen.graph.ops.base import Op, Size

# Modules whose names say less to people than these.
_LABEL_OVERRIDES = {"Additive": "attention gate", "Attended": "block with attention", "Parallel": "parallel branches"}


def humanize_label(label: str) -> str:
    """``ResidualPath`` as two words; ``MedNeXt`` is one."""
    return _LABEL_OVERRIDES.get(label) or re.sub(r"(?<=[a-z])(?=[A-Z][a-z]{2}|Up\b)", " ", label).lower()


def compress_repeats(phrases: Sequence[str]) -> str:
    """Phrases in a row, what comes several times over only once: ``2 × (conv 3×3, ReLU), dropout``."""
    said, at = [], 0
    while at < len(phrases):
        length, count = _find_repeat(phrases, at)
        phrase = ", ".join(phrases[at : at + length])
        if count > 1:
            phrase = f"{count} × ({phrase})" if "," in phrase else f"{count} × {phrase}"
        said.append(phrase)
        at += length * count
    return ", ".join(said)


def _find_repeat(phrases: Sequence[str], start: int) -> tuple[int, int]:
    """How long a stretch comes how often from there on; of all that do, the one that takes the most, or is shorter."""
    best = 1, 1
    for length in range(1, (len(phrases) - start) // 2 + 1):
        stretch, count = phrases[start : start + length], 1
        while phrases[start + length * count : start + length * (count + 1)] == stretch:
            count += 1
        if count > 1 and length * count > best[0] * best[1]:
            best = length, count
    return best


def describe_op(op: Op) -> str:
    """One op as people call it in a legend; nothing for a border that belongs to the next op."""
    for kind, said in _OP_DESCRIBERS.items():
        if isinstance(op, kind):
            return said(op)
    return op.kind.replace("_", " ")


def _describe_convolution(op: Convolution) -> str:
    depthwise = "depthwise " if op.groups == op.in_channels > 1 else ""
    stride = f" / {format_per_axis(op.stride)}" if max(op.stride) > 1 else ""
    dilated = f", dilated by {format_per_axis(op.dilation)}" if max(op.dilation) > 1 else ""
    return f"{depthwise}conv {format_kernel(op.kernel)}{stride}{dilated}"


def _describe_layer(layer: str) -> str:
    """``nn.BatchNorm2d`` as ``batch norm``, ``nn.ReLU`` as it is."""
    name = re.sub(r"[123]d$", "", layer.rpartition(".")[2])
    if "Norm" in name:
        return humanize_label(name).lower()
    return "dropout" if "Dropout" in name else name


def format_kernel(kernel: Size) -> str:
    """3×3, of one axis 3."""
    return "×".join(map(str, kernel))


def format_per_axis(sizes: Size) -> str:
    """One number where all axes have the same."""
    return str(sizes[0]) if len(set(sizes)) == 1 else format_kernel(sizes)


_POWERS = {2: "²", 3: "³"}


def format_size(size: Size) -> str:
    """572², 96³, or 116×132×132."""
    return f"{size[0]}{_POWERS.get(len(size), '')}" if len(set(size)) == 1 else format_kernel(size)


_OP_DESCRIBERS: dict[type[Op], Callable[[Any], str]] = {
    Convolution: _describe_convolution,
    TransposedConvolution: lambda op: f"up-conv {format_kernel(op.kernel)}",
    MaxPooling: lambda op: f"max pool {format_kernel(op.kernel)}",
    AvgPooling: lambda op: f"mean pool {format_kernel(op.kernel)}",
    Interpolation: lambda op: f"{op.mode} upsampling ×{format_per_axis(op.factor)}",
    PixelShuffle: lambda op: f"pixel shuffle ×{format_per_axis(op.factor)}",
    Normalization: lambda op: _describe_layer(op.target),
    Activation: lambda op: _describe_layer(op.target),
    Dropout: lambda op: _describe_layer(op.target),
    Pad: lambda op: "",
    ExternalModule: lambda op: op.display_name,
}
