"""Test the encoder in a network: features, costs, options, saving and frozen stages."""

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

from conftest import EXAMPLES, PLUGIN, RunCode
from specs import spec
from unetgen_timm.parts import Timm

NAMES = ["resnet18", "convnext_atto", "efficientnet_b0", "swin_tiny_patch4_window7_224"]
SIZE = (32, 64)


def build(registry: Registry, name: str = "resnet18", levels: int = 5, seed: int = 0, **options: Any) -> UNet:
    return unetgen.build(spec(name, levels, **options), registry=registry, seed=seed).eval()


def image(*shape: int) -> Tensor:
    return torch.randn(*(shape or (1, 3, *SIZE)), generator=torch.Generator().manual_seed(1))


def net(model: UNet) -> nn.Module:
    """Return timm's network inside the model."""
    return model.get_submodule("encoder.backbone.net")


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest, registry: Registry) -> UNet:
    return build(registry, request.param)


def test_features_are_those_of_timm(registry: Registry, model: UNet) -> None:
    """With equal weights the encoder returns exactly the features of ``features_only``, channels first."""
    name = model.spec.encoder.name
    options = {"strict_img_size": False} if name.startswith("swin") else {}
    theirs = timm.create_model(name, features_only=True, **options).eval()
    theirs.load_state_dict(net(model).state_dict())
    x = image()
    with torch.no_grad():
        expected = [m.permute(0, 3, 1, 2) if options else m for m in theirs(x)]
        features = model.encoder(x)
    assert len(expected) == len(net(model).feature_info)
    for feature in expected:
        assert any(feature.shape == ours.shape and torch.equal(feature, ours) for ours in features)


def test_shape_parameters_and_macs_are_those_of_the_graph(model: UNet) -> None:
    """Attention runs with torch's math backend, because the counter ignores the fused CPU kernels."""
    sizes = model.graph.sizes(SIZE)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        output = model(image())
    assert tuple(output.shape[1:]) == (2, *sizes[model.graph.output])
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
    unchanged = [key for key, p in trained.named_parameters() if torch.equal(p, before[key])]
    assert not unchanged


def test_copies_compute_the_same(model: UNet) -> None:
    x = image()
    with torch.no_grad():
        expected = model(x)
        assert torch.equal(copy.deepcopy(model)(x), expected)
        assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)


