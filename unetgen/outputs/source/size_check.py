"""Generate the input check of a network: the sizes that fit, and a function that rejects others."""

from __future__ import annotations

from math import lcm

from unetgen.graph.fitting_sizes import FittingSizes, ResidueClass
from unetgen.graph.graph import Graph
from unetgen.outputs.source.formatting import Expression

# First size, step, and last size, or None if unbounded.
SizeRange = tuple[int, int, int | None]


def format_size_check(graph: Graph) -> list[str]:
    """Generate the table of sizes that fit and the function ``check``, as lines."""
    shape = f"(batch, {graph.in_channels}{', size' * graph.dims})"
    lines = [
        "def check(x: Tensor) -> None:",
        '    """Raise ValueError for an input shape that does not fit this network."""',
        f"    if x.dim() != {graph.dims + 2} or x.shape[1] != {graph.in_channels}:",
        f'        raise ValueError(f"the input has shape {{tuple(x.shape)}}, not {shape}")',
    ]
    if not all(fit.is_complete for fit in graph.fits):
        return lines  # too many residue classes to list; a size that does not fit then fails in a layer
    axes = [Expression("[", [str(row) for row in merge_into_ranges(fit)], "]") for fit in graph.fits]
    valid_sizes = "; ".join(dict.fromkeys(str(fit) for fit in graph.fits))
    return [
        "# Sizes that fit along each axis: first, step, and last (None if unbounded).",
        *Expression("FITS = [", axes, "]").format_lines("", "", 0),
        "",
        "",
        *lines,
        "    for size, fit in zip(x.shape[2:], FITS, strict=True):",
        "        if not any(a <= size <= (last or size) and (size - a) % step == 0 for a, step, last in fit):",
        f'            raise ValueError(f"input size {{size}} does not fit; valid sizes: {valid_sizes}")',
    ]


def merge_into_ranges(fit: FittingSizes) -> list[SizeRange]:
    """Return the sizes of an axis in as few ranges as possible: evenly interleaved classes are merged."""
    unbounded = [c for c in fit.classes if c.last is None]
    bounded: list[SizeRange] = [(c.first, c.period, c.last) for c in fit.classes if c.last is not None]
    period = lcm(*(c.period for c in unbounded))
    steps = (step for step in range(1, period + 1) if period % step == 0)
    merges = [ranges for step in steps if (ranges := _try_merge(unbounded, step, period)) is not None]
    return min(merges, key=len) + bounded


def _try_merge(classes: list[ResidueClass], step: int, period: int) -> list[SizeRange] | None:
    """Merge classes into ranges with one step, plus single sizes below them; None if a range would have a gap."""
    ranges: list[SizeRange] = []
    smaller: list[SizeRange] = []
    for rest in range(step):
        members = [c for c in classes if c.first % step == rest and c.period % step == 0]
        if members and sum(period // c.period for c in members) < period // step:
            return None
        if members:
            # The largest size that does not fit is one period below the first size of the class that starts last.
            start = max(c.first - c.period for c in members) + step
            ranges.append((start, step, None))
            smaller += [(size, 1, size) for c in members for size in range(c.first, start, c.period)]
    covered = sum(period // c.period for c in classes)
    return sorted(ranges) + sorted(smaller) if len(ranges) * (period // step) == covered else None
