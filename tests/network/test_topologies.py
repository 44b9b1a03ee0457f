"""Several outputs and network topologies: what torch can do with them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.export import Dim, export
from torch.utils._pytree import tree_flatten

import unetgen
from support.tiers import slow_unless
from unetgen.network.unet import UNet

pytestmark = pytest.mark.usefixtures("single_torch_thread")

BASE: dict[str, Any] = {
    "schema_version": 1,
    "in_channels": 2,
    "out_channels": 2,
    "widths": [4, 4, 8],
    "block": {"padding": "zeros", "norm": "batch"},
}
RESNET: dict[str, Any] = {
    "schema_version": 1, "in_channels": 3, "out_channels": 2, "encoder": {"type": "resnet", "layers": 18},
    "decoder": {"widths": [4, 4, 4, 4, 4]}, "bottleneck": {"block": "none"}, "block": {"padding": "zeros"},
    "levels": {0: {"skip": "none"}},
}  # fmt: skip
HEADS = {"mask": "conv", "kind": {"type": "classification", "out_channels": 3}, "sides": "deep_supervision"}

NETWORKS: dict[str, dict[str, Any]] = {
    "deep supervision": {**BASE, "head": "deep_supervision"},
    "full and fused": {**BASE, "head": {"type": "deep_supervision", "resolution": "full", "fused": "first"}},
    "fused alone": {**BASE, "head": {"type": "deep_supervision", "resolution": "full", "fused": "only"}},
    "named heads": {**BASE, "heads": HEADS},
    "classification": {**BASE, "decoder": {"widths": [4, 4]}, "heads": {"mask": "conv", "kind": HEADS["kind"]}},
    "image added": {**BASE, "head": {"global_residual": True}},
    "nested": {**BASE, "decoder": "nested", "head": "deep_supervision"},
    "pruned": {**BASE, "decoder": {"type": "nested", "columns": 1}},
    "full scale": {**BASE, "decoder": {"type": "full_scale", "branch_width": 4}, "head": "deep_supervision"},
    "recurrent": {**BASE, "block": {"type": "recurrent_residual", "padding": "zeros", "repeats": 1}},
    "attention gates": {**BASE, "skip": {"transform": "grid_attention_gate", "gate": "additive"}},
    "attended": {**BASE, "block": {"type": "attended", "attention": "cbam", "block": {"padding": "zeros"}}},
    "nafnet": {**BASE, "block": "nafnet", "head": {"global_residual": True}},
    "convnext": {**BASE, "block": {"type": "convnext", "dropout": {"type": "path", "rate": 0.1}}},
    "u-nets in it": {**BASE, "block": {"type": "unet", "depth": 1, "mid_channels": 4}},
    "pyramids": {**BASE, "bottleneck": {"block": {"type": "pyramid_pooling", "bins": [1, 2]}}},
    "next block": {**BASE, "block": {"type": "residual", "padding": "zeros", "norm": "batch"}, "downsample": "next_block"},
    "padded image": {**BASE, "input": "pad"},
    "padded on both ends": {**BASE, "input": {"type": "pad", "mode": "reflect", "place": "both"}},
    "resnet": RESNET,
}  # fmt: skip

NAMES = list(NETWORKS)
LIST, DICT = ("deep supervision", "full and fused", "nested", "full scale"), ("named heads", "classification")

# Together they have every operation and every form of output of the others; the others are compiled in the slow tier.
COVERING = (
    "pruned", "classification", "convnext", "full and fused", "padded image", "nafnet", "pyramids", "u-nets in it",
    "attended",
)  # fmt: skip
FIXED_SIZE = ("resnet", "pyramids")  # torch exports them for one size


def network(name: str) -> UNet:
    return unetgen.build(NETWORKS[name], seed=1).eval()


def image(model: UNet, extra: int = 0) -> Tensor:
    """Return a small image of a size that fits, with unequal axes."""
    size = [fit.smallest_above(17 + 5 * axis + extra) or 0 for axis, fit in enumerate(model.graph.fits)]
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, model.graph.in_channels, *size, generator=generator)


def same(first: Any, second: Any, **tolerance: float) -> None:
    """Check that two outputs have one structure and equal values."""
    (ours, structure), (theirs, other) = tree_flatten(first), tree_flatten(second)
    assert structure == other
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    torch.compiler.reset()
    with torch.no_grad():
        yield


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_spec(name: str) -> None:
    model = network(name)
    output = model(image(model))
    kind = list if name in LIST else dict if name in DICT else Tensor
    assert isinstance(output, kind)
    if isinstance(output, dict):
        assert list(output) == [head.name for head in model.spec.heads]
        assert output["kind"].shape == (2, 3)


@pytest.mark.parametrize("name", ["deep supervision", "nested", "full scale"])
def test_a_list_has_the_finest_first_in_training_and_evaluation(name: str) -> None:
    model = network(name)
    x = image(model)
    for mode in (model.train(), model.eval()):
        sizes = [tuple(output.shape[2:]) for output in mode(x)]
        assert sizes[0] == tuple(x.shape[2:])
        assert sizes == sorted(sizes, reverse=True)
        assert len(sizes) == 2


@pytest.mark.parametrize("name", NAMES)
def test_forward_is_the_graph_run_node_by_node(name: str) -> None:
    model = network(name)
    x = image(model)
    values = [x]
    for node in model.graph.nodes[1:]:
        values.append(model.get_submodule(node.layer_path)(*(values[i].clone() for i in node.inputs)).clone())
    outputs, _ = tree_flatten(model(x))
    for output, index in zip(outputs, model.graph.output_nodes, strict=True):
        assert torch.equal(output, values[index]), model.graph.nodes[index].path


def test_covering_networks_have_everything_the_others_have() -> None:
    def features(names: Iterable[str]) -> set[str]:
        outputs = {"list" if name in LIST else "mapping" if name in DICT else "tensor" for name in names}
        return outputs | {type(node.op).__name__ for name in names for node in unetgen.graph_of(NETWORKS[name]).nodes}

    assert features(COVERING) == features(NAMES)


@pytest.mark.parametrize("name", slow_unless(COVERING, NAMES))
def test_compiles_in_one_graph(name: str) -> None:
    """In double precision, since compiled code may round in another order."""
    model = network(name).double()
    x = image(model).double()
    same(torch.compile(model, backend="aot_eager", fullgraph=True)(x), model(x))


@pytest.mark.parametrize("name", NAMES)
def test_exports(name: str) -> None:
    model = network(name)
    x = image(model)
    same(export(model, (x,)).module()(x), model(x))


@pytest.mark.parametrize(
    "name", slow_unless([n for n in COVERING if n not in FIXED_SIZE], [n for n in NAMES if n not in FIXED_SIZE])
)
def test_one_exported_program_serves_every_size(name: str) -> None:
    """With ``input: pad``, every size that is padded: torch checks whether the output was cropped."""
    model = network(name)
    program = export(model, (image(model),), dynamic_shapes=({2: Dim.DYNAMIC, 3: Dim.DYNAMIC},))
    for extra in (8, 12):
        x = image(model, extra)
        same(program.module()(x), model(x))


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_files_compute_the_same(name: str, tmp_path: Path) -> None:
    model = network(name)
    x = image(model)
    expected = model(x)
    unetgen.save(model, tmp_path / "net.safetensors")
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), unetgen.load(tmp_path / "net.safetensors")):
        same(twin.eval()(x), expected)
        assert not {p.data_ptr() for p in twin.parameters()} & {p.data_ptr() for p in model.parameters()}


@pytest.mark.parametrize("name", NAMES)
def test_hooks_on_every_module_change_nothing(name: str) -> None:
    model = network(name)
    x = image(model)
    expected, fired = model(x), set()
    for path, module in model.named_modules():
        module.register_forward_hook(lambda _, __, ___, path=path: fired.add(path))
    same(model(x), expected)
    assert fired >= {path for path, module in model.named_modules() if not list(module.children())}


@pytest.mark.parametrize("name", NAMES)
def test_lower_precision_and_other_layouts(name: str) -> None:
    model = network(name)
    x = image(model)
    expected, _ = tree_flatten(model(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, _ = tree_flatten(model(x))
    for a, b in zip(half, expected, strict=True):
        assert (a - b).abs().max() < 0.1 * b.abs().max()
    layout = torch.channels_last
    last, _ = tree_flatten(model.to(memory_format=layout)(x.to(memory_format=layout)))
    for a, b in zip(last, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@torch.enable_grad()
@pytest.mark.parametrize("name", [*LIST, *DICT])
def test_every_output_trains_its_own_head(name: str) -> None:
    model = network(name).train()
    outputs, _ = tree_flatten(model(image(model)))
    for output in outputs:
        model.zero_grad()
        output.square().mean().backward(retain_graph=True)
        assert any(p.grad is not None and p.grad.any() for p in model.head.parameters())


@pytest.mark.parametrize("name", ["padded image", "padded on both ends"])
def test_padding_keeps_every_size(name: str) -> None:
    model = network(name)
    smallest = model.graph.fits[0].smallest or 0
    assert [n in model.graph.fits[0] for n in range(smallest, 40)] == [True] * (40 - smallest)
    for size in ((smallest, smallest + 1), (17, 31)):
        assert model(torch.zeros(1, 2, *size)).shape[2:] == size


def test_padding_equals_padding_by_hand() -> None:
    model, plain = network("padded image"), unetgen.build(BASE, seed=1).eval()
    plain.load_state_dict(model.state_dict())
    x = torch.randn(1, 2, 13, 18)
    by_hand = plain(torch.nn.functional.pad(x, (0, 2, 0, 3)))[..., :13, :18]
    torch.testing.assert_close(model(x), by_hand)


# Paths are state-dict keys


def test_the_resnet_encoder_has_a_key_for_each_of_torchvisions() -> None:
    """Its convolutions in torchvision's order: stem, then four stages of two blocks of two."""
    keys = [key for key in unetgen.graph_of(RESNET).parameters if key.startswith("encoder.")]
    assert keys[:3] == ["encoder.1.conv.weight", "encoder.1.norm.weight", "encoder.1.norm.bias"]
    convolutions = [key for key in keys if "conv" in key or key.endswith("shortcut.weight")]
    assert len(convolutions) == 1 + 4 * 2 * 2 + 3
    assert sum(key.endswith("shortcut.weight") for key in keys) == 3
    assert {key.split(".")[1] for key in keys} == {"1", "2", "3", "4", "5"}


