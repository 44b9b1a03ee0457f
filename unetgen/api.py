"""The Python interface: a spec in any form to a Spec, a Graph, a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetgen.config.registry.registry import Registry
from unetgen.config.resolution import resolve
from unetgen.config.spec import Spec
from unetgen.config.spec_sources import apply_overrides, list_shipped_specs, load_tree
from unetgen.figure.cell import Style
from unetgen.figure.figure import Figure
from unetgen.figure.palette import Theme
from unetgen.graph.from_spec import build_graph
from unetgen.graph.graph import Graph
from unetgen.graph.size_errors import check_sizes
from unetgen.plugins import load_registry

if TYPE_CHECKING:
    import torch

    from unetgen.network.unet import UNet

AnySpec = Spec | Mapping[str, Any] | str | Path


def load_spec(spec: AnySpec, *, registry: Registry | None = None, **overrides: Any) -> Spec:
    """The checked, complete spec of a file, a shipped spec's name, YAML text, a mapping, or a Spec.

    ``overrides`` are laid over it like a file that extends it: ``in_channels=3``, or with dotted paths
    ``**{"decoder.block.repeats": 1}``. Raises SpecError with every problem found.
    """
    if isinstance(spec, Spec) and not overrides:
        return spec
    registry = registry or load_registry()
    tree = load_tree(spec.resolved() if isinstance(spec, Spec) else spec, registry)
    if overrides:
        tree = apply_overrides(tree, overrides, "override")
    return resolve(tree, registry)


def graph_of(spec: AnySpec, *, registry: Registry | None = None, **overrides: Any) -> Graph:
    """The graph of a spec: every shape and cost, without torch.

    Raises SpecError where the parts do not go together, and SizeError where ``input_size`` does not fit.
    """
    checked = load_spec(spec, registry=registry, **overrides)
    graph = build_graph(checked)
    if checked.input_size:
        check_sizes(graph, checked.input_size, checked.root.mapping.get("input_size"))
    return graph


def draw(
    spec: AnySpec,
    *,
    style: Style = "paper",
    theme: Theme = "light",
    registry: Registry | None = None,
    **overrides: Any,
) -> Figure:
    """The U figure of a spec, without torch: it shows itself in a notebook, and ``save`` writes SVG, PNG or PDF.

    ``overrides`` are as in ``load_spec``; ``input_size=(256, 256)`` draws the sizes of that one. Raises SpecError, and
    SizeError where the size does not fit.
    """
    checked = load_spec(spec, registry=registry, **overrides)
    return Figure.of(checked.name, graph_of(checked), checked.input_size, style, theme)


def build(
    spec: AnySpec,
    *,
    seed: int | None = None,
    device: torch.device | str | None = None,
    registry: Registry | None = None,
    **overrides: Any,
) -> UNet:
    """The network of a spec, with its first weights.

    ``seed`` decides the weights, each tensor's by its own path; without one it is drawn from torch's generator.
    On ``device="meta"`` nothing is allocated, and no plugin transforms what is built. ``overrides`` are as in
    ``load_spec``. Raises SpecError, and PluginError where a plugin's code fails.
    """
    from unetgen.network.assembly import assemble, assemble_on_meta
    from unetgen.network.initialization import sample_seed

    registry = registry or load_registry()
    checked = load_spec(spec, registry=registry, **overrides)
    graph = graph_of(checked)
    if str(device) == "meta":
        return assemble_on_meta(checked, graph)
    model = assemble(checked, graph, registry, sample_seed() if seed is None else seed)
    return model if device is None else model.to(device)


def load(path: str | Path, *, device: torch.device | str = "cpu", registry: Registry | None = None) -> UNet:
    """The network of a weights file that ``save`` wrote, rebuilt from that file alone, in evaluation mode.

    Raises WeightsError where the file carries no spec, and SpecError where a plugin that it needs is missing.
    """
    from unetgen.network.weights import checkpoint

    return checkpoint.load(path, registry or load_registry(), device)


def specs() -> dict[str, Spec]:
    """The shipped specs by name."""
    return {name: load_spec(name) for name in list_shipped_specs()}
