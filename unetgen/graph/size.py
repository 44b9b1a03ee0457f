"""Why an input size does not fit, and which sizes near it do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unetgen.config.node import Node
from unetgen.config.spec import AXIS_NAMES
from unetgen.errors import Problem, SizeError
from unetgen.graph.graph import Graph, SizeMisfit
from unetgen.graph.node import Node as Drawn
from unetgen.graph.ops import Normalization, Opaque
from unetgen.graph.ops.base import Size

# Where the sizes that fit cannot be listed, so many around a size are tried one by one.
SEARCH = 512


def checked_sizes(graph: Graph, input_size: Size, written: Node | None = None) -> tuple[Size, ...]:
    """The size of every node's output. Raises SizeError with one problem for each axis that does not fit.

    ``written`` is the spec's ``input_size`` where that is what is checked, so that problems point there.
    """
    try:
        sizes = graph.sizes(input_size)
    except SizeMisfit:
        raise SizeError(misfits(graph, input_size, written)) from None
    if others := _unbound(graph, input_size, written):
        raise SizeError(others)
    if starved := starved_norm(graph, sizes):
        problem = _starved_problem(graph, input_size, starved, sizes)
        raise SizeError([replace(problem, mark=written.mark if written else None)])
    return sizes


def fits(graph: Graph, input_size: Size) -> bool:
    """Whether the network takes an input of that size."""
    try:
        return starved_norm(graph, graph.sizes(input_size)) is None and not _unbound(graph, input_size)
    except SizeMisfit:
        return False


def misfits(graph: Graph, input_size: Size, written: Node | None = None) -> list[Problem]:
    """One problem for each axis whose size does not fit."""
    problems = []
    for axis, size in enumerate(input_size):
        try:
            graph.along(axis, size)
        except SizeMisfit as misfit:
            name = AXIS_NAMES[graph.dims][axis]
            what = f"{size} on axis {name} gives {misfit.size} {_where(_place(misfit))}, {misfit.reason}"
            if misfit.node.index == 0:
                fault = "is too small" if misfit.reason.startswith("where ") else "does not fit"
                what = f"{size} on axis {name} {fault}: {_bare(misfit.reason)}"
            mark = written.find((axis,)).mark if written else None
            problems.append(Problem("size", "input_size", what, _nearest(graph, axis, size), mark))
    return problems


def _unbound(graph: Graph, input_size: Size, written: Node | None = None) -> list[Problem]:
    """One problem for each axis whose size is not the one that a part of the network was made for."""
    problems = []
    for axis, (size, made) in enumerate(zip(input_size, graph.input_size or input_size, strict=True)):
        if graph.bound and size != made:
            name = AXIS_NAMES[graph.dims][axis]
            what = f"{size} on axis {name} is not the size that a part of this network was made for"
            mark = written.find((axis,)).mark if written else None
            problems.append(Problem("size", "input_size", what, f"the only one that fits is {made}", mark))
    return problems


def starved_norm(graph: Graph, sizes: Sequence[Size]) -> Drawn | None:
    """The first norm that would compute a statistic over a single value, which torch refuses."""
    for node in graph.nodes:
        if isinstance(node.op, (Normalization, Opaque)) and node.op.elements > 1 and set(sizes[node.index]) == {1}:
            return node
    return None


def smallest_fitting(graph: Graph, at_least: int = 1) -> Size | None:
    """The smallest input, as square as its axes allow, that fits and has at least so many pixels on each axis."""
    floor = [at_least - 1] * graph.dims
    for _ in range(64):
        found = [_neighbours(graph, axis, n)[1] for axis, n in enumerate(floor)]
        size = tuple(n for n in found if n is not None)
        if len(size) < graph.dims:
            return None
        if fits(graph, size):
            return size
        floor = list(size)
    return None


def _place(misfit: SizeMisfit) -> Drawn:
    """The node whose level a misfit is told at: the one that cannot take the map, where it stands on a level."""
    return misfit.reader if misfit.reader.side in ("encoder", "bottleneck", "decoder") else misfit.node


def _where(node: Drawn) -> str:
    return "at the bottleneck" if node.side == "bottleneck" else f"at level {node.level}"


def _bare(reason: str) -> str:
    return reason.removeprefix("where ").removeprefix("which ")


def _nearest(graph: Graph, axis: int, size: int) -> str:
    below, above = _neighbours(graph, axis, size)
    if below is None and above is None:
        near = "" if graph.fits[axis].complete else f" within {SEARCH} of this one"
        return f"no size{near} fits this network on that axis"
    shown = [f"{n} (output {graph.along(axis, n)[graph.output]})" for n in (below, above) if n is not None]
    if not graph.fits[axis].complete:
        return f"nearest that fit: {', '.join(shown)}"
    if below is None:
        return f"the smallest that fits is {shown[0]}"
    return f"nearest that fit: {', '.join(shown)}" if above is not None else f"the largest that fits is {shown[0]}"


def _neighbours(graph: Graph, axis: int, size: int) -> tuple[int | None, int | None]:
    """The largest size below and the smallest above that fit along one axis."""
    fit = graph.fits[axis]
    if fit.complete:
        return fit.below(size), fit.above(size)
    below = (n for n in range(size - 1, max(size - SEARCH, 0), -1) if _fits_along(graph, axis, n))
    above = (n for n in range(size + 1, size + SEARCH) if _fits_along(graph, axis, n))
    return next(below, None), next(above, None)


def _fits_along(graph: Graph, axis: int, size: int) -> bool:
    try:
        graph.along(axis, size)
    except SizeMisfit:
        return False
    return True


def _starved_problem(graph: Graph, input_size: Size, node: Drawn, sizes: Sequence[Size]) -> Problem:
    given, there = (" x ".join(map(str, size)) for size in (input_size, sizes[node.index]))
    what = f"{given} gives {there} {_where(node)}, where {node.path} needs more than one pixel"
    larger = smallest_fitting(graph, min(input_size))
    hint = f"the smallest that fits is {' x '.join(map(str, larger))}" if larger else "use another norm"
    return Problem("size", "input_size", what, hint)