def test_a_pruned_decoder_keeps_the_paths_of_the_full_one() -> None:
    data = {**BASE, "widths": [4, 4, 4, 8], "decoder": "nested"}
    whole = unetgen.build(data, seed=1).eval()
    x = torch.randn(1, 2, 16, 16)
    for columns in (1, 2):
        pruned = unetgen.build({**data, "decoder": {"type": "nested", "columns": columns}}).eval()
        assert set(pruned.state_dict()) < set(whole.state_dict())
        pruned.load_state_dict({key: whole.state_dict()[key] for key in pruned.state_dict()})
        kept = {}
        node = whole.get_submodule(f"decoder.0_{columns}")
        node.register_forward_hook(lambda _, __, made, kept=kept: kept.update(made=made))
        whole(x)
        torch.testing.assert_close(pruned(x), whole.head(kept["made"]))


def test_an_added_attention_renames_no_layer() -> None:
    plain = unetgen.graph_of(BASE)
    for attention in ("se", "cbam", "eca", "scse", "spatial_se"):
        block = {"type": "attended", "place": "both", "attention": attention, "block": BASE["block"]}
        assert set(plain.parameters) < set(unetgen.graph_of({**BASE, "block": block}).parameters)
    for changes in ({"input": "pad"}, {"skip": {"transform": "attention_gate"}}, {"skip": {"gate": "additive"}}):
        assert set(plain.parameters) <= set(unetgen.graph_of({**BASE, **changes}).parameters)


@pytest.mark.parametrize("kind", ["recurrent", "recurrent_residual"])
def test_a_recurrent_unit_stores_its_weights_once(kind: str) -> None:
    def parameters(**options: Any) -> dict[str, Any]:
        block = {"type": kind, "padding": "zeros", "repeats": 2, **options}
        return unetgen.graph_of({**BASE, "block": block}).parameters

    assert set(parameters(steps=1)) == set(parameters(steps=3))
    model = unetgen.build({**BASE, "block": {"type": kind, "padding": "zeros"}})
    assert list(model.state_dict()) == list(parameters())
    assert len(parameters(shared=False)) > len(parameters())
