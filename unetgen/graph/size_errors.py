"""Check input sizes against a graph, and explain the ones that do not fit by the nearest sizes that do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from unetgen.config.spec import AXIS_NAMES
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SizeError
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.graph import Graph, NodeSizeError
from unetgen.graph.node import Node
from unetgen.graph.ops import Normalization
from unetgen.graph.ops.base import Size

# If the fitting sizes cannot be listed, the sizes within this distance are tried one by one.
SEARCH_RADIUS = 512

_AXIS_PHRASE = re.compile(r" on axis ([DHWL])(?= )")


def check_sizes(graph: Graph, input_size: Size, yaml_node: YamlNode | None = None) -> tuple[Size, ...]:
    """Return the size of every node's output for an input size.

    Args:
        graph: The graph.
        input_size: The spatial size of the image.
        yaml_node: The spec's ``input_size``, if that is checked, for the location of problems.

    Returns:
        One size per node.

    Raises:
        SizeError: If the input size does not fit, with one problem for each axis.
    """
    try:
        sizes = graph.sizes(input_size)
    except NodeSizeError:
        raise SizeError(size_problems(graph, input_size, yaml_node)) from None
    if problems := _fixed_size_problems(graph, input_size, yaml_node):
        raise SizeError(problems)
    if norm := find_norm_on_single_value(graph, sizes):
        problem = _single_value_problem(graph, input_size, norm, sizes)
        raise SizeError([replace(problem, location=yaml_node.mark if yaml_node else None)])
    return sizes


def accepts_size(graph: Graph, input_size: Size) -> bool:
    """Return whether the network accepts an input size."""
    try:
        return find_norm_on_single_value(graph, graph.sizes(input_size)) is None and not _fixed_size_problems(
            graph, input_size
        )
    except NodeSizeError:
        return False


def size_problems(graph: Graph, input_size: Size, yaml_node: YamlNode | None = None) -> list[Problem]:
    """Return one problem for each axis whose size does not fit.

    Args:
        graph: The graph.
        input_size: The spatial size of the image.
        yaml_node: The spec's ``input_size``, if that is checked, for the location of problems.

    Returns:
        The problems; none if every axis fits.
    """
    problems = []
    for axis, size in enumerate(input_size):
        try:
            graph.sizes_along(axis, size)
        except NodeSizeError as error:
            message = f"{size} on axis {AXIS_NAMES[graph.dims][axis]} {_describe_failure(error)}"
            mark = yaml_node.find((axis,)).mark if yaml_node else None
            hint = _nearest_sizes_hint(graph, axis, size) + _padding_hint(graph, axis, size)
            problems.append(Problem("size", "input_size", message, hint, mark))
    return problems


def merge_axis_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems with one problem for equal findings on several axes: ``572 on axes H and W gives ...``."""
    merged: dict[tuple[str, str, str, str], tuple[Problem, list[str]]] = {}
    for problem in problems:
        axis = _AXIS_PHRASE.search(problem.message) if problem.code == "size" else None
        message = _AXIS_PHRASE.sub(" on axes", problem.message, count=1) if axis else problem.message
        _, axes = merged.setdefault((problem.code, problem.path, message, problem.hint), (problem, []))
        axes += [axis[1]] if axis else []
    return [
        replace(problem, message=message.replace(" on axes", f" on axes {', '.join(axes[:-1])} and {axes[-1]}", 1))
        if len(axes) > 1
        else problem
        for (_, _, message, _), (problem, axes) in merged.items()
    ]


