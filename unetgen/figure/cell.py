"""Cell: a stage as one style shows it. Maps in a row, one map, or a card that names every op."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2, prod
from typing import Literal, NamedTuple

from unetgen.figure.arrow import Arrow, Kind, Reading
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Box, Line, Scene, Text, breadth
from unetgen.figure.stage import Map, Stage
from unetgen.figure.words import extent, word
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import Add, Concat, Maximum, Multiply
from unetgen.graph.ops.base import Op, Size

Style = Literal["paper", "compact", "detail"]

LETTERS = 9.0
SMALL = 8.0
LEADING = 11.0

# Between two maps of a stage, for an arrow.
GAP = 18.0

# Letters stand so far above a box and below it; what an output is called stands over them.
OVER, UNDER, NAMED = 3.0, 9.0, 10.0

# The height of a map as large as the image, and of the smallest.
TALL, LOW = 96.0, 14.0

# An edge takes so much of a box's side.
PORT = 7.0

_SIGNS: dict[type[Op], str] = {Add: "+", Multiply: "×", Maximum: "max"}


class Side(NamedTuple):
    """Where arrows can leave or reach a box: its left and right from the cell's left, and half its height."""

    left: float
    right: float
    half: float


@dataclass(slots=True)
class Cell:
    """What is drawn of a stage: ``width`` and the height of its boxes; letters stand above and below."""

    stage: Stage
    width: float
    height: float
    sides: list[Side]
    shown: list[Map]
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def named(self) -> float:
        """What the name of an output takes above the letters that all boxes have."""
        return NAMED if self.shown and self.stage.output else 0.0

    def side(self, index: int) -> int:
        """Which box stands for a node."""
        if len(self.sides) == 1:
            return 0
        return next((n for n, found in enumerate(self.shown) if found.last >= index), len(self.shown) - 1)


