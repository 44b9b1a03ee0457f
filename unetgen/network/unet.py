"""Build an nn.Module from a Graph: the module tree follows node paths, forward follows node order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unetgen.errors import Problem, SizeError
from unetgen.graph.external.measurement import instantiate
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.graph import Graph
from unetgen.graph.liveness import inplace_nodes
from unetgen.graph.module_tree import ModuleNode, build_module_tree
from unetgen.graph.node import Node
from unetgen.graph.size_errors import check_sizes
from unetgen.network.layer_factory import build_layer
from unetgen.network.model_methods import ModelMethods
from unetgen.network.scope import Scope, Step
from unetgen.preprocessing import Preprocessing

if TYPE_CHECKING:
    from unetgen.config.spec import Spec


# What a network returns: a tensor, a list of tensors, or a dict of either by head name.
NetworkOutput = Tensor | list[Tensor] | dict[str, Tensor | list[Tensor]]

# The name of each output, and the length of its list, or None if it is a single tensor.
OutputStructure = tuple[tuple[str, int | None], ...]

_ONE_MAP: OutputStructure = (("", None),)


class UNet(Scope, ModelMethods):
    """The finished network. ``spec`` and ``graph`` are the data it was built from; forward computes with neither.

    ``preprocessing`` is what it expects of its images, if that is known; ``save`` stores it and ``load`` restores it.

    ``model(x)`` takes ``(batch, in_channels, *size)`` and returns ``(batch, out_channels, *output_size)``: one tensor;
    with deep supervision a list of tensors, finest first; with named heads a dict of either. The structure is the same
    in training and in evaluation. A size that does not fit raises SizeError, a ValueError, before the first layer runs.
    """

    def __init__(self, spec: Spec, graph: Graph) -> None:
        super().__init__("UNet")
        self.spec = spec
        self.graph = graph
        self.preprocessing: Preprocessing | None = None
        self.output_structure: OutputStructure = tuple(
            (o.name, len(o.nodes) if o.is_list else None) for o in graph.outputs
        )
        self._accepted_shapes: set[tuple[int, ...]] = set()

    def forward(self, x: Tensor) -> NetworkOutput:  # type: ignore[override]  # a network has one input
        if not torch.compiler.is_compiling():
            self.check_input(x)
        results = self._run([x])
        return results[0] if self.output_structure == _ONE_MAP else _pack_outputs(results, self.output_structure)

    def check_input(self, x: Tensor) -> None:
        """Raise SizeError unless the network takes an input of this shape."""
        shape = tuple(x.shape[1:])
        if shape in self._accepted_shapes:
            return
        if x.dim() != self.graph.dims + 2 or shape[0] != self.graph.in_channels:
            axes = ", ".join(["batch", str(self.graph.in_channels), *(["size"] * self.graph.dims)])
            message = f"the input has shape {tuple(x.shape)}, this network takes ({axes})"
            hint = "add or move the batch and channel axes" if x.dim() != self.graph.dims + 2 else "check in_channels"
            raise SizeError([Problem("shape", "input", message, hint)])
        check_sizes(self.graph, shape[1:])
        self._accepted_shapes.add(shape)


def _pack_outputs(results: Sequence[Tensor], structure: OutputStructure) -> NetworkOutput:
    """Group a flat sequence of tensors into the network's output structure."""
    outputs: dict[str, Tensor | list[Tensor]] = {}
    start = 0
    for name, count in structure:
        outputs[name] = results[start] if count is None else list(results[start : start + count])
        start += count or 1
    return outputs.pop("") if "" in outputs else outputs


def flatten_outputs(output: NetworkOutput) -> list[Tensor]:
    """Return every map of a network's output in order, whether it is one map, a list of maps or a dict of either."""
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values for tensor in flatten_outputs(value)]


def build_network(spec: Spec, graph: Graph) -> UNet:
    """Build the network of a graph on torch's default device, with uninitialised weights.

    Args:
        spec: The spec of the network.
        graph: The graph of the spec.

    Returns:
        The network.
    """
    model = UNet(spec, graph)
    _NetworkBuilder(graph).populate(model, build_module_tree(graph))
    return model


class _NetworkBuilder:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inplace_nodes = inplace_nodes(graph)
        self.layers: dict[str, torch.nn.Module] = {}

    def populate(self, scope: Scope, module_node: ModuleNode) -> None:
        """Add children and steps to a scope, recursively."""
        for name, child in module_node.children.items():
            if isinstance(child, ModuleNode):
                inner = Scope(child.label)
                # Inside a checkpointed scope nothing is kept, so its inner scopes need not be marked.
                inner._is_checkpointed = child.path in self.graph.checkpointing
                scope.add_module(name, inner)
                self.populate(inner, child)
            elif child.layer_path != child.path:
                scope._shared_layers[name] = [self.layers[child.layer_path]]
            else:
                self.layers[child.path] = self._build_layer(child)
                scope.add_module(name, self.layers[child.path])
        numbers = {index: number for number, index in enumerate(module_node.values)}
        scope._steps = tuple(
            Step(child, *(tuple(numbers[i] for i in group) for group in groups)) for child, *groups in module_node.calls
        )
        scope._output_indices = tuple(numbers[index] for index in module_node.outputs)
        scope._num_values = len(numbers)

    def _build_layer(self, node: Node) -> torch.nn.Module:
        if isinstance(node.op, ExternalModule):
            return instantiate(node.op.to_layer_call(), node.op.origin)
        return build_layer(node.op.to_layer_call(), **({"inplace": True} if node.index in self.inplace_nodes else {}))
