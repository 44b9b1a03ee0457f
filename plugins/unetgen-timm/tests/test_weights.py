"""First weights: of a file, of timm's cache, adapted to other channels; and files that are not of this backbone."""

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

from conftest import PLUGIN, Process
from specs import spec
from unetgen_timm.parts import Timm

Tensors = dict[str, Tensor]


def theirs(name: str = "resnet18", seed: int = 7, **more: Any) -> nn.Module:
    """A classifier of timm as somebody might have trained it."""
    torch.manual_seed(seed)
    return timm.create_model(name, **more)


def built(registry: Registry, path: Path, name: str = "resnet18", **more: Any) -> UNet:
    return unetgen.build(spec(name, weights=str(path)), registry=registry, seed=0, **more).eval()


def net(model: UNet) -> nn.Module:
    return model.get_submodule("encoder.backbone.net")


def written(path: Path, tensors: Any) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


def refusal(registry: Registry, path: Path, name: str = "resnet18", **more: Any) -> str:
    """What is said of a file, behind who says it."""
    with pytest.raises(PluginError) as refused:
        built(registry, path, name, **more)
    provider = registry.get_provider(Timm)
    head = f"encoder.backbone: encoder 'timm' of {provider} failed while creating unetgen_timm.modules:Backbone: "
    assert str(refused.value).startswith(head)
    return str(refused.value).removeprefix(head)


@pytest.mark.parametrize(
    ("name", "file"), [("resnet18", "a.safetensors"), ("convnext_atto", "a.pth"), ("efficientnet_b0", "a.safetensors")]
)
def test_a_file_of_timms_weights(registry: Registry, tmp_path: Path, name: str, file: str) -> None:
    """Whole classifiers fit, whose heads are left; their names differ from those of the features."""
    source = theirs(name).eval()
    model = built(registry, written(tmp_path / file, source.state_dict()), name)
    x = torch.randn(1, 3, 64, 64)
    features, end = timm.create_model(name, features_only=True).eval(), len(net(model).feature_info)
    assert len(features.feature_info) == end
    with torch.no_grad():
        _, intermediates = source.forward_intermediates(x)
        found = model.encoder(x)
    matched = [m for m in intermediates if any(m.shape == f.shape and torch.equal(m, f) for f in found)]
    assert len(matched) >= end - 1  # of EfficientNet they are taken at other places
    assert set(map(float, sums(net(model)))) <= set(map(float, sums(source)))


def sums(module: nn.Module) -> list[Tensor]:
    return [tensor.double().sum() for tensor in module.state_dict().values()]


def test_a_file_with_the_tensors_one_step_in(registry: Registry, tmp_path: Path) -> None:
    source = theirs()
    state = {f"module.{key}": value for key, value in source.state_dict().items()}
    model = built(registry, written(tmp_path / "net.pth", {"epoch": 3, "state_dict": state}))
    assert torch.equal(net(model).get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))


def test_a_file_without_its_head(registry: Registry, tmp_path: Path) -> None:
    source = theirs(num_classes=0)
    model = built(registry, written(tmp_path / "net.safetensors", source.state_dict()))
    assert torch.equal(net(model).get_parameter("layer4.1.conv2.weight"), source.get_parameter("layer4.1.conv2.weight"))


def test_three_channels_become_one_or_four(registry: Registry, tmp_path: Path) -> None:
    """timm's way: one is the sum of three; more repeat them, so that the sum over equal channels stays."""
    path = written(tmp_path / "net.safetensors", theirs().state_dict())
    kernel = theirs().get_parameter("conv1.weight")
    one = net(built(registry, path, in_channels=1)).get_parameter("conv1.weight")
    four = net(built(registry, path, in_channels=4)).get_parameter("conv1.weight")
    assert torch.allclose(one, kernel.sum(1, keepdim=True))
    assert torch.allclose(four, torch.cat([kernel, kernel[:, :1]], 1) * 3 / 4)


def test_a_file_for_these_channels_is_taken_as_it_is(registry: Registry, tmp_path: Path) -> None:
    source = theirs(in_chans=4)
    model = built(registry, written(tmp_path / "net.safetensors", source.state_dict()), in_channels=4)
    assert torch.equal(net(model).get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))


def test_the_decoder_starts_as_without_a_file(registry: Registry, tmp_path: Path) -> None:
    model = built(registry, written(tmp_path / "net.safetensors", theirs().state_dict()))
    plain = unetgen.build(spec(), registry=registry, seed=0)
    for key, value in plain.state_dict().items():
        assert torch.equal(model.state_dict()[key], value) == (
            not key.startswith("encoder.") or value.ndim == 0 or same(value)
        )


def same(value: Tensor) -> bool:
    """Whether a tensor starts at one value everywhere, which no seed changes."""
    return len(value.unique()) == 1


