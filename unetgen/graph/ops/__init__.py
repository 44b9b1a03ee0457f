"""The primitives a network is drawn with. Each file is one family."""

from unetgen.graph.ops.base import Call, Input, Op, Parameter
from unetgen.graph.ops.convolution import Convolution, TransposedConvolution
from unetgen.graph.ops.fitting import CropTo, Pad, PadTo, PadToMultiple, ResizeTo
from unetgen.graph.ops.joining import Add, Concat, Maximum, Multiply
from unetgen.graph.ops.opaque import Opaque, OpaqueBundle, Sizing, Taking, Window
from unetgen.graph.ops.pointwise import Activation, Dropping, Normalization
from unetgen.graph.ops.pooling import AvgPooling, MaxPooling
from unetgen.graph.ops.resampling import Interpolation, PixelShuffle
from unetgen.graph.ops.whole_map import (
    BinPooling,
    ChannelConvolution,
    ChannelPooling,
    ChannelScaling,
    Flattening,
    GlobalPooling,
    Halving,
    Scaling,
)

__all__ = [
    "Activation", "Add", "AvgPooling", "BinPooling", "Call", "ChannelConvolution", "ChannelPooling", "ChannelScaling",
    "Concat", "Convolution", "CropTo", "Dropping", "Flattening", "GlobalPooling", "Halving", "Input", "Interpolation",
    "MaxPooling", "Maximum", "Multiply", "Normalization", "Op", "Opaque", "OpaqueBundle", "Pad", "PadTo",
    "PadToMultiple", "Parameter", "PixelShuffle", "ResizeTo", "Scaling", "Sizing", "Taking", "TransposedConvolution",
    "Window",
]  # fmt: skip
