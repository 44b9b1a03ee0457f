"""What in a network sees more than a neighbourhood, so that a tile's result is not the whole image's."""

from __future__ import annotations

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Normalization, ResizeTo
from unetgen.graph.ops.base import Op
from unetgen.graph.ops.resampling import Interpolation

# Norms over the channels of one pixel; those that keep statistics use them in evaluation.
_BY_PIXEL = ("layers.ChannelLayerNorm",)
_WITH_STATISTICS = {"nn.BatchNorm": True, "nn.InstanceNorm": False}


def beyond(graph: Graph) -> list[str]:
    """The paths of what looks at whole maps, or tells one position from another, in evaluation mode."""
    return [node.path for node in graph.nodes if node.op.everywhere or _tells_apart(node.op) or _over_map(node.op)]


def _tells_apart(op: Op) -> bool:
    """Whether a resampling does not repeat itself along the map."""
    return isinstance(op, ResizeTo) or (isinstance(op, Interpolation) and op.align_corners)


def _over_map(op: Op) -> bool:
    if not isinstance(op, Normalization) or op.layer in _BY_PIXEL:
        return False
    kept = next((usual for family, usual in _WITH_STATISTICS.items() if op.layer.startswith(family)), None)
    return kept is None or not op.arguments.get("track_running_stats", kept)
