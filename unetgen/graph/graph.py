"""The graph of a spec: its nodes in the order of execution, each with its path and channels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from unetgen.graph.external.module_op import MultiOutputModule
from unetgen.graph.fitting_sizes import FittingSizes, find_fitting_sizes
from unetgen.graph.node import Node
from unetgen.graph.ops.base import Parameter, Size
from unetgen.graph.size_rule import IntegerSizes, SizeConstraintError

_INTEGER_SIZES = IntegerSizes()


class NodeSizeError(SizeConstraintError):
    """A size that does not fit, with its position in the graph.

    Attributes:
        axis: The spatial axis, from 0.
        node: The node whose output has the size.
        consumer: The node that does not accept it.
    """

    def __init__(self, error: SizeConstraintError, axis: int, node: Node, consumer: Node) -> None:
        super().__init__(error.size, error.reason)
        self.axis = axis
        self.node = node
        self.consumer = consumer


class Output(NamedTuple):
    """The output of a head.

    Attributes:
        name: The head's name; empty if there is one unnamed head.
        nodes: The nodes whose outputs it returns, finest first.
        is_list: Whether the output is a list of tensors.
    """

    name: str
    nodes: tuple[int, ...]
    is_list: bool = False


@dataclass(frozen=True)
class Graph:
    """A network as data. Shapes and costs are computed per input size, so one graph serves all sizes.

    Examples:
        >>> import unetgen
        >>> graph = unetgen.graph_of("unet_paper")
        >>> graph.output_size((572, 572))
        (388, 388)
        >>> str(graph.fits[0])
        'n = 12 (mod 16), n >= 188'
    """

    name: str
    dims: int
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    labels: Mapping[str, str]
    """The class names of the modules that contain nodes, by path."""
    skips: Mapping[int, int]
    """For each level with a skip, the node whose output is passed to the decoder."""
    input_size: Size | None = None
    has_fixed_size: bool = False
    """Whether only ``input_size`` fits, since a part has read the size of a feature map."""
    is_isotropic: bool = False
    """Whether all ops treat all axes alike, so that the results for one axis hold for all."""
    checkpointing: tuple[str, ...] = ()
    """The paths of the modules whose feature maps are recomputed in the backward pass."""
    omitted_levels: tuple[int, ...] = ()
    """The decoder levels of the spec that are not built, since no head reads them."""

    @property
    def output(self) -> int:
        """The node of the first output, to which output sizes and receptive fields refer."""
        return self.outputs[0].nodes[0]

    @cached_property
    def output_nodes(self) -> tuple[int, ...]:
        """The nodes of all outputs, in their order."""
        return tuple(index for output in self.outputs for index in output.nodes)

    def sizes(self, input_size: Size) -> tuple[Size, ...]:
        """Return the spatial size of every node's output.

        Args:
            input_size: The spatial size of the image.

        Returns:
            One size per node.

        Raises:
            NodeSizeError: If the input size does not fit.
        """
        if self.is_isotropic and len(set(input_size)) == 1:
            return tuple([(size,) * self.dims for size in self.sizes_along(0, input_size[0])])
        per_axis = [self.sizes_along(axis, size) for axis, size in enumerate(input_size)]
        return tuple(zip(*per_axis, strict=True))

    def sizes_along(self, axis: int, size: int) -> list[int]:
        """Return the size of every node's output along one axis. Raises NodeSizeError if the size does not fit."""
        sizes = [size]
        for node in self.nodes[1:]:
            try:
                sizes.append(node.op.output_size_along(axis, [sizes[i] for i in node.inputs], _INTEGER_SIZES))
            except SizeConstraintError as error:
                raise NodeSizeError(error, axis, self._first_producer(node), node) from None
        return sizes

    def output_along(self, axis: int, size: int) -> int | None:
        """Return the output size for an input size along one axis, or None if that input size does not fit."""
        try:
            return self.sizes_along(axis, size)[self.output]
        except NodeSizeError:
            return None

    def _first_producer(self, node: Node) -> Node:
        """Return the node that computes a node's first input; the input of a module with several outputs for those."""
        source = self.nodes[node.inputs[0]]
        return self.nodes[source.inputs[0]] if isinstance(source.op, MultiOutputModule) else source

    def output_size(self, input_size: Size) -> Size:
        """Return the spatial size of the first output. Raises NodeSizeError if the input size does not fit."""
        return self.sizes(input_size)[self.output]

    def resized_outputs(self, input_size: Size) -> list[int]:
        """Return the output nodes with spatial axes whose size differs from the input's."""
        sizes = self.sizes(input_size)
        return [i for i in self.output_nodes if not self.nodes[i].op.has_no_spatial_axes and sizes[i] != input_size]

    @cached_property
    def fits(self) -> tuple[FittingSizes, ...]:
        """The input sizes that fit, for each axis."""
        if self.has_fixed_size and self.input_size:
            outputs = self.output_size(self.input_size)
            return tuple(FittingSizes.only(n, out) for n, out in zip(self.input_size, outputs, strict=True))
        axes = 1 if self.is_isotropic else self.dims
        solved = tuple(find_fitting_sizes(self.nodes, self.output, axis) for axis in range(axes))
        return solved * self.dims if self.is_isotropic else solved

    @property
    def in_channels(self) -> int:
        """The channels of the image."""
        return self.nodes[0].channels

    @property
    def out_channels(self) -> int:
        """The channels of the first output."""
        return self.nodes[self.output].channels

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The learned tensors by their state-dict keys, in the order of execution."""
        parameters: dict[str, Parameter] = {}
        for node in self.nodes[1:]:
            if node.layer_path == node.path:
                for parameter in node.op.parameters():
                    parameters[f"{node.path}.{parameter.name}"] = parameter
        return parameters

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the nodes that read its output."""
        consumers: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                consumers[source].append(node.index)
        return tuple(map(tuple, consumers))

    @cached_property
    def last_use(self) -> tuple[int, ...]:
        """For each node, the last node that reads its output; the outputs of the network are read at the end."""
        last = [
            consumers[-1] if consumers else node.index
            for node, consumers in zip(self.nodes, self.consumers, strict=True)
        ]
        for index in self.output_nodes:
            last[index] = len(self.nodes)
        return tuple(last)

    @cached_property
    def digest(self) -> str:
        """A hash of nodes, outputs and fixed size; equal for graphs with the same computation."""
        lines = [f"{n.path} {n.layer_path} {n.op!r} {n.inputs} {n.channels}" for n in self.nodes]
        lines += [
            str([tuple(output) for output in self.outputs]),
            str(self.input_size if self.has_fixed_size else None),
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @cached_property
    def checkpoint_scopes(self) -> tuple[str, ...]:
        """For each node the path of the outermost checkpointed module that contains it, or an empty path."""
        scopes = sorted(self.checkpointing)
        return tuple(next((s for s in scopes if n.path.startswith(f"{s}.")), "") for n in self.nodes)

    def find_needed_nodes(self) -> set[int]:
        """Return the image and the nodes that are on a path to an output."""
        needed = {0, *self.output_nodes}
        for node in reversed(self.nodes):
            if node.index in needed:
                needed.update(node.inputs)
        return needed

    def find_unread_levels(self) -> tuple[int, ...]:
        """Return the decoder levels none of whose nodes is on a path to an output, from the coarsest to the finest."""
        needed = self.find_needed_nodes()
        is_read: dict[int, bool] = {}
        for node in self.nodes:
            if node.side == "decoder":
                is_read[node.level] = is_read.get(node.level, False) or node.index in needed
        return tuple(level for level, read in is_read.items() if not read)

    def prune(self) -> Graph:
        """Return the graph without the nodes that are not on a path to an output; paths do not change."""
        needed = self.find_needed_nodes()
        new_index = {old: new for new, old in enumerate(sorted(needed))}
        nodes = [
            Node(
                new_index[n.index],
                n.path,
                n.layer_path,
                n.op,
                tuple(new_index[i] for i in n.inputs),
                n.channels,
                n.side,
                n.level,
            )
            for n in (self.nodes[index] for index in sorted(needed))
        ]
        outputs = [output._replace(nodes=tuple(new_index[i] for i in output.nodes)) for output in self.outputs]
        skips = {level: new_index[index] for level, index in self.skips.items() if index in new_index}
        return replace(self, nodes=tuple(nodes), outputs=tuple(outputs), skips=skips)

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self  # a graph is never changed
