"""Words: what an arrow of the figure stands for, read off the ops on its way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Literal, NamedTuple

from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import (
    Activation,
    Add,
    AvgPooling,
    Concat,
    Convolution,
    CropTo,
    Dropping,
    Interpolation,
    Maximum,
    MaxPooling,
    Multiply,
    Normalization,
    Opaque,
    Pad,
    PixelShuffle,
    Scaling,
    TransposedConvolution,
)
from unetgen.graph.ops.base import Op, Size

Kind = Literal["conv", "block", "down", "up", "skip", "head"]

# Where branches come together, so that what lies before cannot be said in a row.
_JOINTS = (Add, Concat, Maximum, Multiply, Scaling)

# Modules that hold others and say nothing of them.
_LISTS = ("List", "Encoder", "Decoder", "Head", "NoBlock", "Scope", "Sequence", "Skip", "Stage", "StridedBlock")


class Arrow(NamedTuple):
    """What an arrow says in the legend, and how it is drawn."""

    kind: Kind
    words: str
    cropped: bool = False


def between(way: Sequence[Node], graph: Graph, head: bool) -> Arrow:
    """The arrow from a map to the next of its stage."""
    ops = [node.op for node in way]
    chained = not _branched(way)
    kind: Kind = _turn(ops) or ("head" if head else "conv" if chained else "block")
    return Arrow(kind, told(way, graph))


def across(way: Sequence[Node], graph: Graph, kind: Kind, gate: str = "") -> Arrow:
    """The arrow from a stage to another; ``gate`` is the path of a module that steers what is handed over."""
    cropped = any(isinstance(node.op, CropTo) for node in way)
    free = [node for node in way if not (gate and node.path.startswith(f"{gate}."))]
    if kind != "skip":
        return Arrow(_turn([node.op for node in free]) or kind, told(free, graph), cropped)
    words = told([node for node in free if not isinstance(node.op, CropTo)], graph)
    steered = apart(graph.labels[gate]) if gate in graph.labels else ""
    return Arrow(kind, ", ".join(filter(None, ("copy and crop" if cropped else "copy", words, steered))), cropped)


def told(way: Sequence[Node], graph: Graph) -> str:
    """A way in words: its ops one after the other, or where it branches the modules that hold the branches."""
    return named(way, graph) if _branched(way) else spoken([node.op for node in way])


def _branched(way: Sequence[Node]) -> bool:
    return any(isinstance(node.op, _JOINTS) for node in way)


def _turn(ops: Sequence[Op]) -> Literal["down", "up"] | None:
    """Whether ops change the resolution."""
    if any(isinstance(op, (TransposedConvolution, Interpolation, PixelShuffle)) for op in ops):
        return "up"
    shrinks = any(isinstance(op, (MaxPooling, AvgPooling)) and max(op.stride) > 1 for op in ops)
    strided = any(isinstance(op, Convolution) and max(op.stride) > 1 for op in ops)
    return "down" if shrinks or strided else None


def scope_of(nodes: Sequence[Node]) -> str:
    """The path of the innermost module that holds all of these."""
    common = []
    for steps in zip(*(node.path.split(".")[:-1] for node in nodes), strict=False):
        if len(set(steps)) > 1:
            break
        common.append(steps[0])
    return ".".join(common)


def named(way: Sequence[Node], graph: Graph) -> str:
    """A way with branches as its modules are called, the outermost that say something; before them its ops."""
    said: list[str] = []
    for holder, nodes in groupby(way, key=lambda node: _holder(node, graph)):
        said.append(apart(graph.labels[holder]) if holder else spoken([node.op for node in nodes]))
    runs = [(words, len(list(run))) for words, run in groupby(filter(None, said))]
    return ", ".join(f"{count} × {words}" if count > 1 else words for words, count in runs)


def _holder(node: Node, graph: Graph) -> str:
    """The path of the outermost module around a node that is a thing of its own, and no list of others."""
    steps = node.path.split(".")
    # A level is called by its block, which what leads to it and what joins it are no part of.
    first = 3 if len(steps) > 2 and steps[2] in ("down", "skip", "up") else 1
    paths = (".".join(steps[:count]) for count in range(first, len(steps)))
    return next((path for path in paths if graph.labels.get(path, "List") not in _LISTS), "")


def apart(label: str) -> str:
    """``ResidualPath`` as two words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()


def spoken(ops: Sequence[Op]) -> str:
    """Ops one after the other: ``conv 3×3, batch norm, ReLU``."""
    return ", ".join(said for said, _ in groupby(filter(None, map(word, ops))))


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
