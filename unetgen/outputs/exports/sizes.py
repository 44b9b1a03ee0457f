"""Sizes: which of the inputs that fit a program takes, as torch.export wants them said.

torch.export takes an axis of one pixel for a constant, so a program begins where the smallest map has two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unetgen.graph.fitting_sizes import FittingSizes, ResidueClass
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size

# What torch.export calls the axes, from the last.
_DIM_NAMES = ("w", "h", "d")

# Sizes are tried from the smallest that may do, for so many steps.
_MAX_STEPS = 64


@dataclass(frozen=True, slots=True)
class ExportSizes:
    """Sizes that a program is made for: an example, each axis as torch's Dim or None where it is fixed, in words."""

    example: Size
    dims: tuple[Any, ...]
    description: str
    verification_sizes: tuple[Size, ...]
    """Sizes that the program is run with before it is handed out."""
    residue_classes: tuple[tuple[int, int], ...] = ()
    """For each axis the first size and how far apart they are; nothing where axes are fixed."""


def iter_candidates(graph: Graph, fixed_size: Size | None) -> Iterator[ExportSizes]:
    """What a program may be made for, the most first: all that fit, those of one class, one size."""
    if fixed_size is None and not graph.has_fixed_size and all(fit.classes for fit in graph.fits):
        whole = [found for fit in graph.fits if (found := _merge_gapless_classes(fit))]
        if len(whole) == graph.dims:
            yield from _iter_class_candidates(graph, whole)
        yield from _iter_class_candidates(graph, [_choose_class(fit) for fit in graph.fits])
    size = fixed_size or graph.input_size or tuple(fit.smallest or 1 for fit in graph.fits)
    yield ExportSizes(size, (None,) * graph.dims, f"{' x '.join(map(str, size))} only", (size,))


def _merge_gapless_classes(fit: FittingSizes) -> ResidueClass | None:
    """All sizes of an axis from one on, if there is no gap between its classes."""
    first = max(c.first for c in fit.classes)
    gapless = len(fit.classes) > 1 and all(size in fit for size in range(first, first + fit.period))
    return ResidueClass(first, 1, None, 0, 0) if gapless else None


def _choose_class(fit: FittingSizes) -> ResidueClass:
    """The class of an axis that people use: that with the remainder 0 if there is one."""
    return min(fit.classes, key=lambda c: (c.last is not None, c.first % c.period != 0, c.first))


def _iter_class_candidates(graph: Graph, classes: list[ResidueClass]) -> Iterator[ExportSizes]:
    """The sizes of a class for each axis, if they have no end and all of them fit."""
    starts = [_find_first_size(graph, axis, c) for axis, c in enumerate(classes)]
    found = [c._replace(first=first) for c, first in zip(classes, starts, strict=True) if first is not None]
    if len(found) < graph.dims or any(c.last is not None for c in found):
        return
    names = reversed(_DIM_NAMES[: graph.dims])
    dims = tuple(_build_dim(name, c) for name, c in zip(names, found, strict=True))
    steps = [c.period if c.period > 1 else graph.fits[axis].period + 1 for axis, c in enumerate(found)]
    # Other sizes on every axis, or torch would take two axes for one.
    example = tuple(c.first + step * (2 + axis) for axis, (c, step) in enumerate(zip(found, steps, strict=True)))
    tried = tuple(tuple(c.first + step * n for c, step in zip(found, steps, strict=True)) for n in range(3))
    told = "; ".join(dict.fromkeys(map(_describe_class, found)))
    yield ExportSizes(example, dims, told, tried, tuple((c.first, c.period) for c in found))


def _describe_class(residue_class: ResidueClass) -> str:
    return f"n >= {residue_class.first}" if residue_class.period == 1 else str(FittingSizes((residue_class,)))


def _find_first_size(graph: Graph, axis: int, residue_class: ResidueClass) -> int | None:
    """The first size of a class in which every map that grows with the image has two pixels."""
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
    """n = r (mod p) as p * k less what is missing from the next multiple."""
    from torch.export import Dim

    if residue_class.period == 1:
        return Dim(name, min=residue_class.first)
    missing = -residue_class.first % residue_class.period
    multiple = residue_class.period * Dim(name, min=(residue_class.first + missing) // residue_class.period)
    return multiple - missing if missing else multiple
