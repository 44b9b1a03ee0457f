"""Derive an arrow's label from the ops along it, and its colour from the sizes at its ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from unetgen.figure.figure_labels import compress_repeats, format_per_axis, humanize_label, label_op
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import (
    Add,
    AvgPooling,
    BroadcastMultiply,
    Concat,
    Convolution,
    CropTo,
    Interpolation,
    Maximum,
    MaxPooling,
    Multiply,
    PadTo,
    PadToMultiple,
    PixelShuffle,
    ResizeTo,
    TransposedConvolution,
)
from unetgen.graph.ops.base import Op, Size

ArrowKind = Literal["conv", "block", "down", "up", "skip", "head"]

# Ops that merge branches: what precedes them cannot be described as one sequence.
_MERGE_OPS = (Add, Concat, Maximum, Multiply, BroadcastMultiply)

# Modules that are described by their ops or child modules rather than by their own name.
_CONTAINER_LABELS = (
    "Conv", "ConvHead", "Decoder", "DeepSupervision", "Encoder", "Head", "List", "NoBlock", "Scope", "Sequence",
    "Skip", "Stack", "Stage", "Unit",
)  # fmt: skip

# Ops that match a feature map's size to another's, and do nothing if the sizes are equal.
_SIZE_MATCHING_OPS = (CropTo, PadTo, PadToMultiple, ResizeTo)

_UPSAMPLING_OPS = (TransposedConvolution, Interpolation, PixelShuffle, ResizeTo, ExternalModule)

# The label of an arrow along which no op runs.
UNCHANGED_LABEL = "unchanged"


class Arrow(NamedTuple):
    """The legend label and the drawing style of an arrow."""

    kind: ArrowKind
    label: str
    cropped: bool = False


class GateModule(NamedTuple):
    """The path of the gate that combines a stage's inputs before they are merged.

    ``is_gated`` is true for the input that the gate scales, false for an input that only controls it.
    """

    path: str = ""
    is_gated: bool = False


class ArrowReader(NamedTuple):
    """Derives arrows from a graph and the size of each node's output."""

    graph: Graph
    sizes: tuple[Size, ...]

    def read_within_stage(self, node_path: Sequence[Node], kind: ArrowKind) -> Arrow:
        """Return the arrow between two neighbouring feature maps of a stage."""
        return Arrow(self._choose_kind(node_path, kind), self.describe_path(node_path) or UNCHANGED_LABEL)

    def read_across_stages(self, node_path: Sequence[Node], kind: ArrowKind, gate: GateModule) -> Arrow:
        """Return the arrow from one stage to another.

        Ops inside the gate are not part of the label, because they do not change the feature map itself.
        """
        ungated = [node for node in node_path if not (gate.path and node.path.startswith(f"{gate.path}."))]
        described = [node for name, nodes in self._group_by_module(node_path) if not name for node in nodes]
        cropped = any(isinstance(node.op, CropTo) for node in described)
        label = self.graph.labels.get(gate.path, "List") if gate.is_gated else "List"
        gate_name = "" if label in _CONTAINER_LABELS else humanize_label(label)
        if kind == "skip":
            ops = self.describe_path([node for node in ungated if not isinstance(node.op, CropTo)])
            phrases = ["copy and crop" if cropped else "copy", ops, gate_name]
        else:
            phrases = [gate_name, self.describe_path(ungated)]
        return Arrow(self._choose_kind(ungated, kind), ", ".join(filter(None, phrases)) or UNCHANGED_LABEL, cropped)

    def describe_path(self, node_path: Sequence[Node]) -> str:
        """Describe the ops along a path in order; a module with branches is described by its name."""
        phrases: list[str] = []
        for name, nodes in self._group_by_module(node_path):
            phrases += (
                [name + self._format_scale_factor(nodes)]
                if name
                else filter(None, (label_op(node.op) for node in nodes))
            )
        return compress_repeats(phrases)

    def _group_by_module(self, node_path: Sequence[Node]) -> Iterator[tuple[str, list[Node]]]:
        """Yield the nodes of a path module by module; only a module with branches has a name."""
        effective = (node for node in node_path if not self._is_noop(node))
        for module_path, group in groupby(effective, key=self._find_enclosing_module):
            nodes = list(group)
            yield humanize_label(self.graph.labels[module_path]) if module_path and _has_branches(nodes) else "", nodes

    def _choose_kind(self, node_path: Sequence[Node], kind: ArrowKind) -> ArrowKind:
        """Return the kind that sets the colour: fixed for skips and heads, else by how the size changes."""
        if kind != "conv":
            return kind
        return self._detect_resolution_change(node_path) or ("block" if _has_branches(node_path) else "conv")

    def _detect_resolution_change(self, node_path: Sequence[Node]) -> Literal["down", "up"] | None:
        """Return "down" or "up" if a path changes the resolution, beyond the border of a convolution."""
        if not (node_path and node_path[0].inputs):
            return None
        before, after = self._get_endpoint_sizes(node_path)
        if any(2 * b >= 3 * a for a, b in zip(before, after, strict=True)) and any(map(_can_upsample, node_path)):
            return "up"
        if any(2 * a >= 3 * b for a, b in zip(before, after, strict=True)) and any(map(_can_downsample, node_path)):
            return "down"
        return None

    def _format_scale_factor(self, node_path: Sequence[Node]) -> str:
        """Return the resolution change of a module that is described by name, such as " / 2"."""
        before, after = self._get_endpoint_sizes(node_path)
        if self._detect_resolution_change(node_path) == "down":
            return f" / {format_per_axis(tuple(round(a / b) for a, b in zip(before, after, strict=True)))}"
        if self._detect_resolution_change(node_path) == "up":
            return f" ×{format_per_axis(tuple(round(b / a) for a, b in zip(before, after, strict=True)))}"
        return ""

    def _get_endpoint_sizes(self, node_path: Sequence[Node]) -> tuple[Size, Size]:
        return self.sizes[node_path[0].inputs[0]], self.sizes[node_path[-1].index]

    def _is_noop(self, node: Node) -> bool:
        """Return whether a node crops, pads or resizes a feature map to the size it already has."""
        return isinstance(node.op, _SIZE_MATCHING_OPS) and self.sizes[node.index] == self.sizes[node.inputs[0]]

    def _find_enclosing_module(self, node: Node) -> str:
        """Return the path of the outermost module around a node that is not just a container."""
        steps = node.path.split(".")
        # A level is labelled by its block; its downsample, skip and upsample modules are not part of that block.
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
    """Return the path of the innermost module that contains all of the nodes."""
    common = []
    for steps in zip(*(node.path.split(".")[:-1] for node in nodes), strict=False):
        if len(set(steps)) > 1:
            break
        common.append(steps[0])
    return ".".join(common)
