"""optimize: the same answers, sooner. Every shipped network with statistics of its own, folded and reordered."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unetgen
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.optimization.norm_replacement import CentredGroupNorm
from unetgen.optimization.optimized import OptimizedUNet, optimize

pytestmark = pytest.mark.usefixtures("one_thread")

NARROW = {"widths": [4, 8, 8], "input_size": None}


def lived(model: Any) -> Any:
    """A network whose norms have seen something: no statistic and no scale is at its start."""
    fresh = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            noise = torch.rand(tensor.shape, generator=fresh)
            tensor.copy_(0.5 + noise if "var" in name else tensor + 0.3 * noise)
    return model.eval()


def maps(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    values = result.values() if isinstance(result, dict) else result
    return [tensor for value in values for tensor in maps(value)]


def apart(model: Any, other: Any, x: Tensor) -> float:
    with torch.no_grad():
        pairs = list(zip(maps(model(x)), maps(other(x)), strict=True))
    assert all(a.dtype == b.dtype and a.shape == b.shape for a, b in pairs)
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)


def flat(name: str) -> bool:
    return unetgen.load_spec(name).dims < 3


@pytest.mark.parametrize("name", [name for name in list_shipped_specs() if flat(name)])
def test_every_flat_network_gives_the_same(name: str) -> None:
    """In double precision, where nothing but the folding can make a difference."""
    model = lived(unetgen.build(name, seed=0)).double()
    size = smallest_fitting_size(model.graph, 32) or model.graph.input_size
    x = torch.randn(1, model.graph.in_channels, *size, dtype=torch.float64)
    found = optimize(model)
    assert apart(model, found, x) < 1e-9
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    left = [m for m in found.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    assert len(norms) - len(left) == found.folded


FOLDED = {
    "unet_milesial": 18,
    "unet_tutorial": 18,
    "unet_paper": 0,
    "smp_unet_resnet34": 46,
    "resunet": 13,
    "attention_unet": 34,
}


@pytest.mark.parametrize("name", FOLDED)
def test_norms_behind_convolutions_are_gone(name: str) -> None:
    assert optimize(unetgen.build(name, seed=0, input_size=None)).folded == FOLDED[name]


def test_in_three_dimensions_and_half_precision() -> None:
    volume = lived(unetgen.build("unet_3d", seed=0, widths=[4, 8, 8], input_size=None))
    assert apart(volume, optimize(volume), torch.randn(1, 3, 44, 44, 44)) < 1e-4
    for dims in (1, 2, 3):
        model = lived(unetgen.build("unet_milesial", seed=0, dims=dims, **NARROW))
        x = torch.randn(2, 3, *(16,) * dims)
        assert apart(model, optimize(model), x) < 1e-4
        assert apart(model, optimize(model, channels_last=False), x) < 1e-4
        halves_are_as_by_autocast(model, x)


def halves_are_as_by_autocast(model: Any, x: Tensor) -> None:
    """No more is lost than torch itself loses on the same layers, to the bit."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = maps(optimize(model)(x))
    found = maps(optimize(model, dtype=torch.bfloat16)(x))
    assert all(a.dtype == x.dtype and torch.equal(a, b) for a, b in zip(found, expected, strict=True))


# Norms over single maps, over channels and none, attention, poolings; torch has no mean pooling of volumes in bfloat16.
HALVED = {
    "nnunet_resenc_3d": {"widths": [4, 8, 8], "input_size": None},
    "convnext_unet": {},
    "attention_unet": NARROW,
}


@pytest.mark.parametrize("name", HALVED)
def test_every_kind_of_layer_is_as_by_autocast(name: str) -> None:
    model = lived(unetgen.build(name, seed=0, **HALVED[name]))
    size = smallest_fitting_size(model.graph, 32)
    assert size is not None
    halves_are_as_by_autocast(model, torch.randn(1, model.graph.in_channels, *size))


def test_weights_of_products_take_half_the_memory() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW)
    kinds = {m.weight.dtype for m in optimize(model, dtype=torch.bfloat16).modules() if isinstance(m, nn.Conv2d)}
    assert kinds == {torch.bfloat16}


def test_a_wide_network_in_bfloat16_is_within_its_tolerance() -> None:
    model = unetgen.build("unet_milesial", seed=0, widths=[32, 64, 128], input_size=None).eval()
    assert apart(model, optimize(model, dtype=torch.bfloat16), torch.rand(1, 3, 64, 64)) < 1e-2


def test_outputs_have_the_images_type_and_images_are_floating() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW).eval()
    for dtype in (None, torch.float64, torch.bfloat16):
        found = optimize(model, dtype=dtype)
        for given in (torch.float16, torch.float32, torch.float64):
            assert found(torch.zeros(1, 3, 8, 8, dtype=given)).dtype == given
        assert refused(lambda found=found: found(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))) == (
            "the image is of torch.uint8, a network takes floating numbers; convert it: x.float() / 255"
        )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses what torch has deprecated
def test_compiled_it_gives_the_same() -> None:
    model = lived(unetgen.build("unet_milesial", seed=0, widths=[4, 4], input_size=None))
    found = optimize(model, compile=True)
    assert apart(model, found, torch.randn(1, 3, 16, 16)) < 1e-4
    with pytest.raises(unetgen.SizeError):
        found(torch.zeros(1, 3, 1, 16))