def test_a_network_is_rebuilt_without_the_file(registry: Registry, tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", theirs().state_dict())
    model, x = built(registry, path), torch.randn(1, 3, 32, 32)
    unetgen.save(model, tmp_path / "unet.safetensors")
    path.unlink()
    again = unetgen.load(tmp_path / "unet.safetensors", registry=registry)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_nothing_of_the_file_stays_behind(registry: Registry, tmp_path: Path) -> None:
    """timm would keep all its tensors in the network's configuration, and pickle them with it."""
    model = built(registry, written(tmp_path / "net.safetensors", theirs().state_dict()))
    plain = unetgen.build(spec(), registry=registry, seed=0)
    assert abs(len(pickle.dumps(model)) - len(pickle.dumps(plain))) < 10_000


# Files that do not fit


def test_a_file_that_is_not_there(registry: Registry, tmp_path: Path) -> None:
    assert refusal(registry, tmp_path / "none.pth") == (
        f"WeightsError: {tmp_path / 'none.pth'}: there is no such file; "
        "'weights' is a path from where the network is built"
    )


def test_weights_of_another_backbone(registry: Registry, tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", theirs("resnet26").state_dict())
    assert refusal(registry, path).startswith(
        f"WeightsError: {path}: these weights are not of timm's 'resnet18': RuntimeError: Error(s) in loading "
        "state_dict for ResNet: size mismatch for layer1.0.conv1.weight: "
    )


def test_weights_of_a_deeper_backbone(registry: Registry, tmp_path: Path) -> None:
    """Of which all that is asked for is there."""
    source = theirs().state_dict()
    state = {**source, "layer5.weight": torch.ones(2), "layer5.bias": torch.ones(2)}
    path = written(tmp_path / "net.pth", state)
    assert refusal(registry, path) == (
        f"WeightsError: {path}: these weights are not of timm's 'resnet18': layer5.weight is not of that backbone, "
        "layer5.bias is not of that backbone; name the backbone they are of"
    )
    path = written(tmp_path / "net.safetensors", theirs("resnet34").state_dict())
    assert refusal(registry, path).endswith(" is not of that backbone and 93 more; name the backbone they are of")


def test_weights_that_are_not_all_there(registry: Registry, tmp_path: Path) -> None:
    """timm itself only writes that into its log, and leaves the tensor at random."""
    state = theirs().state_dict()
    del state["layer2.0.conv1.weight"]
    path = written(tmp_path / "net.safetensors", state)
    assert refusal(registry, path) == (
        f"WeightsError: {path}: these weights are not of timm's 'resnet18': layer2.0.conv1.weight is missing; "
        "name the backbone they are of"
    )


class Trap:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit(9)",))


def test_a_file_that_would_run_code(registry: Registry, tmp_path: Path) -> None:
    said = refusal(registry, written(tmp_path / "net.pth", {"conv1.weight": Trap()}))
    assert said.startswith(
        f"WeightsError: {tmp_path / 'net.pth'}: no tensors can be read (UnpicklingError: Weights only"
    )
    assert said.endswith("...); save model.state_dict()")


@pytest.mark.parametrize(
    ("tensors", "what"), [({}, "it is empty"), ({"conv1.weight": torch.ones(1), "epoch": 3}, "'epoch' is no tensor")]
)
def test_a_file_that_is_no_state_dict(registry: Registry, tmp_path: Path, tensors: Any, what: str) -> None:
    path = written(tmp_path / "net.pth", tensors)
    assert refusal(registry, path) == f"WeightsError: {path}: not a state dict, {what}; save model.state_dict()"


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


def cached(folder: Path, tag: str, tensors: Tensors) -> None:
    """A cache as it is after a download."""
    home = folder / f"models--timm--resnet18.{tag}"
    snapshot = home / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0" * 40)
    save_file(tensors, snapshot / "model.safetensors")


def test_timms_weights_are_loaded_once(registry: Registry, tmp_path: Path, process: Process) -> None:
    """They are read where the network gets its first weights, and not where it is rebuilt from its own file.

    Offline no address is asked, and what is not in the cache is not to be had.
    """
    usual, other, cache = theirs(seed=1), theirs(seed=2), tmp_path / "cache"
    cached(cache, "a1_in1k", usual.state_dict())
    cached(cache, "tv_in1k", other.state_dict())
    specs = [spec(pretrained=True), spec(pretrained="tv_in1k"), spec(pretrained="fb_swsl_ig1b_ft_in1k")]
    code = CODE.format(plugin=PLUGIN, specs=specs, out=str(tmp_path))
    done = process(code, HF_HUB_OFFLINE="1", HF_HOME=str(cache), HF_HUB_CACHE=str(cache))
    assert (done.returncode, done.stderr) == (0, "")
    for number, source in enumerate((usual, other)):
        again = unetgen.load(tmp_path / f"{number}.safetensors", registry=registry)
        assert torch.equal(net(again).get_parameter("conv1.weight"), source.get_parameter("conv1.weight"))
        assert again.spec.resolved()["encoder"]["pretrained"] == specs[number]["encoder"]["pretrained"]
    (said,) = done.stdout.splitlines()
    assert "WeightsError: timm cannot load its weights of 'resnet18': LocalEntryNotFoundError: " in said
    assert said.endswith("...; connect to the internet, or name a file: 'weights: PATH'")
