"""Weights files: content, errors, and key maps of another implementation."""

from __future__ import annotations

import errno
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import unetgen
from support.external_networks import MilesialUNet
from support.paths import ROOT
from unetgen.errors import WeightsError
from unetgen.network.unet import UNet
from unetgen.network.weights import tensor_file

SPEC: dict[str, Any] = {
    "schema_version": 1,
    "name": "mine",
    "in_channels": 1,
    "out_channels": 2,
    "widths": [4, 8],
    "block": {"padding": "zeros", "norm": "batch"},
}
MISMATCH = "the weights belong to another network; build that network"


def network(**overrides: Any) -> UNet:
    return unetgen.build(SPEC, **{"seed": 3, **overrides})


def trained(**overrides: Any) -> UNet:
    """A network whose running statistics have moved."""
    model = network(**overrides)
    model(torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    return model


def equal(first: nn.Module, second: nn.Module) -> bool:
    one, two = first.state_dict(), second.state_dict()
    return list(one) == list(two) and all(torch.equal(one[key], two[key]) for key in one)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "net.safetensors"


def is_aligned(model: nn.Module) -> bool:
    """Return whether each tensor is aligned as torch aligns its own; otherwise convolutions may round differently."""
    return all(tensor.data_ptr() % 64 == 0 for tensor in model.state_dict().values())


def refusal(*arguments: Any, **options: Any) -> str:
    """Return the message of load_weights."""
    with pytest.raises(WeightsError) as refused:
        unetgen.load_weights(*arguments, **options)
    return str(refused.value)


# Round trip


def test_a_file_alone_rebuilds_the_network(file: Path) -> None:
    model = trained()
    unetgen.save(model, file)
    again = unetgen.load(file)
    assert equal(again, model)
    assert not any(module.training for module in again.modules())
    assert again.spec.resolved() == model.spec.resolved()


def test_loaded_tensors_have_their_own_memory(file: Path) -> None:
    """Loaded tensors are copies: aligned like torch's own, and independent of the file."""
    model = trained()
    unetgen.save(model, file)
    again, assigned = unetgen.load(file), unetgen.build(SPEC, device="meta")
    unetgen.load_weights(assigned, file)
    os.truncate(file, 0)
    for loaded in (again, assigned):
        assert equal(loaded, model)
        assert is_aligned(loaded)
    assert again.spec.hash == model.spec.hash
    x = torch.randn(1, 1, 18, 32)
    assert torch.equal(again(x), model.eval()(x))


def test_a_loaded_network_can_be_trained(file: Path) -> None:
    unetgen.save(trained(), file)
    model = unetgen.load(file).train()
    model(torch.randn(2, 1, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_file_keeps_the_type_of_its_weights(file: Path, dtype: torch.dtype) -> None:
    model = trained().to(dtype)
    unetgen.save(model, file)
    again = unetgen.load(file)
    assert {p.dtype for p in again.parameters()} == {dtype}
    assert equal(again, model)


def test_the_layout_in_memory_does_not_matter(file: Path) -> None:
    model = trained().to(memory_format=torch.channels_last)
    unetgen.save(model, file)
    assert equal(unetgen.load(file), model)


def test_the_metadata_is_the_resolved_spec(file: Path) -> None:
    from safetensors import safe_open

    model = network()
    unetgen.save(model, file)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    assert metadata == {
        "format": "pt",
        "unetgen.spec": json.dumps(model.spec.resolved()),
        "unetgen.hash": model.spec.hash,
        "unetgen.version": unetgen.__version__,
    }


def test_another_process_needs_no_spec_file(tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text(json.dumps(SPEC))
    model = unetgen.build(spec, seed=5).eval()
    unetgen.save(model, tmp_path / "net.safetensors")
    spec.unlink()
    code = (
        "import torch, unetgen\n"
        "model = unetgen.load('net.safetensors')\n"
        "print(model.spec.name, model(torch.ones(1, 1, 16, 16)).double().sum().item())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    name, total = done.stdout.split()
    assert name == "mine"
    assert float(total) == model(torch.ones(1, 1, 16, 16)).double().sum().item()


def test_a_compiled_network_is_saved_as_the_network(file: Path) -> None:
    model = trained()
    unetgen.save(torch.compile(model, backend="eager"), file)
    assert equal(unetgen.load(file), model)


def test_the_suffix_of_a_file_does_not_matter(tmp_path: Path) -> None:
    model = trained()
    unetgen.save(model, tmp_path / "net.pt")
    assert equal(unetgen.load(tmp_path / "net.pt"), model)


def test_weights_are_copied_into_an_existing_network(file: Path) -> None:
    model, other = trained(), network(seed=4)
    unetgen.save(model, file)
    before = other.encoder.get_submodule("0.conv1").weight
    unetgen.load_weights(other, file)
    assert equal(other, model)
    assert (
        other.encoder.get_submodule("0.conv1").weight is before
    )  # so that an optimizer that references it still works


def test_weights_are_assigned_on_the_meta_device(file: Path) -> None:
    model, empty = trained(), network(device="meta")
    unetgen.save(model, file)
    unetgen.load_weights(empty, file)
    assert equal(empty, model)


def test_a_state_dict_of_torch_goes_in_as_file_and_as_mapping(tmp_path: Path) -> None:
    model = trained()
    torch.save(model.state_dict(), tmp_path / "net.pt")
    for weights in (tmp_path / "net.pt", model.state_dict()):
        other = network(seed=9)
        unetgen.load_weights(other, weights)
        assert equal(other, model)


@pytest.mark.parametrize(
    "harmless",
    [{"name": "yours"}, {"description": "x"}, {"input_size": [32, 32]}, {"init": "normal"}],
)
def test_fields_without_effect_on_outputs_may_differ(file: Path, harmless: dict[str, Any]) -> None:
    model, other = trained(), network(**harmless)
    unetgen.save(model, file)
    unetgen.load_weights(other, file)
    assert equal(other, model)


# Atomic writes


def test_a_failed_write_keeps_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained()
    unetgen.save(model, file)

    def full(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
        path.write_bytes(b"half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensor_file, "save_file", full)
    with pytest.raises(WeightsError) as refused:
        unetgen.save(network(seed=8), file)
    monkeypatch.undo()
    assert str(refused.value) == f"{file}: cannot be written: No space left on device; choose another path"
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert equal(unetgen.load(file), model)


def test_an_interrupted_write_leaves_nothing_behind(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
        path.write_bytes(b"half of")
        raise KeyboardInterrupt

    monkeypatch.setattr(tensor_file, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unetgen.save(network(), file)
    assert list(file.parent.iterdir()) == []


def test_an_unwritable_path_is_an_error(tmp_path: Path) -> None:
    for target in (tmp_path / "nowhere" / "net.safetensors", tmp_path):
        with pytest.raises(WeightsError) as refused:
            unetgen.save(network(), target)
        assert str(refused.value).startswith(f"{target}: cannot be written: ")
        assert str(refused.value).endswith(("; choose another path", "; create it first"))
        assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """The operating system stops the write half-way, in another process."""
    code = (
        "import resource, unetgen\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "try: unetgen.save(unetgen.build('unet_1d', seed=1), 'net.safetensors')\n"
        "except unetgen.WeightsError as error: print(error)\n"
    )
    (tmp_path / "net.safetensors").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("net.safetensors: cannot be written: ")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("net.safetensors", b"old")]


def test_a_network_without_memory_has_no_weights_to_save(file: Path) -> None:
    with pytest.raises(WeightsError) as refused:
        unetgen.save(network(device="meta"), file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "meta" in str(refused.value)
    assert not file.exists()


# Weights of another network


def test_fields_come_before_tensors(file: Path) -> None:
    unetgen.save(network(), file)
    assert refusal(network(widths=[4, 16]), file) == f"{file}: {MISMATCH}\n  widths: [4, 8] there, [4, 16] here"
    loose = refusal(network(widths=[4, 16]), file, strict=False).splitlines()
    assert loose[:2] == [f"{file}: {MISMATCH}", "  widths: [4, 8] there, [4, 16] here"]
    assert loose[2] == "  bottleneck.conv1.weight has shape (8, 4, 3, 3), expected (16, 4, 3, 3)"


def test_every_differing_field_is_named(file: Path) -> None:
    unetgen.save(network(), file)
    message = refusal(network(**{"block.activation": "elu", "out_channels": 3, "block.kernel_size": 5}), file)
    assert message.splitlines()[0] == f"{file}: {MISMATCH}"
    assert "  out_channels: 2 there, 3 here" in message.splitlines()
    assert "  block.kernel_size: 3 there, 5 here" in message.splitlines()
    assert ".weight" not in message


def test_equal_tensors_of_another_arithmetic_are_refused_unless_asked_for(file: Path) -> None:
    model, other = trained(), network(**{"block.activation": "gelu"})
    unetgen.save(model, file)
    assert "block.activation" in refusal(other, file)
    assert not equal(other, model)
    unetgen.load_weights(other, file, strict=False)
    assert equal(other, model)


def test_a_refused_file_changes_no_weight(file: Path) -> None:
    unetgen.save(network(), file)
    other = network(widths=[4, 16])
    before = {key: value.clone() for key, value in other.state_dict().items()}
    refusal(other, file, strict=False)
    assert all(torch.equal(value, before[key]) for key, value in other.state_dict().items())


def test_a_state_dict_of_another_network() -> None:
    state = network().state_dict()
    del state["head.0.conv.bias"]
    state["head.0.scale"] = torch.ones(1)
    state["head.0.conv.weight"] = torch.ones(2, 4)
    assert refusal(network(), state) == (
        f"the state dict: {MISMATCH}\n"
        "  head.0.conv.bias is missing\n"
        "  head.0.scale is not in this network\n"
        "  head.0.conv.weight has shape (2, 4), expected (2, 4, 1, 1)"
    )


def test_a_long_list_is_cut() -> None:
    lines = refusal(network(), {}).splitlines()
    assert lines[1] == "  encoder.0.conv1.weight is missing"
    assert lines[-1] == f"  ... and {len(network().state_dict()) - 12} more"
    assert len(lines) == 14


def test_a_file_with_another_networks_tensors_does_not_load(file: Path) -> None:
    spec = json.dumps(network().spec.resolved())
    save_file(network(out_channels=3).state_dict(), file, {"unetgen.spec": spec})
    with pytest.raises(WeightsError) as refused:
        unetgen.load(file)
    assert str(refused.value) == (
        f"{file}: {MISMATCH}\n"
        "  head.0.conv.weight has shape (3, 4, 1, 1), expected (2, 4, 1, 1)\n"
        "  head.0.conv.bias has shape (3,), expected (2,)"
    )


# Invalid files


def test_no_such_file(file: Path) -> None:
    sentence = f"{file}: file not found; check the path"
    assert refusal(network(), file) == sentence
    with pytest.raises(WeightsError) as refused:
        unetgen.load(file)
    assert str(refused.value) == sentence


def test_a_file_without_a_spec_needs_load_weights(file: Path) -> None:
    model = trained()
    save_file(model.state_dict(), file)
    with pytest.raises(WeightsError) as refused:
        unetgen.load(file)
    assert str(refused.value) == (
        f"{file}: the file contains no spec; build the network and call load_weights(model, path)"
    )
    other = network(seed=1)
    unetgen.load_weights(other, file)
    assert equal(other, model)


@pytest.mark.parametrize("spec", ["nonsense", "[1]", "3", '"unet_paper"', '{"extends": "unet_paper"}'])
def test_a_spec_in_a_file_is_a_resolved_one_or_refused(file: Path, spec: str) -> None:
    """It is neither a name nor a reference to another file, since weights may come from an untrusted source."""
    save_file(network().state_dict(), file, {"unetgen.spec": spec})
    with pytest.raises(WeightsError) as refused:
        unetgen.load(file)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)
    with pytest.raises(WeightsError):
        unetgen.load_weights(network(), file)


def test_a_cut_file(file: Path) -> None:
    unetgen.save(network(), file)
    file.write_bytes(file.read_bytes()[:-10])
    sentence = refusal(network(), file)
    assert sentence.startswith(f"{file}: not a safetensors file: ")
    assert sentence.endswith("; check that it was copied completely")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", pickle.dumps({"a": 1}), pickle.dumps([1])],
    ids=["empty", "text", "pickled mapping", "pickled list"],
)
def test_an_invalid_torch_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    sentence = refusal(network(), path)
    assert sentence.startswith(f"{path}: not a ")
    assert "\n" not in sentence


def test_a_checkpoint_of_more_than_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    torch.save({"epoch": 3, "state_dict": network().state_dict()}, path)
    assert refusal(network(), path) == f"{path}: not a state dict, 'epoch' is not a tensor; save model.state_dict()"
    torch.save([torch.ones(1)], path)
    assert refusal(network(), path) == f"{path}: not a state dict; save model.state_dict() with torch.save"


class Evil:
    """Writes a file when it is unpickled without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("how", [torch.save, lambda data, path: path.write_bytes(pickle.dumps(data, protocol=2))])
@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "ckpt"])
def test_code_in_a_file_does_not_run(tmp_path: Path, how: Any, suffix: str) -> None:
    path, pwned = tmp_path / f"net.{suffix}", tmp_path / "pwned"
    how({**network().state_dict(), "evil": Evil(pwned)}, path)
    sentence = refusal(network(), path)
    assert not pwned.exists()
    what = f"contains {os.mkdir.__module__}.mkdir beside tensors" if how is torch.save else "not a file of tensors only"
    assert sentence == f"{path}: {what}, so it is not loaded; save a state dict with torch.save"
    assert "\n" not in sentence
    assert "weights_only" not in sentence  # torch's own message recommends weights_only=False


# Key maps


def test_key_map_errors() -> None:
    state = network().state_dict()
    hint = "use the map of this network"
    assert refusal(network(), state, key_map={}) == (
        f"the state dict: the key map has no entry for layer 'encoder.0.conv1'; {hint}"
    )
    pair = {"a.weight": torch.ones(1), "b.weight": torch.zeros(1)}
    assert refusal(network(), pair, key_map={"a": "x", "b": "x"}) == (
        f"the state dict: two different tensors map to x.weight; {hint}"
    )
    shipped = sorted(path.stem for path in (ROOT / "specs" / "key_maps").glob("*.yaml"))
    assert refusal(network(), state, key_map="unet_misleading") == (
        f"unet_misleading: key map not found; shipped key maps: {', '.join(shipped)}"
    )


def test_two_layers_with_equal_tensors_may_have_one_target(tmp_path: Path) -> None:
    model = trained()
    renamed = {f"net.{key}": value for key, value in model.state_dict().items()}
    renamed |= {f"again.{key}": value for key, value in model.state_dict().items()}
    layers = {key.rpartition(".")[0] for key in model.state_dict()}
    lines = [f"net.{layer}: {layer}\nagain.{layer}: {layer}\n" for layer in sorted(layers)]
    (tmp_path / "map.yaml").write_text("".join(lines))
    other = network(seed=1)
    unetgen.load_weights(other, renamed, key_map=tmp_path / "map.yaml")
    assert equal(other, model)


def with_trained_values(model: nn.Module) -> nn.Module:
    """Fill weights and running statistics with values as after training."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                for tensor in (module.bias, module.running_mean):
                    tensor.normal_(generator=generator)
    return model.eval()


def ours(*, bilinear: bool, base: int) -> UNet:
    name = "unet_milesial_bilinear" if bilinear else "unet_milesial"
    top = 8 if bilinear else 16
    widths = {"widths": [base, 2 * base, 4 * base, 8 * base, top * base]}
    decoder = {"decoder.widths": [base, base, 2 * base, 4 * base]} if bilinear else {}
    return unetgen.build(name, seed=1, **widths, **decoder).eval()


@pytest.mark.parametrize("bilinear", [False, True])
def test_milesials_weights_give_milesials_outputs(tmp_path: Path, *, bilinear: bool) -> None:
    theirs, mine = with_trained_values(MilesialUNet(4, bilinear=bilinear)), ours(bilinear=bilinear, base=4)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    unetgen.load_weights(mine, tmp_path / "theirs.pth", key_map="unet_milesial")
    with torch.no_grad():
        for size in ((64, 64), (77, 93), (93, 77), (16, 31)):
            x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))
            assert (mine(x) - theirs(x)).abs().max() == 0, size


@pytest.mark.parametrize(("bilinear", "params"), [(False, 31_037_698), (True, 17_263_042)])
def test_milesial_in_full_width(bilinear: bool, params: int) -> None:  # a parameter of the test
    theirs = with_trained_values(MilesialUNet(bilinear=bilinear))
    mine = unetgen.build("unet_milesial_bilinear" if bilinear else "unet_milesial", seed=1).eval()
    unetgen.load_weights(mine, theirs.state_dict(), key_map="unet_milesial")
    assert sum(p.numel() for p in mine.parameters()) == sum(p.numel() for p in theirs.parameters()) == params
    x = torch.randn(1, 3, 37, 48, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert (mine(x) - theirs(x)).abs().max() == 0


def test_the_list_of_classes_in_milesials_files_is_ignored(tmp_path: Path) -> None:
    """Its training script stores one beside the tensors, and its own loader removes it."""
    theirs, mine = with_trained_values(MilesialUNet(4)), ours(bilinear=False, base=4)
    torch.save({**theirs.state_dict(), "mask_values": [0, 1]}, tmp_path / "theirs.pth")
    unetgen.load_weights(mine, tmp_path / "theirs.pth", key_map="unet_milesial")
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(mine(x), theirs(x))


def test_the_key_map_has_every_layer_of_ours_once() -> None:
    theirs = MilesialUNet(4)
    layers = {key.rpartition(".")[0] for key in theirs.state_dict()}
    assert len(layers) == len({key.rpartition(".")[0] for key in ours(bilinear=False, base=4).state_dict()})


def test_the_format_is_detected_from_the_content(tmp_path: Path) -> None:
    """The first byte of a safetensors file is the lowest of its header's length, and may be a pickle's 0x80."""
    model, path = unetgen.build("unet_1d", seed=0), tmp_path / "net.safetensors"
    for padding in range(0, 256, 8):
        model.spec = unetgen.load_spec("unet_1d", description="x" * padding)
        unetgen.save(model, path)
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert unetgen.load(path).spec.hash == model.spec.hash
