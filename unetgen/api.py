"""The Python interface: turn a spec in any form into a Spec, a Graph, a Figure or a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.config.spec_resolution import resolve
from unetgen.config.spec_sources import apply_overrides, list_shipped_specs, load_tree
from unetgen.config.weights_file import is_weights_path
from unetgen.errors import WeightsError
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
    """Return a spec, validated and with every default filled in.

    Args:
        spec: A file, a shipped spec's name, YAML text, a mapping, or a Spec. A weights file of unetgen gives the
            spec inside it.
        registry: The parts that the spec can name (default: those of unetgen and of installed plugins).
        **overrides: Values that override the spec's, as a file that extends it would: ``in_channels=3``, or with
            dotted paths ``**{"decoder.block.repeats": 1}``.

    Returns:
        The spec. ``spec.resolved()`` is its complete form as plain data.

    Raises:
        SpecError: The spec is invalid; the error lists every problem.
        PluginError: A plugin that the spec needs failed.

    Examples:
        >>> import unetgen
        >>> unetgen.load_spec("unet_tutorial", depth=3).widths
        (64, 128, 256, 512)
    """
    if isinstance(spec, Spec) and not overrides:
        return spec
    registry = registry or load_registry()
    tree = load_tree(spec.resolved() if isinstance(spec, Spec) else spec, registry)
    if overrides:
        tree = apply_overrides(tree, overrides, "override")
    return resolve(tree, registry)


def graph_of(spec: AnySpec, *, registry: Registry | None = None, **overrides: Any) -> Graph:
    """Return the graph of a spec, which knows every shape and cost; torch is not imported.

    Args:
        spec: A spec in any form, as for ``load_spec``.
        registry: The parts that the spec can name.
        **overrides: Values that override the spec's, as for ``load_spec``.

    Returns:
        The graph.

    Raises:
        SpecError: The spec is invalid, or its parts cannot be combined.
        SizeError: ``input_size`` does not fit the network.
        PluginError: A plugin that the spec needs failed.

    Examples:
        >>> import unetgen
        >>> graph = unetgen.graph_of("unet_paper")
        >>> graph.output_size((572, 572))
        (388, 388)
    """
    loaded = load_spec(spec, registry=registry, **overrides)
    graph = build_graph(loaded)
    if loaded.input_size:
        check_sizes(graph, loaded.input_size, loaded.root.mapping.get("input_size"))
    return graph


def draw(
    spec: AnySpec,
    *,
    style: Style = "paper",
    theme: Theme = "light",
    registry: Registry | None = None,
    **overrides: Any,
) -> Figure:
    """Return the U figure of a spec; torch is not imported.

    A notebook displays the figure; ``save`` writes it as SVG, PNG or PDF.

    Args:
        spec: A spec in any form, as for ``load_spec``.
        style: The style: ``"paper"``, ``"compact"`` or ``"detail"``.
        theme: The color theme: ``"light"`` or ``"dark"``.
        registry: The parts that the spec can name.
        **overrides: Values that override the spec's, as for ``load_spec``; ``input_size=(256, 256)`` labels the
            figure with the sizes of that input.

    Returns:
        The figure.

    Raises:
        SpecError: The spec is invalid.
        SizeError: ``input_size`` does not fit the network.
        FormatError: The style or the theme is unknown.

    Examples:
        >>> import unetgen
        >>> unetgen.draw("unet_paper", style="compact").svg.startswith("<svg")
        True
    """
    loaded = load_spec(spec, registry=registry, **overrides)
    return Figure.of(loaded.name, graph_of(loaded), loaded.input_size, style, theme)


def build(
    spec: AnySpec,
    *,
    seed: int | None = None,
    device: torch.device | str | None = None,
    registry: Registry | None = None,
    **overrides: Any,
) -> UNet:
    """Return the network of a spec, with initial weights.

    Args:
        spec: A spec in any form, as for ``load_spec``.
        seed: The seed of the initial weights (default: sampled from torch's generator). Each tensor has its own
            random stream, derived from the seed and the tensor's path.
        device: The device of the network. On ``"meta"`` nothing is allocated, and plugins do not transform the
            network.
        registry: The parts that the spec can name.
        **overrides: Values that override the spec's, as for ``load_spec``.

    Returns:
        The network, an ``nn.Module`` that maps ``(batch, in_channels, *size)`` to ``(batch, out_channels, *size)``,
        or to a dict of such tensors if the spec has several heads.

    Raises:
        SpecError: The spec is invalid, or its parts cannot be combined.
        WeightsError: The spec is a weights file, whose weights would not be loaded.
        PluginError: A plugin that the spec needs failed.

    Examples:
        >>> import torch
        >>> import unetgen
        >>> model = unetgen.build("unet_1d", seed=0)
        >>> tuple(model(torch.zeros(1, 1, 64)).shape)
        (1, 5, 64)
    """
    from unetgen.network.assembly import assemble, assemble_on_meta
    from unetgen.network.initialization import sample_seed

    _refuse_weights_file(spec)
    registry = registry or load_registry()
    loaded = load_spec(spec, registry=registry, **overrides)
    graph = graph_of(loaded)
    if str(device) == "meta":
        return assemble_on_meta(loaded, graph)
    model = assemble(loaded, graph, registry, sample_seed() if seed is None else seed)
    return model if device is None else model.to(device)


def _refuse_weights_file(spec: AnySpec) -> None:
    if is_weights_path(spec):
        hint = f"call unetgen.load({str(spec)!r}), or build(load_spec(...)) for a network with initial weights"
        raise WeightsError(f"{spec}: build would not load the weights of this file; {hint}")


def load(path: str | Path, *, device: torch.device | str = "cpu", registry: Registry | None = None) -> UNet:
    """Return the network of a weights file that ``save`` wrote, rebuilt from that file alone, in evaluation mode.

    Args:
        path: The weights file, which also holds the spec.
        device: The device of the network.
        registry: The parts that the spec can name.

    Returns:
        The network with the weights of the file.

    Raises:
        WeightsError: The file cannot be read, or holds no spec.
        SpecError: A plugin that the spec needs is not installed.

    Examples:
        >>> import tempfile
        >>> import unetgen
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     unetgen.save(unetgen.build("unet_1d", seed=0), f"{folder}/net.safetensors")
        ...     unetgen.load(f"{folder}/net.safetensors").spec.name
        'unet_1d'
    """
    from unetgen.network.weights import checkpoint

    return checkpoint.load(path, registry or load_registry(), device)


def specs() -> dict[str, Spec]:
    """Return the shipped specs by name.

    Returns:
        The resolved specs: those of ``specs``, then those of ``specs/zoo``.

    Examples:
        >>> import unetgen
        >>> list(unetgen.specs())[:3]
        ['unet_1d', 'unet_3d', 'unet_milesial']
    """
    return {name: load_spec(name) for name in list_shipped_specs()}
