"""MONAI's UpSample, in its four modes."""

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

# What each mode has no use for.
_UNUSED_OPTIONS: dict[Mode, tuple[str, ...]] = {
    "deconv": ("pre_conv", "interp_mode", "align_corners", "apply_pad_pool"),
    "deconvgroup": ("pre_conv", "interp_mode", "align_corners", "apply_pad_pool"),
    "nontrainable": ("kernel_size", "apply_pad_pool"),
    "pixelshuffle": ("kernel_size", "interp_mode", "align_corners"),
}


class UpSample(OutputChannels, Upsample):
    """MONAI's UpSample: a transposed convolution, an interpolation, or channels turned into pixels (Shi et al. 2016).

    ``deconvgroup`` convolves in as many groups as it makes channels. Before an interpolation a 1x1 convolution makes
    the channels where their number changes, before a pixel shuffle a 3x3 one (Aitken et al. 2017).
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
    """Of a transposed convolution; the scale factor where none is given."""

    pre_conv: Literal["default", "none"] = "default"
    """The convolution before an interpolation or a pixel shuffle."""

    interp_mode: Literal["nearest", "linear", "bicubic"] = "linear"
    """Linear is bilinear in 2-D and trilinear in 3-D."""

    align_corners: bool = True
    bias: bool = True
    apply_pad_pool: bool = True
    """Whether a pixel shuffle takes the mean of each window of the factor's size, against checkerboards."""

    @model_validator(mode="after")
    def _check_shuffle(self) -> UpSample:
        if self.mode == "pixelshuffle" and not (isinstance(self.scale_factor, int) and self.scale_factor > 1):
            one = "a factor of 1 shuffles nothing"
            what = one if self.scale_factor == 1 else "MONAI shuffles by the first axis's factor on all axes"
            hint = "use mode deconv" if self.scale_factor == 1 else "give one number, or use mode deconv"
            raise PydanticCustomError("factor", "{what}", {"what": what, "hint": hint, "at": "scale_factor"})
        return self

    def inert(self) -> list[Inert]:
        found = [Inert(option, "mode", f"{self.mode} has no use for it") for option in _UNUSED_OPTIONS[self.mode]]
        if self.mode == "nontrainable" and self.interp_mode == "nearest":
            found.append(Inert("align_corners", "interp_mode", "nearest takes whole pixels"))
        if self._has_no_convolution:
            found += [Inert(option, "pre_conv", "there is no convolution") for option in ("channels", "bias")]
        elif self.mode == "nontrainable" and self.channels == "keep":
            found.append(Inert("bias", "channels", "nothing is convolved where channels stay"))
        return found

    @property
    def _has_no_convolution(self) -> bool:
        """Whether nothing is convolved."""
        return self.pre_conv == "none" and self.mode in ("nontrainable", "pixelshuffle")

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        factor = g.per_axis(self.scale_factor)
        made = self._resolve_output_channels(g, x, channels, prod(factor))
        nearest = self.interp_mode == "nearest"
        if self.mode == "nontrainable" and self.interp_mode == "bicubic" and g.dims != 2:
            g.refuse(self, "interp_mode", f"torch has no cubic interpolation in {g.dims}-D", "use 'linear'")
        arguments: dict[str, Any] = {
            "spatial_dims": g.dims,
            "in_channels": x.channels,
            "out_channels": made,
            "scale_factor": factor,
            "kernel_size": self._resolve_kernel(g, factor),
            "mode": self.mode,
            "pre_conv": None if self.pre_conv == "none" else "default",
            "interp_mode": self.interp_mode,
            "align_corners": None if nearest else self.align_corners,
            "bias": self.bias,
            "apply_pad_pool": self.apply_pad_pool,
        }
        return g.module(
            self,
            "monai.networks.blocks.upsample:UpSample",
            x,
            channels=made,
            size=tuple(Rule(factor=n) for n in factor),
            pixels=self._receptive_radius(),
            arguments=arguments,
        )

    def _resolve_output_channels(self, g: Builder, x: Value, channels: int, pixels: int) -> int:
        """The channels that go out, of each of which so many pixels are made."""
        wanted = self.resolve_channels(x, channels)
        if self.mode == "deconvgroup" and x.channels % wanted:
            message = (
                f"MONAI leaves the groups out where {x.channels} channels are no multiple of the {wanted} it makes"
            )
            g.refuse(self, "mode", message, "use deconv, or channels that divide")
        if not self._has_no_convolution:
            return wanted
        if self.mode == "nontrainable":
            return x.channels
        if x.channels % pixels:
            message = f"{x.channels} channels do not make whole ones of {pixels} pixels each"
            g.refuse(self, "pre_conv", message, "use 'default'")
        return max(x.channels // pixels, 1)

    def _resolve_kernel(self, g: Builder, factor: tuple[int, ...]) -> tuple[int, ...] | None:
        if self.kernel_size is None:
            return None
        kernel = g.per_axis(self.kernel_size)
        even = next((n for n, step in zip(kernel, factor, strict=True) if step == 1 and n % 2 == 0), None)
        if even is not None:
            message = f"MONAI has no padding for a kernel of {even} where the size stays"
            g.refuse(self, "kernel_size", message, "use an odd kernel on that axis")
        return kernel

    def _receptive_radius(self) -> int | None:
        """How far an output pixel looks from the pixel it lies in, where that is the same for all of them."""
        if self.mode == "nontrainable":
            return 0 if self.interp_mode == "nearest" else None
        if self.mode == "pixelshuffle":
            return None if self.apply_pad_pool else int(self.pre_conv == "default")
        return 0 if self.kernel_size is None else None
