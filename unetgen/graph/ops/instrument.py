"""Instrument: what only torch can tell of a stranger's module, asked on its meta device, where nothing is computed.

This is the one door from the graph to torch, and it opens when somebody asks.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple, Protocol, cast

from unetgen.graph.ops.base import Call, Parameter, Shape


class ModuleProfile(NamedTuple):
    """What one pass of a module showed, for one sample."""

    shapes: tuple[Shape, ...]
    """(channels, *size) of each value it returned."""
    macs: int
    extra_saved_elements: int
    """How many values autograd kept, beside parameters, inputs and outputs."""
    workspace_elements: int
    """How many values were alive at one time without autograd, beside the same."""


class ModuleProfiler(Protocol):
    """What measures. ``origin`` says whose module it is, for the error where it cannot be made or run."""

    def read_parameters(self, call: Call, origin: str) -> tuple[Parameter, ...]:
        """The learned tensors of a module. Raises PluginError."""

    def profile_module(self, call: Call, inputs: tuple[Shape, ...], origin: str) -> ModuleProfile:
        """One pass over maps of these shapes, (channels, *size) each. Raises PluginError."""


def load_profiler() -> ModuleProfiler:
    """The one of ``network/``, imported when first needed."""
    return cast(ModuleProfiler, import_module("unetgen.graph.external.measurement"))
