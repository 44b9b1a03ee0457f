"""optimize: equal outputs, computed faster. Every shipped network with random norm statistics."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unetgen
from support.networks import narrow, with_random_statistics
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.network.unet import flatten_outputs
from unetgen.optimization.norm_replacement import CentredGroupNorm
from unetgen.optimization.optimized import OptimizedUNet, optimize

pytestmark = pytest.mark.usefixtures("single_torch_thread")

NARROW = {"widths": [4, 8, 8], "input_size": None}


def max_relative_difference(model: Any, other: Any, x: Tensor) -> float:
    with torch.no_grad():
        pairs = list(zip(flatten_outputs(model(x)), flatten_outputs(other(x)), strict=True))
    assert all(a.dtype == b.dtype and a.shape == b.shape for a, b in pairs)
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)


def is_flat(name: str) -> bool:
    return unetgen.load_spec(name).dims < 3


FLAT = [name for name in list_shipped_specs() if is_flat(name)]


@pytest.mark.parametrize("name", FLAT)
def test_every_flat_network_has_equal_outputs(name: str) -> None:
    assert_optimized_equals(narrow(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", FLAT)
def test_every_flat_network_has_equal_outputs_at_full_width(name: str) -> None:
    assert_optimized_equals(name)


def assert_optimized_equals(spec: Any) -> None:
    """In double precision, so that any difference comes from the folding."""
    model = with_random_statistics(unetgen.build(spec, seed=0)).double()
    size = smallest_fitting_size(model.graph, 32) or model.graph.input_size
    x = torch.randn(1, model.graph.in_channels, *size, dtype=torch.float64)
    optimized = optimize(model)
    assert max_relative_difference(model, optimized, x) < 1e-9
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    remaining = [
        m for m in optimized.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    assert len(norms) - len(remaining) == optimized.folded


FOLDED = {
    "unet_milesial": 18,
    "unet_tutorial": 18,
    "unet_paper": 0,
    "smp_unet_resnet34": 46,
    "resunet": 13,
    "attention_unet": 34,
}


@pytest.mark.parametrize("name", FOLDED)
def test_norms_after_convolutions_are_folded(name: str) -> None:
    assert optimize(unetgen.build(narrow(name), seed=0)).folded == FOLDED[name]


def test_three_dimensions_and_half_precision() -> None:
    volume = with_random_statistics(unetgen.build("unet_3d", seed=0, widths=[4, 8, 8], input_size=None))
    assert max_relative_difference(volume, optimize(volume), torch.randn(1, 3, 44, 44, 44)) < 1e-4
    for dims in (1, 2, 3):
        model = with_random_statistics(unetgen.build("unet_milesial", seed=0, dims=dims, **NARROW))
        x = torch.randn(2, 3, *(16,) * dims)
        assert max_relative_difference(model, optimize(model), x) < 1e-4
        assert max_relative_difference(model, optimize(model, channels_last=False), x) < 1e-4
        assert_equals_autocast(model, x)


def assert_equals_autocast(model: Any, x: Tensor) -> None:
    """Check equality, to the bit, with autocast of torch on the same layers."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = flatten_outputs(optimize(model)(x))
    optimized = flatten_outputs(optimize(model, dtype=torch.bfloat16)(x))
    assert all(a.dtype == x.dtype and torch.equal(a, b) for a, b in zip(optimized, expected, strict=True))


# Norms over feature maps, over channels and none, attention, poolings; torch has no 3-D average pooling in bfloat16.
HALVED = {
    "nnunet_resenc_3d": {"widths": [4, 8, 8], "input_size": None},
    "convnext_unet": {},
    "attention_unet": NARROW,
}


@pytest.mark.parametrize("name", HALVED)
def test_every_kind_of_layer_equals_autocast(name: str) -> None:
    model = with_random_statistics(unetgen.build(name, seed=0, **HALVED[name]))
    size = smallest_fitting_size(model.graph, 32)
    assert size is not None
    assert_equals_autocast(model, torch.randn(1, model.graph.in_channels, *size))


def test_weights_of_products_take_half_the_memory() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW)
    kinds = {m.weight.dtype for m in optimize(model, dtype=torch.bfloat16).modules() if isinstance(m, nn.Conv2d)}
    assert kinds == {torch.bfloat16}


def test_a_wide_network_in_bfloat16_is_within_its_tolerance() -> None:
    model = unetgen.build("unet_milesial", seed=0, widths=[32, 64, 128], input_size=None).eval()
    assert max_relative_difference(model, optimize(model, dtype=torch.bfloat16), torch.rand(1, 3, 64, 64)) < 1e-2


