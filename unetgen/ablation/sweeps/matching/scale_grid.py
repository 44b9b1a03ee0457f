"""Ladder: the numbers that matching can choose from, between the smallest network and the largest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor, gcd, lcm, log
from typing import Any

from unetgen.ablation.sweeps.conditions.spec_values import SpecValues
from unetgen.ablation.sweeps.matching.budget import DEFAULT_MULTIPLE, WIDTHS, Budget
from unetgen.config.spec import Spec
from unetgen.config.yaml.tree import from_data
from unetgen.errors import SpecError

# The widths of every level, or the one number that is rescaled.
GridPoint = tuple[int, ...]

MAX_VALUE = 65_536


@dataclass(frozen=True, slots=True)
class ScaleGrid:
    """Whole numbers that grow together, each a multiple of ``multiple`` and ``offset`` more; the start may be none."""

    start: GridPoint
    paths: tuple[tuple[str, int], ...]
    """How many of the numbers each path takes, as a list; 0 for a single number."""
    multiple: int
    offset: int = 0
    coarse_step_sizes: GridPoint = ()
    """How large a step of each number is, where that is more than the multiple."""

    @property
    def step_sizes(self) -> GridPoint:
        """How large a step of each number is."""
        return self.coarse_step_sizes or (self.multiple,) * len(self.start)

    @property
    def log_scale_bounds(self) -> tuple[float, float]:
        """The logarithms of the scales at which the largest number is the smallest possible, and the largest."""
        return log(min(map(self._get_minimum, self.step_sizes)) / max(self.start)), log(MAX_VALUE / max(self.start))

    def find_nearest_point(self, scale: float) -> GridPoint:
        """The rung whose numbers are closest to so many times the start's."""
        return tuple(
            self._round_to_step(number * scale, step) for number, step in zip(self.start, self.step_sizes, strict=True)
        )

    def _round_to_step(self, number: float, step: int) -> int:
        most = MAX_VALUE - (MAX_VALUE - self.offset) % step
        return min(max(self.offset + step * floor((number - self.offset) / step + 0.5), self._get_minimum(step)), most)

    def _get_minimum(self, step: int) -> int:
        return self.offset % step or step

    def contains(self, grid_point: GridPoint) -> bool:
        """Whether all numbers are such multiples, in coarser steps or not."""
        return all((number - self.offset) % self.multiple == 0 for number in grid_point)

    def shift(self, grid_point: GridPoint, index: int, num_steps: int) -> GridPoint | None:
        """A rung with one number some steps higher; None where it would leave the ladder."""
        number = grid_point[index] + num_steps * self.step_sizes[index]
        return (*grid_point[:index], number, *grid_point[index + 1 :]) if 1 <= number <= MAX_VALUE else None

    def build_coarser_grids(self) -> list[ScaleGrid]:
        """The same in larger steps, the finest first, for networks that cannot be drawn in these.

        Groups that divide the start's channels divide multiples of one of its divisors, and channels that are equal
        stay so where the proportions are kept to the letter.
        """
        kept = {(step,) * len(self.start) for step in self._iter_divisor_steps()} | set(self._iter_proportional_steps())
        rough = {steps: sum(step / number for step, number in zip(steps, self.start, strict=True)) for steps in kept}
        return [
            replace(self, coarse_step_sizes=steps) for steps in sorted(rough, key=lambda steps: (rough[steps], steps))
        ]

    def _iter_divisor_steps(self) -> Iterator[int]:
        for divisor in range(2, max(self.start) + 1):
            # Doubled, since beside an odd number that must stay odd the next is two away.
            if any(2 * number % divisor == 0 for number in self.start) and self.multiple % divisor:
                yield lcm(self.multiple, divisor)

    def _iter_proportional_steps(self) -> Iterator[GridPoint]:
        whole = gcd(*self.start)
        for divisor in range(1, whole + 1 if len(self.start) > 1 else 1):
            steps = tuple(number // whole * divisor for number in self.start)
            if whole % divisor == 0 and not any(step % self.multiple for step in steps):
                yield steps

    def to_settings(self, grid_point: GridPoint) -> dict[str, Any]:
        """What a rung says in a spec: values by path."""
        said: dict[str, Any] = {}
        for path, count in self.paths:
            said[path] = list(grid_point[:count]) if count else grid_point[0]
            grid_point = grid_point[count:]
        return said


def build_scale_grid(spec: Spec, budget: Budget, base: Spec) -> ScaleGrid:
    """The ladder of a variant. Raises SpecError where nothing can be rescaled in it."""
    if budget.by != WIDTHS:
        # What only stands for other values, widths.base say, is there as it is written and no longer when resolved.
        trees = from_data(spec.resolved(), ""), spec.root
        value = next((told for tree in trees if (told := SpecValues(tree, {})[budget.path]) is not None), None)
        if type(value) is not int or value < 1:
            hint = "rescale widths, or a path that holds a whole number in every variant"
            what = f"{budget.path} is {value!r} here, no whole number above 0"
            raise SpecError([budget.node.problem("match", what, hint)])
        return ScaleGrid((value,), ((budget.path, 0),), budget.multiple or 1, 0 if budget.multiple else value)
    encoder, decoder = spec.widths or (), tuple(level.width for level in spec.decoder_levels)
    side = spec.root.mapping.get("decoder")
    if encoder and not (side and "widths" in side.mapping):
        decoder = ()  # the mirrored encoder's
    numbers = {WIDTHS: encoder, "decoder.widths": decoder}
    paths = tuple((path, len(widths)) for path, widths in numbers.items() if widths)
    return ScaleGrid((*encoder, *decoder), paths, budget.multiple or _infer_multiple(base))


def _infer_multiple(base: Spec) -> int:
    """The largest of 8, 4, 2 and 1 that divides all of a spec's widths."""
    widths = (*(base.widths or ()), *(level.width for level in base.decoder_levels))
    divisor = DEFAULT_MULTIPLE
    while any(width % divisor for width in widths):
        divisor //= 2
    return divisor
