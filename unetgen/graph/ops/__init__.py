"""The primitives a network is drawn with. Each file is one family."""

from unetgen.graph.ops.base import Call, Input, Op, Parameter
from unetgen.graph.ops.convolution import Convolution, TransposedConvolution
from unetgen.graph.ops.fitting import CropTo, Pad, PadTo, ResizeTo
from unetgen.graph.ops.joining import Add, Concat, Multiply
from unetgen.graph.ops.pointwise import Activation, Dropping, Normalization
from unetgen.graph.ops.pooling import AvgPooling, MaxPooling
from unetgen.graph.ops.resampling import Interpolation, PixelShuffle

__all__ = [
    "Activation", "Add", "AvgPooling", "Call", "Concat", "Convolution", "CropTo", "Dropping", "Input",
    "Interpolation", "MaxPooling", "Multiply", "Normalization", "Op", "Pad", "PadTo", "Parameter",
    "PixelShuffle", "ResizeTo", "TransposedConvolution",
]  # fmt: skip
