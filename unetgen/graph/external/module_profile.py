"""The measured shapes and costs of a third-party module."""

from __future__ import annotations

from typing import NamedTuple

from unetgen.graph.ops.base import Shape


class ModuleProfile(NamedTuple):
    """Shapes and costs of one forward pass of a module, for one sample."""

    shapes: tuple[Shape, ...]
    """(channels, *size) of each returned value."""
    macs: int
    extra_saved_elements: int
    """How many elements autograd saves for the backward pass, without parameters, inputs and outputs."""
    workspace_elements: int
    """The peak number of live elements without autograd, without parameters, inputs and outputs."""