def _padding_hint(graph: Graph, axis: int, size: int) -> str:
    """Return that padding the input makes a size fit, if it does; empty otherwise."""
    fits = graph.fits
    if (
        not all(fit.are_multiples for fit in fits)
        or -(-size // fits[axis].period) * fits[axis].period not in fits[axis]
    ):
        return ""
    smallest = tuple(fit.classes[0].first for fit in fits)
    return "" if graph.resized_outputs(smallest) else "; or add 'input: pad'"


def _describe_failure(error: NodeSizeError) -> str:
    """Return the predicate of a size that does not fit."""
    if error.node.index:
        return f"gives {error.size} {_describe_level(_reported_node(error))}, {error.reason}"
    verdict = "is too small" if error.reason.startswith("where ") else "does not fit"
    return f"{verdict}: {_strip_conjunction(error.reason)}"


def _fixed_size_problems(graph: Graph, input_size: Size, yaml_node: YamlNode | None = None) -> list[Problem]:
    """Return one problem for each axis whose size is not the fixed size of the network."""
    problems = []
    for axis, (size, fixed) in enumerate(zip(input_size, graph.input_size or input_size, strict=True)):
        if graph.has_fixed_size and size != fixed:
            name = AXIS_NAMES[graph.dims][axis]
            message = f"{size} on axis {name} is not the size for which a part of this network was built"
            mark = yaml_node.find((axis,)).mark if yaml_node else None
            problems.append(Problem("size", "input_size", message, f"use {fixed}, the only size that fits", mark))
    return problems


def find_norm_on_single_value(graph: Graph, sizes: Sequence[Size]) -> Node | None:
    """Return the first norm that would compute a statistic over a single value, which torch rejects."""
    for node in graph.nodes:
        if (
            isinstance(node.op, (Normalization, ExternalModule))
            and node.op.min_elements > 1
            and set(sizes[node.index]) == {1}
        ):
            return node
    return None


def smallest_fitting_size(graph: Graph, at_least: int = 1) -> Size | None:
    """Return the smallest fitting input size, as square as the axes allow.

    Args:
        graph: The graph.
        at_least: The minimum for each axis, in pixels.

    Returns:
        The size, or None if no size fits.
    """
    below = [at_least - 1] * graph.dims
    for _ in range(64):
        next_sizes = [_nearest_sizes(graph, axis, n)[1] for axis, n in enumerate(below)]
        size = tuple(n for n in next_sizes if n is not None)
        if len(size) < graph.dims:
            return None
        if accepts_size(graph, size):
            return size
        below = list(size)
    return None


def _reported_node(error: NodeSizeError) -> Node:
    """Return the node whose level is reported: the one that rejects the size, if it belongs to a level."""
    return error.consumer if error.consumer.side in ("encoder", "bottleneck", "decoder") else error.node


def _describe_level(node: Node) -> str:
    return "at the bottleneck" if node.side == "bottleneck" else f"at level {node.level}"


def _strip_conjunction(reason: str) -> str:
    return reason.removeprefix("where ").removeprefix("which ")


def _nearest_sizes_hint(graph: Graph, axis: int, size: int) -> str:
    below, above = _nearest_sizes(graph, axis, size)
    if below is None and above is None:
        limit = "" if graph.fits[axis].is_complete else f" within {SEARCH_RADIUS} of this one"
        return f"no size{limit} fits this network on that axis"
    sizes = [f"{n} (output {graph.output_along(axis, n)})" for n in (below, above) if n is not None]
    if not graph.fits[axis].is_complete:
        return f"nearest that fit: {', '.join(sizes)}"
    if below is None:
        return f"the smallest that fits is {sizes[0]}"
    return f"nearest that fit: {', '.join(sizes)}" if above is not None else f"the largest that fits is {sizes[0]}"


def _nearest_sizes(graph: Graph, axis: int, size: int) -> tuple[int | None, int | None]:
    """Return the largest fitting size below and the smallest above along one axis."""
    fit = graph.fits[axis]
    if fit.is_complete:
        return fit.largest_below(size), fit.smallest_above(size)
    below = (n for n in range(size - 1, max(size - SEARCH_RADIUS, 0), -1) if graph.output_along(axis, n) is not None)
    above = (n for n in range(size + 1, size + SEARCH_RADIUS) if graph.output_along(axis, n) is not None)
    return next(below, None), next(above, None)


def _single_value_problem(graph: Graph, input_size: Size, node: Node, sizes: Sequence[Size]) -> Problem:
    image_size, map_size = (" x ".join(map(str, size)) for size in (input_size, sizes[node.index]))
    message = f"{image_size} gives {map_size} {_describe_level(node)}, where {node.path} needs more than one pixel"
    larger = smallest_fitting_size(graph, min(input_size))
    hint = f"the smallest that fits is {' x '.join(map(str, larger))}" if larger else "use another norm"
    return Problem("size", "input_size", message, hint)
