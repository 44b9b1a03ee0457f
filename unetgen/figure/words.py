"""Words: what ops are called in a figure, one by one and in a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from unetgen.graph.ops import (
    Activation,
    AvgPooling,
    Convolution,
    Dropping,
    Interpolation,
    MaxPooling,
    Normalization,
    Opaque,
    Pad,
    PixelShuffle,
    TransposedConvolution,
)
from unetgen.graph.ops.base import Op, Size

# Modules whose names say less to people than these.
_CALLED = {"Additive": "attention gate", "Attended": "block with attention", "Parallel": "parallel branches"}


def apart(label: str) -> str:
    """``ResidualPath`` as two words; ``MedNeXt`` is one."""
    return _CALLED.get(label) or re.sub(r"(?<=[a-z])(?=[A-Z][a-z]{2}|Up\b)", " ", label).lower()


def condensed(phrases: Sequence[str]) -> str:
    """Phrases in a row, what comes several times over only once: ``2 × (conv 3×3, ReLU), dropout``."""
    said, at = [], 0
    while at < len(phrases):
        length, count = _repeated(phrases, at)
        phrase = ", ".join(phrases[at : at + length])
        if count > 1:
            phrase = f"{count} × ({phrase})" if "," in phrase else f"{count} × {phrase}"
        said.append(phrase)
        at += length * count
    return ", ".join(said)


def _repeated(phrases: Sequence[str], at: int) -> tuple[int, int]:
    """How long a stretch comes how often from there on; of all that do, the one that takes the most, or is shorter."""
    best = 1, 1
    for length in range(1, (len(phrases) - at) // 2 + 1):
        stretch, count = phrases[at : at + length], 1
        while phrases[at + length * count : at + length * (count + 1)] == stretch:
            count += 1
        if count > 1 and length * count > best[0] * best[1]:
            best = length, count
    return best


def word(op: Op) -> str:
    """One op as people call it in a legend; nothing for a border that belongs to the next op."""
    for kind, said in _WORDS.items():
        if isinstance(op, kind):
            return said(op)
    return op.kind.replace("_", " ")


def _convolution(op: Convolution) -> str:
    depthwise = "depthwise " if op.groups == op.in_channels > 1 else ""
    stride = f" / {times(op.stride)}" if max(op.stride) > 1 else ""
    dilated = f", dilated by {times(op.dilation)}" if max(op.dilation) > 1 else ""
    return f"{depthwise}conv {window(op.kernel)}{stride}{dilated}"


def _layer(layer: str) -> str:
    """``nn.BatchNorm2d`` as ``batch norm``, ``nn.ReLU`` as it is."""
    name = re.sub(r"[123]d$", "", layer.rpartition(".")[2])
    if "Norm" in name:
        return apart(name).lower()
    return "dropout" if "Dropout" in name else name


def window(kernel: Size) -> str:
    """3×3, of one axis 3."""
    return "×".join(map(str, kernel))


def times(sizes: Size) -> str:
    """One number where all axes have the same."""
    return str(sizes[0]) if len(set(sizes)) == 1 else window(sizes)


_POWERS = {2: "²", 3: "³"}


def extent(size: Size) -> str:
    """572², 96³, or 116×132×132."""
    return f"{size[0]}{_POWERS.get(len(size), '')}" if len(set(size)) == 1 else window(size)


_WORDS: dict[type[Op], Callable[[Any], str]] = {
    Convolution: _convolution,
    TransposedConvolution: lambda op: f"up-conv {window(op.kernel)}",
    MaxPooling: lambda op: f"max pool {window(op.kernel)}",
    AvgPooling: lambda op: f"mean pool {window(op.kernel)}",
    Interpolation: lambda op: f"{op.mode} upsampling ×{times(op.factor)}",
    PixelShuffle: lambda op: f"pixel shuffle ×{times(op.factor)}",
    Normalization: lambda op: _layer(op.layer),
    Activation: lambda op: _layer(op.layer),
    Dropping: lambda op: _layer(op.layer),
    Pad: lambda op: "",
    Opaque: lambda op: op.called,
}
