"""Builder: the interface through which parts add ops to a network's graph."""

from __future__ import annotations

from unetgen.graph.base_builder import Axes, Value
from unetgen.graph.build_problems import BuildProblem
from unetgen.graph.builder_methods.convolution import ConvolutionMethods
from unetgen.graph.builder_methods.external_modules import ExternalModuleMethods
from unetgen.graph.builder_methods.global_ops import GlobalMethods
from unetgen.graph.builder_methods.merging import MergingMethods
from unetgen.graph.builder_methods.pointwise import PointwiseMethods
from unetgen.graph.builder_methods.resampling import ResamplingMethods

__all__ = ["Axes", "BuildProblem", "Builder", "Value"]


class Builder(
    ExternalModuleMethods, ConvolutionMethods, ResamplingMethods, PointwiseMethods, MergingMethods, GlobalMethods
):
    """Builds the graph of one network.

    Parts receive a builder, conventionally named ``g``, in ``emit``. Each method that adds an op takes and returns
    a ``Value``, which has ``channels`` and, for a spec with ``input_size``, a ``size``.

    Args:
        dims: The number of spatial dimensions, 1 to 3.
        in_channels: The channels of the image.
        input_size: The spatial size of the image, if the spec has one.

    Examples:
        >>> from unetgen.authoring import Builder
        >>> g = Builder(dims=2, in_channels=3)
        >>> x = g.conv(g.input, 16, 3, padding="zeros", name="conv")
        >>> x = g.activation(x, "nn.ReLU", {}, name="relu")
        >>> graph = g.to_graph(x)
        >>> graph.out_channels, graph.output_size((64, 64))
        (16, (64, 64))
    """
