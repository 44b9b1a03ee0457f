"""Weights files carry their spec, are written whole or not at all, and say which network they belong to."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import unetgen
from unetgen.errors import MissingExtra, WeightsError

TINY = {"schema_version": 1, "name": "tiny", "in_channels": 1, "out_channels": 2, "widths": [2, 4]}


def tiny(**more: object) -> Any:
    return unetgen.build({**TINY, **more}, seed=0).eval()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    unetgen.save(tiny(block={"norm": "batch"}), path)
    return path


def test_a_file_alone_rebuilds_the_network(saved: Path) -> None:
    model, again = tiny(block={"norm": "batch"}), unetgen.load(saved)
    assert again.spec.hash == model.spec.hash
    assert not again.training
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    image = torch.randn(1, 1, 20, 20)
    assert torch.equal(model(image), again(image))


def test_a_process_without_the_spec_file_can_load_it(saved: Path) -> None:
    code = "import sys, unetgen; print(unetgen.load(sys.argv[1]).spec.name)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, cwd=saved.parent, check=True
    )
    assert done.stdout.strip() == "tiny"


def test_the_file_carries_the_resolved_spec(saved: Path) -> None:
    with safe_open(saved, framework="pt") as opened:
        metadata = opened.metadata()
    spec = unetgen.load_spec(json.loads(metadata["unetgen.spec"]))
    assert spec.hash == metadata["unetgen.hash"]
    assert metadata["format"] == "pt"
    assert metadata["unetgen.version"] == unetgen.__version__


def test_a_write_that_fails_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(
        WeightsError, match=r"tiny\.safetensors: cannot be written: No space left on device; choose another place$"
    ):
        unetgen.save(tiny(), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_a_network_in_training_still_trains_after_loading(saved: Path) -> None:
    model = unetgen.load(saved).train()
    model(torch.randn(2, 1, 20, 20)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


# Weights of another network


def test_another_architecture_is_told_by_its_spec_before_its_tensors(saved: Path) -> None:
    other = tiny(block={"norm": "batch", "kernel_size": 5}, upsample="interpolate")
    with pytest.raises(WeightsError) as refused:
        unetgen.load_weights(other, saved)
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{saved}: these weights are of another network; build the network that they belong to"
    assert "  block.kernel_size: 3 there, 5 here" in lines
    assert "  upsample.type: 'transposed_conv' there, 'interpolate' here" in lines
    assert not any("shape" in line for line in lines)


def test_tensors_that_do_not_fit_are_told_after_the_fields(saved: Path) -> None:
    with pytest.raises(WeightsError) as refused:
        unetgen.load_weights(tiny(block={"norm": "batch"}, widths=[2, 6]), saved, strict=False)
    lines = [line.strip() for line in str(refused.value).splitlines()]
    assert lines[1] == "widths: [2, 4] there, [2, 6] here"
    assert "bottleneck.conv1.weight has shape (4, 2, 3, 3), this network's has (6, 2, 3, 3)" in lines
    assert lines[-1].startswith("... and ")


def test_a_difference_that_no_tensor_shows_is_refused_unless_asked_for(saved: Path) -> None:
    """Another activation takes the same tensors and computes something else."""
    other = tiny(block={"norm": "batch", "activation": "elu"})
    with pytest.raises(WeightsError, match=r"block\.activation\.type: nothing there, 'elu' here|block\.activation"):
        unetgen.load_weights(other, saved)
    unetgen.load_weights(other, saved, strict=False)
    assert torch.equal(next(other.parameters()), next(unetgen.load(saved).parameters()))


def test_what_changes_no_arithmetic_is_no_other_network(saved: Path) -> None:
    same = tiny(block={"norm": "batch"}, name="other", description="x", input_size=[20, 20], init="normal")
    unetgen.load_weights(same, saved)


def test_a_state_dict_with_missing_and_foreign_keys() -> None:
    model = tiny()
    state = dict(model.state_dict())
    state["head.9.weight"] = state.pop("head.0.conv.weight")
    with pytest.raises(WeightsError) as refused:
        unetgen.load_weights(model, state)
    assert str(refused.value).splitlines() == [
        "the state dict: these weights are of another network; build the network that they belong to",
        "  head.0.conv.weight is missing",
        "  head.9.weight is not of this network",
    ]


# Files


def test_a_torch_file_of_a_state_dict_loads(tmp_path: Path) -> None:
    model, path = tiny(), tmp_path / "w.pt"
    torch.save(model.state_dict(), path)
    other = unetgen.build(TINY, seed=5)
    unetgen.load_weights(other, path)
    assert torch.equal(next(other.parameters()), next(model.parameters()))


class Evil:
    """Runs a command when it is unpickled the careless way."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    path, target = tmp_path / "evil.pt", tmp_path / "pwned"
    path.write_bytes(pickle.dumps(Evil(target)))
    with pytest.raises(WeightsError, match=r"evil\.pt: not a file of tensors: "):
        unetgen.load_weights(tiny(), path)
    assert not target.exists()


