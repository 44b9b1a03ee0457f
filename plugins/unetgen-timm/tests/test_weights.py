"""Test initial weights from files and timm's cache, and errors of files that do not match."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import unetgen
from safetensors.torch import save_file
from torch import Tensor, nn
from unetgen.config.registry.registry import Registry
from unetgen.errors import PluginError
from unetgen.network.unet import UNet

from conftest import PLUGIN, RunCode
from specs import spec
from unetgen_timm.parts import Timm

Tensors = dict[str, Tensor]


def theirs(name: str = "resnet18", seed: int = 7, **more: Any) -> nn.Module:
    """Build a classifier of timm with seeded weights."""
    torch.manual_seed(seed)
    return timm.create_model(name, **more)


def build(registry: Registry, path: Path, name: str = "resnet18", **more: Any) -> UNet:
    return unetgen.build(spec(name, weights=str(path)), registry=registry, seed=0, **more).eval()


def net(model: UNet) -> nn.Module:
    return model.get_submodule("encoder.backbone.net")


def write(path: Path, tensors: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def error_message(registry: Registry, path: Path, name: str = "resnet18", **more: Any) -> str:
    """Return the error message without the prefix that names the provider."""
    with pytest.raises(PluginError) as error:
        build(registry, path, name, **more)
    provider = registry.get_provider(Timm)
    head = f"encoder.backbone: encoder 'timm' of {provider} failed while creating unetgen_timm.modules:Backbone: "
    assert str(error.value).startswith(head)
    return str(error.value).removeprefix(head)


@pytest.mark.parametrize(
    ("name", "file"), [("resnet18", "a.safetensors"), ("convnext_atto", "a.pth"), ("efficientnet_b0", "a.safetensors")]
)
def test_a_file_of_timms_weights(registry: Registry, tmp_path: Path, name: str, file: str) -> None:
    """Classifiers fit, whose heads are ignored; their keys differ from those of the features."""
    source = theirs(name).eval()
    model = build(registry, write(tmp_path / file, source.state_dict()), name)
    x = torch.randn(1, 3, 64, 64)
    features, end = timm.create_model(name, features_only=True).eval(), len(net(model).feature_info)
    assert len(features.feature_info) == end
    with torch.no_grad():
        _, intermediates = source.forward_intermediates(x)
        features = model.encoder(x)
    matched = [m for m in intermediates if any(m.shape == f.shape and torch.equal(m, f) for f in features)]
    assert len(matched) >= end - 1  # of EfficientNet they are taken at other places
    assert set(map(float, sums(net(model)))) <= set(map(float, sums(source)))


def sums(module: nn.Module) -> list[Tensor]:
    return [tensor.double().sum() for tensor in module.state_dict().values()]


def test_a_file_with_a_nested_state_dict(registry: Registry, tmp_path: Path) -> None:
    source = theirs()
    state = {f"module.{key}": value for key, value in source.state_dict().items()}
    model = build(registry, write(tmp_path / "net.pth", {"epoch": 3, "state_dict": state}))
    assert torch.equal(net(model).get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))


def test_a_file_without_its_head(registry: Registry, tmp_path: Path) -> None:
    source = theirs(num_classes=0)
    model = build(registry, write(tmp_path / "net.safetensors", source.state_dict()))
    assert torch.equal(net(model).get_parameter("layer4.1.conv2.weight"), source.get_parameter("layer4.1.conv2.weight"))


def test_three_channels_become_one_or_four(registry: Registry, tmp_path: Path) -> None:
    """timm's way: one is the sum of three; more repeat them, so that the sum over equal channels stays."""
    path = write(tmp_path / "net.safetensors", theirs().state_dict())
    kernel = theirs().get_parameter("conv1.weight")
    one = net(build(registry, path, in_channels=1)).get_parameter("conv1.weight")
    four = net(build(registry, path, in_channels=4)).get_parameter("conv1.weight")
    assert torch.allclose(one, kernel.sum(1, keepdim=True))
    assert torch.allclose(four, torch.cat([kernel, kernel[:, :1]], 1) * 3 / 4)


def test_a_file_with_the_same_channels_is_loaded_unchanged(registry: Registry, tmp_path: Path) -> None:
    source = theirs(in_chans=4)
    model = build(registry, write(tmp_path / "net.safetensors", source.state_dict()), in_channels=4)
    assert torch.equal(net(model).get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))


def test_the_decoder_starts_as_without_a_file(registry: Registry, tmp_path: Path) -> None:
    model = build(registry, write(tmp_path / "net.safetensors", theirs().state_dict()))
    plain = unetgen.build(spec(), registry=registry, seed=0)
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value) == (
            not key.startswith("encoder.") or value.ndim == 0 or is_constant(value)
        )


def is_constant(value: Tensor) -> bool:
    """Return whether all elements are equal, so that the initial value does not depend on the seed."""
    return len(value.unique()) == 1


