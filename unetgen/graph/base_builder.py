"""The base of Builder: the nodes added so far, and the graph that they form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from unetgen.config.registry.part import Part
from unetgen.graph.build_position import BuildPosition, check_not_reserved, join_path
from unetgen.graph.build_problems import BuildProblem, FailureLocation, UnknownSizeError
from unetgen.graph.graph import Graph, Output
from unetgen.graph.node import Node
from unetgen.graph.ops import Input, Normalization, Op
from unetgen.graph.ops.base import Size

Axes = int | tuple[int, ...]
"""A number for all axes, or a tuple with one per axis, of the values of `Kernel`, `Factor` and `Amount`."""


class Value:
    """A feature map of the network being built: the output of one op.

    Attributes:
        channels: The number of channels.
        index: The index of the node that computes the feature map.

    Examples:
        >>> from unetgen.authoring import Builder
        >>> g = Builder(dims=2, in_channels=3)
        >>> g.input.channels
        3
    """

    __slots__ = ("_builder", "channels", "index")

    def __init__(self, builder: BaseBuilder, index: int, channels: int) -> None:
        self._builder = builder
        self.index = index
        self.channels = channels

    @property
    def size(self) -> Size:
        """The spatial size for the spec's ``input_size``; once read, the network accepts only that input size.

        Raises:
            UnknownSizeError: If the spec has no ``input_size``.
            NodeSizeError: If the spec's ``input_size`` does not fit the ops before this one.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 48))
            >>> g.max_pool(g.input, 2, 2, "exact", name="pool").size
            (32, 24)
        """
        return self._builder.size_of(self)


class BaseBuilder(BuildPosition):
    """A network under construction.

    Args:
        dims: The number of spatial dimensions, 1 to 3.
        in_channels: The channels of the image.
        input_size: The spatial size of the image, if the spec has one.

    Attributes:
        dims: The number of spatial dimensions.
        problems: The options that parts have rejected so far.
        skips: For each level with a skip, the index of the node whose output is passed to the decoder.
    """

    def __init__(self, dims: int, in_channels: int, input_size: Size | None = None) -> None:
        super().__init__()
        self.dims = dims
        self.problems: list[BuildProblem] = []
        self.providers: Mapping[type[Part], str] = {}
        """The providers of parts that are not built in, for errors."""
        self.skips: dict[int, int] = {}
        self._input_size = input_size
        self._has_fixed_size = False
        self._is_isotropic = True
        self._nodes: list[Node] = []
        self._paths: set[str] = set()
        self.input = self._add_node("input", Input(in_channels), ())

    @property
    def input(self) -> Value:
        """The input of the encoder: the image, or the output of the input wrapper."""
        return Value(self, *self._input)

    @input.setter
    def input(self, value: Value) -> None:
        # As numbers: a builder that holds a value that holds the builder is a reference cycle, freed only by the
        # garbage collector.
        self._input = value.index, value.channels

    def refuse(self, part: Part, option: str, message: str, hint: str = "") -> None:
        """Report an option that does not work here; building continues, so that all problems are found.

        Args:
            part: The part that has the option.
            option: The option's name; ``type`` for the part as a whole.
            message: What is wrong, starting in lower case.
            hint: The fix, as an imperative.

        Examples:
            >>> from unetgen.authoring import Block, Builder
            >>> class Planar(Block):
            ...     type = "planar"
            ...     def emit(self, g, x, channels):
            ...         if g.dims != 2:
            ...             g.refuse(self, "type", f"block 'planar' does not work in {g.dims}-D", "use 'conv'")
            ...         return g.conv(x, channels, 3, padding="zeros", name="conv")
            >>> g = Builder(dims=3, in_channels=1)
            >>> y = Planar().emit(g, g.input, 8)
            >>> g.problems[0].message
            "block 'planar' does not work in 3-D"
        """
        self.problems.append(BuildProblem(self._slot_location, part, option, message, hint))

    def per_axis(self, value: Axes) -> Size:
        """Expand an option to one number per axis.

        Args:
            value: One number for all axes, or a tuple with one per axis.

        Returns:
            One number per axis.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> Builder(dims=3, in_channels=1).per_axis(2)
            (2, 2, 2)
        """
        if not isinstance(value, tuple):
            return (value,) * self.dims
        self._is_isotropic = self._is_isotropic and len(set(value)) == 1
        return value

    # Result

    def to_graph(self, output: Value | Sequence[Output], name: str = "", *, keep_unused: bool = True) -> Graph:
        """Return the finished graph.

        Args:
            output: The output, or several named outputs.
            name: The network's name.
            keep_unused: Whether nodes that no output depends on stay in the graph.

        Returns:
            The graph.

        Examples:
            >>> from unetgen.authoring import Builder
            >>> g = Builder(dims=2, in_channels=3)
            >>> graph = g.to_graph(g.conv(g.input, 8, 3, name="conv"))
            >>> graph.output_size((64, 64))
            (62, 62)
        """
        outputs = (Output("", (output.index,)),) if isinstance(output, Value) else tuple(output)
        graph = Graph(
            name, self.dims, tuple(self._nodes), outputs, self._labels, self.skips, self._input_size,
            has_fixed_size=self._has_fixed_size, is_isotropic=self._is_isotropic,
        )  # fmt: skip
        return graph if keep_unused else graph.prune()

    def partial_graph(self) -> Graph:
        """Return the graph so far, for any input size; its output is that of the last node."""
        last = self._nodes[-1]
        return replace(self.to_graph(Value(self, last.index, last.channels)), has_fixed_size=False)

    def has_no_spatial_axes(self, value: Value) -> bool:
        """Return whether a value has the shape ``(batch, c)``."""
        return self._nodes[value.index].op.has_no_spatial_axes

    def size_of(self, value: Value) -> Size:
        """Return what ``value.size`` is; the network then accepts only the spec's ``input_size``."""
        if self._input_size is None:
            raise UnknownSizeError(FailureLocation(self._scope, self._slot_location))
        self._has_fixed_size = True
        return self.to_graph(value).output_size(self._input_size)

    def _add_node(self, name: str, op: Op, inputs: Sequence[Value], shared_layer: str = "") -> Value:
        path = join_path(self._scope, name)
        check_not_reserved(name)
        if path in self._paths:
            raise ValueError(f"two ops have the path {path!r}; rename one of them")
        self._paths.add(path)
        channels = op.out_channels([value.channels for value in inputs])
        index = len(self._nodes)
        side, level, _ = self._slot_location
        layer_path = join_path(self._scope, shared_layer) if shared_layer else self._layer_path(path, op)
        node = Node(index, path, layer_path, op, tuple([value.index for value in inputs]), channels, side, level)
        self._nodes.append(node)
        return Value(self, index, channels)

    def _layer_path(self, path: str, op: Op) -> str:
        """Return the path of the layer that a node applies: its own, or its counterpart in the scope named ``like``."""
        scope, shared = self._shared_scope
        if not scope or not (op.parameters() or isinstance(op, Normalization)):
            return path
        layer_path = shared + path.removeprefix(scope)
        if layer_path not in self._paths:
            raise ValueError(f"{path!r} cannot share the weights of {layer_path!r}, which does not exist")
        return layer_path