def test_files_that_are_something_else(tmp_path: Path) -> None:
    model, state = tiny(), tmp_path / "a.pt"
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors: there is no such file; check the path$"):
        unetgen.load(tmp_path / "nowhere.safetensors")
    torch.save([1], state)
    with pytest.raises(WeightsError, match=r"a\.pt: not a state dict; save model\.state_dict\(\) with torch\.save$"):
        unetgen.load_weights(model, state)
    broken = tmp_path / "b.safetensors"
    broken.write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match=r"b\.safetensors: not a safetensors file: .*; was it copied whole\?$"):
        unetgen.load(broken)
    bare = tmp_path / "c.safetensors"
    save_file(dict(model.state_dict()), bare)
    sentence = r"c\.safetensors: this file carries no spec; build the network from its spec and use load_weights\(model, path\)$"
    with pytest.raises(WeightsError, match=sentence):
        unetgen.load(bare)
    unetgen.load_weights(model, bare)


def test_without_safetensors_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    sentence = r"^a weights file needs safetensors, which is not installed; run: pip install 'unetgen\[weights\]'$"
    with pytest.raises(MissingExtra, match=sentence):
        unetgen.save(tiny(), tmp_path / "x.safetensors")


# The network behind unet_milesial, under its own names


class Double(nn.Module):
    def __init__(self, given: int, made: int, middle: int | None = None) -> None:
        super().__init__()
        middle = middle or made
        self.double_conv = nn.Sequential(
            nn.Conv2d(given, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(),
            nn.Conv2d(middle, made, 3, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), Double(given, made))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, given: int, made: int, *, bilinear: bool) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(given, given // 2, 2, stride=2)
        self.conv = Double(given, made)
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = Double(given, made, given // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        dy, dx = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        x = nn.functional.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([skip, x], 1))


class Out(nn.Module):
    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Milesial(nn.Module):
    def __init__(self, base: int, *, bilinear: bool) -> None:
        super().__init__()
        b, f = base, 2 if bilinear else 1
        self.inc = Double(3, b)
        self.down1, self.down2, self.down3 = Down(b, 2 * b), Down(2 * b, 4 * b), Down(4 * b, 8 * b)
        self.down4 = Down(8 * b, 16 * b // f)
        self.up1, self.up2 = Up(16 * b, 8 * b // f, bilinear=bilinear), Up(8 * b, 4 * b // f, bilinear=bilinear)
        self.up3, self.up4 = Up(4 * b, 2 * b // f, bilinear=bilinear), Up(2 * b, b, bilinear=bilinear)
        self.outc = Out(b, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.inc(x)]
        for down in (self.down1, self.down2, self.down3, self.down4):
            features.append(down(features[-1]))
        x = features.pop()
        for up in (self.up1, self.up2, self.up3, self.up4):
            x = up(x, features.pop())
        return self.outc(x)


def scrambled(model: nn.Module) -> nn.Module:
    """Running statistics and affine norms away from where they start, so that no mix-up stays hidden."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(tensor.data, 0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize("bilinear", [False, True])
def test_the_shipped_key_map_carries_over_a_published_checkpoint(bilinear: bool, tmp_path: Path) -> None:
    """Equal to the bit, at sizes that do not divide too."""
    theirs = scrambled(Milesial(8, bilinear=bilinear))
    widths = [8, 16, 32, 64, 64] if bilinear else [8, 16, 32, 64, 128]
    decoder = {"widths": [8, 8, 16, 32]} if bilinear else {}
    name = "unet_milesial_bilinear" if bilinear else "unet_milesial"
    ours = unetgen.build(name, widths=widths, decoder=decoder).eval()
    path = tmp_path / "published.pth"
    torch.save(theirs.state_dict(), path)
    unetgen.load_weights(ours, path, key_map="unet_milesial")
    with torch.no_grad():
        for size in [(64, 64), (77, 93), (93, 77)]:
            image = torch.randn(1, 3, *size)
            assert (ours(image) - theirs(image)).abs().max() == 0


@pytest.mark.parametrize(("bilinear", "count"), [(False, 31_037_698), (True, 17_263_042)])
def test_the_full_width_has_the_published_size(bilinear: bool, count: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Milesial(64, bilinear=bilinear).parameters()) == count


def test_key_maps_that_are_wrong() -> None:
    model = tiny()
    one = {"a.weight": torch.ones(1), "b.weight": torch.zeros(1)}
    with pytest.raises(
        WeightsError, match=r"^the state dict: the key map has no layer 'b'; is it the map of this network\?$"
    ):
        unetgen.load_weights(model, one, key_map={"a": "head.0.conv"})
    both = {"a": "head.0.conv", "b": "head.0.conv"}
    with pytest.raises(
        WeightsError, match=r"^the state dict: two different tensors map to head\.0\.conv\.weight; is it"
    ):
        unetgen.load_weights(model, one, key_map=both)
    with pytest.raises(WeightsError, match=r"^nobody: there is no such key map; shipped ones are unet_milesial$"):
        unetgen.load_weights(model, one, key_map="nobody")
