"""Test that declared sizes and receptive fields equal those of MONAI's modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from unetgen_monai.basic_unet import TwoConv
from unetgen_monai.convolution import Convolution, ResidualUnit, TransposedConvolution
from unetgen_monai.dynunet import UnetBasic, UnetRes
from unetgen_monai.mednext import MedNeXt, MedNeXtUp
from unetgen_monai.upsample import UpSample

from unetgen.graph.builder import Builder, Value
from unetgen.graph.external.measurement import instantiate
from unetgen.graph.external.module_op import ExternalModule, Window
from unetgen.graph.graph import Graph
from unetgen.graph.part_types import Block, Stride, Upsample
from unetgen.graph.size_rule import Rounding, SizeConstraintError
from unetgen.parts.layers.activations import NoActivation
from unetgen.parts.layers.norms import NoNorm

BARE: dict[str, Any] = {"norm": NoNorm(), "activation": NoActivation()}

BLOCKS: list[tuple[Block, int, int]] = [
    *((UnetBasic(kernel_size=k, **BARE), s, 1) for k in (1, 3, 5, 7) for s in (1, 2, 3, 4) if k >= s - 1),
    *((UnetRes(kernel_size=k, **BARE), s, 1) for k in (1, 3, 5) for s in (1, 2)),
    *((Convolution(kernel_size=k, dilation=d, **BARE), s, 1) for k in (1, 3, 5) for d in (1, 2) for s in (1, 2, 3, 4)),
    *((Convolution(kernel_size=4, dilation=2, **BARE), s, 1) for s in (1, 2, 3)),
    *((ResidualUnit(kernel_size=k, subunits=2, **BARE), s, 1) for k in (1, 3, 5) for s in (1, 2, 3, 4)),
    (ResidualUnit(dilation=2, **BARE), 1, 1),
    (TwoConv(**BARE), 1, 1),
    *((MedNeXt(kernel_size=k), s, 2) for k in (1, 3, 7) for s in (1, 2)),
]

UPSAMPLES: list[tuple[Upsample, int]] = [
    *((UpSample(scale_factor=s, kernel_size=k), 1) for s in (2, 3, 4) for k in (None, 1, 2, 3, 4, 5, 7)),
    *((UpSample(scale_factor=1, kernel_size=k), 1) for k in (None, 1, 3)),
    *((UpSample(mode="nontrainable", scale_factor=s, interp_mode="linear"), 1) for s in (1, 2, 3)),
    *((UpSample(mode="nontrainable", scale_factor=s, interp_mode="nearest"), 1) for s in (1, 2, 3)),
    *((UpSample(mode="pixelshuffle", scale_factor=s, apply_pad_pool=pool), 1) for s in (2, 3) for pool in (True, False)),
    (UpSample(mode="pixelshuffle", pre_conv="none", apply_pad_pool=False), 1),
    *((TransposedConvolution(kernel_size=k, strides=s, **BARE), 1) for k in (1, 3, 5) for s in (1, 2, 3)),
    *((MedNeXtUp(kernel_size=k), 2) for k in (1, 3, 7)),
]  # fmt: skip


# Long enough that the receptive fields of three central output pixels do not reach the border.
LENGTH = 48


def build_op(emit: Callable[[Builder, Value], Value], dims: int) -> tuple[Graph, ExternalModule]:
    g = Builder(dims, 4)
    graph = g.to_graph(emit(g, g.input))
    op = graph.nodes[-1].op
    assert not g.problems
    assert isinstance(op, ExternalModule)
    return graph, op


def actual_size(op: ExternalModule, n: int, dims: int) -> int | None:
    """Return the output size of MONAI's module, or None if it fails."""
    with torch.device("meta"):
        try:
            return int(instantiate(op.to_layer_call(), "").eval()(torch.zeros(1, 4, *[n] * dims)).shape[-1])
        except (RuntimeError, ValueError):
            return None


def predicted_size(graph: Graph, n: int) -> int | None:
    try:
        return graph.output_size((n,) * graph.dims)[-1]
    except SizeConstraintError:
        return None


@pytest.mark.parametrize("rounding", ["exact", "floor"])
@pytest.mark.parametrize(("block", "stride", "dims"), BLOCKS)
def test_blocks_accept_the_sizes_that_they_divide(block: Block, stride: int, dims: int, rounding: Rounding) -> None:
    graph, op = build_op(lambda g, x: block.emit_strided(g, x, 8, Stride(stride, rounding)), dims)
    for n in range(3 if isinstance(block, MedNeXt) else 1, 14):  # its norm needs more than one pixel
        size = predicted_size(graph, n)
        if rounding == "floor" or n % stride == 0:
            assert size == actual_size(op, n, dims)
        else:
            assert size is None
        assert size is None or rounding == "floor" or size * stride == n


@pytest.mark.parametrize(("upsample", "dims"), UPSAMPLES)
def test_upsamplings_give_exact_multiples(upsample: Upsample, dims: int) -> None:
    graph, op = build_op(lambda g, x: upsample.emit(g, x, 4), dims)
    for n in range(2, 8):
        assert predicted_size(graph, n) == actual_size(op, n, dims)


@pytest.mark.parametrize(("block", "stride", "dims"), BLOCKS)
def test_receptive_fields_of_blocks_equal_those_of_gradients(block: Block, stride: int, dims: int) -> None:
    graph, op = build_op(lambda g, x: block.emit_strided(g, x, 4, Stride(stride)), dims)
    if op.pixels is None:
        assert isinstance(block, MedNeXt)
        assert stride > 1
        return
    check_receptive_fields(graph, op)


@pytest.mark.parametrize(("upsample", "dims"), UPSAMPLES)
def test_receptive_fields_of_upsamplings_equal_those_of_gradients(upsample: Upsample, dims: int) -> None:
    graph, op = build_op(lambda g, x: upsample.emit(g, x, 1), dims)
    if op.pixels is not None:
        check_receptive_fields(graph, op)


def check_receptive_fields(graph: Graph, op: ExternalModule) -> None:
    length = graph.output_size((LENGTH,) * graph.dims)[0]
    for o in range(length // 2 - 1, length // 2 + 2):
        assert gradient_window(op, o, graph.dims) == op.input_interval(0, (o, o), (LENGTH, length))


def gradient_window(op: ExternalModule, o: int, dims: int) -> tuple[int, int]:
    """Return the input pixels along the first axis that an output row depends on."""
    torch.manual_seed(0)
    module = instantiate(op.to_layer_call(), "").double()
    for norm in [m for m in module.modules() if isinstance(m, torch.nn.GroupNorm)]:
        norm.forward = lambda x: x  # type: ignore[method-assign]  # norms over whole maps are ignored
    x: Tensor = torch.randn(1, 4, *[LENGTH] * dims, dtype=torch.float64, requires_grad=True)
    module(x)[:, :, o].sum().backward()
    assert x.grad is not None
    rows = x.grad.abs().sum(dim=[axis for axis in range(dims + 2) if axis != 2]).nonzero().flatten()
    return int(rows.min()), int(rows.max())


def test_receptive_field_of_a_global_norm_is_unknown() -> None:
    _, op = build_op(lambda g, x: MedNeXt(global_resp_norm=True).emit(g, x, 4), 2)
    assert op.pixels is None


@pytest.mark.parametrize("kernel", [[1, 3], [3, 5]])
def test_receptive_field_may_differ_by_axis(kernel: list[int]) -> None:
    _, op = build_op(lambda g, x: Convolution(kernel_size=tuple(kernel), **BARE).emit(g, x, 4), 2)
    assert op.pixels == tuple(Window(n, 1, n // 2) for n in kernel)
