"""The encoder in a network: timm's features, exact costs, options that do something, and weights that stay."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import unetgen
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from unetgen.analysis.cost import count_parameters, total_cost
from unetgen.analysis.report import NetworkReport
from unetgen.config.registry.registry import Registry
from unetgen.network.unet import UNet

from conftest import EXAMPLES, PLUGIN, Process
from specs import spec
from unetgen_timm.parts import Timm

NAMES = ["resnet18", "convnext_atto", "efficientnet_b0", "swin_tiny_patch4_window7_224"]
SIZE = (32, 64)


def built(registry: Registry, name: str = "resnet18", levels: int = 5, seed: int = 0, **options: Any) -> UNet:
    return unetgen.build(spec(name, levels, **options), registry=registry, seed=seed).eval()


def image(*shape: int) -> Tensor:
    return torch.randn(*(shape or (1, 3, *SIZE)), generator=torch.Generator().manual_seed(1))


def net(model: UNet) -> nn.Module:
    """timm's own network inside ours."""
    return model.get_submodule("encoder.backbone.net")


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, registry: Registry) -> UNet:
    return built(registry, request.param)


def test_features_are_those_of_timm(registry: Registry, model: UNet) -> None:
    """With equal weights the encoder hands over exactly what ``features_only`` returns, channels first."""
    name = model.spec.encoder.name
    more = {"strict_img_size": False} if name.startswith("swin") else {}
    theirs = timm.create_model(name, features_only=True, **more).eval()
    theirs.load_state_dict(net(model).state_dict())
    x = image()
    with torch.no_grad():
        expected = [m.permute(0, 3, 1, 2) if more else m for m in theirs(x)]
        found = model.encoder(x)
    assert len(expected) == len(net(model).feature_info)
    for feature in expected:
        assert any(feature.shape == ours.shape and torch.equal(feature, ours) for ours in found)


def test_shape_parameters_and_macs_are_those_of_the_graph(model: UNet) -> None:
    """Attention is counted where torch spells it out; its fused kernels for the CPU count as nothing."""
    sizes = model.graph.sizes(SIZE)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        made = model(image())
    assert tuple(made.shape[1:]) == (2, *sizes[model.graph.output])
    assert count_parameters(model.graph) == sum(p.numel() for p in model.parameters())
    assert total_cost(model.graph, sizes).macs == counter.get_total_flops() // 2
    assert set(model.graph.parameters) == {key for key, _ in model.named_parameters()}


def test_it_trains(model: UNet) -> None:
    """Two steps move every parameter: timm starts the last norm of a residual branch at zero, or its scale near it."""
    trained = copy.deepcopy(model).double().train()
    before = {key: p.detach().clone() for key, p in trained.named_parameters()}
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    x, target = image(2, 3, *SIZE).double(), image(2, 2, *SIZE).double()
    for _ in range(2):
        optimizer.zero_grad()
        ((trained(x) - target) ** 2).mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in trained.parameters())
        optimizer.step()
    still = [key for key, p in trained.named_parameters() if torch.equal(p, before[key])]
    assert not still


def test_copies_compute_the_same(model: UNet) -> None:
    x = image()
    with torch.no_grad():
        expected = model(x)
        assert torch.equal(copy.deepcopy(model)(x), expected)
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)


@pytest.mark.parametrize("name", NAMES[:3])
def test_export_and_compile(registry: Registry, name: str) -> None:
    model, x = built(registry, name), image(1, 3, 33, 32)
    with torch.no_grad():
        expected = model(x)
        program = torch.export.export(model, (x,), strict=False)
        assert torch.equal(program.module()(x), expected)
        torch._dynamo.reset()
        assert torch.equal(torch.compile(model, fullgraph=True, backend="eager")(x), expected)


def test_a_saved_network_is_rebuilt_in_another_process(registry: Registry, tmp_path: Path, process: Process) -> None:
    model, path, x = built(registry, "convnext_atto"), tmp_path / "net.safetensors", image()
    unetgen.save(model, path)
    with torch.no_grad():
        torch.save((x, model(x)), tmp_path / "maps.pt")
    done = process(
        f"import torch, unetgen\n"
        f"model = unetgen.load({str(path)!r}, registry=unetgen.load_registry([{PLUGIN!r}]))\n"
        f"x, expected = torch.load({str(tmp_path / 'maps.pt')!r})\n"
        f"assert torch.equal(model(x), expected)"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_equal_seeds_give_equal_weights(registry: Registry) -> None:
    first, second, other = (built(registry, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], second[key]) for key in first)
    key = "encoder.backbone.net.conv1.weight"
    assert not torch.equal(first[key], other[key])


@pytest.mark.parametrize(
    "options",
    [
        {"name": "resnet26"},
        {"levels": [2, 5]},
        {"frozen": 1},
        {"output_stride": 16},
        {"drop_path": 0.1},
    ],
)
def test_options_change_what_is_drawn(registry: Registry, options: dict[str, Any]) -> None:
    plain = unetgen.graph_of(spec(), registry=registry)
    given = {f"encoder.{key}": value for key, value in options.items()}
    assert unetgen.graph_of(spec(), registry=registry, **given).digest != plain.digest


