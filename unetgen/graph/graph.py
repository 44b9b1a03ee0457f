"""Graph: what a spec means. Nodes in the order in which they run, each with its path and channels."""

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
    """A Misfit with its place: which axis, which node's map, and which node cannot take it."""

    def __init__(self, error: SizeConstraintError, axis: int, node: Node, consumer: Node) -> None:
        super().__init__(error.size, error.reason)
        self.axis = axis
        self.node = node
        self.consumer = consumer


class Output(NamedTuple):
    """What a head hands out: one map, or with ``several`` a list of maps, the finest first."""

    name: str
    nodes: tuple[int, ...]
    is_list: bool = False


@dataclass(frozen=True)
class Graph:
    """A drawn network. Shapes and costs are asked for an input size, so one drawing serves all sizes."""

    name: str
    dims: int
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    labels: Mapping[str, str]
    """What the modules above the nodes are called, by path."""
    skips: Mapping[int, int]
    """For each level with a skip, the node whose output is handed over."""
    input_size: Size | None = None
    has_fixed_size: bool = False
    """Whether some part asked for the size itself, so that only ``input_size`` fits."""
    is_isotropic: bool = False
    """Whether no op tells one axis from another, so that one axis speaks for all."""
    checkpointing: tuple[str, ...] = ()
    """The paths of the modules whose maps are not kept for the backward pass but computed again."""

    @property
    def output(self) -> int:
        """The node whose map is the first output: the one that sizes and receptive fields are told of."""
        return self.outputs[0].nodes[0]

    @cached_property
    def output_nodes(self) -> tuple[int, ...]:
        """Every node whose map is handed out, in the order of the outputs."""
        return tuple(index for output in self.outputs for index in output.nodes)

    def sizes(self, input_size: Size) -> tuple[Size, ...]:
        """The spatial size of every node's output. Raises SizeMisfit at the first that cannot be."""
        if self.is_isotropic and len(set(input_size)) == 1:
            return tuple([(size,) * self.dims for size in self.sizes_along(0, input_size[0])])
        per_axis = [self.sizes_along(axis, size) for axis, size in enumerate(input_size)]
        return tuple(zip(*per_axis, strict=True))

    def sizes_along(self, axis: int, size: int) -> list[int]:
        """The size of every node's output along one axis."""
        sizes = [size]
        for node in self.nodes[1:]:
            try:
                sizes.append(node.op.output_size_along(axis, [sizes[i] for i in node.inputs], _INTEGER_SIZES))
            except SizeConstraintError as misfit:
                raise NodeSizeError(misfit, axis, self._first_producer(node), node) from None
        return sizes

    def output_along(self, axis: int, size: int) -> int | None:
        """Return the output size for an input size along one axis, or None if that input size does not fit."""
        try:
            return self.sizes_along(axis, size)[self.output]
        except NodeSizeError:
            return None

    def _first_producer(self, node: Node) -> Node:
        """Whose map a node reads first; a value of a bundle is reckoned from the bundle's input."""
        source = self.nodes[node.inputs[0]]
        return self.nodes[source.inputs[0]] if isinstance(source.op, MultiOutputModule) else source

    def output_size(self, input_size: Size) -> Size:
        """The size of the network's output. Raises SizeMisfit."""
        return self.sizes(input_size)[self.output]

    @cached_property
    def fits(self) -> tuple[FittingSizes, ...]:
        """Which input sizes fit, for each axis."""
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
        """Every learned tensor by its state-dict key, in the order of execution."""
        seen: dict[str, Parameter] = {}
        for node in self.nodes[1:]:
            if node.layer_path == node.path:
                for parameter in node.op.parameters():
                    seen[f"{node.path}.{parameter.name}"] = parameter
        return seen

    @cached_property
    def consumers(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the nodes that read its output."""
        readers: list[list[int]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for source in dict.fromkeys(node.inputs):
                readers[source].append(node.index)
        return tuple(tuple(found) for found in readers)

    @cached_property
    def last_use(self) -> tuple[int, ...]:
        """For each node, the last node that reads its output; what is handed out is read at the end."""
        last = [
            readers[-1] if readers else node.index for node, readers in zip(self.nodes, self.consumers, strict=True)
        ]
        for index in self.output_nodes:
            last[index] = len(self.nodes)
        return tuple(last)

    @cached_property
    def digest(self) -> str:
        """A hash of everything that is drawn: equal for graphs that compute the same in the same way."""
        lines = [f"{n.path} {n.layer_path} {n.op!r} {n.inputs} {n.channels}" for n in self.nodes]
        lines += [
            str([tuple(output) for output in self.outputs]),
            str(self.input_size if self.has_fixed_size else None),
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @cached_property
    def checkpoint_scopes(self) -> tuple[str, ...]:
        """For each node the outermost checkpointed module that it is in; nothing where it is in none."""
        scopes = sorted(self.checkpointing)
        return tuple(next((s for s in scopes if n.path.startswith(f"{s}.")), "") for n in self.nodes)

    def prune(self) -> Graph:
        """The same without the nodes that are on no path to an output; all others keep their paths."""
        alive = {0, *self.output_nodes}
        for node in reversed(self.nodes):
            if node.index in alive:
                alive.update(node.inputs)
        number = {old: new for new, old in enumerate(sorted(alive))}
        kept = [self.nodes[index] for index in sorted(alive)]
        nodes = [
            Node(
                number[n.index],
                n.path,
                n.layer_path,
                n.op,
                tuple(number[i] for i in n.inputs),
                n.channels,
                n.side,
                n.level,
            )
            for n in kept
        ]
        outputs = [output._replace(nodes=tuple(number[i] for i in output.nodes)) for output in self.outputs]
        skips = {level: number[index] for level, index in self.skips.items() if index in number}
        return replace(self, nodes=tuple(nodes), outputs=tuple(outputs), skips=skips)

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self  # nothing in it changes
