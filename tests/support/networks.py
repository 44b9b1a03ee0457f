"""Small versions of the shipped networks, and what the tests run through them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

import unetgen
from unetgen.analysis.cost import count_parameters
from unetgen.graph.fitting_sizes import FittingSizes
from unetgen.graph.graph import Graph
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.network.unet import UNet


@cache
def narrow(name: str) -> dict[str, Any]:
    """Return a shipped spec with an eighth of its widths, or a quarter, or a half: the narrowest that its parts allow.

    What does not depend on widths is tested on it. A spec whose encoder has fixed widths is returned unchanged.
    """
    spec = unetgen.load_spec(name)
    resolved = spec.resolved()
    if resolved.get("widths") is None:
        return resolved
    for divisor, multiple in ((8, 8), (8, 16), (4, 8), (2, 8)):

        def scale(width: int, divisor: int = divisor, multiple: int = multiple) -> int:
            narrowed = max(multiple, round(width / divisor / multiple) * multiple)
            return width if width <= spec.in_channels else min(width, narrowed)

        data = {**resolved, "widths": [scale(width) for width in spec.widths]}
        try:
            narrowed = unetgen.load_spec(
                data, **{"decoder.widths": [scale(level.width) for level in spec.decoder_levels]}
            )
            graph = unetgen.graph_of(narrowed)
            if smallest_fitting_size(unetgen.graph_of(narrowed, input_size=None), 1) is not None:
                narrowed = unetgen.load_spec(narrowed.resolved(), input_size=None)
        except unetgen.SpecError:
            continue
        if count_parameters(graph) < count_parameters(unetgen.graph_of(spec)) / 1.5:
            return narrowed.resolved()
    return resolved


def build_narrow(name: str, depth: int | None = None, **overrides: Any) -> UNet:
    """A shipped network with a sixteenth of its widths, in evaluation mode; ``depth`` cuts off its coarsest levels."""
    spec = unetgen.load_spec(name)
    described = spec.resolved()
    depth = depth or spec.depth
    described |= {"depth": depth, "input_size": None, "widths": [max(w // 16, 2) for w in spec.widths[: depth + 1]]}
    decoder = [max(level.width // 16, 2) for level in spec.decoder_levels[:depth]]
    described["levels"] = {level: told for level, told in described.get("levels", {}).items() if int(level) <= depth}
    return unetgen.build(described, seed=1, **{"decoder.widths": decoder}, **overrides).eval()


def traceable_depth(name: str) -> int:
    """How deep a network is that traces in seconds; every part of a level is in it at least once."""
    return 1 if unetgen.load_spec(name).dims == 3 else 2


def small_fitting_size(graph: Graph, skip: int = 0) -> tuple[int, ...]:
    """A small size that fits, unequal where the axes allow it, whose coarsest map has more than one pixel."""
    size = []
    for axis, fit in enumerate(graph.fits):
        n = size_with_two_coarse_pixels(graph, axis, fit)
        for _ in range(1 + skip + (axis == graph.dims - 1)):
            n = fit.smallest_above(n) or n
        size.append(n)
    return tuple(size)


def size_with_two_coarse_pixels(graph: Graph, axis: int, fit: FittingSizes) -> int:
    """The smallest size with two pixels on the coarsest map: torch traces one pixel as a one, not as a size."""
    n = fit.smallest or 0
    while min(graph.sizes_along(axis, n)) < 2:
        n = fit.smallest_above(n) or 0
    return n


def random_image(model: UNet, size: Sequence[int] | None = None, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, model.graph.in_channels, *(size or small_fitting_size(model.graph)), generator=generator)


def run_node_by_node(model: UNet, x: Tensor) -> dict[str, Tensor]:
    """What each layer makes when the graph is run one node after the other, nothing overwritten and nothing freed."""
    values = [x]
    for node in model.graph.nodes[1:]:
        module = model.get_submodule(node.layer_path)
        values.append(module(*(values[i].clone() for i in node.inputs)).clone())
    return {node.path: value for node, value in zip(model.graph.nodes, values, strict=True)}


def outputs_in_process(models: dict[str, UNet]) -> dict[str, Any]:
    """In another process: what each network makes of its image, and what it says it is."""
    torch.set_num_threads(1)  # as here: sums over more threads differ in their last bits
    with torch.no_grad():
        return {name: (model(random_image(model)).numpy(), model.spec.hash) for name, model in models.items()}


def with_random_statistics(model: Any) -> Any:
    """A network whose norms have seen something: no statistic and no scale is at its start."""
    fresh = torch.Generator().manual_seed(1)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            noise = torch.rand(tensor.shape, generator=fresh)
            tensor.copy_(0.5 + noise if "var" in name else tensor + 0.3 * noise)
    return model.eval()


def smallest_size(graph: Graph) -> tuple[int, ...]:
    size = smallest_fitting_size(graph, 1) or graph.input_size
    assert size is not None
    return size


def topology_features(spec: unetgen.Spec, graph: Graph) -> set[str]:
    """The ways in which the maps of a network run through its levels."""
    skips = [level.skip for level in spec.decoder_levels if level.skip is not None]
    parts = [spec.encoder, spec.decoder, spec.input, *(head.part for head in spec.heads)]
    parts += [part for skip in skips for part in (skip.gate, skip.align, skip.transform, skip.fusion)]
    words = {word for skip in skips for word in (skip.tap, skip.place)}
    return {*words, *(part.type for part in parts), f"{spec.dims} axes", f"{len(graph.outputs)} outputs"}