@pytest.mark.parametrize("name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:3])])
def test_export_and_compile(registry: Registry, name: str) -> None:
    model, x = build(registry, name), image(1, 3, 33, 32)
    with torch.no_grad():
        expected = model(x)
        program = torch.export.export(model, (x,), strict=False)
        assert torch.equal(program.module()(x), expected)
        torch._dynamo.reset()
        assert torch.equal(torch.compile(model, fullgraph=True, backend="eager")(x), expected)


def test_a_saved_network_is_rebuilt_in_another_process(registry: Registry, tmp_path: Path, run_code: RunCode) -> None:
    model, path, x = build(registry, "convnext_atto"), tmp_path / "net.safetensors", image()
    unetgen.save(model, path)
    with torch.no_grad():
        torch.save((x, model(x)), tmp_path / "maps.pt")
    result = run_code(
        f"import torch, unetgen\n"
        f"model = unetgen.load({str(path)!r}, registry=unetgen.load_registry([{PLUGIN!r}]))\n"
        f"x, expected = torch.load({str(tmp_path / 'maps.pt')!r})\n"
        f"assert torch.equal(model(x), expected)"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_equal_seeds_give_equal_weights(registry: Registry) -> None:
    first, second, other = (build(registry, seed=seed).state_dict() for seed in (3, 3, 4))
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
    overrides = {f"encoder.{key}": value for key, value in options.items()}
    assert unetgen.graph_of(spec(), registry=registry, **overrides).digest != plain.digest


def test_drop_path_drops_in_training_alone(registry: Registry) -> None:
    dropping, plain = build(registry, drop_path=0.9), build(registry)
    dropping.load_state_dict(plain.state_dict())
    x = image(4, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(dropping(x), plain(x))
        for model in (dropping, plain):
            model.train()
        # The last norm of each branch is initialised with zeros, so that no branch would have an effect.
        for block in (*net(dropping).modules(), *net(plain).modules()):
            if hasattr(block, "bn2"):
                nn.init.ones_(block.bn2.weight)
        torch.manual_seed(0)
        assert not torch.equal(net(dropping)(x)[-1], net(plain)(x)[-1])


def test_the_order_of_levels_does_not_matter(registry: Registry) -> None:
    first, second = (unetgen.load_spec(spec(), registry=registry, **{"encoder.levels": n}) for n in ([5, 2], [2, 5]))
    assert first.hash == second.hash


# Frozen stages


def changed_by_training(model: UNet) -> tuple[set[str], set[str]]:
    """Return the top modules of the backbone whose parameters, and whose statistics, training changes."""
    before = {key: value.detach().clone() for key, value in net(model).state_dict().items()}
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trainable, lr=0.1)
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
    model = build(registry, frozen=frozen).train()
    weights, statistics = changed_by_training(model)
    assert weights == learning
    assert statistics == learning - {"conv1"}


def test_frozen_stages_stay_frozen_when_loaded(registry: Registry, tmp_path: Path) -> None:
    unetgen.save(build(registry, "efficientnet_b0", frozen=2), tmp_path / "net.safetensors")
    model = unetgen.load(tmp_path / "net.safetensors", registry=registry).train()
    weights, statistics = changed_by_training(model)
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


def test_frozen_modules_are_listed(registry: Registry) -> None:
    model = build(registry, "convnext_atto", frozen=1)
    assert model.get_submodule("encoder.backbone").frozen_modules == ("stem_0", "stem_1", "stages_0")
    assert "frozen: stem_0, stem_1, stages_0" in repr(model)


# Other inputs and examples


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels(registry: Registry, channels: int) -> None:
    model = unetgen.build(spec("convnext_atto"), registry=registry, seed=0, in_channels=channels).eval()
    assert model(image(1, channels, 65, 47)).shape == (1, 2, 65, 47)
    assert net(model).get_submodule("stem_0").weight.shape[1] == channels


def test_levels_without_a_feature_return_the_image(registry: Registry) -> None:
    """Level 0 is the image, level 1 its 2 x 2 mean, if the first feature has stride 4."""
    model = build(registry, "convnext_atto")
    x = image(1, 3, 65, 48)
    with torch.no_grad():
        features = model.encoder(x)
    expected = nn.functional.avg_pool2d(x, 2, ceil_mode=True)
    assert expected.shape == (1, 3, 33, 24)
    assert any(f.shape == expected.shape and torch.equal(f, expected) for f in features)
    assert model.graph.skips[0] == 0


def test_source_of_the_weights_is_not_kept(registry: Registry) -> None:
    backbone = build(registry).get_submodule("encoder.backbone")
    assert not [m for m in backbone.modules() if "pretrained_cfg" in vars(m) or "default_cfg" in vars(m)]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples(registry: Registry, path: Path) -> None:
    loaded = unetgen.load_spec(path, registry=registry)
    report = NetworkReport.of(loaded, unetgen.graph_of(loaded))
    model = unetgen.build(loaded, seed=0).eval()
    with torch.no_grad():
        output = model(torch.zeros(1, *report.in_shape))
    shapes = [tuple(m.shape[1:]) for m in (output if isinstance(output, list) else [output])]
    assert {"": shapes} == report.out_shapes


def test_the_readme(registry: Registry) -> None:
    """The README's spec is the first example, and its table lists all options."""
    text = (EXAMPLES.parent / "README.md").read_text()
    block = text.split("```yaml\n")[1].split("```")[0]
    from_readme = unetgen.load_spec(block, registry=registry)
    assert from_readme.hash == unetgen.load_spec(EXAMPLES / "unet_resnet34.yaml", registry=registry).hash
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == list(Timm.model_fields)
