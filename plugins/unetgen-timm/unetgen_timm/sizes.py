"""What a backbone makes of an image, channels and sizes, found by trying sizes on timm's network without its data.

No table of families stands here: each pads, rounds and cuts in its own way. But every stage divides by its stride,
and so the size of a feature is (n + offset) // stride, with an offset that a few sizes tell: 0 where a stage cuts what
is left over, stride - 1 where it pads, and something between where it does both.
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
from unetgen_timm.modules import Backbone
from unetgen_timm.stages import Options, build_backbone, read_strides

timm = library.import_timm()

Size = tuple[int, int]

# So many pairs of sizes are tried even where fewer tell the offsets; a stage that rounds in its own way shows in them.
_MIN_PAIRS = 4


class BackbonePlan(NamedTuple):
    """How a backbone is made, and what each of its features is: channels, and what becomes of the image's size."""

    options: Options
    channels: Sequence[int]
    sizes: Sequence[Rule | tuple[Rule, ...]]
    multiple: int


class SizeFormula(NamedTuple):
    """A size is a multiple of ``multiple``, at least ``smallest``; that of a feature is (size + offset) // stride.

    ``options`` make the backbone take sizes that are not its own. ``channels`` are those that came out: what timm
    says of them is of the network before it was pruned.
    """

    channels: tuple[int, ...]
    offsets: tuple[int, ...]
    multiple: int
    minimum: int
    options: Options


@lru_cache(maxsize=128)
def infer_size_formula(name: str, options: Options) -> SizeFormula | None:
    """What becomes of sizes; None where the backbone takes only the one that it was made for."""
    ways: tuple[Options, ...] = ((), (("strict_img_size", False),))
    for more in ways:
        try:
            backbone = build_backbone(name, *options, *more)
        except Exception:  # noqa: S112  # it has no such option
            continue
        if found := _fit_formula(backbone, more):
            return found
    return None


def plan_for_all_sizes(name: str, options: Options, strides: Sequence[int]) -> BackbonePlan | None:
    """A backbone for every size that follows its rules; None where it takes only the one that it was made for."""
    found = infer_size_formula(name, options)
    if found is None:
        return None
    rules = [
        Rule(offset=offset, divisor=stride, minimum=found.minimum)
        for offset, stride in zip(found.offsets, strides, strict=True)
    ]
    return BackbonePlan((*options, *found.options), found.channels, rules, found.multiple)


def plan_for_size(name: str, options: Options, size: Size) -> BackbonePlan:
    """A backbone for one size of image, made for this one. Raises Unfit where it cannot be."""
    square: list[Options] = [(("img_size", size[0]),)] if size[0] == size[1] else []
    ways: list[Options] = [(("img_size", size),), *square, ()]
    error: Exception | None = None
    for more in ways:
        try:
            shapes = infer_shapes(build_backbone(name, *options, *more), 3, *size)
        except Exception as refused:
            error = refused
        else:
            fixed = [tuple(Rule(factor=0, plus=n) for n in shape[1:]) for shape in shapes]
            return BackbonePlan((*options, *more), [shape[0] for shape in shapes], fixed, 1)
    own = get_default_size(name)
    what = (
        f"{name!r} cannot be made for images of {size[0]} x {size[1]} ({format_exception_line(error) if error else ''})"
    )
    raise UnsupportedOptionError(
        "name", what, "use another" if own == size else f"timm made it for {own[0]} x {own[1]}"
    )


def get_default_size(name: str) -> Size:
    """The size of image that timm has a backbone for."""
    _, height, width = timm.get_pretrained_cfg(name).input_size
    return int(height), int(width)


def _fit_formula(backbone: Backbone, options: Options) -> SizeFormula | None:
    """The sizing with the smallest multiple whose sizes all follow one offset for each feature."""
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
    """The offset of each feature, if the multiples follow one; each size that is tried narrows them down."""
    base = _large_size(strides)
    low, high = [-base] * len(strides), [base] * len(strides)
    for number, (height, width) in enumerate(_iter_size_pairs(base, max(*strides, multiple), multiple)):
        if number >= _MIN_PAIRS and low == high:
            break
        sizes = _measure_feature_sizes(backbone, height, width)
        if sizes is None:
            return None
        for axis, size in enumerate((height, width)):
            for i, (stride, there) in enumerate(zip(strides, sizes, strict=True)):
                low[i] = max(low[i], stride * there[axis] - size)
                high[i] = min(high[i], stride * there[axis] - size + stride - 1)
        if any(least > most for least, most in zip(low, high, strict=True)):
            return None
    return tuple(0 if least <= 0 <= most else least for least, most in zip(low, high, strict=True))


def _large_size(strides: Sequence[int]) -> int:
    """A size that is large enough for every backbone, and a multiple of all strides."""
    return 4 * max(*strides, 32)


def _iter_size_pairs(base: int, period: int, multiple: int) -> Iterator[Size]:
    """Heights and widths that between them are all multiples in a period, both its ends among them."""
    sizes = range(base, base + period + 1, multiple)
    half = (len(sizes) + 1) // 2
    return zip(sizes[:half], reversed(sizes[-half:]), strict=True)


def _find_minimum(backbone: Backbone, strides: Sequence[int], offsets: Sequence[int], multiple: int) -> int:
    """The smallest size from which on the backbone does what it does at larger ones."""

    def follows(size: int) -> bool:
        said = [((size + offset) // stride,) * 2 for stride, offset in zip(strides, offsets, strict=True)]
        return _measure_feature_sizes(backbone, size, size) == said

    enough = max(max(stride - offset, 1) for stride, offset in zip(strides, offsets, strict=True))
    low, high = -(-enough // multiple), _large_size(strides) // multiple
    if follows(low * multiple):
        return low * multiple
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if follows(middle * multiple) else (middle, high)
    return high * multiple


def _measure_feature_sizes(backbone: Backbone, height: int, width: int) -> list[Size] | None:
    """The size of each feature, or nothing where the backbone refuses."""
    try:
        return [(there[1], there[2]) for there in infer_shapes(backbone, 3, height, width)]
    except Exception:
        return None
