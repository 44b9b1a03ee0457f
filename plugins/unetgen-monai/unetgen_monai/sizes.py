"""Compute the sizes and receptive fields of MONAI's convolutions along one axis."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from unetgen.config.registry.part import Kernel
from unetgen.graph.external.module_op import Window
from unetgen.graph.size_rule import Rounding, Rule
from unetgen.parts.resampling.downsampling import pair_axes


def build_window_rule(extent: int, stride: int, padding: int, rounding: Rounding) -> Rule:
    """Return the rule floor((n + 2 padding - extent) / stride) + 1, restricted to multiples of the stride if exact.

    With MONAI's padding, multiples of the stride are divided exactly.

    Args:
        extent: The extent of the dilated kernel.
        stride: The stride.
        padding: The padding at each end.
        rounding: ``exact`` accepts multiples of the stride only, ``floor`` all sizes.
    """
    if stride == 1:
        return Rule()
    residue = 0 if rounding == "exact" else None
    return Rule(1, 2 * padding - extent, stride, 1, max(extent - 2 * padding, 1), residue)


def check_odd(kernel: Kernel) -> Kernel:
    """Return a kernel that is odd on every axis; raise PydanticCustomError for others."""
    even = next((n for n, _ in pair_axes(kernel, 1) if n % 2 == 0), None)
    if even is not None:
        message = f"kernel {even} would change the size with MONAI's padding"
        raise PydanticCustomError("kernel", "{what}", {"what": message, "hint": "use an odd kernel"})
    return kernel


def build_receptive_window(extent: int, stride: int, padding: int, count: int) -> Window:
    """Return the receptive field of a sequence of convolutions, the first of which is strided.

    Args:
        extent: The extent of the dilated kernel.
        stride: The stride of the first convolution.
        padding: The padding of the first convolution at each end.
        count: The number of convolutions.
    """
    growth = (count - 1) * (extent - 1)
    return Window(extent + growth * stride, stride, padding + growth // 2 * stride)
