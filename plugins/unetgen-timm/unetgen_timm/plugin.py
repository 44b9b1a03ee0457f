"""Register one encoder for all of timm's backbones."""

from __future__ import annotations

import unetgen
from unetgen.config.registry.part import Part

from unetgen_timm.parts import Timm

unetgen_api = (1, 0)


@unetgen.hookimpl
def unetgen_parts() -> list[type[Part]]:
    """Return the parts of this plugin."""
    return [Timm]
