"""Why an input size does not fit, and which sizes near it do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from unetgen.config.spec import AXIS_NAMES
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SizeError
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.graph import Graph, NodeSizeError
from unetgen.graph.node import Node
from unetgen.graph.ops import Normalization
from unetgen.graph.ops.base import Size

# Where the sizes that fit cannot be listed, so many around a size are tried one by one.
SEARCH_RADIUS = 512


def check_sizes(graph: Graph, input_size: Size, yaml_node: YamlNode | None = None) -> tuple[Size, ...]:
    """The size of every node's output. Raises SizeError with one problem for each axis that does not fit.

    ``written`` is the spec's ``input_size`` where that is what is checked, so that problems point there.
    """
    try:
        sizes = graph.sizes(input_size)
    except NodeSizeError:
        raise SizeError(size_problems(graph, input_size, yaml_node)) from None
    if others := _fixed_size_problems(graph, input_size, yaml_node):
        raise SizeError(others)
    if starved := find_norm_on_single_value(graph, sizes):
        problem = _single_value_problem(graph, input_size, starved, sizes)
        raise SizeError([replace(problem, location=yaml_node.mark if yaml_node else None)])
    return sizes


def accepts_size(graph: Graph, input_size: Size) -> bool:
    """Whether the network takes an input of that size."""
    try:
        return find_norm_on_single_value(graph, graph.sizes(input_size)) is None and not _fixed_size_problems(
            graph, input_size
        )
    except NodeSizeError:
        return False


def size_problems(graph: Graph, input_size: Size, yaml_node: YamlNode | None = None) -> list[Problem]:
    """One problem for each axis whose size does not fit."""
    problems = []
    for axis, size in enumerate(input_size):
        try:
            graph.sizes_along(axis, size)
        except NodeSizeError as misfit:
            name = AXIS_NAMES[graph.dims][axis]
            what = (
                f"{size} on axis {name} gives {misfit.size} {_describe_level(_reported_node(misfit))}, {misfit.reason}"
            )
            if misfit.node.index == 0:
                fault = "is too small" if misfit.reason.startswith("where ") else "does not fit"
                what = f"{size} on axis {name} {fault}: {_strip_conjunction(misfit.reason)}"
            mark = yaml_node.find((axis,)).mark if yaml_node else None
            problems.append(Problem("size", "input_size", what, _nearest_sizes_hint(graph, axis, size), mark))
    return problems


def _fixed_size_problems(graph: Graph, input_size: Size, yaml_node: YamlNode | None = None) -> list[Problem]:
    """One problem for each axis whose size is not the one that a part of the network was made for."""
    problems = []
    for axis, (size, made) in enumerate(zip(input_size, graph.input_size or input_size, strict=True)):
        if graph.has_fixed_size and size != made:
            name = AXIS_NAMES[graph.dims][axis]
            what = f"{size} on axis {name} is not the size that a part of this network was made for"
            mark = yaml_node.find((axis,)).mark if yaml_node else None
            problems.append(Problem("size", "input_size", what, f"the only one that fits is {made}", mark))
    return problems


def find_norm_on_single_value(graph: Graph, sizes: Sequence[Size]) -> Node | None:
    """The first norm that would compute a statistic over a single value, which torch refuses."""
    for node in graph.nodes:
        if (
            isinstance(node.op, (Normalization, ExternalModule))
            and node.op.min_elements > 1
            and set(sizes[node.index]) == {1}
        ):
            return node
    return None


def smallest_fitting_size(graph: Graph, at_least: int = 1) -> Size | None:
    """The smallest input, as square as its axes allow, that fits and has at least so many pixels on each axis."""
    floor = [at_least - 1] * graph.dims
    for _ in range(64):
        found = [_nearest_sizes(graph, axis, n)[1] for axis, n in enumerate(floor)]
        size = tuple(n for n in found if n is not None)
        if len(size) < graph.dims:
            return None
        if accepts_size(graph, size):
            return size
        floor = list(size)
    return None


def _reported_node(error: NodeSizeError) -> Node:
    """The node whose level a misfit is told at: the one that cannot take the map, where it stands on a level."""
    return error.consumer if error.consumer.side in ("encoder", "bottleneck", "decoder") else error.node


def _describe_level(node: Node) -> str:
    return "at the bottleneck" if node.side == "bottleneck" else f"at level {node.level}"


def _strip_conjunction(reason: str) -> str:
    return reason.removeprefix("where ").removeprefix("which ")


def _nearest_sizes_hint(graph: Graph, axis: int, size: int) -> str:
    below, above = _nearest_sizes(graph, axis, size)
    if below is None and above is None:
        near = "" if graph.fits[axis].is_complete else f" within {SEARCH_RADIUS} of this one"
        return f"no size{near} fits this network on that axis"
    shown = [f"{n} (output {graph.output_along(axis, n)})" for n in (below, above) if n is not None]
    if not graph.fits[axis].is_complete:
        return f"nearest that fit: {', '.join(shown)}"
    if below is None:
        return f"the smallest that fits is {shown[0]}"
    return f"nearest that fit: {', '.join(shown)}" if above is not None else f"the largest that fits is {shown[0]}"


def _nearest_sizes(graph: Graph, axis: int, size: int) -> tuple[int | None, int | None]:
    """The largest size below and the smallest above that fit along one axis."""
    fit = graph.fits[axis]
    if fit.is_complete:
        return fit.largest_below(size), fit.smallest_above(size)
    below = (n for n in range(size - 1, max(size - SEARCH_RADIUS, 0), -1) if graph.output_along(axis, n) is not None)
    above = (n for n in range(size + 1, size + SEARCH_RADIUS) if graph.output_along(axis, n) is not None)
    return next(below, None), next(above, None)


def _single_value_problem(graph: Graph, input_size: Size, node: Node, sizes: Sequence[Size]) -> Problem:
    given, there = (" x ".join(map(str, size)) for size in (input_size, sizes[node.index]))
    what = f"{given} gives {there} {_describe_level(node)}, where {node.path} needs more than one pixel"
    larger = smallest_fitting_size(graph, min(input_size))
    hint = f"the smallest that fits is {' x '.join(map(str, larger))}" if larger else "use another norm"
    return Problem("size", "input_size", what, hint)
