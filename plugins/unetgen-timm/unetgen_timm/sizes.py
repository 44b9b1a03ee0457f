"""Infer the channels and sizes of a backbone's features by running it on a few sizes without data.

Backbones pad, round and crop in different ways, so there is no table of families. But every stage divides by its
stride, so the size of a feature is (n + offset) // stride. The offset follows from a few sizes: 0 if a stage drops the
remainder, stride - 1 if it pads, and in between if it does both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from unetgen.errors import format_exception_line
from unetgen.graph.size_rule import Rule

from unetgen_timm import library
from unetgen_timm.library import UnsupportedOptionError
from unetgen_timm.meta import infer_shapes
from unetgen_timm.modules import Backbone, Options, build_backbone, read_strides

timm = library.import_timm()

Size = tuple[int, int]

# The minimum number of size pairs to try, even if fewer determine the offsets, to detect stages that round otherwise.
_MIN_PAIRS = 4


class BackbonePlan(NamedTuple):
    """The options of a backbone, and the channels and size rule of each of its features."""

    options: Options
    channels: Sequence[int]
    sizes: Sequence[Rule | tuple[Rule, ...]]
    multiple: int


class SizeFormula(NamedTuple):
    """The sizes that fit, multiples of ``multiple`` from ``minimum`` on, and the offset of each feature.

    The size of a feature is (size + offset) // stride. ``options`` make the backbone accept other sizes than its
    default. ``channels`` are measured, because timm reports those of a pruned network before pruning.
    """

    channels: tuple[int, ...]
    offsets: tuple[int, ...]
    multiple: int
    minimum: int
    options: Options


@lru_cache(maxsize=128)
def infer_size_formula(name: str, options: Options) -> SizeFormula | None:
    """Return the size formula of a backbone, or None if it accepts one size only."""
    attempts: tuple[Options, ...] = ((), (("strict_img_size", False),))
    for size_options in attempts:
        try:
            backbone = build_backbone(name, *options, *size_options)
        except Exception:  # noqa: S112  # the backbone does not have the option
            continue
        if formula := _fit_formula(backbone, size_options):
            return formula
    return None


def plan_for_all_sizes(name: str, options: Options, strides: Sequence[int]) -> BackbonePlan | None:
    """Plan a backbone that accepts all sizes of its formula; return None if it accepts one size only.

    Args:
        name: The backbone's name in timm.
        options: The options of the backbone.
        strides: The stride of each feature.
    """
    formula = infer_size_formula(name, options)
    if formula is None:
        return None
    rules = [
        Rule(offset=offset, divisor=stride, minimum=formula.minimum)
        for offset, stride in zip(formula.offsets, strides, strict=True)
    ]
    return BackbonePlan((*options, *formula.options), formula.channels, rules, formula.multiple)


def plan_for_size(name: str, options: Options, size: Size) -> BackbonePlan:
    """Plan a backbone for a single image size.

    Args:
        name: The backbone's name in timm.
        options: The options of the backbone.
        size: The height and width of the image.

    Raises:
        UnsupportedOptionError: The backbone cannot be built for this size.
    """
    square: list[Options] = [(("img_size", size[0]),)] if size[0] == size[1] else []
    attempts: list[Options] = [(("img_size", size),), *square, ()]
    cause: Exception | None = None
    for size_options in attempts:
        try:
            shapes = infer_shapes(build_backbone(name, *options, *size_options), 3, *size)
        except Exception as error:
            cause = error
        else:
            fixed = [tuple(Rule(factor=0, plus=n) for n in shape[1:]) for shape in shapes]
            return BackbonePlan((*options, *size_options), [shape[0] for shape in shapes], fixed, 1)
    default_size = get_default_size(name)
    reason = format_exception_line(cause) if cause else ""
    message = f"{name!r} cannot be built for images of {size[0]} x {size[1]} ({reason})"
    hint = "use another backbone" if default_size == size else f"set input_size: {list(default_size)}"
    raise UnsupportedOptionError("name", message, hint)


def get_default_size(name: str) -> Size:
    """Return timm's image size for a backbone."""
    _, height, width = timm.get_pretrained_cfg(name).input_size
    return int(height), int(width)


def _fit_formula(backbone: Backbone, options: Options) -> SizeFormula | None:
    """Return the formula with the smallest multiple whose sizes all have one offset per feature, or None."""
    strides = read_strides(backbone)
    multiple = 1
    while multiple <= 4 * max(strides):
        if offsets := _fit_offsets(backbone, strides, multiple):
            channels = tuple(shape[0] for shape in infer_shapes(backbone, 3, *(_large_size(strides),) * 2))
            return SizeFormula(
                channels, offsets, multiple, _find_minimum(backbone, strides, offsets, multiple), options
            )
        multiple *= 2
    return None


def _fit_offsets(backbone: Backbone, strides: Sequence[int], multiple: int) -> tuple[int, ...] | None:
    """Return the offset of each feature, or None if none fits all sizes; each size narrows the range of offsets."""
    base = _large_size(strides)
    low, high = [-base] * len(strides), [base] * len(strides)
    for index, (height, width) in enumerate(_iter_size_pairs(base, max(*strides, multiple), multiple)):
        if index >= _MIN_PAIRS and low == high:
            break
        feature_sizes = _measure_feature_sizes(backbone, height, width)
        if feature_sizes is None:
            return None
        for axis, size in enumerate((height, width)):
            for i, (stride, feature_size) in enumerate(zip(strides, feature_sizes, strict=True)):
                low[i] = max(low[i], stride * feature_size[axis] - size)
                high[i] = min(high[i], stride * feature_size[axis] - size + stride - 1)
        if any(minimum > maximum for minimum, maximum in zip(low, high, strict=True)):
            return None
    return tuple(0 if minimum <= 0 <= maximum else minimum for minimum, maximum in zip(low, high, strict=True))


def _large_size(strides: Sequence[int]) -> int:
    """Return a size that is large enough for every backbone and a multiple of all strides."""
    return 4 * max(*strides, 32)


def _iter_size_pairs(base: int, period: int, multiple: int) -> Iterator[Size]:
    """Yield pairs of height and width that together cover all multiples in a period, including both ends."""
    sizes = range(base, base + period + 1, multiple)
    half = (len(sizes) + 1) // 2
    return zip(sizes[:half], reversed(sizes[-half:]), strict=True)


def _find_minimum(backbone: Backbone, strides: Sequence[int], offsets: Sequence[int], multiple: int) -> int:
    """Return the smallest size from which on the backbone follows the formula, by bisection."""

    def follows_formula(size: int) -> bool:
        expected = [((size + offset) // stride,) * 2 for stride, offset in zip(strides, offsets, strict=True)]
        return _measure_feature_sizes(backbone, size, size) == expected

    lower_bound = max(max(stride - offset, 1) for stride, offset in zip(strides, offsets, strict=True))
    low, high = -(-lower_bound // multiple), _large_size(strides) // multiple
    if follows_formula(low * multiple):
        return low * multiple
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if follows_formula(middle * multiple) else (middle, high)
    return high * multiple


def _measure_feature_sizes(backbone: Backbone, height: int, width: int) -> list[Size] | None:
    """Return the size of each feature, or None if the backbone raises an error."""
    try:
        return [(shape[1], shape[2]) for shape in infer_shapes(backbone, 3, height, width)]
    except Exception:
        return None
