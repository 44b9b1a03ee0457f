"""The ops of which a graph consists, one family per file."""

from unetgen.graph.ops.base import Call, Input, Op, Parameter
from unetgen.graph.ops.convolution import Convolution, TransposedConvolution
from unetgen.graph.ops.global_ops import (
    AdaptiveAvgPooling,
    BroadcastMultiply,
    ChannelConvolution,
    ChannelGate,
    ChannelPooling,
    ChannelScaling,
    Flatten,
    GlobalPooling,
)
from unetgen.graph.ops.merging import Add, Concat, Maximum, Multiply
from unetgen.graph.ops.pointwise import Activation, Dropout, Normalization
from unetgen.graph.ops.pooling import AvgPooling, MaxPooling
from unetgen.graph.ops.resampling import Interpolation, PixelShuffle
from unetgen.graph.ops.size_matching import CropTo, Pad, PadTo, PadToMultiple, ResizeTo

__all__ = [
    "Activation",
    "AdaptiveAvgPooling",
    "Add",
    "AvgPooling",
    "BroadcastMultiply",
    "Call",
    "ChannelConvolution",
    "ChannelGate",
    "ChannelPooling",
    "ChannelScaling",
    "Concat",
    "Convolution",
    "CropTo",
    "Dropout",
    "Flatten",
    "GlobalPooling",
    "Input",
    "Interpolation",
    "MaxPooling",
    "Maximum",
    "Multiply",
    "Normalization",
    "Op",
    "Pad",
    "PadTo",
    "PadToMultiple",
    "Parameter",
    "PixelShuffle",
    "ResizeTo",
    "TransposedConvolution",
]  # fmt: skip
