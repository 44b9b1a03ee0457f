"""Choose the input sizes of an exported program, as torch.export can express them.

torch.export treats an axis of one pixel as constant, so the smallest size is one whose feature maps all have two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unetgen.graph.fitting_sizes import FittingSizes, ResidueClass
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size

# Names of the dynamic axes, from the last.
_DIM_NAMES = ("w", "h", "d")

# The number of periods that are searched for the first size.
_MAX_STEPS = 64


@dataclass(frozen=True, slots=True)
class ExportSizes:
    """The input sizes of a program: an example, each axis as a Dim of torch (None if fixed), and a description."""

    example: Size
    dims: tuple[Any, ...]
    description: str
    verification_sizes: tuple[Size, ...]
    """Sizes at which the program is compared with the network."""
    residue_classes: tuple[tuple[int, int], ...] = ()
    """For each axis the first size and the step between sizes; empty if axes are fixed."""


def format_size_error(sizes: ExportSizes) -> str:
    """Return the message of a program for input sizes that it was not exported for."""
    return f"the input size does not fit; valid sizes: {sizes.description}"


def iter_candidates(graph: Graph, fixed_size: Size | None) -> Iterator[ExportSizes]:
    """Yield sets of sizes, the largest first: all sizes that fit, one residue class, a single size."""
    if fixed_size is None and not graph.has_fixed_size and all(fit.classes for fit in graph.fits):
        gapless = [merged for fit in graph.fits if (merged := _merge_gapless_classes(fit))]
        if len(gapless) == graph.dims:
            yield from _iter_class_candidates(graph, gapless)
        yield from _iter_class_candidates(graph, [_choose_class(fit) for fit in graph.fits])
    size = fixed_size or graph.input_size or tuple(fit.smallest or 1 for fit in graph.fits)
    yield ExportSizes(size, (None,) * graph.dims, f"{' x '.join(map(str, size))} only", (size,))


def _merge_gapless_classes(fit: FittingSizes) -> ResidueClass | None:
    """Merge the classes of an axis into all sizes from a first one, if there is no gap between them."""
    first = max(c.first for c in fit.classes)
    is_gapless = len(fit.classes) > 1 and all(size in fit for size in range(first, first + fit.period))
    return ResidueClass(first, 1, None, 0, 0) if is_gapless else None


def _choose_class(fit: FittingSizes) -> ResidueClass:
    """Choose the most common class of an axis: the one with remainder 0, if any."""
    return min(fit.classes, key=lambda c: (c.last is not None, c.first % c.period != 0, c.first))


def _iter_class_candidates(graph: Graph, classes: list[ResidueClass]) -> Iterator[ExportSizes]:
    """Yield the sizes of one class per axis, if they are unbounded and all of them fit."""
    starts = [_find_first_size(graph, axis, c) for axis, c in enumerate(classes)]
    usable = [c._replace(first=first) for c, first in zip(classes, starts, strict=True) if first is not None]
    if len(usable) < graph.dims or any(c.last is not None for c in usable):
        return
    names = reversed(_DIM_NAMES[: graph.dims])
    dims = tuple(_build_dim(name, c) for name, c in zip(names, usable, strict=True))
    steps = [c.period if c.period > 1 else graph.fits[axis].period + 1 for axis, c in enumerate(usable)]
    # Different sizes on every axis, since torch would treat equal ones as one symbol.
    example = tuple(c.first + step * (2 + axis) for axis, (c, step) in enumerate(zip(usable, steps, strict=True)))
    verification = tuple(tuple(c.first + step * n for c, step in zip(usable, steps, strict=True)) for n in range(3))
    description = "; ".join(dict.fromkeys(map(_describe_class, usable)))
    yield ExportSizes(example, dims, description, verification, tuple((c.first, c.period) for c in usable))


def _describe_class(residue_class: ResidueClass) -> str:
    return f"n >= {residue_class.first}" if residue_class.period == 1 else str(FittingSizes((residue_class,)))


def _find_first_size(graph: Graph, axis: int, residue_class: ResidueClass) -> int | None:
    """Return the first size of a class at which every feature map that grows with the image has two pixels."""
    far = _compute_sizes(graph, axis, residue_class.first + 4 * residue_class.period * graph.fits[axis].period)
    for size in range(
        residue_class.first,
        residue_class.first + residue_class.period * _MAX_STEPS * graph.fits[axis].period,
        residue_class.period,
    ):
        here = _compute_sizes(graph, axis, size)
        if here and far and all(n > 1 or n == m for n, m in zip(here, far, strict=True)):
            return size
    return None


def _compute_sizes(graph: Graph, axis: int, size: int) -> list[int]:
    return graph.sizes_along(axis, size) if size in graph.fits[axis] else []


def _build_dim(name: str, residue_class: ResidueClass) -> Any:
    """Express n = r (mod p) as p * k minus the distance to the next multiple."""
    from torch.export import Dim

    if residue_class.period == 1:
        return Dim(name, min=residue_class.first)
    missing = -residue_class.first % residue_class.period
    multiple = residue_class.period * Dim(name, min=(residue_class.first + missing) // residue_class.period)
    return multiple - missing if missing else multiple
