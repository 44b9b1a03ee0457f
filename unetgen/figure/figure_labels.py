"""Label ops in a figure, one by one and in sequences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.ops import (
    Activation,
    AvgPooling,
    Convolution,
    Dropout,
    Interpolation,
    MaxPooling,
    Normalization,
    Pad,
    PixelShuffle,
    TransposedConvolution,
)
from unetgen.graph.ops.base import Op, Size

# Labels that are clearer than the module's class name.
_LABEL_OVERRIDES = {"Additive": "attention gate", "Attended": "block with attention", "Parallel": "parallel branches"}


def humanize_label(label: str) -> str:
    """Split a class name into words: ``ResidualPath`` becomes two, ``MedNeXt`` stays one."""
    return _LABEL_OVERRIDES.get(label) or re.sub(r"(?<=[a-z])(?=[A-Z][a-z]{2}|Up\b)", " ", label).lower()


def compress_repeats(phrases: Sequence[str]) -> str:
    """Join phrases, with repeated sequences written once: ``2 × (conv 3×3, ReLU), dropout``."""
    parts, start = [], 0
    while start < len(phrases):
        length, count = _find_repeat(phrases, start)
        part = ", ".join(phrases[start : start + length])
        if count > 1:
            part = f"{count} × ({part})" if "," in part else f"{count} × {part}"
        parts.append(part)
        start += length * count
    return ", ".join(parts)


def _find_repeat(phrases: Sequence[str], start: int) -> tuple[int, int]:
    """Return the length and count of the repeat at a position that covers the most phrases, else the shorter one."""
    best = 1, 1
    for length in range(1, (len(phrases) - start) // 2 + 1):
        unit, count = phrases[start : start + length], 1
        while phrases[start + length * count : start + length * (count + 1)] == unit:
            count += 1
        if count > 1 and length * count > best[0] * best[1]:
            best = length, count
    return best


def label_op(op: Op) -> str:
    """Return the legend's label of an op; empty for padding, which belongs to the next op."""
    for op_type, describe in _OP_DESCRIBERS.items():
        if isinstance(op, op_type):
            return describe(op)
    return op.kind.replace("_", " ")


def _describe_convolution(op: Convolution) -> str:
    depthwise = "depthwise " if op.groups == op.in_channels > 1 else ""
    stride = f" / {format_per_axis(op.stride)}" if max(op.stride) > 1 else ""
    dilation = f", dilated by {format_per_axis(op.dilation)}" if max(op.dilation) > 1 else ""
    return f"{depthwise}conv {format_kernel(op.kernel)}{stride}{dilation}"


def _describe_layer(layer: str) -> str:
    """Label a layer: ``nn.BatchNorm2d`` becomes ``batch norm``, ``nn.ReLU`` becomes ``ReLU``."""
    name = re.sub(r"[123]d$", "", layer.rpartition(".")[2])
    if "Norm" in name:
        return humanize_label(name).lower()
    return "dropout" if "Dropout" in name else name


def format_kernel(kernel: Size) -> str:
    """Format a kernel size: ``3×3``, or ``3`` in one dimension."""
    return "×".join(map(str, kernel))


def format_per_axis(sizes: Size) -> str:
    """Format one number per axis, or a single number if all axes have the same."""
    return str(sizes[0]) if len(set(sizes)) == 1 else format_kernel(sizes)


_POWERS = {2: "²", 3: "³"}


def format_size(size: Size) -> str:
    """Format a spatial size: ``572²``, ``96³`` or ``116×132×132``."""
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
