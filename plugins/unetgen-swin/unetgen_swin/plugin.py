"""Register the blocks of this plugin."""

from __future__ import annotations

import unetgen
from unetgen.config.registry.part import Part
from unetgen_swin.parts import StateSpace, Swin, VisionTransformer

unetgen_api = (1, 0)


@unetgen.hookimpl
def unetgen_parts() -> list[type[Part]]:
    """Return the blocks of this plugin."""
    return [StateSpace, Swin, VisionTransformer]
