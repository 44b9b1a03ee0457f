"""The base classes of parts, one for each slot of a spec. Authors import them from ``unetgen.authoring``."""

from unetgen.graph.part_types.layers import Activation, Dropout, Init, Norm
from unetgen.graph.part_types.levels import Attention, Block, Downsample, Shortcut, Stride, Striding, Unit, Upsample
from unetgen.graph.part_types.network import Decoder, Encoder, Features, Head, HeadLevel, Input, Maps
from unetgen.graph.part_types.skips import Align, Fusion, Gate, Transform

__all__ = [
    "Activation",
    "Align",
    "Attention",
    "Block",
    "Decoder",
    "Downsample",
    "Dropout",
    "Encoder",
    "Features",
    "Fusion",
    "Gate",
    "Head",
    "HeadLevel",
    "Init",
    "Input",
    "Maps",
    "Norm",
    "Shortcut",
    "Stride",
    "Striding",
    "Transform",
    "Unit",
    "Upsample",
]  # fmt: skip
