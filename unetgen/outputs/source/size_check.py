"""Fits: the sizes that a network takes, and the function that refuses others."""

from __future__ import annotations

from math import lcm

from unetgen.graph.fitting_sizes import FittingSizes, ResidueClass
from unetgen.graph.graph import Graph
from unetgen.outputs.source.formatting import Expression

# The first size, how far apart they are, and the last if there is one.
SizeRange = tuple[int, int, int | None]


def format_size_check(graph: Graph) -> list[str]:
    """The sizes that fit, and a function that refuses others."""
    shape = f"(batch, {graph.in_channels}{', size' * graph.dims})"
    lines = [
        "def check(x: Tensor) -> None:",
        '    """Raises ValueError where an image has a shape that this network cannot take."""',
        f"    if x.dim() != {graph.dims + 2} or x.shape[1] != {graph.in_channels}:",
        f'        raise ValueError(f"the input has shape {{tuple(x.shape)}}, not {shape}")',
    ]
    if not all(fit.is_complete for fit in graph.fits):
        return lines  # too many classes of sizes to list; what does not fit is found where it does not
    axes = [Expression("[", [str(row) for row in merge_into_ranges(fit)], "]") for fit in graph.fits]
    told = "; ".join(dict.fromkeys(str(fit) for fit in graph.fits))
    return [
        "# For each axis the sizes that fit: the first, how far apart they are, and the last if there is one.",
        *Expression("FITS = [", axes, "]").format_lines("", "", 0),
        "",
        "",
        *lines,
        "    for size, fit in zip(x.shape[2:], FITS, strict=True):",
        "        if not any(a <= size <= (last or size) and (size - a) % step == 0 for a, step, last in fit):",
        f'            raise ValueError(f"a size of {{size}} does not fit; those that do are {told}")',
    ]


def merge_into_ranges(fit: FittingSizes) -> list[SizeRange]:
    """All sizes of an axis in as few rows as can be: classes that lie evenly between one another are one."""
    endless = [found for found in fit.classes if found.last is None]
    bounded: list[SizeRange] = [
        (found.first, found.period, found.last) for found in fit.classes if found.last is not None
    ]
    period = lcm(*(found.period for found in endless))
    steps = (step for step in range(1, period + 1) if period % step == 0)
    ways = [way for step in steps if (way := _try_merge(endless, step, period)) is not None]
    return min(ways, key=len) + bounded


def _try_merge(classes: list[ResidueClass], step: int, period: int) -> list[SizeRange] | None:
    """Classes as such whose sizes are ``step`` apart, with what fits below them; None where one has a gap."""
    told: list[SizeRange] = []
    early: list[SizeRange] = []
    for rest in range(step):
        mine = [found for found in classes if found.first % step == rest and found.period % step == 0]
        if mine and sum(period // found.period for found in mine) < period // step:
            return None
        if mine:
            # The largest size that does not fit lies one period before the last class's first.
            start = max(found.first - found.period for found in mine) + step
            told.append((start, step, None))
            early += [(size, 1, size) for found in mine for size in range(found.first, start, found.period)]
    covered = sum(period // found.period for found in classes)
    return sorted(told) + sorted(early) if len(told) * (period // step) == covered else None
