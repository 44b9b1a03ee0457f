"""The shipped networks have the sizes and costs of their papers and reference implementations."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import unetgen
from support.paths import ROOT
from unetgen.analysis.cost import count_parameters, total_cost

# name, input (channels, *size), output, parameters, MACs, fitting sizes on each axis
NETWORKS = [
    ("unet_paper", (1, 572, 572), (2, 388, 388), 31_030_658, 150_428_424_448, "n = 12 (mod 16), n >= 188"),
    ("unet_milesial", (3, 640, 960), (2, 640, 960), 31_037_698, 451_608_576_000, "any n >= 16"),
    ("unet_milesial_bilinear", (3, 640, 960), (2, 640, 960), 17_263_042, 374_852_812_800, "any n >= 16"),
    ("unet_tutorial", (3, 572, 572), (1, 564, 564), 31_043_521, 208_644_298_496, "any n >= 140"),
    ("unet_tutorial_bilinear", (3, 572, 572), (1, 564, 564), 28_954_561, 208_644_298_496, "any n >= 140"),
    ("unet_3d", (3, 116, 132, 132), (3, 28, 44, 44), 19_074_627, 266_731_018_496, "n = 4 (mod 8), n >= 92"),
    ("unet_1d", (1, 4096), (5, 4096), 1_813_269, 891_158_528, "n = 0 (mod 16), n >= 16"),
]
NAMES = [row[0] for row in NETWORKS]


def test_every_top_level_spec_has_a_row() -> None:
    """The zoo has its own table."""
    assert sorted(NAMES) == sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))


@pytest.mark.parametrize(("name", "in_shape", "out_shape", "params", "macs", "fits"), NETWORKS, ids=NAMES)
def test_sizes_and_costs(
    name: str, in_shape: tuple[int, ...], out_shape: tuple[int, ...], params: int, macs: int, fits: str
) -> None:
    graph = unetgen.graph_of(name)
    sizes = graph.sizes(in_shape[1:])
    assert graph.in_channels == in_shape[0]
    assert (graph.out_channels, *sizes[graph.output]) == out_shape
    assert {str(fit) for fit in graph.fits} == {fits}
    assert count_parameters(graph) == params
    assert total_cost(graph, sizes).macs == macs


@pytest.mark.parametrize("name", NAMES)
def test_torch_counts_the_same(name: str) -> None:
    """Parameters and MACs equal those of torch on the meta device: sum(p.numel()) and FlopCounterMode / 2."""
    spec = unetgen.load_spec(name)
    model = unetgen.build(spec, device="meta").eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty((1, spec.in_channels, *spec.input_size), device="meta"))
    sizes = model.graph.sizes(spec.input_size)
    assert sum(p.numel() for p in model.parameters()) == count_parameters(model.graph)
    assert counter.get_total_flops() == 2 * total_cost(model.graph, sizes).macs


def test_paper_sizes_are_those_of_its_figure() -> None:
    graph = unetgen.graph_of("unet_paper")
    sizes = {node.path: size[0] for node, size in zip(graph.nodes, graph.sizes((572, 572)), strict=True)}
    blocks = [*(f"encoder.{level}.conv2" for level in range(4)), "bottleneck.conv2"]
    assert [sizes[path] for path in blocks] == [568, 280, 136, 64, 28]
    ups = [(sizes[f"decoder.{level}.up"], sizes[f"decoder.{level}.conv2"]) for level in (3, 2, 1, 0)]
    assert ups == [(56, 52), (104, 100), (200, 196), (392, 388)]
    assert sum(node.op.kind in ("conv", "transposed_conv") for node in graph.nodes) == 23
    assert graph.output_size((188, 188)) == (4, 4)


class PaperUNet(nn.Module):
    """Figure 1 of the U-Net paper, written by hand."""

    def __init__(self) -> None:
        super().__init__()
        widths = [64, 128, 256, 512, 1024]
        self.down = nn.ModuleList(self.double(a, b) for a, b in zip([1, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
        self.merge = nn.ModuleList(self.double(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(64, 2, 1)

    @staticmethod
    def double(channels: int, width: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(channels, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for index, block in enumerate(self.down):
            x = block(x)
            if index < 4:
                skips.append(x)
                x = nn.functional.max_pool2d(x, 2)
        for up, merge in zip(self.up, self.merge, strict=True):
            x, skip = up(x), skips.pop()
            margin = (skip.shape[-1] - x.shape[-1]) // 2
            middle = slice(margin, margin + x.shape[-1])
            x = merge(torch.cat([skip[..., middle, middle], x], dim=1))
        return self.head(x)

    def tensors_in_order(self) -> list[Tensor]:
        """Return the tensors in the order of execution, as unetgen has them."""
        modules = [*self.down, *(m for pair in zip(self.up, self.merge, strict=True) for m in pair), self.head]
        return [tensor for module in modules for tensor in module.parameters()]


@pytest.mark.parametrize("size", [188, pytest.param(572, marks=pytest.mark.slow)])
def test_paper_equals_a_copy_by_hand(size: int) -> None:
    model, copy = unetgen.build("unet_paper", seed=1).eval(), PaperUNet().eval()
    with torch.no_grad():
        for theirs, ours in zip(copy.tensors_in_order(), model.parameters(), strict=True):
            theirs.copy_(ours)
        image = torch.randn(1, 1, size, size)
        output = model(image)
        assert output.shape == (1, 2, size - 184, size - 184)
        assert (output - copy(image)).abs().max() == 0


def test_3d_paper_counts_no_norms() -> None:
    """Cicek et al. 2016 name 19,069,955 parameters: all of these but the batch norms' own."""
    graph = unetgen.graph_of("unet_3d")
    norms = [key for key, parameter in graph.parameters.items() if parameter.role in ("scale", "shift")]
    assert count_parameters(graph) - sum(graph.parameters[key].shape[0] for key in norms) == 19_069_955