def test_outputs_keep_their_form() -> None:
    several = optimize(unetgen.build("unet_milesial", seed=0, head="deep_supervision", **NARROW))
    assert [tuple(y.shape) for y in several(torch.zeros(1, 3, 8, 8))] == [(1, 2, 8, 8), (1, 2, 4, 4)]
    named = optimize(
        unetgen.build("unet_milesial", seed=0, heads={"a": {"type": "conv"}, "b": {"type": "conv"}}, **NARROW)
    )
    assert list(named(torch.zeros(1, 3, 8, 8))) == ["a", "b"]


def test_instance_norms_are_group_norms_of_one_channel_each() -> None:
    for affine in (True, False):
        norm = {"type": "instance", "affine": affine}
        model = lived(unetgen.build("unet_milesial", seed=0, block={"type": "conv", "norm": norm}, **NARROW)).double()
        found = optimize(model)
        kinds = [type(module) for module in found.modules()]
        assert kinds.count(nn.InstanceNorm2d) == 0
        assert kinds.count(CentredGroupNorm) == 10
        assert found.folded == 0
        assert apart(model, found, torch.randn(2, 3, 16, 24, dtype=torch.float64)) < 1e-12


@pytest.mark.parametrize("norm", ["instance", {"type": "group", "groups": 2}])
def test_large_means_take_nothing_from_norms(norm: Any) -> None:
    """As after a convolution with a large bias: torch's own kernel loses a thousandth and more."""
    model = unetgen.build("unet_milesial", seed=0, block={"type": "conv", "bias": True, "norm": norm}, **NARROW).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("conv1.bias"):
            tensor.fill_(30.0)
    x = torch.rand(2, 3, 32, 24)
    exact = copy.deepcopy(model).double()
    with torch.no_grad():
        scale = exact(x.double()).abs().max()
        lost = [float((made(x) - exact(x.double())).abs().max() / scale) for made in (model, optimize(model))]
    assert lost[1] < 4 * lost[0] + 1e-6


def test_the_model_stays_as_it_is() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW).train()
    before = copy.deepcopy(model.state_dict())
    found = optimize(model, dtype=torch.bfloat16)
    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not found.training
    assert found.spec is model.spec
    assert not found(torch.zeros(1, 3, 8, 8)).requires_grad


def test_what_somebody_touched_is_left_alone() -> None:
    seen: list[Any] = []
    model = lived(unetgen.build("unet_milesial", seed=0, **NARROW))
    whole = optimize(model).folded
    model.get_submodule("encoder.0.norm1").register_forward_hook(lambda *said: seen.append(said))
    nn.utils.parametrizations.weight_norm(model.get_submodule("encoder.1.conv1"))
    found = optimize(model)
    assert found.folded == whole - 2
    assert apart(model, found, torch.randn(1, 3, 8, 8)) < 1e-5
    assert seen


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of what torch has put another in the place of
def test_weights_that_are_computed_are_told() -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW)
    nn.utils.weight_norm(model.get_submodule("encoder.1.conv1"))
    assert refused(lambda: optimize(model)) == (
        "encoder.1.conv1.weight is computed from other weights, as by nn.utils.weight_norm, and cannot be copied; use "
        "nn.utils.parametrizations.weight_norm, or nn.utils.remove_weight_norm when it is trained"
    )


def test_layers_that_are_applied_again_are_left_alone() -> None:
    model = lived(unetgen.build("r2unet", seed=0, **NARROW))
    assert apart(model, optimize(model), torch.randn(1, 3, 16, 16)) < 1e-4


def refused(call: Any) -> str:
    with pytest.raises(unetgen.UnetgenError) as error:
        call()
    return str(error.value)


def test_what_cannot_be_optimized_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = unetgen.build("unet_milesial", seed=0, **NARROW)
    found = optimize(model)
    assert isinstance(found, OptimizedUNet)
    assert refused(lambda: optimize(found)) == "this network is optimized already; give the one it was made of"
    assert refused(found.train) == "an optimized network cannot be trained; train the one it was made of"
    assert refused(lambda: optimize(unetgen.build("unet_milesial", device="meta"))) == (
        "this network is on the meta device and has no weights; build it on another device"
    )
    assert refused(lambda: optimize(nn.Conv2d(1, 1, 1))) == (
        "a Conv2d is not a network of unetgen; pass the network inside it"
    )
    types = "torch.float64, torch.float32, torch.bfloat16, torch.float16"
    for dtype in ("bfloat16", torch.int8):
        assert refused(lambda dtype=dtype: optimize(model, dtype=dtype)) == (
            f"dtype={dtype!r} is not a type that networks compute in; give one of {types}"
        )
    monkeypatch.setenv("PATH", "")
    assert refused(lambda: optimize(model, compile=True)) == (
        "compile=True needs a C++ compiler, and none is found; install g++, or leave it out"
    )
    assert refused(lambda: found(torch.zeros(1, 3, 1, 8))).startswith("input_size: 1 on axis H gives 1 at level 0")