def test_a_network_is_rebuilt_without_the_file(registry: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", theirs().state_dict())
    model, x = build(registry, path), torch.randn(1, 3, 32, 32)
    unetgen.save(model, tmp_path / "unet.safetensors")
    path.unlink()
    again = unetgen.load(tmp_path / "unet.safetensors", registry=registry)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_nothing_of_the_file_stays_behind(registry: Registry, tmp_path: Path) -> None:
    """timm would keep all tensors of the file in the network's configuration, and pickle them."""
    model = build(registry, write(tmp_path / "net.safetensors", theirs().state_dict()))
    plain = unetgen.build(spec(), registry=registry, seed=0)
    assert abs(len(pickle.dumps(model)) - len(pickle.dumps(plain))) < 10_000


# Files that do not fit


def test_missing_file(registry: Registry, tmp_path: Path) -> None:
    assert error_message(registry, tmp_path / "none.pth") == (
        f"WeightsError: {tmp_path / 'none.pth'}: file not found; set 'weights' to a path "
        "relative to the working directory"
    )


def test_weights_of_another_backbone(registry: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", theirs("resnet26").state_dict())
    assert error_message(registry, path).startswith(
        f"WeightsError: {path}: the weights do not match timm's 'resnet18': RuntimeError: Error(s) in loading "
        "state_dict for ResNet: size mismatch for layer1.0.conv1.weight: "
    )


def test_weights_of_a_deeper_backbone(registry: Registry, tmp_path: Path) -> None:
    """All tensors of the backbone are present, and others too."""
    source = theirs().state_dict()
    state = {**source, "layer5.weight": torch.ones(2), "layer5.bias": torch.ones(2)}
    path = write(tmp_path / "net.pth", state)
    assert error_message(registry, path) == (
        f"WeightsError: {path}: the weights do not match timm's 'resnet18': layer5.weight is not part of it, "
        "layer5.bias is not part of it; set 'name' to their backbone"
    )
    path = write(tmp_path / "net.safetensors", theirs("resnet34").state_dict())
    assert error_message(registry, path).endswith(" is not part of it and 93 more; set 'name' to their backbone")


def test_missing_tensors_are_reported(registry: Registry, tmp_path: Path) -> None:
    """timm only logs missing tensors, and leaves them at their random values."""
    state = theirs().state_dict()
    del state["layer2.0.conv1.weight"]
    path = write(tmp_path / "net.safetensors", state)
    assert error_message(registry, path) == (
        f"WeightsError: {path}: the weights do not match timm's 'resnet18': layer2.0.conv1.weight is missing; "
        "set 'name' to their backbone"
    )


class Trap:
    """An object that runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit(9)",))


def test_a_file_that_would_run_code(registry: Registry, tmp_path: Path) -> None:
    message = error_message(registry, write(tmp_path / "net.pth", {"conv1.weight": Trap()}))
    assert message.startswith(f"WeightsError: {tmp_path / 'net.pth'}: cannot be read: UnpicklingError: Weights only")
    assert message.endswith("...; save model.state_dict()")


@pytest.mark.parametrize(
    ("tensors", "what"), [({}, "it is empty"), ({"conv1.weight": torch.ones(1), "epoch": 3}, "'epoch' is not a tensor")]
)
def test_a_file_that_is_not_a_state_dict(registry: Registry, tmp_path: Path, tensors: Any, what: str) -> None:
    path = write(tmp_path / "net.pth", tensors)
    assert (
        error_message(registry, path) == f"WeightsError: {path}: is not a state dict: {what}; save model.state_dict()"
    )


# timm's own weights

CODE = """
import unetgen
registry = unetgen.load_registry([{plugin!r}])
for number, spec in enumerate({specs!r}):
    try:
        unetgen.save(unetgen.build(spec, registry=registry, seed=0), f"{out}/{{number}}.safetensors")
    except unetgen.UnetgenError as error:
        print(error)
"""


def fill_cache(folder: Path, tag: str, tensors: Tensors) -> None:
    """Create a cache as after a download."""
    home = folder / f"models--timm--resnet18.{tag}"
    snapshot = home / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0" * 40)
    save_file(tensors, snapshot / "model.safetensors")


def test_timms_weights_are_loaded_once(registry: Registry, tmp_path: Path, run_code: RunCode) -> None:
    """They are read when the network is initialised, not when it is loaded from its own file.

    Offline, weights that are not in the cache cannot be loaded.
    """
    default, other, cache = theirs(seed=1), theirs(seed=2), tmp_path / "cache"
    fill_cache(cache, "a1_in1k", default.state_dict())
    fill_cache(cache, "tv_in1k", other.state_dict())
    specs = [spec(pretrained=True), spec(pretrained="tv_in1k"), spec(pretrained="fb_swsl_ig1b_ft_in1k")]
    code = CODE.format(plugin=PLUGIN, specs=specs, out=str(tmp_path))
    result = run_code(code, HF_HUB_OFFLINE="1", HF_HOME=str(cache), HF_HUB_CACHE=str(cache))
    assert (result.returncode, result.stderr) == (0, "")
    for number, source in enumerate((default, other)):
        again = unetgen.load(tmp_path / f"{number}.safetensors", registry=registry)
        assert torch.equal(net(again).get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))
        assert again.spec.resolved()["encoder"]["pretrained"] == specs[number]["encoder"]["pretrained"]
    (message,) = result.stdout.splitlines()
    assert "WeightsError: timm cannot load its weights for 'resnet18': LocalEntryNotFoundError: " in message
    assert message.endswith("...; connect to the internet, or set 'weights: PATH' to a file")
