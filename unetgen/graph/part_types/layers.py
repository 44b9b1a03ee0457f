"""Base classes of the layers in a block, and of initialisation rules."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from unetgen.config.registry.part import Part
from unetgen.graph.builder import Builder, Value
from unetgen.graph.ops import Call, Parameter


class Norm(Part):
    """A norm layer, or none.

    Examples:
        >>> from unetgen.authoring import Builder, Norm
        >>> class SingleGroup(Norm):
        ...     type = "single_group"
        ...     def emit(self, g, x, name):
        ...         arguments = {"num_groups": 1, "num_channels": x.channels}
        ...         return g.norm(x, "nn.GroupNorm", arguments, affine=True, name=name)
        >>> g = Builder(dims=2, in_channels=8)
        >>> SingleGroup().emit(g, g.input, "norm").channels
        8
    """

    slot: ClassVar[str] = "norm"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str) -> Value:
        """Add the norm.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``; ``x`` itself if there is no norm.
        """


class Activation(Part):
    """An activation, or none.

    Examples:
        >>> from unetgen.authoring import Activation, Builder
        >>> class Softsign(Activation):
        ...     type = "softsign"
        ...     def emit(self, g, x, name):
        ...         return g.activation(x, "nn.Softsign", {}, name=name)
        >>> g = Builder(dims=2, in_channels=8)
        >>> Softsign().emit(g, g.input, "act").channels
        8
    """

    slot: ClassVar[str] = "activation"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str) -> Value:
        """Add the activation.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            name: The layer's name in the current module.

        Returns:
            The output, ``(batch, c, *size)``; ``x`` itself if there is no activation.
        """


class Dropout(Part):
    """A dropout, or none.

    Examples:
        >>> from unetgen.authoring import Builder, Dropout
        >>> class LastOnly(Dropout):
        ...     type = "last_only"
        ...     def emit(self, g, x, name, last):
        ...         return g.dropout(x, "nn.Dropout{dims}d", 0.1, name) if last else x
        >>> g = Builder(dims=2, in_channels=8)
        >>> LastOnly().emit(g, g.input, "drop", last=True).channels
        8
    """

    slot: ClassVar[str] = "dropout"

    @abstractmethod
    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        """Add the dropout of one unit of a block.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            name: The layer's name in the current module.
            last: Whether the unit is the block's last.

        Returns:
            The output, ``(batch, c, *size)``; ``x`` itself if there is no dropout.
        """


class Init(Part):
    """The initialisation of learned tensors.

    Examples:
        >>> from unetgen.authoring import Call, Init, Parameter
        >>> class SmallNormal(Init):
        ...     type = "small_normal"
        ...     def rule(self, parameter):
        ...         std = 0.01 if parameter.role == "kernel" else 0.0
        ...         return Call("nn.init.normal_", {"std": std})
        >>> SmallNormal().rule(Parameter("weight", (8, 3, 3, 3), "kernel")).arguments
        {'std': 0.01}
    """

    slot: ClassVar[str] = "init"

    @abstractmethod
    def rule(self, parameter: Parameter) -> Call:
        """Return the function that initialises a tensor.

        Args:
            parameter: The tensor's shape and role.

        Returns:
            A function such as ``nn.init.normal_``, and its keyword arguments without the tensor.
        """
