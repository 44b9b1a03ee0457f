"""What a plugin can give unetgen: these five hooks, each of which it may leave out.

A distribution names its plugin module under the entry-point group ``unetgen``:

    [project.entry-points.unetgen]
    acme = "acme_unet.plugin"

and that module implements hooks with ``@unetgen.hookimpl``. It is imported when somebody first asks for what it may
have, so importing it must be quick and must not import torch. ``unetgen_api = (1, 0)`` in it says for which of the
versions of this file it was written. docs/plugins.md is the manual.
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
"""The version of these hooks and of the kinds of part. The second number grows with what is added; a plugin that asks
for a newer one than there is, or for another first number, is refused."""

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def unetgen_parts() -> Iterable[type[Part]]:  # type: ignore[empty-body]  # a hookspec is a signature
    """The parts that this plugin adds: subclasses of the kinds in ``unetgen.graph.part_types``, each with a ``type``."""


@hookspec
def unetgen_specs() -> Path | Iterable[Path]:  # type: ignore[empty-body]  # as above
    """The folders whose YAML files are specs that people can build and extend as ``distribution/name``."""


@hookspec
def unetgen_formats() -> Mapping[str, Callable[[UNet, Path], None]]:  # type: ignore[empty-body]  # as above
    """Formats that ``unetgen export`` writes, by name: functions that write a network with its weights to a file."""


@hookspec
def unetgen_advice(spec: Spec, graph: Graph) -> str | Iterable[str] | None:
    """Sentences about a finished graph, for whoever builds or inspects it; None where there is nothing to say."""


@hookspec
def unetgen_model_built(model: UNet, spec: Spec) -> UNet | None:
    """Transforms a finished network that has its first weights, in place or by returning another.

    It is called for specs that name the plugin under ``model_built``, and for no other.
    """
