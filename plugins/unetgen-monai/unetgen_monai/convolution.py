"""Define MONAI's Convolution, ResidualUnit and transposed Convolution."""

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
    """Norm (N), dropout (D) and activation (A) after a convolution, in any order."""

    supports_channel_dropout: ClassVar[bool] = True

    adn_ordering: Ordering = _DEFAULT_ORDERING
    bias: bool = True
    norm: Annotated[Norm, In("norm")] = Instance()
    activation: Annotated[Activation, In("activation")] = Prelu()

    def inert(self) -> list[Inert]:
        inert = super().inert()
        steps = {"N": self.norm, "D": self.dropout, "A": self.activation}
        used = {letter for letter, part in steps.items() if part.type != "none"}
        if [x for x in self.adn_ordering if x in used] == [x for x in _DEFAULT_ORDERING if x in used]:
            cause = next((part.slot for part in steps.values() if part.type == "none"), "adn_ordering")
            inert.append(Inert("adn_ordering", cause, "it is the default order of the layers that are not 'none'"))
        return inert

    def build_arguments(self, g: Builder, x: Value, channels: int) -> dict[str, Any]:
        """Return the arguments that all of MONAI's convolutions have in common."""
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
    """Convolutions with MONAI's ``same_padding``, the first of them strided."""

    kernel_size: Kernel = 3
    dilation: Kernel = 1

    @model_validator(mode="after")
    def _check_kernel(self) -> _Same:
        asymmetric = next(
            (pair for pair in pair_axes(self.kernel_size, self.dilation) if (pair[0] - 1) * pair[1] % 2), None
        )
        if asymmetric:
            message = "kernel {} with dilation {} would change the size with MONAI's padding".format(*asymmetric)
            context = {"what": message, "hint": "use an odd kernel", "at": "kernel_size"}
            raise PydanticCustomError("kernel", "{what}", context)
        return self

    def inert(self) -> list[Inert]:
        inert = super().inert()
        if all(size == 1 or rate == 1 for size, rate in pair_axes(self.kernel_size, self.dilation)):
            inert.append(Inert("dilation", "kernel_size", "a kernel of 1 cannot be dilated"))
        return inert

    def emit_module(
        self,
        g: Builder,
        target: str,
        x: Value,
        channels: int,
        stride: Stride,
        num_convolutions: int,
        extra_arguments: dict[str, Any],
    ) -> Value:
        """Emit a module of MONAI, (c, *size) -> (channels, *size / stride).

        Args:
            g: The graph builder.
            target: The module's class.
            x: The input.
            channels: The number of output channels.
            stride: The stride of the first convolution.
            num_convolutions: The number of convolutions, which determines the receptive field.
            extra_arguments: The arguments of this class besides the common ones.
        """
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
    """MONAI's ResidualUnit: a sequence of its convolutions with a shortcut (Kerfoot et al. 2018).

    There is no layer after the sum. The shortcut is a convolution with the same kernel if the size changes, or a 1x1
    convolution if only the number of channels changes.
    """

    type: ClassVar[str] = "monai_residual_unit"

    subunits: Count = 2
    last_conv_only: bool = False
    """Whether the last convolution has no norm, dropout and activation."""

    @property
    def has_several_convolutions(self) -> bool:
        return self.subunits > 1

    def inert(self) -> list[Inert]:
        inert = super().inert()
        if self.last_conv_only and self.subunits == 1:
            options = ("norm", "activation", "dropout", "adn_ordering")
            reason = "the only convolution has no further layers"
            inert += [Inert(option, "last_conv_only", reason) for option in options]
        return inert

    def emit_strided(self, g: Builder, x: Value, channels: int, stride: Stride) -> Value:
        if stride.changes and self.dilation != 1:
            message = "must be 1 if the resolution changes, because MONAI's strided shortcut is not dilated"
            g.refuse(self, "dilation", message, "use 1")
        target = "monai.networks.blocks.convolutions:ResidualUnit"
        arguments = {"subunits": self.subunits, "last_conv_only": self.last_conv_only}
        return self.emit_module(g, target, x, channels, stride, self.subunits, arguments)


class TransposedConvolution(OutputChannels, _Ordered, Upsample):
    """MONAI's Convolution with ``is_transposed``, the upsampling of its UNet: multiplies the size by the strides."""

    type: ClassVar[str] = "monai_convolution"

    trial: ClassVar[Trial] = Trial()

    kernel_size: Annotated[Kernel, AfterValidator(check_odd)] = 3
    strides: Factor = 2

    @property
    def has_several_convolutions(self) -> bool:
        return False

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        kernel, strides = g.per_axis(self.kernel_size), g.per_axis(self.strides)
        out_channels = self.resolve_channels(x, channels)
        sizes = {"kernel_size": kernel, "strides": strides, "is_transposed": True}
        return g.module(
            self,
            "monai.networks.blocks.convolutions:Convolution",
            x,
            channels=out_channels,
            size=tuple(Rule(factor=step) for step in strides),
            elements=self.count_norm_elements(out_channels),
            arguments={**self.build_arguments(g, x, out_channels), **sizes},
        )
