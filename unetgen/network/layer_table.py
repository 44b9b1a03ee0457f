"""Format torchinfo's layer table of a network on the meta device, with shapes and multiply-adds from the graph.

No layer runs: each returns an empty tensor of the shape that the graph has. Running layers on the meta device would
import torch's compiler, which takes a second or more in a new process. torchinfo counts the multiply-adds of a
transposed convolution at its output size, four times too many in 2-D; the graph's numbers replace them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torchinfo
from torch import Tensor, nn

from unetgen.analysis.cost import node_cost
from unetgen.graph.node import Node
from unetgen.graph.ops.base import Size
from unetgen.network.scope import Scope
from unetgen.network.unet import UNet


def format_layer_table(model: UNet, input_size: Size) -> str:
    """Format the table for one sample of a size that fits; the model must be on the meta device."""
    graph = model.graph
    sizes = graph.sizes(input_size)
    nodes = {id(model.get_submodule(node.layer_path)): node for node in graph.nodes[1:]}
    with _stub_forwards(model, graph.nodes[1:], sizes):
        statistics = torchinfo.summary(
            model,
            input_data=torch.empty((1, graph.in_channels, *input_size), device="meta"),
            col_names=("output_size", "num_params", "mult_adds"),
            row_settings=("var_names",),
            depth=_compute_depth(graph.nodes),
            verbose=0,
        )
    for row in statistics.summary_list:
        if isinstance(row.module, Scope):
            row.class_name = row.module._label
        elif node := nodes.get(row.layer_id):
            row.macs = node_cost(node, sizes).macs
            row.is_leaf_layer = True  # the children of a third-party module did not run
    return _format_statistics(statistics)


def _format_statistics(statistics: Any) -> str:
    layout = statistics.formatting
    layout.set_layer_name_width(statistics.summary_list)
    rows = layout.header_row(), layout.layers_to_str(statistics.summary_list, statistics.total_params)
    return "".join(rows).rstrip("\n")


def _compute_depth(nodes: Sequence[Node]) -> int:
    return max(node.path.count(".") for node in nodes) + 1


@contextmanager
def _stub_forwards(model: UNet, nodes: Sequence[Node], sizes: Sequence[Size]) -> Iterator[None]:
    """Let every layer return empty tensors with the shapes of its nodes, in execution order."""
    shapes: dict[nn.Module, list[tuple[int, ...]]] = {}
    training = {module: module.training for module in model.modules()}
    for node in nodes:
        module = model.get_submodule(node.layer_path)
        size = () if node.op.has_no_spatial_axes else sizes[node.index]
        shapes.setdefault(module, []).append((1, node.channels, *size))
    try:
        for module, outputs in shapes.items():
            module.forward = _make_stub_forward(outputs)
        yield
    finally:
        for module in shapes:
            del module.forward
        # torchinfo sets all modules to the mode of the root.
        for module, flag in training.items():
            module.training = flag


def _make_stub_forward(shapes: list[tuple[int, ...]]) -> Any:
    remaining_shapes = iter(shapes)

    def forward(*maps: Tensor) -> Tensor:
        return torch.empty(next(remaining_shapes), device="meta")

    return forward
