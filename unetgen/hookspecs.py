"""What a plugin can give unetgen. This file is the plugin author's manual.

A distribution names its plugin module under the entry-point group ``unetgen``:

    [project.entry-points.unetgen]
    acme = "acme_unet.plugin"

and that module implements the hooks below with ``@unetgen.hookimpl``. Hooks are called once, when the registry
is loaded; nothing is registered by an import.
"""

from __future__ import annotations

import pluggy

from unetgen.config.part import Part

GROUP = "unetgen"

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def unetgen_parts() -> list[type[Part]]:  # type: ignore[empty-body]  # a hookspec is a signature
    """The parts that this plugin adds: subclasses of the kinds in ``unetgen.graph.kinds``, each with a ``type``.

    Importing the module must not import torch: a part draws on a graph, and torch is met only when a network
    is built.
    """
