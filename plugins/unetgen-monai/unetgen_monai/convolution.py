"""MONAI's Convolution and what its networks make of it: residual units and transposed convolutions."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Count, Factor, Inert, Kernel, Trial
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Norm, Stride, Striding, Upsample
from unetgen.graph.size_rule import Rule
from unetgen.parts.layers.activations import Prelu
from unetgen.parts.layers.norms import Instance
from unetgen.parts.resampling.downsampling import pair_axes
from unetgen_monai.channels import OutputChannels
from unetgen_monai.layers import Layers
from unetgen_monai.sizes import build_receptive_window, build_window_rule, check_odd

Ordering = Literal["NDA", "NAD", "DNA", "DAN", "AND", "ADN"]

_DEFAULT_ORDERING: Ordering = "NDA"


class _Ordered(Layers):
    """Norm (N), dropout (D) and activation (A) behind a convolution, in any order."""

    supports_channel_dropout: ClassVar[bool] = True

    adn_ordering: Ordering = _DEFAULT_ORDERING
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Instance()
    activation: Annotated[Activation, In("activation")] = Prelu()

    def inert(self) -> list[Inert]:
        found = super().inert()
        steps = {"N": self.norm, "D": self.dropout, "A": self.activation}
        there = {letter for letter, part in steps.items() if part.type != "none"}
        if [x for x in self.adn_ordering if x in there] == [x for x in _DEFAULT_ORDERING if x in there]:
            idle = next((part.slot for part in steps.values() if part.type == "none"), "adn_ordering")
            found.append(Inert("adn_ordering", idle, "what is not 'none' stands in this order anyway"))
        return found

    def build_arguments(self, g: Builder, x: Value, channels: int) -> dict[str, Any]:
        """What all of MONAI's convolutions are told."""
        dropout, dropout_dim = self.to_monai_dropout(g)
        return {
            "spatial_dims": g.dims,
            "in_channels": x.channels,
            "out_channels": channels,
            "adn_ordering": self.adn_ordering,
            "norm": self.to_monai_norm(g, channels),
            "act": self.to_monai_activation(g, channels),
            "dropout": dropout,
            "dropout_dim": dropout_dim,
            "bias": self.bias,
        }


class _Same(_Ordered, Striding):
    """Convolutions that are padded as MONAI's `same_padding` has it, the first of them with the stride."""

    kernel_size: Kernel = 3
    dilation: Kernel = 1

    @model_validator(mode="after")
    def _check_kernel(self) -> _Same:
        uneven = next(
            (pair for pair in pair_axes(self.kernel_size, self.dilation) if (pair[0] - 1) * pair[1] % 2), None
        )
        if uneven:
            what = "MONAI has no padding that keeps the size under a kernel of {} with a dilation of {}"
            problem = {"what": what.format(*uneven), "hint": "use an odd kernel", "at": "kernel_size"}
            raise PydanticCustomError("kernel", "{what}", problem)
        return self

    def inert(self) -> list[Inert]:
        found = super().inert()
        if all(size == 1 or rate == 1 for size, rate in pair_axes(self.kernel_size, self.dilation)):
            found.append(Inert("dilation", "kernel_size", "a kernel of 1 has nothing to spread"))
        return found

    def emit_module(  # the target's own arguments beside what all are told
        self,
        g: Builder,
        target: str,
        x: Value,
        channels: int,
        stride: Stride,
        num_convolutions: int,
        extra_arguments: dict[str, Any],
    ) -> Value:
        """Draws MONAI's module of so many convolutions, (c, *size) -> (channels, *size / stride)."""
        kernel, dilation, strides = (g.per_axis(v) for v in (self.kernel_size, self.dilation, stride.factor))
        extents = [(size - 1) * rate + 1 for size, rate in zip(kernel, dilation, strict=True)]
        axes = [(extent, step, extent // 2) for extent, step in zip(extents, strides, strict=True)]
        sizes = {"kernel_size": kernel, "dilation": dilation, "strides": strides}
        return g.module(
            self,
            target,
            x,
            channels=channels,
            size=tuple(build_window_rule(*axis, stride.rounding) for axis in axes),
            pixels=tuple(build_receptive_window(*axis, num_convolutions) for axis in axes),
            elements=self.count_norm_elements(channels),
            arguments={**self.build_arguments(g, x, channels), **sizes, **extra_arguments},
        )


class Convolution(_Same):
    """MONAI's Convolution: one convolution, then norm, dropout and activation in the order of ``adn_ordering``."""

    type: ClassVar[str] = "monai_convolution"

    groups: Count = 1

    trial: ClassVar[Trial] = Trial()

    @property
    def has_several_convolutions(self) -> bool:
        return False

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        for count in dict.fromkeys((x.channels, channels)):
            if count % self.groups:
                divisors = [n for n in range(1, min(count, 64) + 1) if count % n == 0]
                hint = f"use one of {', '.join(map(str, divisors))}"
                g.refuse(self, "groups", f"{self.groups} does not divide {count} channel{'s' * (count > 1)}", hint)
        target = "monai.networks.blocks.convolutions:Convolution"
        return self.emit_module(g, target, x, channels, stride, 1, {"groups": self.groups})


class ResidualUnit(_Same):
    """MONAI's ResidualUnit: so many of its convolutions, and the input added to them (Kerfoot et al. 2018).

    Nothing stands behind the sum. Where the size changes the input goes through a convolution of the same kernel,
    where only channels change through a 1x1 one.
    """

    type: ClassVar[str] = "monai_residual_unit"

    subunits: Count = 2
    last_conv_only: bool = False
    """Whether norm, dropout and activation are left out behind the last convolution."""

    @property
    def has_several_convolutions(self) -> bool:
        return self.subunits > 1

    def inert(self) -> list[Inert]:
        found = super().inert()
        if self.last_conv_only and self.subunits == 1:
            options = ("norm", "activation", "dropout", "adn_ordering")
            found += [Inert(option, "last_conv_only", "the only convolution stands alone") for option in options]
        return found

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if stride.changes and self.dilation != 1:
            message = "MONAI's shortcut is not dilated, and with a stride it makes another size than the units"
            g.refuse(self, "dilation", message, "use 1 where the resolution changes")
        target = "monai.networks.blocks.convolutions:ResidualUnit"
        more = {"subunits": self.subunits, "last_conv_only": self.last_conv_only}
        return self.emit_module(g, target, x, channels, stride, self.subunits, more)


class TransposedConvolution(OutputChannels, _Ordered, Upsample):
    """MONAI's Convolution with ``is_transposed``, the way up of its UNet: exactly the strides' multiple of a size."""

    type: ClassVar[str] = "monai_convolution"

    trial: ClassVar[Trial] = Trial()

    kernel_size: Annotated[Kernel, AfterValidator(check_odd)] = 3
    strides: Factor = 2

    @property
    def has_several_convolutions(self) -> bool:
        return False

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        kernel, strides = g.per_axis(self.kernel_size), g.per_axis(self.strides)
        wanted = self.resolve_channels(x, channels)
        sizes = {"kernel_size": kernel, "strides": strides, "is_transposed": True}
        return g.module(
            self,
            "monai.networks.blocks.convolutions:Convolution",
            x,
            channels=wanted,
            size=tuple(Rule(factor=step) for step in strides),
            elements=self.count_norm_elements(wanted),
            arguments={**self.build_arguments(g, x, wanted), **sizes},
        )
