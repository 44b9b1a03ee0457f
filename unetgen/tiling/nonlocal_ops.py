"""What in a network sees more than a neighbourhood, so that a tile's result is not the whole image's."""

from __future__ import annotations

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Convolution, Normalization, Pad, PadTo, PadToMultiple, ResizeTo
from unetgen.graph.ops.base import Op
from unetgen.graph.ops.resampling import Interpolation

# Norms over the channels of one pixel; those that keep statistics use them in evaluation.
_PER_PIXEL_NORMS = ("layers.ChannelLayerNorm",)
_TRACKS_STATISTICS_BY_DEFAULT = {"nn.BatchNorm": True, "nn.InstanceNorm": False}


def find_nonlocal_modules(graph: Graph) -> list[str]:
    """The paths of what looks at whole maps, or tells one position from another, in evaluation mode."""
    return [node.path for node in graph.nodes if _is_nonlocal(node.op)]


def _is_nonlocal(op: Op) -> bool:
    return op.is_global or _is_position_dependent(op) or _is_global_norm(op) or _has_circular_padding(op)


def _is_position_dependent(op: Op) -> bool:
    """Whether a resampling does not repeat itself along the map."""
    return isinstance(op, ResizeTo) or (isinstance(op, Interpolation) and op.align_corners)


def _is_global_norm(op: Op) -> bool:
    if not isinstance(op, Normalization) or op.target in _PER_PIXEL_NORMS:
        return False
    kept = next(
        (usual for family, usual in _TRACKS_STATISTICS_BY_DEFAULT.items() if op.target.startswith(family)), None
    )
    return kept is None or not op.arguments.get("track_running_stats", kept)


def _has_circular_padding(op: Op) -> bool:
    """Whether it continues a map with the map's other end, which a tile does not have."""
    if isinstance(op, Convolution):
        return op.padding_mode == "circular" and any(op.padding)
    return isinstance(op, (Pad, PadTo, PadToMultiple)) and op.mode == "circular"
