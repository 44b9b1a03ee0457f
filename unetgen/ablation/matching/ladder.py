"""Ladder: the numbers that matching can choose from, between the smallest network and the largest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor
from typing import Any

from unetgen.ablation.matching.budget import USUAL_MULTIPLE, WIDTHS, Budget
from unetgen.ablation.where.told import Told
from unetgen.config.node import from_data
from unetgen.config.spec import Spec
from unetgen.errors import SpecError

# The widths of every level, or the one number that is rescaled.
Rung = tuple[int, ...]

MOST = 65_536


@dataclass(frozen=True, slots=True)
class Ladder:
    """Whole numbers that grow together in steps of ``multiple``, each a multiple of it and ``offset`` more."""

    start: Rung
    paths: tuple[tuple[str, int], ...]
    """How many of the numbers each path takes, as a list; 0 for a single number."""
    multiple: int
    offset: int = 0

    def at(self, scale: float) -> Rung:
        """The rung whose numbers are closest to so many times the start's."""
        least = self.offset % self.multiple or self.multiple
        steps = (floor((number * scale - self.offset) / self.multiple + 0.5) for number in self.start)
        return tuple(min(max(self.offset + step * self.multiple, least), MOST) for step in steps)

    def moved(self, rung: Rung, index: int, steps: int) -> Rung | None:
        """A rung with one number some steps higher; None where it would leave the ladder."""
        number = rung[index] + steps * self.multiple
        return (*rung[:index], number, *rung[index + 1 :]) if 1 <= number <= MOST else None

    def coarser(self) -> Ladder:
        """The same with steps twice as large, for networks that cannot be drawn with any numbers."""
        return replace(self, multiple=2 * self.multiple)

    def settings(self, rung: Rung) -> dict[str, Any]:
        """What a rung says in a spec: values by path."""
        said: dict[str, Any] = {}
        for path, count in self.paths:
            said[path] = list(rung[:count]) if count else rung[0]
            rung = rung[count:]
        return said


def ladder_of(spec: Spec, budget: Budget, base: Spec) -> Ladder:
    """The ladder of a variant. Raises SpecError where nothing can be rescaled in it."""
    if budget.by != WIDTHS:
        # What only stands for other values, widths.base say, is there as it is written and no longer when resolved.
        trees = from_data(spec.resolved(), ""), spec.root
        value = next((told for tree in trees if (told := Told(tree, {})[budget.by]) is not None), None)
        if type(value) is not int:
            hint = "rescale widths, or a path that holds a whole number in every variant"
            raise SpecError([budget.node.problem("match", f"{budget.by} is {value!r} here, no whole number", hint)])
        return Ladder((value,), ((budget.by, 0),), budget.multiple or 1, 0 if budget.multiple else value)
    encoder, decoder = spec.widths or (), tuple(level.width for level in spec.decoder_levels)
    side = spec.root.mapping.get("decoder")
    if encoder and not (side and "widths" in side.mapping):
        decoder = ()  # the mirrored encoder's
    numbers = {WIDTHS: encoder, "decoder.widths": decoder}
    paths = tuple((path, len(widths)) for path, widths in numbers.items() if widths)
    return Ladder((*encoder, *decoder), paths, budget.multiple or _divisor(base))


def _divisor(base: Spec) -> int:
    """The largest of 8, 4, 2 and 1 that divides all of a spec's widths."""
    widths = (*(base.widths or ()), *(level.width for level in base.decoder_levels))
    divisor = USUAL_MULTIPLE
    while any(width % divisor for width in widths):
        divisor //= 2
    return divisor