# The layers that the article prints at its end: class, input channels, output channels, kernel, stride.
ARTICLE = [
    *[row for a, b in [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1024)] for row in (
        ("Conv2d", a, b, 3, 1), ("BatchNorm2d", b), ("ReLU",), ("Conv2d", b, b, 3, 1), ("BatchNorm2d", b), ("ReLU",),
        *([("MaxPool2d", 2, 2)] if b < 1024 else []),
    )],
    *[row for b in (512, 256, 128, 64) for row in (
        ("ConvTranspose2d", 2 * b, b, 2, 2),
        ("Conv2d", 2 * b, b, 3, 1), ("BatchNorm2d", b), ("ReLU",), ("Conv2d", b, b, 3, 1), ("BatchNorm2d", b), ("ReLU",),
    )],
    ("Conv2d", 64, 1, 1, 1),
]  # fmt: skip


def test_tutorial_has_the_layers_that_the_article_prints() -> None:
    model = unetgen.build("unet_tutorial", device="meta")
    layers = [m for m in model.modules() if type(m).__module__.startswith("torch.nn")]
    assert [describe_layer(layer) for layer in layers] == ARTICLE
    assert all(layer.bias is not None for layer in layers if hasattr(layer, "kernel_size") and hasattr(layer, "bias"))
    assert all(layer.padding == (0, 0) for layer in layers if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)))
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    assert {(n.eps, n.momentum, n.affine, n.track_running_stats) for n in norms} == {(1e-5, 0.1, True, True)}
    assert model.graph.output_size((188, 188)) == (180, 180)


def describe_layer(layer: nn.Module) -> tuple[object, ...]:
    name = type(layer).__name__
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        return (name, layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])
    if isinstance(layer, nn.BatchNorm2d):
        return (name, layer.num_features)
    return (name, layer.kernel_size[0], layer.stride[0]) if isinstance(layer, nn.MaxPool2d) else (name,)


def test_bilinear_form_of_the_article_cannot_run_but_the_shipped_one_can() -> None:
    """Without a projection the block meets 1024 + 512 channels; a stride of the article's 1024 would not fit them."""
    halved = unetgen.graph_of("unet_tutorial", upsample={"type": "interpolate", "mode": "linear", "projection": "none"})
    first = next(node for node in halved.nodes if node.path == "decoder.3.conv1")
    assert first.op.in_channels == 1536
    model = unetgen.build("unet_tutorial_bilinear", widths=[4, 8, 16, 32, 64]).eval()
    assert model(torch.zeros(1, 3, 188, 188)).shape == (1, 1, 180, 180)
