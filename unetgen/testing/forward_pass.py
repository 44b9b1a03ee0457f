"""Passes: a network run once, and what was seen on the way."""

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
    """What a module made, and whether it wrote on what it was given."""

    node: Node
    shape: tuple[int, ...]
    mutated_input: bool


class ForwardPass(NamedTuple):
    """The outputs of a pass in one row, what each layer did, and the multiply-adds that torch counted."""

    outputs: list[Tensor]
    layer_calls: list[LayerCall]
    macs: int


def make_image(model: UNet, size: Size, batch: int = 1) -> Tensor:
    """The same noise for equal shapes."""
    shape = (batch, model.graph.in_channels, *size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def run_forward(model: UNet, size: Size) -> ForwardPass:
    """One pass over one image, in evaluation."""
    seen: list[LayerCall] = []
    # Fused attention is no matrix product to torch's counter, and on the meta device it is not fused.
    spelt_out = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), spelt_out, _record_layer_calls(model.eval(), seen), FlopCounterMode(display=False) as counter:
        outputs = list(flatten_outputs(model(make_image(model, size))))
    return ForwardPass(outputs, seen, counter.get_total_flops() // 2)


@contextmanager
def _record_layer_calls(model: UNet, layer_calls: list[LayerCall]) -> Iterator[None]:
    applied: dict[str, list[Node]] = {}
    for node in model.graph.nodes[1:]:
        applied.setdefault(node.layer_path, []).append(node)
    handles = []
    for path, nodes in applied.items():
        if not isinstance(nodes[0].op, MultiOutputModule):
            handles += _add_recording_hooks(model.get_submodule(path), iter(nodes), layer_calls)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _add_recording_hooks(module: nn.Module, nodes: Iterator[Node], layer_calls: list[LayerCall]) -> list[Any]:
    """Watches a layer; ``nodes`` are its applications in their order."""
    versions: list[int] = []

    def before(_: nn.Module, given: tuple[Any, ...]) -> None:
        versions[:] = [x._version for x in given if isinstance(x, Tensor)]

    def after(_: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        node = next(nodes)
        wrote = versions != [x._version for x in given if isinstance(x, Tensor)]
        layer_calls.append(LayerCall(node, tuple(made.shape), wrote and isinstance(node.op, ExternalModule)))

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
