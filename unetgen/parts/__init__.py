"""The built-in vocabulary. It enters by the same hook as a stranger's parts."""

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
    unet,
)
from unetgen.parts.layers import activations, attentions, dropouts, inits, norms
from unetgen.parts.network import decoders, encoders, heads, inputs, resnet
from unetgen.parts.resampling import downsampling, upsampling
from unetgen.parts.skips import alignments, fusions, gates, transforms

PART_MODULES = (
    encoders, resnet, decoders, convolutional, bottleneck, recurrent, dense, separable, pyramids, unet, composites,
    shortcuts, attentions, downsampling, upsampling, alignments, gates, transforms, fusions, norms, activations,
    dropouts, heads, inputs, inits,
)  # fmt: skip


@hookimpl
def unetgen_parts() -> list[type[Part]]:
    """Every part that one of these files defines."""
    return [part for file in PART_MODULES for part in vars(file).values() if _is_defined_in(part, file.__name__)]


def _is_defined_in(candidate: object, module: str) -> bool:
    if not (isclass(candidate) and issubclass(candidate, Part)) or isabstract(candidate):
        return False
    return candidate.__module__ == module and "type" in vars(candidate)
