"""What in a network sees more than a neighbourhood, so that a tile's result is not the whole image's."""

from __future__ import annotations

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Convolution, Normalization, Pad, PadTo, PadToMultiple, ResizeTo
from unetgen.graph.ops.base import Op
from unetgen.graph.ops.resampling import Interpolation

# Norms over the channels of one pixel; those that keep statistics use them in evaluation.
_BY_PIXEL = ("layers.ChannelLayerNorm",)
_WITH_STATISTICS = {"nn.BatchNorm": True, "nn.InstanceNorm": False}


def beyond(graph: Graph) -> list[str]:
    """The paths of what looks at whole maps, or tells one position from another, in evaluation mode."""
    return [node.path for node in graph.nodes if _sees_more(node.op)]


def _sees_more(op: Op) -> bool:
    return op.everywhere or _tells_apart(op) or _over_map(op) or _around(op)


def _tells_apart(op: Op) -> bool:
    """Whether a resampling does not repeat itself along the map."""
    return isinstance(op, ResizeTo) or (isinstance(op, Interpolation) and op.align_corners)


def _over_map(op: Op) -> bool:
    if not isinstance(op, Normalization) or op.layer in _BY_PIXEL:
        return False
    kept = next((usual for family, usual in _WITH_STATISTICS.items() if op.layer.startswith(family)), None)
    return kept is None or not op.arguments.get("track_running_stats", kept)


def _around(op: Op) -> bool:
    """Whether it continues a map with the map's other end, which a tile does not have."""
    if isinstance(op, Convolution):
        return op.padding_mode == "circular" and any(op.padding)
    return isinstance(op, (Pad, PadTo, PadToMultiple)) and op.mode == "circular"
