"""Passes: a network run once, and what was seen on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unetgen.graph.node import Node
from unetgen.graph.ops import Opaque, OpaqueBundle
from unetgen.network.from_graph import UNet

Size = tuple[int, ...]


class Seen(NamedTuple):
    """What a module made, and whether it wrote on what it was given."""

    node: Node
    shape: tuple[int, ...]
    wrote: bool


class Pass(NamedTuple):
    """The outputs of a pass in one row, what each layer did, and the multiply-adds that torch counted."""

    outputs: list[Tensor]
    seen: list[Seen]
    macs: int


def image(model: UNet, size: Size, batch: int = 1) -> Tensor:
    """The same noise for equal shapes."""
    shape = (batch, model.graph.in_channels, *size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def flat(output: Any) -> Iterator[Tensor]:
    """All maps of an output, whether it is one, a list of them, or a mapping."""
    if isinstance(output, Tensor):
        yield output
        return
    for part in output.values() if isinstance(output, dict) else output:
        yield from flat(part)


def run(model: UNet, size: Size) -> Pass:
    """One pass over one image, in evaluation."""
    seen: list[Seen] = []
    # Fused attention is no matrix product to torch's counter, and on the meta device it is not fused.
    spelt_out = sdpa_kernel(SDPBackend.MATH)
    with torch.no_grad(), spelt_out, _watched(model.eval(), seen), FlopCounterMode(display=False) as counter:
        outputs = list(flat(model(image(model, size))))
    return Pass(outputs, seen, counter.get_total_flops() // 2)


@contextmanager
def _watched(model: UNet, seen: list[Seen]) -> Iterator[None]:
    applied: dict[str, list[Node]] = {}
    for node in model.graph.nodes[1:]:
        applied.setdefault(node.layer, []).append(node)
    handles = []
    for path, nodes in applied.items():
        if not isinstance(nodes[0].op, OpaqueBundle):
            handles += _watch(model.get_submodule(path), iter(nodes), seen)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _watch(module: nn.Module, nodes: Iterator[Node], seen: list[Seen]) -> list[Any]:
    """Watches a layer; ``nodes`` are its applications in their order."""
    versions: list[int] = []

    def before(_: nn.Module, given: tuple[Any, ...]) -> None:
        versions[:] = [x._version for x in given if isinstance(x, Tensor)]

    def after(_: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        node = next(nodes)
        wrote = versions != [x._version for x in given if isinstance(x, Tensor)]
        seen.append(Seen(node, tuple(made.shape), wrote and isinstance(node.op, Opaque)))

    return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