def test_drop_path_drops_in_training_alone(registry: Registry) -> None:
    dropping, plain = built(registry, drop_path=0.9), built(registry)
    dropping.load_state_dict(plain.state_dict())
    x = image(4, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(dropping(x), plain(x))
        for model in (dropping, plain):
            model.train()
        # Zero at the start, the last norms of the branches would make every one of them nothing.
        for block in (*net(dropping).modules(), *net(plain).modules()):
            if hasattr(block, "bn2"):
                nn.init.ones_(block.bn2.weight)
        torch.manual_seed(0)
        assert not torch.equal(net(dropping)(x)[-1], net(plain)(x)[-1])


def test_the_order_of_levels_says_nothing(registry: Registry) -> None:
    first, second = (unetgen.load_spec(spec(), registry=registry, **{"encoder.levels": n}) for n in ([5, 2], [2, 5]))
    assert first.hash == second.hash


# Frozen stages


def moved(model: UNet) -> tuple[set[str], set[str]]:
    """The top modules of the backbone whose parameters, and whose statistics, two steps of training change."""
    before = {key: value.detach().clone() for key, value in net(model).state_dict().items()}
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learned, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model.train()(image(2, 3, *SIZE)).square().mean().backward()
        optimizer.step()
    after = net(model).state_dict()
    changed = {key for key, value in before.items() if not torch.equal(value, after[key])}
    names = {key for key, _ in net(model).named_parameters()}
    return {key.split(".")[0] for key in changed & names}, {key.split(".")[0] for key in changed - names}


@pytest.mark.parametrize(
    ("frozen", "learning"),
    [
        (0, {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}),
        (1, {"layer1", "layer2", "layer3", "layer4"}),
        (3, {"layer3", "layer4"}),
        (5, set()),
    ],
)
def test_frozen_stages_keep_weights_and_statistics(registry: Registry, frozen: int, learning: set[str]) -> None:
    model = built(registry, frozen=frozen).train()
    weights, statistics = moved(model)
    assert weights == learning
    assert statistics == learning - {"conv1"}


def test_frozen_stages_stay_frozen_when_loaded(registry: Registry, tmp_path: Path) -> None:
    unetgen.save(built(registry, "efficientnet_b0", frozen=2), tmp_path / "net.safetensors")
    model = unetgen.load(tmp_path / "net.safetensors", registry=registry).train()
    weights, statistics = moved(model)
    assert weights == {"blocks"}
    assert statistics == {"blocks"}
    learning = {key for key, p in net(model).named_parameters() if p.requires_grad}
    assert {key.split(".")[1] for key in learning} == {"2", "3", "4", "5", "6"}
    assert not net(model).get_submodule("blocks.1").training
    assert net(model).get_submodule("blocks.2").training


def test_stages_of_a_backbone_for_one_size_are_frozen_too(registry: Registry) -> None:
    model = unetgen.build(spec("efficientvit_m0", 6, frozen=1), registry=registry, seed=0, input_size=[224, 224])
    learning = {key.split(".")[0] for key, p in net(model).named_parameters() if p.requires_grad}
    assert learning == {"stages_1", "stages_2"}


def test_whole_modules_are_frozen_where_they_can_be(registry: Registry) -> None:
    model = built(registry, "convnext_atto", frozen=1)
    assert model.get_submodule("encoder.backbone").frozen == ("stem_0", "stem_1", "stages_0")
    assert "frozen: stem_0, stem_1, stages_0" in repr(model)


# Beside the encoder


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels(registry: Registry, channels: int) -> None:
    model = unetgen.build(spec("convnext_atto"), registry=registry, seed=0, in_channels=channels).eval()
    assert model(image(1, channels, 65, 47)).shape == (1, 2, 65, 47)
    assert net(model).get_submodule("stem_0").weight.shape[1] == channels


def test_levels_without_a_feature_hand_over_the_image(registry: Registry) -> None:
    """Level 0 as it is, level 1 as the mean of each two by two pixels, where the first feature is at a quarter."""
    model = built(registry, "convnext_atto")
    x = image(1, 3, 65, 48)
    with torch.no_grad():
        found = model.encoder(x)
    expected = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
    assert expected.shape == (1, 3, 33, 24)
    assert any(made.shape == expected.shape and torch.equal(made, expected) for made in found)
    assert model.graph.skips[0] == 0


def test_no_source_of_weights_stays_in_the_network(registry: Registry) -> None:
    backbone = built(registry).get_submodule("encoder.backbone")
    assert not [m for m in backbone.modules() if "pretrained_cfg" in vars(m) or "default_cfg" in vars(m)]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples(registry: Registry, path: Path) -> None:
    checked = unetgen.load_spec(path, registry=registry)
    report = NetworkReport.of(checked, unetgen.graph_of(checked))
    model = unetgen.build(checked, seed=0).eval()
    with torch.no_grad():
        made = model(torch.zeros(1, *report.in_shape))
    shapes = [tuple(m.shape[1:]) for m in (made if isinstance(made, list) else [made])]
    assert {"": shapes} == report.out_shapes


def test_the_readme(registry: Registry) -> None:
    """Its spec is the first example, and its table of options names them all."""
    text = (EXAMPLES.parent / "README.md").read_text()
    block = text.split("```yaml\n")[1].split("```")[0]
    written = unetgen.load_spec(block, registry=registry)
    assert written.hash == unetgen.load_spec(EXAMPLES / "unet_resnet34.yaml", registry=registry).hash
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == list(Timm.model_fields)
