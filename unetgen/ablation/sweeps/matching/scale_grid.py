"""Define the grid of numbers that matching can choose from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import floor, gcd, lcm, log
from typing import Any

from unetgen.ablation.sweeps.conditions.spec_values import SpecValues
from unetgen.ablation.sweeps.matching.budget import DEFAULT_MULTIPLE, WIDTHS, Budget
from unetgen.config.spec import Spec
from unetgen.config.yaml.tree import from_data
from unetgen.errors import SpecError

# The widths of all levels, or the one number that is rescaled.
GridPoint = tuple[int, ...]

MAX_VALUE = 65_536

# Numbers that proportions would bring elsewhere by more than this fraction are out of proportion.
MAX_DISTORTION = 3 / 16


@dataclass(frozen=True, slots=True)
class ScaleGrid:
    """A grid of whole numbers that are rescaled together: ``offset`` plus multiples of ``multiple``.

    ``start`` has the numbers of the variant before rescaling; they need not be on the grid.
    """

    start: GridPoint
    paths: tuple[tuple[str, int], ...]
    """Each path with the length of its list of numbers; 0 if its value is a single number."""
    multiple: int
    offset: int = 0
    coarse_step_sizes: GridPoint = ()
    """The step size of each number in a coarser grid; empty if it is ``multiple``."""

    @property
    def step_sizes(self) -> GridPoint:
        """The step size of each number."""
        return self.coarse_step_sizes or (self.multiple,) * len(self.start)

    @property
    def log_scale_bounds(self) -> tuple[float, float]:
        """The log scales at which the largest number reaches its minimum and its maximum."""
        return log(min(map(self._get_minimum, self.step_sizes)) / max(self.start)), log(MAX_VALUE / max(self.start))

    def find_nearest_point(self, scale: float) -> GridPoint:
        """Return the grid point nearest to the start multiplied by a scale."""
        return tuple(
            self._round_to_step(number * scale, step) for number, step in zip(self.start, self.step_sizes, strict=True)
        )

    def _round_to_step(self, number: float, step: int) -> int:
        maximum = MAX_VALUE - (MAX_VALUE - self.offset) % step
        nearest = self.offset + step * floor((number - self.offset) / step + 0.5)
        return min(max(nearest, self._get_minimum(step)), maximum)

    def _get_minimum(self, step: int) -> int:
        return self.offset % step or step

    def contains(self, grid_point: GridPoint) -> bool:
        """Return whether a point is on the grid, ignoring coarse step sizes."""
        return all((number - self.offset) % self.multiple == 0 for number in grid_point)

    def keeps_proportions(self, grid_point: GridPoint) -> bool:
        """Return whether a point has the start's order and, as far as the grid allows, its proportions.

        A common scale must bring each number within half a step, or within two steps and 3/16 of the number.
        """
        first = 0
        for _, count in self.paths:
            numbers = sorted(zip(self.start[first : first + count], grid_point[first : first + count], strict=True))
            if any(small > large for (a, small), (b, large) in pairwise(numbers) if a < b):
                return False
            first += count
        bounds = [
            self._find_scale_bounds(*numbers) for numbers in zip(self.start, grid_point, self.step_sizes, strict=True)
        ]
        return max(low for low, _ in bounds) <= min(high for _, high in bounds)

    def _find_scale_bounds(self, number: int, rescaled: int, step: int) -> tuple[float, float]:
        """Return the smallest and the largest scale that a rescaled number agrees with."""
        low = min(rescaled - step / 2, max(rescaled - 2 * step, rescaled / (1 + MAX_DISTORTION)))
        high = max(rescaled + step / 2, min(rescaled + 2 * step, rescaled / (1 - MAX_DISTORTION)))
        return (0.0 if rescaled <= self._get_minimum(step) else low / number), high / number

    def shift(self, grid_point: GridPoint, index: int, num_steps: int) -> GridPoint | None:
        """Return the point with one number moved by some steps; None if it leaves the valid range."""
        number = grid_point[index] + num_steps * self.step_sizes[index]
        return (*grid_point[:index], number, *grid_point[index + 1 :]) if 1 <= number <= MAX_VALUE else None

    def build_coarser_grids(self) -> list[ScaleGrid]:
        """Return coarser grids, finest first, for networks that are invalid at points of this one.

        Two constraints make points invalid. Groups must divide the channels: groups that divide the start's channels
        also divide multiples of one of its divisors. Channels that are added must be equal: they stay equal if the
        proportions are kept exactly.
        """
        candidates = {(step,) * len(self.start) for step in self._iter_divisor_steps()}
        candidates |= set(self._iter_proportional_steps())

        def sort_key(steps: GridPoint) -> tuple[float, GridPoint]:
            return sum(step / number for step, number in zip(steps, self.start, strict=True)), steps

        return [replace(self, coarse_step_sizes=steps) for steps in sorted(candidates, key=sort_key)]

    def _iter_divisor_steps(self) -> Iterator[int]:
        for divisor in range(2, max(self.start) + 1):
            # Doubled, since the neighbours of a number that must stay odd are two away.
            if any(2 * number % divisor == 0 for number in self.start) and self.multiple % divisor:
                yield lcm(self.multiple, divisor)

    def _iter_proportional_steps(self) -> Iterator[GridPoint]:
        common = gcd(*self.start)
        for divisor in range(1, common + 1 if len(self.start) > 1 else 1):
            steps = tuple(number // common * divisor for number in self.start)
            if common % divisor == 0 and not any(step % self.multiple for step in steps):
                yield steps

    def to_settings(self, grid_point: GridPoint) -> dict[str, Any]:
        """Return a point as settings of a spec: values by path."""
        settings: dict[str, Any] = {}
        for path, count in self.paths:
            settings[path] = list(grid_point[:count]) if count else grid_point[0]
            grid_point = grid_point[count:]
        return settings


def build_scale_grid(spec: Spec, budget: Budget, base: Spec) -> ScaleGrid:
    """Build the grid of a variant.

    Args:
        spec: The variant's resolved spec.
        budget: The budget, with the path that is rescaled.
        base: The base's resolved spec, for the default multiple.

    Returns:
        The grid that starts at the variant's numbers.

    Raises:
        SpecError: The variant has no positive whole number at the budget's path.
    """
    if budget.by != WIDTHS:
        # A shorthand such as widths.base is only in the spec as written, not in the resolved one.
        trees = from_data(spec.resolved(), ""), spec.root
        values = (SpecValues(tree, {})[budget.path] for tree in trees)
        value = next((value for value in values if value is not None), None)
        if type(value) is not int or value < 1:
            hint = "rescale widths, or a path with a whole number in every variant"
            message = f"{budget.path} must be a positive whole number, but is {value!r}"
            raise SpecError([budget.node.problem("match", message, hint)])
        return ScaleGrid((value,), ((budget.path, 0),), budget.multiple or 1, 0 if budget.multiple else value)
    encoder, decoder = spec.widths or (), tuple(level.width for level in spec.decoder_levels)
    decoder_node = spec.root.mapping.get("decoder")
    if encoder and not (decoder_node and "widths" in decoder_node.mapping):
        decoder = ()  # they mirror the encoder's
    widths_by_path = {WIDTHS: encoder, "decoder.widths": decoder}
    paths = tuple((path, len(widths)) for path, widths in widths_by_path.items() if widths)
    return ScaleGrid((*encoder, *decoder), paths, budget.multiple or _infer_multiple(base))


def _infer_multiple(base: Spec) -> int:
    """Return the largest of 8, 4, 2 and 1 that divides all widths of a spec."""
    widths = (*(base.widths or ()), *(level.width for level in base.decoder_levels))
    divisor = DEFAULT_MULTIPLE
    while any(width % divisor for width in widths):
        divisor //= 2
    return divisor
