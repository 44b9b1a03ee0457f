"""Define MONAI's UpSample with its four modes."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from unetgen.config.registry.part import Factor, Inert, Kernel, Trial
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Upsample
from unetgen.graph.size_rule import Rule
from unetgen_monai.channels import OutputChannels

Mode = Literal["deconv", "deconvgroup", "nontrainable", "pixelshuffle"]

# The options that each mode does not use.
_UNUSED_OPTIONS: dict[Mode, tuple[str, ...]] = {
    "deconv": ("pre_conv", "interp_mode", "align_corners", "apply_pad_pool"),
    "deconvgroup": ("pre_conv", "interp_mode", "align_corners", "apply_pad_pool"),
    "nontrainable": ("kernel_size", "apply_pad_pool"),
    "pixelshuffle": ("kernel_size", "interp_mode", "align_corners"),
}


class UpSample(OutputChannels, Upsample):
    """MONAI's UpSample: a transposed convolution, an interpolation or a pixel shuffle (Shi et al. 2016).

    ``deconvgroup`` has as many groups as output channels. An interpolation that changes the number of channels is
    preceded by a 1x1 convolution, a pixel shuffle by a 3x3 convolution (Aitken et al. 2017).
    """

    type: ClassVar[str] = "monai_upsample"
    trial: ClassVar[Trial] = Trial(
        others={
            "pre_conv": {"mode": "nontrainable", "pre_conv": "none"},
            "interp_mode": {"mode": "nontrainable", "interp_mode": "nearest"},
            "align_corners": {"mode": "nontrainable", "align_corners": False},
            "apply_pad_pool": {"mode": "pixelshuffle", "apply_pad_pool": False},
        }
    )

    mode: Mode = "deconv"
    scale_factor: Factor = 2
    kernel_size: Kernel | None = None
    """The kernel size of the transposed convolution (default: the scale factor)."""

    pre_conv: Literal["default", "none"] = "default"
    """The convolution before an interpolation or a pixel shuffle."""

    interp_mode: Literal["nearest", "linear", "bicubic"] = "linear"
    """The interpolation mode; ``linear`` is bilinear in 2-D and trilinear in 3-D."""

    align_corners: bool = True
    bias: bool = True
    apply_pad_pool: bool = True
    """Whether a mean over windows of the factor's size follows a pixel shuffle, against checkerboard artifacts."""

    @model_validator(mode="after")
    def _check_shuffle(self) -> UpSample:
        if self.mode == "pixelshuffle" and not (isinstance(self.scale_factor, int) and self.scale_factor > 1):
            is_one = self.scale_factor == 1
            message = "must be larger than 1" if is_one else "MONAI's pixel shuffle has one factor for all axes"
            hint = "use mode: deconv" if is_one else "set one number, or use mode: deconv"
            raise PydanticCustomError("factor", "{what}", {"what": message, "hint": hint, "at": "scale_factor"})
        return self

    def inert(self) -> list[Inert]:
        inert = [Inert(option, "mode", f"mode {self.mode} does not use it") for option in _UNUSED_OPTIONS[self.mode]]
        if self.mode == "nontrainable" and self.interp_mode == "nearest":
            inert.append(Inert("align_corners", "interp_mode", "nearest does not interpolate"))
        if self._has_no_convolution:
            inert += [Inert(option, "pre_conv", "the upsampling has no convolution") for option in ("channels", "bias")]
        elif self.mode == "nontrainable" and self.channels == "keep":
            inert.append(Inert("bias", "channels", "there is no convolution if the channels do not change"))
        return inert

    @property
    def _has_no_convolution(self) -> bool:
        """Whether the upsampling has no convolution in any case."""
        return self.pre_conv == "none" and self.mode in ("nontrainable", "pixelshuffle")

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        factor = g.per_axis(self.scale_factor)
        out_channels = self._resolve_output_channels(g, x, channels, prod(factor))
        is_nearest = self.interp_mode == "nearest"
        if self.mode == "nontrainable" and self.interp_mode == "bicubic" and g.dims != 2:
            g.refuse(self, "interp_mode", f"torch has no bicubic interpolation in {g.dims}-D", "use 'linear'")
        arguments: dict[str, Any] = {
            "spatial_dims": g.dims,
            "in_channels": x.channels,
            "out_channels": out_channels,
            "scale_factor": factor,
            "kernel_size": self._resolve_kernel(g, factor),
            "mode": self.mode,
            "pre_conv": None if self.pre_conv == "none" else "default",
            "interp_mode": self.interp_mode,
            "align_corners": None if is_nearest else self.align_corners,
            "bias": self.bias,
            "apply_pad_pool": self.apply_pad_pool,
        }
        return g.module(
            self,
            "monai.networks.blocks.upsample:UpSample",
            x,
            channels=out_channels,
            size=tuple(Rule(factor=n) for n in factor),
            pixels=self._receptive_radius(),
            arguments=arguments,
        )

    def _resolve_output_channels(self, g: Builder, x: Value, channels: int, pixels: int) -> int:
        """Return the number of output channels; ``pixels`` is the number of output pixels per input pixel."""
        out_channels = self.resolve_channels(x, channels)
        if self.mode == "deconvgroup" and x.channels % out_channels:
            message = f"{out_channels} output channels do not divide {x.channels} input channels"
            g.refuse(self, "mode", message, "use deconv, or channels that divide")
        if not self._has_no_convolution:
            return out_channels
        if self.mode == "nontrainable":
            return x.channels
        if x.channels % pixels:
            message = f"a pixel shuffle without convolution needs a multiple of {pixels} channels, not {x.channels}"
            g.refuse(self, "pre_conv", message, "use 'default'")
        return max(x.channels // pixels, 1)

    def _resolve_kernel(self, g: Builder, factor: tuple[int, ...]) -> tuple[int, ...] | None:
        if self.kernel_size is None:
            return None
        kernel = g.per_axis(self.kernel_size)
        even = next((n for n, step in zip(kernel, factor, strict=True) if step == 1 and n % 2 == 0), None)
        if even is not None:
            message = f"kernel {even} would change the size on an axis with scale factor 1"
            g.refuse(self, "kernel_size", message, "use an odd kernel on that axis")
        return kernel

    def _receptive_radius(self) -> int | None:
        """Return the radius of the receptive field in input pixels, or None if it depends on the output pixel."""
        if self.mode == "nontrainable":
            return 0 if self.interp_mode == "nearest" else None
        if self.mode == "pixelshuffle":
            return None if self.apply_pad_pool else int(self.pre_conv == "default")
        return 0 if self.kernel_size is None else None
