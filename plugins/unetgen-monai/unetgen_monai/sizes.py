"""What MONAI's convolutions make of sizes, axis by axis."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from unetgen.config.registry.part import Kernel
from unetgen.graph.external.module_op import Window
from unetgen.graph.size_rule import Rounding, Rule
from unetgen.parts.resampling.downsampling import pair_axes


def build_window_rule(extent: int, stride: int, padding: int, rounding: Rounding) -> Rule:
    """floor((n + 2 padding - extent) / stride) + 1, of multiples of the stride alone where it is to be exact.

    Every padding that MONAI chooses divides multiples of the stride exactly.
    """
    if stride == 1:
        return Rule()
    residue = 0 if rounding == "exact" else None
    return Rule(1, 2 * padding - extent, stride, 1, max(extent - 2 * padding, 1), residue)


def check_odd(kernel: Kernel) -> Kernel:
    """A kernel that is odd on every axis."""
    even = next((n for n, _ in pair_axes(kernel, 1) if n % 2 == 0), None)
    if even is not None:
        what = f"MONAI has no padding that keeps the size under a kernel of {even}"
        raise PydanticCustomError("kernel", "{what}", {"what": what, "hint": "use an odd kernel"})
    return kernel


def build_receptive_window(extent: int, stride: int, padding: int, count: int) -> Window:
    """What so many convolutions one after the other look at, the first of them with the stride and that padding."""
    further = (count - 1) * (extent - 1)
    return Window(extent + further * stride, stride, padding + further // 2 * stride)
