"""One forward pass of a network, with what each layer returned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unetgen.graph.external.module_op import ExternalModule, MultiOutputModule
from unetgen.graph.node import Node
from unetgen.network.unet import UNet, flatten_outputs

Size = tuple[int, ...]


class LayerCall(NamedTuple):
    """One call of a layer: its node, its output's shape, and whether it modified its input in place."""

    node: Node
    shape: tuple[int, ...]
    mutated_input: bool


class ForwardPass(NamedTuple):
    """The outputs of a forward pass, flattened, with the calls of its layers and the MACs that torch counted."""

    outputs: list[Tensor]
    layer_calls: list[LayerCall]
    macs: int


def make_image(model: UNet, size: Size, batch: int = 1) -> Tensor:
    """Return noise of shape ``(batch, in_channels, *size)``, equal for equal shapes."""
    shape = (batch, model.graph.in_channels, *size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def run_forward(model: UNet, size: Size) -> ForwardPass:
    """Run a network on one image of the given size, in evaluation mode."""
    layer_calls: list[LayerCall] = []
    # torch's counter does not see the products in fused attention, and on the meta device attention is not fused.
    unfused = sdpa_kernel(SDPBackend.MATH)
    recording, counter = _record_layer_calls(model.eval(), layer_calls), FlopCounterMode(display=False)
    with torch.no_grad(), unfused, recording, counter:
        outputs = list(flatten_outputs(model(make_image(model, size))))
    return ForwardPass(outputs, layer_calls, counter.get_total_flops() // 2)


@contextmanager
def _record_layer_calls(model: UNet, layer_calls: list[LayerCall]) -> Iterator[None]:
    nodes_by_layer: dict[str, list[Node]] = {}
    for node in model.graph.nodes[1:]:
        nodes_by_layer.setdefault(node.layer_path, []).append(node)
    handles = []
    for path, nodes in nodes_by_layer.items():
        if not isinstance(nodes[0].op, MultiOutputModule):
            handles += _add_recording_hooks(model.get_submodule(path), iter(nodes), layer_calls)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add_recording_hooks(module: nn.Module, nodes: Iterator[Node], layer_calls: list[LayerCall]) -> list[Any]:
    """Record the calls of a layer; ``nodes`` are its nodes in execution order."""
    versions: list[int] = []

    def record_versions(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        versions[:] = [x._version for x in inputs if isinstance(x, Tensor)]

    def record_call(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        node = next(nodes)
        is_mutated = versions != [x._version for x in inputs if isinstance(x, Tensor)]
        layer_calls.append(LayerCall(node, tuple(output.shape), is_mutated and isinstance(node.op, ExternalModule)))

    return [module.register_forward_pre_hook(record_versions), module.register_forward_hook(record_call)]
