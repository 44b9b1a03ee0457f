"""Find modules that depend on more than a neighbourhood, so that tiles do not give the untiled image's result."""

from __future__ import annotations

from unetgen.graph.graph import Graph
from unetgen.graph.ops import Convolution, Normalization, Pad, PadTo, PadToMultiple, ResizeTo
from unetgen.graph.ops.base import Op
from unetgen.graph.ops.resampling import Interpolation

# Norms over the channels of one pixel.
_PER_PIXEL_NORMS = ("layers.ChannelLayerNorm",)

# Norms that can track statistics, which they then use in evaluation mode, and torch's default.
_TRACKS_STATISTICS_BY_DEFAULT = {"nn.BatchNorm": True, "nn.InstanceNorm": False}


def find_untileable_modules(graph: Graph) -> list[str]:
    """Return the paths of modules that depend on whole feature maps or on positions, in evaluation mode."""
    return [node.path for node in graph.nodes if _is_untileable(node.op)]


def _is_untileable(op: Op) -> bool:
    return op.is_global or _is_not_translation_equivariant(op) or _is_global_norm(op) or _has_circular_padding(op)


def _is_not_translation_equivariant(op: Op) -> bool:
    """Return whether a resampling treats positions of a feature map differently."""
    return isinstance(op, ResizeTo) or (isinstance(op, Interpolation) and op.align_corners)


def _is_global_norm(op: Op) -> bool:
    if not isinstance(op, Normalization) or op.target in _PER_PIXEL_NORMS:
        return False
    default = next(
        (tracks for family, tracks in _TRACKS_STATISTICS_BY_DEFAULT.items() if op.target.startswith(family)), None
    )
    return default is None or not op.arguments.get("track_running_stats", default)


def _has_circular_padding(op: Op) -> bool:
    """Return whether an op pads a feature map with values from its opposite side, which a tile does not contain."""
    if isinstance(op, Convolution):
        return op.padding_mode == "circular" and any(op.padding)
    return isinstance(op, (Pad, PadTo, PadToMultiple)) and op.mode == "circular"
