"""Layout: cells in columns and rows, and arrows between them that go past all of them.

A stage's column is the longest way to it, its row is its level. Arrows leave to the right and arrive from the left.
They go up and down in the gaps between columns, each on a track of its own, and past other cells on lanes above a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from unetgen.figure.arrow import Arrow
from unetgen.figure.cell import PORT, Cell
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Line, Point, Scene
from unetgen.figure.tracks import Height, Turn, crossed, in_order

MARGIN = 14.0
TRACK = 6.0
LANE = 6.0

# Tracks behind a box that others of its cell follow: how far the first is from it, and how much room they have.
INNER, ROOM = 4.0, 9.0

# What a gap between columns and rows has without tracks and lanes.
BETWEEN = 20.0
ABOVE, BELOW = 13.0, 16.0


@dataclass(eq=False, slots=True)
class Edge:
    """An arrow between two cells: from which box of the first, and on which tracks and lane."""

    source: Cell
    box: int
    target: Cell
    arrow: Arrow
    tracks: tuple[float, float] = (0.0, 0.0)
    lane: int | None = None
    ports: tuple[float, float] = (0.0, 0.0)
    """How far its ends are from the middle of their rows."""


@dataclass(slots=True)
class Layout:
    """Where everything is."""

    cells: Sequence[Cell]
    edges: Sequence[Edge]
    ranks: dict[int, int] = field(default_factory=dict)
    left: dict[int, float] = field(default_factory=dict)
    """Where each column begins."""
    middle: dict[int, float] = field(default_factory=dict)
    """The middle of each row."""
    right: float = 0.0
    bottom: float = 0.0

    def rank(self, cell: Cell) -> int:
        """The column of a cell."""
        return self.ranks[id(cell)]

    def draw(self, scene: Scene, palette: Palette) -> None:
        """Puts the arrows into a scene."""
        for edge in self.edges:
            stroke = palette.arrows[edge.arrow.kind]
            scene.lines.append(Line(tuple(self._points(edge)), stroke, edge.arrow.cropped))

    def _points(self, edge: Edge) -> list[Point]:
        out, into = self.rank(edge.source), self.rank(edge.target)
        start = self.left[out] + edge.source.sides[edge.box].right
        end = self.left[into] + edge.target.sides[0].left
        y = self.middle[edge.source.stage.level] + edge.ports[0]
        yt = self.middle[edge.target.stage.level] + edge.ports[1]
        first, second = edge.tracks
        if edge.lane is not None:
            lane = self._lane(edge)
            points = [(start, y), (first, y), (first, lane), (second, lane), (second, yt), (end, yt)]
        elif abs(y - yt) < 0.01:
            points = [(start, y), (end, yt)]
        else:
            points = [(start, y), (second, y), (second, yt), (end, yt)]
        return points

    def _lane(self, edge: Edge) -> float:
        level = edge.target.stage.level
        tallest = max(c.height for c in self.cells if c.stage.level == level)
        return self.middle[level] - tallest / 2 - self.above(level) - LANE * (edge.lane or 0) - 2

    def above(self, level: int) -> float:
        """What letters take above the boxes of a row."""
        return ABOVE + max(c.named for c in self.cells if c.stage.level == level)


def laid_out(cells: Sequence[Cell], edges: Sequence[Edge], top: float) -> Layout:
    """The places of cells and arrows, the first row below ``top``."""
    layout = Layout(cells, edges)
    _rank(layout)
    ways = {edge: _ways(layout, edge) for edge in edges}
    lanes = _lanes(layout, ways)
    _ports(layout, ways)
    _columns(layout, ways)
    _rows(layout, lanes, top)
    return layout


def _rank(layout: Layout) -> None:
    """Columns: behind everything that is read, and no two cells of a row in one."""
    taken: set[tuple[int, int]] = set()
    for cell in layout.cells:
        before = [layout.ranks[id(e.source)] for e in layout.edges if e.target is cell and id(e.source) in layout.ranks]
        rank = max(before, default=-1) + 1
        while (rank, cell.stage.level) in taken:
            rank += 1
        taken.add((rank, cell.stage.level))
        layout.ranks[id(cell)] = rank


def _ways(layout: Layout, edge: Edge) -> tuple[int, ...]:
    """The gaps in which an arrow goes up or down, each named by the column behind it; none if it goes straight."""
    out, into = layout.rank(edge.source) + 1, layout.rank(edge.target)
    level = edge.target.stage.level
    last = edge.box == len(edge.source.sides) - 1
    between = [c for c in layout.cells if c.stage.level == level and out <= layout.rank(c) < into]
    if edge.source.stage.level == level and not between and last:
        return ()
    if last and (out == into or not _between(layout, edge.source.stage.level, out, into)):
        return (into,)
    return (out if last else -1, into)


def _between(layout: Layout, level: int, out: int, into: int) -> bool:
    """Whether cells stand in a row between two columns."""
    return any(c.stage.level == level and out <= layout.rank(c) < into for c in layout.cells)


def _lanes(layout: Layout, ways: dict[Edge, tuple[int, ...]]) -> Counter[int]:
    """Gives the arrows that go past cells a lane each, so that none lies over another."""
    used: dict[int, list[list[tuple[int, int]]]] = defaultdict(list)
    for edge in sorted((e for e in layout.edges if len(ways[e]) == 2), key=lambda e: _span(layout, e)):
        first, last = layout.rank(edge.source), layout.rank(edge.target)
        rows = used[edge.target.stage.level]
        free = (n for n, row in enumerate(rows) if all(last < a or first > b for a, b in row))
        edge.lane = next(free, len(rows))
        if edge.lane == len(rows):
            rows.append([])
        rows[edge.lane].append((first, last))
    return Counter({level: len(rows) for level, rows in used.items()})


def _span(layout: Layout, edge: Edge) -> int:
    return layout.rank(edge.target) - layout.rank(edge.source)


def _columns(layout: Layout, ways: dict[Edge, tuple[int, ...]]) -> None:
    """Sets the columns beside each other, with a track in the gap for each arrow that goes up or down there."""
    tracks: dict[int, list[tuple[Edge, int]]] = defaultdict(list)
    for edge in layout.edges:
        for end, gap in enumerate(ways[edge]):
            tracks[gap].append((edge, end if len(ways[edge]) == 2 else 1))
    x = MARGIN
    for rank in range(max(layout.ranks.values()) + 1):
        here = tracks.get(rank, [])
        if rank:
            for number, (edge, end) in enumerate(_untangled(here)):
                place = x + BETWEEN / 2 + TRACK * number
                edge.tracks = (place, edge.tracks[1]) if end == 0 else (edge.tracks[0], place)
            x += BETWEEN + TRACK * max(len(here) - 1, 0)
        layout.left[rank] = x
        x += max(c.width for c in layout.cells if layout.rank(c) == rank)
    _set_inner(layout, [edge for edge, _ in tracks.get(-1, [])])
    layout.right = x + MARGIN


def _untangled(here: list[tuple[Edge, int]]) -> list[tuple[Edge, int]]:
    """The arrows of a gap in the order of their tracks; where no order keeps them apart, one arrives beside itself."""
    turns = [_turn(edge, end) for edge, end in here]
    order = in_order(turns)
    for number in crossed(turns, order):
        edge = here[number][0]
        edge.ports = (edge.ports[0], edge.ports[1] + PORT / 2)
    return [here[number] for number in order]


def _turn(edge: Edge, end: int) -> Turn:
    comes = Height(edge.source.stage.level, edge.ports[0])
    goes = Height(edge.target.stage.level, edge.ports[1])
    if edge.lane is None:
        return Turn(comes, goes)
    return Turn(None, goes) if end else Turn(comes, None)


def _set_inner(layout: Layout, edges: Sequence[Edge]) -> None:
    """Sets the tracks of arrows that leave a box that others of its cell follow: right behind it."""
    beside: dict[tuple[int, int], list[Edge]] = defaultdict(list)
    for edge in edges:
        beside[id(edge.source), edge.box].append(edge)
    for found in beside.values():
        for number, edge in enumerate(found):
            x = layout.left[layout.rank(edge.source)] + edge.source.sides[edge.box].right
            edge.tracks = (x + INNER + ROOM * number / len(found), edge.tracks[1])


def _rows(layout: Layout, lanes: Counter[int], top: float) -> None:
    """Sets the rows below each other, with room for letters and lanes."""
    y = top
    for level in sorted({c.stage.level for c in layout.cells}):
        height = max(c.height for c in layout.cells if c.stage.level == level)
        y += layout.above(level) + LANE * lanes[level]
        layout.middle[level] = y + height / 2
        y += height + BELOW
    layout.bottom = y


def _ports(layout: Layout, ways: dict[Edge, tuple[int, ...]]) -> None:
    """Spreads the ends of arrows over the sides of boxes; a straight arrow has both ends at one height.

    One that cannot be straight is given a way.
    """
    arriving: dict[int, list[Edge]] = defaultdict(list)
    leaving: dict[tuple[int, int], list[Edge]] = defaultdict(list)
    for edge in layout.edges:
        arriving[id(edge.target)].append(edge)
        leaving[id(edge.source), edge.box].append(edge)
    for edges in arriving.values():
        edges.sort(key=lambda e: (e.source.stage.level, -layout.rank(e.source)))
        half = edges[0].target.sides[0].half
        for number, edge in enumerate(edges, start=1):
            edge.ports = (0.0, 2 * half * number / (len(edges) + 1) - half)
    for edges in leaving.values():
        edges.sort(key=lambda e: (e.target.stage.level, layout.rank(e.target)))
        half = edges[0].source.sides[edges[0].box].half
        # From the middle of a box that others follow goes the arrow to the next.
        room = half if edges[0].box < len(edges[0].source.sides) - 1 else 2 * half
        for number, edge in enumerate(edges, start=1):
            edge.ports = (room * number / (len(edges) + 1) - half, edge.ports[1])
    for edge in layout.edges:
        beside, among = leaving[id(edge.source), edge.box], arriving[id(edge.target)]
        if not ways[edge] and not _straightened(edge, beside, among):
            ways[edge] = (layout.rank(edge.target),)


def _straightened(edge: Edge, beside: Sequence[Edge], among: Sequence[Edge]) -> bool:
    """Moves one end of an arrow to the height of the other, whichever box is high enough and has nothing there."""
    start, end = edge.ports
    here = [e.ports[0] for e in beside if e is not edge]
    there = [e.ports[1] for e in among if e is not edge]
    for at, others, half in (end, here, edge.source.sides[edge.box].half), (start, there, edge.target.sides[0].half):
        if abs(at) < half and all(abs(other - at) > PORT / 2 for other in others):
            edge.ports = (at, at)
            return True
    return False
