"""Kinds of what stands in a unit, and of how learned tensors start."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from unetgen.config.registry.part import Part
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops import Call, Parameter


class Norm(Part):
    """A norm layer, or none."""

    slot: ClassVar[str] = "norm"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str) -> Value:
        """Draws the norm; x unchanged where there is none."""


class Activation(Part):
    """An activation, or none."""

    slot: ClassVar[str] = "activation"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str) -> Value:
        """Draws the activation; x unchanged where there is none."""


class Dropout(Part):
    """A dropout, or none."""

    slot: ClassVar[str] = "dropout"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        """Draws the dropout of one unit of a block; ``last`` tells the block's last unit."""


class Init(Part):
    """How the learned tensors start."""

    slot: ClassVar[str] = "init"

    @abstractmethod
    def rule(self, parameter: Parameter) -> Call:
        """The function of ``torch.nn.init`` that fills one tensor, with its arguments."""
