"""Arrow: what it stands for, read off the ops on its way, and what it does to the size, off the maps at its ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from unetgen.figure.words import apart, condensed, times, word
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import (
    Add,
    AvgPooling,
    Concat,
    Convolution,
    CropTo,
    Interpolation,
    Maximum,
    MaxPooling,
    Multiply,
    Opaque,
    PadTo,
    PadToMultiple,
    PixelShuffle,
    ResizeTo,
    Scaling,
    TransposedConvolution,
)
from unetgen.graph.ops.base import Op, Size

Kind = Literal["conv", "block", "down", "up", "skip", "head"]

# Where branches come together, so that what lies before cannot be said in a row.
_JOINTS = (Add, Concat, Maximum, Multiply, Scaling)

# Modules whose ops say more than they, or the modules in them.
_LISTS = ("Conv", "ConvHead", "Decoder", "DeepSupervision", "Encoder", "Head", "List", "NoBlock", "Scope", "Sequence",
          "Skip", "Stack", "Stage", "Unit")  # fmt: skip

# What gives a map the size that another has, or that it already has itself.
_FITTING = (CropTo, PadTo, PadToMultiple, ResizeTo)

_RAISING = (TransposedConvolution, Interpolation, PixelShuffle, ResizeTo, Opaque)

# What an arrow says on whose way nothing happens.
UNCHANGED = "handed on"


class Arrow(NamedTuple):
    """What an arrow says in the legend, and how it is drawn."""

    kind: Kind
    words: str
    cropped: bool = False


class Gate(NamedTuple):
    """The path of a module in which maps meet before they are one, and whether it lets this one through."""

    path: str = ""
    passed: bool = False


class Reading(NamedTuple):
    """Reads arrows off a graph at the sizes that are drawn."""

    graph: Graph
    sizes: tuple[Size, ...]

    def between(self, way: Sequence[Node], kind: Kind) -> Arrow:
        """The arrow from a map to the next of its stage."""
        return Arrow(self._kind(way, kind), self.told(way) or UNCHANGED)

    def across(self, way: Sequence[Node], kind: Kind, gate: Gate) -> Arrow:
        """The arrow from a stage to another. What only the gate looks at does nothing to what is handed over."""
        free = [node for node in way if not (gate.path and node.path.startswith(f"{gate.path}."))]
        spoken = [node for name, nodes in self._parts(way) if not name for node in nodes]
        cropped = any(isinstance(node.op, CropTo) for node in spoken)
        label = self.graph.labels.get(gate.path, "List") if gate.passed else "List"
        gated = "" if label in _LISTS else apart(label)
        if kind == "skip":
            words = self.told([node for node in free if not isinstance(node.op, CropTo)])
            said = ["copy and crop" if cropped else "copy", words, gated]
        else:
            said = [gated, self.told(free)]
        return Arrow(self._kind(free, kind), ", ".join(filter(None, said)) or UNCHANGED, cropped)

    def told(self, way: Sequence[Node]) -> str:
        """A way in words: its ops one after the other, and where it branches the modules that hold the branches."""
        phrases: list[str] = []
        for name, nodes in self._parts(way):
            phrases += [name + self._factor(nodes)] if name else filter(None, (word(node.op) for node in nodes))
        return condensed(phrases)

    def _parts(self, way: Sequence[Node]) -> Iterator[tuple[str, list[Node]]]:
        """What changes a map on a way, module by module; a name where ops cannot say how they hang together."""
        for holder, found in groupby((node for node in way if not self._idle(node)), key=self._holder):
            nodes = list(found)
            yield apart(self.graph.labels[holder]) if holder and _branched(nodes) else "", nodes

    def _kind(self, way: Sequence[Node], kind: Kind) -> Kind:
        """What leads to an output is of one colour, whatever it does; all else is told by what comes of the size."""
        if kind != "conv":
            return kind
        return self._turn(way) or ("block" if _branched(way) else "conv")

    def _turn(self, way: Sequence[Node]) -> Literal["down", "up"] | None:
        """Whether a way changes the resolution, which is more than the borders that convolutions take or give."""
        if not (way and way[0].inputs):
            return None
        before, after = self._ends(way)
        if any(2 * b >= 3 * a for a, b in zip(before, after, strict=True)) and any(map(_raises, way)):
            return "up"
        if any(2 * a >= 3 * b for a, b in zip(before, after, strict=True)) and any(map(_lowers, way)):
            return "down"
        return None

    def _factor(self, way: Sequence[Node]) -> str:
        """By how much what has only a name changes the resolution."""
        before, after = self._ends(way)
        if self._turn(way) == "down":
            return f" / {times(tuple(round(a / b) for a, b in zip(before, after, strict=True)))}"
        if self._turn(way) == "up":
            return f" ×{times(tuple(round(b / a) for a, b in zip(before, after, strict=True)))}"
        return ""

    def _ends(self, way: Sequence[Node]) -> tuple[Size, Size]:
        return self.sizes[way[0].inputs[0]], self.sizes[way[-1].index]

    def _idle(self, node: Node) -> bool:
        """Whether a node crops, pads or resizes a map to the size that it has."""
        return isinstance(node.op, _FITTING) and self.sizes[node.index] == self.sizes[node.inputs[0]]

    def _holder(self, node: Node) -> str:
        """The path of the outermost module around a node that is a thing of its own, and no list of others."""
        steps = node.path.split(".")
        # A level is called by its block, which what leads to it and what joins it are no part of.
        first = 3 if len(steps) > 2 and steps[0] != "bottleneck" and steps[2] in ("down", "skip", "up") else 1
        paths = (".".join(steps[:count]) for count in range(first, len(steps)))
        return next((path for path in paths if self.graph.labels.get(path, "List") not in _LISTS), "")


def _branched(way: Sequence[Node]) -> bool:
    return any(isinstance(node.op, _JOINTS) for node in way)


def _raises(node: Node) -> bool:
    return isinstance(node.op, _RAISING)


def _lowers(node: Node) -> bool:
    op: Op = node.op
    return isinstance(op, (ResizeTo, Opaque)) or (
        isinstance(op, (AvgPooling, Convolution, MaxPooling)) and max(op.stride) > 1
    )


def scope_of(nodes: Sequence[Node]) -> str:
    """The path of the innermost module that holds all of these."""
    common = []
    for steps in zip(*(node.path.split(".")[:-1] for node in nodes), strict=False):
        if len(set(steps)) > 1:
            break
        common.append(steps[0])
    return ".".join(common)