def test_outputs_have_the_images_type_and_images_are_floating() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW).eval()
    for dtype in (None, torch.float64, torch.bfloat16):
        optimized = optimize(model, dtype=dtype)
        for image_dtype in (torch.float16, torch.float32, torch.float64):
            assert optimized(torch.zeros(1, 3, 8, 8, dtype=image_dtype)).dtype == image_dtype
        assert error_message(lambda optimized=optimized: optimized(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))) == (
            "image dtype torch.uint8 is not a floating-point type; convert the image, for example x.float() / 255"
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses deprecated functions of torch
def test_compiled_outputs_are_equal() -> None:
    model = with_random_statistics(unetgen.build("unet_milesial", seed=0, widths=[4, 4], input_size=None))
    optimized = optimize(model, compile=True)
    assert max_relative_difference(model, optimized, torch.randn(1, 3, 16, 16)) < 1e-4
    with pytest.raises(unetgen.SizeError):
        optimized(torch.zeros(1, 3, 1, 16))


def test_outputs_keep_their_structure() -> None:
    several = optimize(unetgen.build("unet_milesial", seed=0, head="deep_supervision", **NARROW))
    assert [tuple(y.shape) for y in several(torch.zeros(1, 3, 8, 8))] == [(1, 2, 8, 8), (1, 2, 4, 4)]
    named = optimize(
        unetgen.build("unet_milesial", seed=0, heads={"a": {"type": "conv"}, "b": {"type": "conv"}}, **NARROW)
    )
    assert list(named(torch.zeros(1, 3, 8, 8))) == ["a", "b"]


def test_instance_norms_are_group_norms_of_one_channel_each() -> None:
    for affine in (True, False):
        norm = {"type": "instance", "affine": affine}
        model = with_random_statistics(
            unetgen.build("unet_milesial", seed=0, block={"type": "conv", "norm": norm}, **NARROW)
        ).double()
        optimized = optimize(model)
        kinds = [type(module) for module in optimized.modules()]
        assert kinds.count(nn.InstanceNorm2d) == 0
        assert kinds.count(CentredGroupNorm) == 10
        assert optimized.folded == 0
        assert max_relative_difference(model, optimized, torch.randn(2, 3, 16, 24, dtype=torch.float64)) < 1e-12


@pytest.mark.parametrize("norm", ["instance", {"type": "group", "groups": 2}])
def test_large_means_keep_norms_precise(norm: Any) -> None:
    """As after a convolution with a large bias, where torch's own kernel loses a thousandth and more."""
    model = unetgen.build("unet_milesial", seed=0, block={"type": "conv", "bias": True, "norm": norm}, **NARROW).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("conv1.bias"):
            tensor.fill_(30.0)
    x = torch.rand(2, 3, 32, 24)
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        scale = exact(x.double()).abs().max()
        lost = [float((network(x) - exact(x.double())).abs().max() / scale) for network in (model, optimize(model))]
    assert lost[1] < 4 * lost[0] + 1e-6


def test_the_model_is_not_changed() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW).train()
    before = copy.deepcopy(model.state_dict())
    optimized = optimize(model, dtype=torch.bfloat16)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not optimized.training
    assert optimized.spec is model.spec
    assert not optimized(torch.zeros(1, 3, 8, 8)).requires_grad


def test_modified_layers_are_not_folded() -> None:
    calls: list[Any] = []
    model = with_random_statistics(unetgen.build("unet_milesial", seed=0, **NARROW))
    num_foldable = optimize(model).folded
    model.get_submodule("encoder.0.norm1").register_forward_hook(lambda *arguments: calls.append(arguments))
    nn.utils.parametrizations.weight_norm(model.get_submodule("encoder.1.conv1"))
    optimized = optimize(model)
    assert optimized.folded == num_foldable - 2
    assert max_relative_difference(model, optimized, torch.randn(1, 3, 8, 8)) < 1e-5
    assert calls


@pytest.mark.filterwarnings("ignore::FutureWarning")  # weight_norm is deprecated
def test_computed_weights_are_an_error() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW)
    nn.utils.weight_norm(model.get_submodule("encoder.1.conv1"))
    assert error_message(lambda: optimize(model)) == (
        "encoder.1.conv1.weight is computed from other weights, as by nn.utils.weight_norm, and cannot be copied; call "
        "nn.utils.remove_weight_norm, or use nn.utils.parametrizations.weight_norm"
    )


def test_shared_layers_are_not_folded() -> None:
    model = with_random_statistics(unetgen.build("r2unet", seed=0, **NARROW))
    assert max_relative_difference(model, optimize(model), torch.randn(1, 3, 16, 16)) < 1e-4


def error_message(call: Any) -> str:
    with pytest.raises(unetgen.UnetgenError) as error:
        call()
    return str(error.value)


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW)
    optimized = optimize(model)
    assert isinstance(optimized, OptimizedUNet)
    assert error_message(lambda: optimize(optimized)) == "this network is already optimized; pass the original network"
    assert error_message(optimized.train) == "an optimized network cannot be trained; train the original network"
    assert error_message(lambda: optimize(unetgen.build("unet_milesial", device="meta"))) == (
        "this network is on the meta device and has no weights; build it on another device"
    )
    assert error_message(lambda: optimize(nn.Conv2d(1, 1, 1))) == (
        "a Conv2d is not a unetgen network; pass the UNet that it wraps"
    )
    types = "torch.float64, torch.float32, torch.bfloat16, torch.float16"
    for dtype in ("bfloat16", torch.int8):
        assert error_message(lambda dtype=dtype: optimize(model, dtype=dtype)) == (
            f"dtype={dtype!r} is not supported; use one of {types}"
        )
    monkeypatch.setenv("PATH", "")
    assert error_message(lambda: optimize(model, compile=True)) == (
        "compile=True needs a C++ compiler, but none was found; install g++, or omit compile=True"
    )
    assert error_message(lambda: optimized(torch.zeros(1, 3, 1, 8))).startswith(
        "input_size: 1 on axis H gives 1 at level 0"
    )
