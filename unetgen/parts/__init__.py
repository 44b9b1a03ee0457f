"""The built-in parts, registered through the same hook as the parts of plugins."""

from __future__ import annotations

from inspect import isabstract, isclass

from unetgen.config.registry.part import Part
from unetgen.hookspecs import hookimpl
from unetgen.parts.blocks import (
    bottleneck,
    composites,
    convolutional,
    dense,
    pyramids,
    recurrent,
    separable,
    shortcuts,
)
from unetgen.parts.layers import activations, attentions, dropouts, inits, norms
from unetgen.parts.network import decoders, encoders, heads, inputs, resnet, unet_block
from unetgen.parts.resampling import downsampling, upsampling
from unetgen.parts.skips import alignments, fusions, gates, transforms

PART_MODULES = (
    encoders, resnet, decoders, convolutional, bottleneck, recurrent, dense, separable, pyramids, unet_block,
    composites, shortcuts, attentions, downsampling, upsampling, alignments, gates, transforms, fusions, norms,
    activations, dropouts, heads, inputs, inits,
)  # fmt: skip


@hookimpl
def unetgen_parts() -> list[type[Part]]:
    """Return every part class that one of these modules defines."""
    return [part for module in PART_MODULES for part in vars(module).values() if _is_part_of(part, module.__name__)]


def _is_part_of(candidate: object, module: str) -> bool:
    if not (isclass(candidate) and issubclass(candidate, Part)) or isabstract(candidate):
        return False
    return candidate.__module__ == module and "type" in vars(candidate)
