"""Arrow: what it stands for, read off the ops on its way, and what it does to the size, off the maps at its ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from unetgen.figure.op_labels import compress_repeats, describe_op, format_per_axis, humanize_label
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.ops import Add, AvgPooling, BroadcastMultiply, Concat, Convolution, CropTo, Interpolation, Maximum, MaxPooling, Multiply, PadTo, PadToMultiple, PixelShuffle, ResizeTo, TransposedConvolution
from unetgen.graph.ops.base import Op, Size

ArrowKind = Literal["conv", "block", "down", "up", "skip", "head"]

# Where branches come together, so that what lies before cannot be said in a row.
_MERGE_OPS = (Add, Concat, Maximum, Multiply, BroadcastMultiply)

# Modules whose ops say more than they, or the modules in them.
_CONTAINER_LABELS = ("Conv", "ConvHead", "Decoder", "DeepSupervision", "Encoder", "Head", "List", "NoBlock", "Scope", "Sequence",
          "Skip", "Stack", "Stage", "Unit")  # fmt: skip

# What gives a map the size that another has, or that it already has itself.
_SIZE_MATCHING_OPS = (CropTo, PadTo, PadToMultiple, ResizeTo)

_UPSAMPLING_OPS = (TransposedConvolution, Interpolation, PixelShuffle, ResizeTo, ExternalModule)

# What an arrow says on whose way nothing happens.
UNCHANGED_LABEL = "handed on"


class Arrow(NamedTuple):
    """What an arrow says in the legend, and how it is drawn."""

    kind: ArrowKind
    label: str
    cropped: bool = False


class GateModule(NamedTuple):
    """The path of a module in which maps meet before they are one, and whether it lets this one through."""

    path: str = ""
    is_gated: bool = False


class ArrowReader(NamedTuple):
    """Reads arrows off a graph at the sizes that are drawn."""

    graph: Graph
    sizes: tuple[Size, ...]

    def read_within_stage(self, node_path: Sequence[Node], kind: ArrowKind) -> Arrow:
        """The arrow from a map to the next of its stage."""
        return Arrow(self._choose_kind(node_path, kind), self.describe_path(node_path) or UNCHANGED_LABEL)

    def read_across_stages(self, node_path: Sequence[Node], kind: ArrowKind, gate: GateModule) -> Arrow:
        """The arrow from a stage to another. What only the gate looks at does nothing to what is handed over."""
        free = [node for node in node_path if not (gate.path and node.path.startswith(f"{gate.path}."))]
        spoken = [node for name, nodes in self._group_by_module(node_path) if not name for node in nodes]
        cropped = any(isinstance(node.op, CropTo) for node in spoken)
        label = self.graph.labels.get(gate.path, "List") if gate.is_gated else "List"
        gated = "" if label in _CONTAINER_LABELS else humanize_label(label)
        if kind == "skip":
            words = self.describe_path([node for node in free if not isinstance(node.op, CropTo)])
            said = ["copy and crop" if cropped else "copy", words, gated]
        else:
            said = [gated, self.describe_path(free)]
        return Arrow(self._choose_kind(free, kind), ", ".join(filter(None, said)) or UNCHANGED_LABEL, cropped)

    def describe_path(self, node_path: Sequence[Node]) -> str:
        """A way in words: its ops one after the other, and where it branches the modules that hold the branches."""
        phrases: list[str] = []
        for name, nodes in self._group_by_module(node_path):
            phrases += (
                [name + self._format_scale_factor(nodes)]
                if name
                else filter(None, (describe_op(node.op) for node in nodes))
            )
        return compress_repeats(phrases)

    def _group_by_module(self, node_path: Sequence[Node]) -> Iterator[tuple[str, list[Node]]]:
        """What changes a map on a way, module by module; a name where ops cannot say how they hang together."""
        for holder, found in groupby(
            (node for node in node_path if not self._is_noop(node)), key=self._find_enclosing_module
        ):
            nodes = list(found)
            yield humanize_label(self.graph.labels[holder]) if holder and _has_branches(nodes) else "", nodes

    def _choose_kind(self, node_path: Sequence[Node], kind: ArrowKind) -> ArrowKind:
        """What leads to an output is of one colour, whatever it does; all else is told by what comes of the size."""
        if kind != "conv":
            return kind
        return self._detect_resolution_change(node_path) or ("block" if _has_branches(node_path) else "conv")

    def _detect_resolution_change(self, node_path: Sequence[Node]) -> Literal["down", "up"] | None:
        """Whether a way changes the resolution, which is more than the borders that convolutions take or give."""
        if not (node_path and node_path[0].inputs):
            return None
        before, after = self._get_endpoint_sizes(node_path)
        if any(2 * b >= 3 * a for a, b in zip(before, after, strict=True)) and any(map(_can_upsample, node_path)):
            return "up"
        if any(2 * a >= 3 * b for a, b in zip(before, after, strict=True)) and any(map(_can_downsample, node_path)):
            return "down"
        return None

    def _format_scale_factor(self, node_path: Sequence[Node]) -> str:
        """By how much what has only a name changes the resolution."""
        before, after = self._get_endpoint_sizes(node_path)
        if self._detect_resolution_change(node_path) == "down":
            return f" / {format_per_axis(tuple(round(a / b) for a, b in zip(before, after, strict=True)))}"
        if self._detect_resolution_change(node_path) == "up":
            return f" ×{format_per_axis(tuple(round(b / a) for a, b in zip(before, after, strict=True)))}"
        return ""

    def _get_endpoint_sizes(self, node_path: Sequence[Node]) -> tuple[Size, Size]:
        return self.sizes[node_path[0].inputs[0]], self.sizes[node_path[-1].index]

    def _is_noop(self, node: Node) -> bool:
        """Whether a node crops, pads or resizes a map to the size that it has."""
        return isinstance(node.op, _SIZE_MATCHING_OPS) and self.sizes[node.index] == self.sizes[node.inputs[0]]

    def _find_enclosing_module(self, node: Node) -> str:
        """The path of the outermost module around a node that is a thing of its own, and no list of others."""
        steps = node.path.split(".")
        # A level is called by its block, which what leads to it and what joins it are no part of.
        first = 3 if len(steps) > 2 and steps[0] != "bottleneck" and steps[2] in ("down", "skip", "up") else 1
        paths = (".".join(steps[:count]) for count in range(first, len(steps)))
        return next((path for path in paths if self.graph.labels.get(path, "List") not in _CONTAINER_LABELS), "")


def _has_branches(node_path: Sequence[Node]) -> bool:
    return any(isinstance(node.op, _MERGE_OPS) for node in node_path)


def _can_upsample(node: Node) -> bool:
    return isinstance(node.op, _UPSAMPLING_OPS)


def _can_downsample(node: Node) -> bool:
    op: Op = node.op
    return isinstance(op, (ResizeTo, ExternalModule)) or (
        isinstance(op, (AvgPooling, Convolution, MaxPooling)) and max(op.stride) > 1
    )


def find_common_scope(nodes: Sequence[Node]) -> str:
    """The path of the innermost module that holds all of these."""
    common = []
    for steps in zip(*(node.path.split(".")[:-1] for node in nodes), strict=False):
        if len(set(steps)) > 1:
            break
        common.append(steps[0])
    return ".".join(common)
