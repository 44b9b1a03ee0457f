"""The five hooks of plugins; a plugin implements any of them.

A distribution declares its plugin module in the entry-point group ``unetgen``:

    [project.entry-points.unetgen]
    acme = "acme_unet.plugin"

and that module implements hooks with ``@unetgen.hookimpl``. It is imported when a spec first needs a part that unetgen
does not have, so its import must be quick and must not import torch. ``unetgen_api = (1, 0)`` in the module declares
the hook version it was written for. docs/how-to/use-hooks.md is a guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from unetgen.config.registry.part import Part
from unetgen.config.spec import Spec

if TYPE_CHECKING:
    from unetgen.graph.graph import Graph
    from unetgen.network.unet import UNet

ENTRY_POINT_GROUP = "unetgen"

API_VERSION = (1, 0)
"""The version of these hooks and of the part base classes. Additions increase the second number. A plugin that requires
a newer version, or another first number, is rejected."""

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)
"""Mark a function of a plugin as the implementation of the hook that has its name."""


@hookspec
def unetgen_parts() -> Iterable[type[Part]]:  # type: ignore[empty-body]  # a hookspec is a signature
    """Return the parts that this plugin adds.

    Returns:
        Subclasses of the base classes in ``unetgen.graph.part_types``, each with its own ``type``.
    """


@hookspec
def unetgen_specs() -> Path | Iterable[Path]:  # type: ignore[empty-body]  # as above
    """Return the folders of the specs that this plugin ships.

    Returns:
        One folder or several. Their YAML files can be built and extended as ``distribution/name``.
    """


@hookspec
def unetgen_formats() -> Mapping[str, Callable[[UNet, Path], None]]:  # type: ignore[empty-body]  # as above
    """Return the formats that this plugin adds to ``unetgen export``.

    Returns:
        By format name, a function ``(model, path)`` that writes a network with its weights to a file.
    """


@hookspec
def unetgen_advice(spec: Spec, graph: Graph) -> str | Iterable[str] | None:
    """Return advice about a graph, which ``unetgen build`` and ``unetgen inspect`` print.

    Args:
        spec: The resolved spec.
        graph: The graph of the spec.

    Returns:
        One sentence or several, or None.
    """


@hookspec
def unetgen_model_built(model: UNet, spec: Spec) -> UNet | None:
    """Transform a network that has its initial weights, in place or by returning another.

    The hook is called only for specs that name the plugin under ``model_built``.

    Args:
        model: The network.
        spec: The resolved spec.

    Returns:
        The transformed network, or None if ``model`` was changed in place.
    """