class Drawer(NamedTuple):
    """What cells are drawn from."""

    graph: Graph
    sizes: tuple[Size, ...]
    palette: Palette

    @property
    def reading(self) -> Reading:
        """What arrows are read with."""
        return Reading(self.graph, self.sizes)

    def cell(self, stage: Stage, style: Style, ports: int) -> Cell:
        """A stage in a style, its boxes high enough for so many arrows on a side."""
        if style == "detail":
            return self._card(stage)
        shown = self._runs(stage) if style == "paper" else stage.maps[-1:]
        sides, left = [], 0.0
        for number, found in enumerate(shown):
            name = stage.output if found is shown[-1] else ""
            slot = max(self._thick(found.node), self._lettered(shown, number), breadth(name, SMALL, bold=True))
            middle = left + slot / 2
            half = max(self._tall(found.node), PORT * (ports + 1)) / 2
            sides.append(Side(middle - self._thick(found.node) / 2, middle + self._thick(found.node) / 2, half))
            left += slot + GAP
        kind: Kind = "head" if stage.side in ("head", "output") else "conv"
        arrows = [self.reading.between(found.way, kind) for found in shown] if style == "paper" else []
        return Cell(stage, left - GAP, 2 * max(side.half for side in sides), sides, shown, arrows)

    def draw(self, cell: Cell, scene: Scene, x: float, middle: float) -> None:
        """Puts a cell into a scene, its left at x and its middle at that height."""
        if not cell.shown:
            self._draw_card(cell, scene, x, middle)
            return
        for number, (found, side) in enumerate(zip(cell.shown, cell.sides, strict=True)):
            self._draw_map(cell, found, scene, (x + side.left, middle - side.half, side))
            self._write_letters(cell, number, scene, (x + (side.left + side.right) / 2, middle))
            if number:
                start = (x + cell.sides[number - 1].right, middle)
                stroke = self.palette.arrows[cell.arrows[number].kind]
                scene.lines.append(Line((start, (x + side.left, middle)), stroke))

    def _write_letters(self, cell: Cell, number: int, scene: Scene, place: tuple[float, float]) -> None:
        """Writes what stands above a box and below it, in the middle of the box."""
        centre, middle = place
        path, half = cell.shown[number].node.path, cell.sides[number].half
        above, below = self._letters(cell.shown, number)
        for string, y, ink in (
            (above, middle - half - OVER, self.palette.ink),
            (below, middle + half + UNDER, self.palette.faint),
        ):
            if string:
                scene.texts.append(Text(centre, y, string, SMALL, ink, "middle", path=path))
        if cell.named and number == len(cell.shown) - 1:
            y, name = middle - half - OVER - NAMED, cell.stage.output
            scene.texts.append(Text(centre, y, name, SMALL, self.palette.ink, "middle", bold=True, path=path))

    # Maps

    def _runs(self, stage: Stage) -> list[Map]:
        """The maps of a stage; three or more in a row that are alike are one that says how many."""
        found: list[list[Map]] = []
        for one in stage.maps:
            alike = found and self._key(found[-1][-1]) == self._key(one) and len(one.way) > 0
            found[-1].append(one) if alike else found.append([one])
        shown = []
        for run in found:
            if len(run) > 2:
                shown.append(Map(run[-1].node, run[-1].way, run[-1].last, len(run)))
            else:
                shown += run
        return shown

    def _key(self, found: Map) -> tuple[int, Size, Arrow]:
        return found.node.channels, self.sizes[found.node.index], self.reading.between(found.way, "conv")

    def _thick(self, node: Node) -> float:
        return 4 + 3 * log2(node.channels + 1)

    def _tall(self, node: Node) -> float:
        """The root of what a map's sides are of the image's, so that small ones can still be seen."""
        if node.op.flat:
            return LOW
        ratio: float = prod(self.sizes[node.index]) / prod(self.sizes[0])
        return float(max(TALL * ratio ** (1 / (2 * self.graph.dims)), LOW))

    def _lettered(self, shown: Sequence[Map], number: int) -> float:
        return max(breadth(text, SMALL) for text in self._letters(shown, number))

    def _letters(self, shown: Sequence[Map], number: int) -> tuple[str, str]:
        """What stands above a map, its channels, and below, its size where that is another than the one before."""
        found = shown[number]
        size = self.sizes[found.node.index]
        same = number > 0 and self.sizes[shown[number - 1].node.index] == size
        told = "" if same or found.node.op.flat else extent(size)
        return str(found.node.channels), " ".join(filter(None, (told, f"{found.times}×" if found.times > 1 else "")))

    def _draw_map(self, cell: Cell, found: Map, scene: Scene, place: tuple[float, float, Side]) -> None:
        x, y, side = place
        width, height, path = side.right - side.left, 2 * side.half, found.node.path
        met = cell.stage.maps[0].node if found is cell.shown[0] and len(cell.stage.passages) > 1 else None
        tip = f"{path}: {found.node.channels} × {'×'.join(map(str, self.sizes[found.node.index]))}"
        left = x
        for share, copied in self._parts(cell.stage, found.node) if met is found.node else [(1.0, False)]:
            fill = self.palette.copied if copied else self.palette.map
            scene.boxes.append(Box(left, y, width * share, height, fill, self.palette.outline, path, tip))
            left += width * share
        sign = _SIGNS.get(type(met.op), "") if met else ""
        size = next((s for s in (LETTERS + 2, SMALL) if breadth(sign, s) <= width - 2), 0.0)
        if sign and size:
            base = y + height / 2 + size / 3
            scene.texts.append(Text(x + width / 2, base, sign, size, self.palette.ink, "middle", path=path))

    def _parts(self, stage: Stage, node: Node) -> Iterator[tuple[float, bool]]:
        """The shares of a concatenated map, and whether each was handed over from another side."""
        if not isinstance(node.op, Concat):
            yield 1.0, False
            return
        for source in node.inputs:
            origin = stage.origin(source)
            yield self.graph.nodes[source].channels / node.channels, origin is not None and not origin.rises

    # Cards

    def _card(self, stage: Stage) -> Cell:
        rows = list(self._rows(stage))
        lines = [sum(breadth(column, SMALL) for column in row) + 16 for row in rows]
        width = max(breadth(stage.title, LETTERS, bold=True), *lines) + 12
        height = LEADING * (len(rows) + 1) + 10
        return Cell(stage, width, height, [Side(0, width, height / 2)], [])

    def _rows(self, stage: Stage) -> Iterator[tuple[str, str]]:
        entry = [stage.maps[0].node] if stage.maps and stage.maps[0].node not in stage.nodes else []
        for node in [*entry, *stage.nodes]:
            name = node.path.removeprefix(f"{stage.title}.")
            size = "" if node.op.flat else f" · {extent(self.sizes[node.index])}"
            yield f"{name}: {word(node.op) or node.op.kind}", f"{node.channels}{size}"

    def _draw_card(self, cell: Cell, scene: Scene, x: float, middle: float) -> None:
        top = middle - cell.height / 2
        path = cell.stage.title
        scene.boxes.append(
            Box(x, top, cell.width, cell.height, self.palette.background, self.palette.outline, path, path)
        )
        scene.texts.append(Text(x + 6, top + LEADING + 1, path, LETTERS, self.palette.ink, bold=True, path=path))
        for number, (name, shape) in enumerate(self._rows(cell.stage), start=2):
            y = top + LEADING * number + 2
            scene.texts.append(Text(x + 6, y, name, SMALL, self.palette.ink, path=path))
            scene.texts.append(Text(x + cell.width - 6, y, shape, SMALL, self.palette.faint, "end", path=path))
