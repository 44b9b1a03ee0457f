"""Import of files with the names of the network: these decide, whatever the order and wherever they are wrapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import unetgen
from support.command_line import RunCli
from support.effort import ROTATING, num_examples
from support.spec_strategies import specs as random_specs
from unetgen.errors import SpecError, WeightsError
from unetgen.network.unet import UNet

pytestmark = pytest.mark.usefixtures("single_torch_thread")

PREFIXES = ["", "model.", "module.", "_orig_mod.", "model._orig_mod.net."]


def build(**changes: Any) -> UNet:
    return unetgen.build("unet_milesial", **{"widths": [4, 4, 8], "input_size": None, **changes})


def state_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


def differing(model: torch.nn.Module, source: dict[str, torch.Tensor]) -> set[str]:
    """Return the keys whose tensors differ from those of a state dict; counters of batches are not imported."""
    state = model.state_dict()
    return {
        k for k in state if not k.endswith("num_batches_tracked") and not (k in source and state[k].equal(source[k]))
    }


@settings(ROTATING, max_examples=num_examples(15))
@given(data=random_specs(), prefix=st.sampled_from(PREFIXES), order=st.randoms(use_true_random=False))
def test_any_network_reads_its_own_weights(data: dict[str, Any], prefix: str, order: Any) -> None:
    try:
        source, target = (unetgen.build(data, seed=seed) for seed in (1, 2))
    except SpecError:
        reject()
    expected = state_of(source)
    shuffled = sorted(expected)
    order.shuffle(shuffled)
    report = unetgen.import_weights(target, {prefix + key: expected[key] for key in shuffled})
    assert report.is_complete
    assert differing(target, expected) == set()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_other_classes_keep_all_but_the_head(prefix: str, tmp_path: Path, run_cli: RunCli) -> None:
    source, target = build(seed=1, out_channels=2), build(seed=2, out_channels=5)
    expected = {prefix + key: tensor for key, tensor in state_of(source).items()}
    head = {key for key in target.state_dict() if key.startswith("head.")}
    with pytest.raises(WeightsError) as error_info:
        unetgen.import_weights(target, expected)
    assert str(error_info.value).splitlines()[0] == (
        f"the state dict: has the names of this network, but another architecture: {len(head)} tensors missing, "
        f"{len(head)} unmatched; build the network of the file, or import what matches with --partial (partial=True)"
    )
    report = unetgen.import_weights(target, expected, partial=True)
    assert set(report.missing) == head
    assert differing(target, state_of(source)) == head
    total = len(target.state_dict())
    assert dict(report.format_lines())["matched"].startswith(f"{total - len(head)} of {total} tensors of ")
    assert dict(report.format_lines())["matched"].endswith(" by name")
    assert report.to_dict()["by"] == "name"


def test_a_deeper_network_takes_no_tensor_of_another_layer() -> None:
    """Both bottlenecks have layers of one shape, so that their structure would pair them wrongly."""
    source, target = build(seed=1, widths=[4, 4, 4]), build(seed=2, widths=[4, 4, 4, 4])
    before = state_of(target)
    report = unetgen.import_weights(target, source.state_dict(), partial=True)
    assert all(theirs == ours for theirs, ours in report.pairs.items())
    kept = {key for key in target.state_dict() if key not in source.state_dict()}
    assert kept
    assert all(target.state_dict()[key].equal(before[key]) for key in kept)
    assert kept == set(report.missing)


def test_the_command_takes_files_of_save_and_averaged_models(tmp_path: Path, run_cli: RunCli) -> None:
    source = build(seed=1)
    averaged = torch.optim.swa_utils.AveragedModel(source)
    spec = tmp_path / "net.yaml"
    unetgen.save(source, tmp_path / "net.safetensors")
    spec.write_text(run_cli("show", str(tmp_path / "net.safetensors")).out)
    torch.save(averaged.state_dict(), tmp_path / "averaged.pth")
    lightning = {f"model.{key}": tensor for key, tensor in source.state_dict().items()} | {"loss.weight": torch.ones(3)}
    torch.save({"state_dict": lightning, "epoch": 3}, tmp_path / "lightning.ckpt")
    ignored = {"net.safetensors": "", "averaged.pth": "n_averaged", "lightning.ckpt": "loss.weight"}
    for name, beside in ignored.items():
        outcome = run_cli("import-weights", str(spec), str(tmp_path / name), "--out", str(tmp_path / "out.safetensors"))
        assert (outcome.code, outcome.err) == (0, "")
        assert differing(unetgen.load(tmp_path / "out.safetensors"), state_of(source)) == set()
        lines = [line.split(maxsplit=1)[1] for line in outcome.out.splitlines() if line.startswith("ignored")]
        assert lines == ([beside] if beside else [])


def test_single_equal_names_of_another_implementation_do_not_decide() -> None:
    model = unetgen.build("unet_1d", widths=[4, 8], seed=0)
    own = state_of(model)
    first = next(iter(own))
    other = {first: own[first], **{f"layer{i}.{key}": tensor for i, (key, tensor) in enumerate(own.items())}}
    report_names = {key for key in other if key in own}
    assert report_names == {first}
    with pytest.raises(WeightsError, match="by structure"):
        unetgen.import_weights(model, other)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_command_and_function_give_the_networks_own_type(dtype: torch.dtype, tmp_path: Path, run_cli: RunCli) -> None:
    source, target = build(seed=1), build(seed=2)
    tensors = {key: t.to(dtype) if t.is_floating_point() else t for key, t in state_of(source).items()}
    save_file(tensors, tmp_path / "half.safetensors")
    unetgen.save(source, tmp_path / "net.safetensors")
    spec = tmp_path / "net.yaml"
    spec.write_text(run_cli("show", str(tmp_path / "net.safetensors")).out)
    out = tmp_path / "out.safetensors"
    assert run_cli("import-weights", str(spec), str(tmp_path / "half.safetensors"), "--out", str(out)).code == 0
    unetgen.import_weights(target, tmp_path / "half.safetensors")
    imported = unetgen.load(out)
    assert {t.dtype for t in imported.state_dict().values() if t.is_floating_point()} == {torch.float32}
    assert differing(imported, state_of(target)) == set()
    assert imported(torch.zeros(1, 3, 16, 16)).dtype == torch.float32
