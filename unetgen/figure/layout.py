"""Layout: cells in columns and rows, and arrows between them that go past all of them.

A stage's column is the longest way to it, its row is its level. Arrows leave to the right and arrive from the left.
They go up and down in the gaps between columns, each on a track of its own, and past other cells on lanes above a row.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from unetgen.figure.arrow import Arrow
from unetgen.figure.arrow_routing import GapCrossing, VerticalSegment, find_conflicts, order_tracks
from unetgen.figure.cell import PORT_SPACING, Cell
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Line, Point, Scene

MARGIN = 14.0
TRACK_SPACING = 6.0
LANE_SPACING = 6.0

# Tracks behind a box that others of its cell follow: how far the first is from it, and how much room they have.
INNER_TRACK_OFFSET, INNER_TRACK_ROOM = 4.0, 9.0

# What a gap between columns and rows has without tracks and lanes.
COLUMN_GAP = 20.0
SPACE_ABOVE_ROW, SPACE_BELOW_ROW = 13.0, 16.0


@dataclass(eq=False, slots=True)
class Edge:
    """An arrow between two cells: from which box of the first, and on which tracks and lane."""

    source: Cell
    source_box: int
    target: Cell
    arrow: Arrow
    track_xs: tuple[float, float] = (0.0, 0.0)
    lane_index: int | None = None
    port_offsets: tuple[float, float] = (0.0, 0.0)
    """How far its ends are from the middle of their rows."""


@dataclass(slots=True)
class Layout:
    """Where everything is."""

    cells: Sequence[Cell]
    edges: Sequence[Edge]
    ranks: dict[int, int] = field(default_factory=dict)
    column_left: dict[int, float] = field(default_factory=dict)
    """Where each column begins."""
    row_middle: dict[int, float] = field(default_factory=dict)
    """The middle of each row."""
    right: float = 0.0
    bottom: float = 0.0

    def get_rank(self, cell: Cell) -> int:
        """The column of a cell."""
        return self.ranks[id(cell)]

    def draw(self, scene: Scene, palette: Palette) -> None:
        """Puts the arrows into a scene."""
        for edge in self.edges:
            stroke = palette.arrow_colors[edge.arrow.kind]
            scene.lines.append(Line(tuple(self._compute_route(edge)), stroke, edge.arrow.cropped))

    def _compute_route(self, edge: Edge) -> list[Point]:
        out, into = self.get_rank(edge.source), self.get_rank(edge.target)
        start = self.column_left[out] + edge.source.box_spans[edge.source_box].right
        end = self.column_left[into] + edge.target.box_spans[0].left
        y = self.row_middle[edge.source.stage.level] + edge.port_offsets[0]
        yt = self.row_middle[edge.target.stage.level] + edge.port_offsets[1]
        first, second = edge.track_xs
        if edge.lane_index is not None:
            lane = self._compute_lane_y(edge)
            points = [(start, y), (first, y), (first, lane), (second, lane), (second, yt), (end, yt)]
        elif abs(y - yt) < 0.01:
            points = [(start, y), (end, yt)]
        else:
            points = [(start, y), (second, y), (second, yt), (end, yt)]
        return points

    def _compute_lane_y(self, edge: Edge) -> float:
        level = edge.target.stage.level
        tallest = max(c.height for c in self.cells if c.stage.level == level)
        return (
            self.row_middle[level]
            - tallest / 2
            - self.compute_space_above(level)
            - LANE_SPACING * (edge.lane_index or 0)
            - 2
        )

    def compute_space_above(self, level: int) -> float:
        """What letters take above the boxes of a row."""
        return SPACE_ABOVE_ROW + max(c.output_name_height for c in self.cells if c.stage.level == level)


def compute_layout(cells: Sequence[Cell], edges: Sequence[Edge], top: float) -> Layout:
    """The places of cells and arrows, the first row below ``top``."""
    layout = Layout(cells, edges)
    _assign_ranks(layout)
    ways = {edge: _find_crossed_gaps(layout, edge) for edge in edges}
    lanes = _assign_lanes(layout, ways)
    _spread_ports(layout, ways)
    _place_columns(layout, ways)
    _place_rows(layout, lanes, top)
    return layout


def _assign_ranks(layout: Layout) -> None:
    """Columns: behind everything that is read, and no two cells of a row in one."""
    taken: set[tuple[int, int]] = set()
    for cell in layout.cells:
        before = [layout.ranks[id(e.source)] for e in layout.edges if e.target is cell and id(e.source) in layout.ranks]
        rank = max(before, default=-1) + 1
        while (rank, cell.stage.level) in taken:
            rank += 1
        taken.add((rank, cell.stage.level))
        layout.ranks[id(cell)] = rank


def _find_crossed_gaps(layout: Layout, edge: Edge) -> tuple[int, ...]:
    """The gaps in which an arrow goes up or down, each named by the column behind it; none if it goes straight."""
    out, into = layout.get_rank(edge.source) + 1, layout.get_rank(edge.target)
    level = edge.target.stage.level
    last = edge.source_box == len(edge.source.box_spans) - 1
    between = [c for c in layout.cells if c.stage.level == level and out <= layout.get_rank(c) < into]
    if edge.source.stage.level == level and not between and last:
        return ()
    if last and (out == into or not _has_cells_between(layout, edge.source.stage.level, out, into)):
        return (into,)
    return (out if last else -1, into)


def _has_cells_between(layout: Layout, level: int, first_rank: int, end_rank: int) -> bool:
    """Whether cells stand in a row between two columns."""
    return any(c.stage.level == level and first_rank <= layout.get_rank(c) < end_rank for c in layout.cells)


def _assign_lanes(layout: Layout, crossed_gaps: dict[Edge, tuple[int, ...]]) -> Counter[int]:
    """Gives the arrows that go past cells a lane each, so that none lies over another."""
    used: dict[int, list[list[tuple[int, int]]]] = defaultdict(list)
    for edge in sorted(
        (e for e in layout.edges if len(crossed_gaps[e]) == 2), key=lambda e: _compute_rank_span(layout, e)
    ):
        first, last = layout.get_rank(edge.source), layout.get_rank(edge.target)
        rows = used[edge.target.stage.level]
        free = (n for n, row in enumerate(rows) if all(last < a or first > b for a, b in row))
        edge.lane_index = next(free, len(rows))
        if edge.lane_index == len(rows):
            rows.append([])
        rows[edge.lane_index].append((first, last))
    return Counter({level: len(rows) for level, rows in used.items()})


def _compute_rank_span(layout: Layout, edge: Edge) -> int:
    return layout.get_rank(edge.target) - layout.get_rank(edge.source)


def _place_columns(layout: Layout, crossed_gaps: dict[Edge, tuple[int, ...]]) -> None:
    """Sets the columns beside each other, with a track in the gap for each arrow that goes up or down there."""
    tracks: dict[int, list[tuple[Edge, int]]] = defaultdict(list)
    for edge in layout.edges:
        for end, gap in enumerate(crossed_gaps[edge]):
            tracks[gap].append((edge, end if len(crossed_gaps[edge]) == 2 else 1))
    x = MARGIN
    for rank in range(max(layout.ranks.values()) + 1):
        here = tracks.get(rank, [])
        if rank:
            for number, (edge, end) in enumerate(_untangle_tracks(here)):
                place = x + COLUMN_GAP / 2 + TRACK_SPACING * number
                edge.track_xs = (place, edge.track_xs[1]) if end == 0 else (edge.track_xs[0], place)
            x += COLUMN_GAP + TRACK_SPACING * max(len(here) - 1, 0)
        layout.column_left[rank] = x
        x += max(c.width for c in layout.cells if layout.get_rank(c) == rank)
    _place_inner_tracks(layout, [edge for edge, _ in tracks.get(-1, [])])
    layout.right = x + MARGIN


def _untangle_tracks(gap_edges: list[tuple[Edge, int]]) -> list[tuple[Edge, int]]:
    """The arrows of a gap in the order of their tracks; where no order keeps them apart, one arrives beside itself."""
    turns = [_build_segment(edge, end) for edge, end in gap_edges]
    order = order_tracks(turns)
    for number in find_conflicts(turns, order):
        edge = gap_edges[number][0]
        edge.port_offsets = (edge.port_offsets[0], edge.port_offsets[1] + PORT_SPACING / 2)
    return [gap_edges[number] for number in order]


def _build_segment(edge: Edge, end: int) -> VerticalSegment:
    comes = GapCrossing(edge.source.stage.level, edge.port_offsets[0])
    goes = GapCrossing(edge.target.stage.level, edge.port_offsets[1])
    if edge.lane_index is None:
        return VerticalSegment(comes, goes)
    return VerticalSegment(None, goes) if end else VerticalSegment(comes, None)


def _place_inner_tracks(layout: Layout, edges: Sequence[Edge]) -> None:
    """Sets the tracks of arrows that leave a box that others of its cell follow: right behind it."""
    beside: dict[tuple[int, int], list[Edge]] = defaultdict(list)
    for edge in edges:
        beside[id(edge.source), edge.source_box].append(edge)
    for found in beside.values():
        for number, edge in enumerate(found):
            x = layout.column_left[layout.get_rank(edge.source)] + edge.source.box_spans[edge.source_box].right
            edge.track_xs = (x + INNER_TRACK_OFFSET + INNER_TRACK_ROOM * number / len(found), edge.track_xs[1])


def _place_rows(layout: Layout, lanes: Counter[int], top: float) -> None:
    """Sets the rows below each other, with room for letters and lanes."""
    y = top
    for level in sorted({c.stage.level for c in layout.cells}):
        height = max(c.height for c in layout.cells if c.stage.level == level)
        y += layout.compute_space_above(level) + LANE_SPACING * lanes[level]
        layout.row_middle[level] = y + height / 2
        y += height + SPACE_BELOW_ROW
    layout.bottom = y


def _spread_ports(layout: Layout, crossed_gaps: dict[Edge, tuple[int, ...]]) -> None:
    """Spreads the ends of arrows over the sides of boxes; a straight arrow has both ends at one height.

    One that cannot be straight is given a way.
    """
    arriving: dict[int, list[Edge]] = defaultdict(list)
    leaving: dict[tuple[int, int], list[Edge]] = defaultdict(list)
    for edge in layout.edges:
        arriving[id(edge.target)].append(edge)
        leaving[id(edge.source), edge.source_box].append(edge)
    for edges in arriving.values():
        edges.sort(key=lambda e: (e.source.stage.level, -layout.get_rank(e.source)))
        half = edges[0].target.box_spans[0].half_height
        for number, edge in enumerate(edges, start=1):
            edge.port_offsets = (0.0, 2 * half * number / (len(edges) + 1) - half)
    for edges in leaving.values():
        edges.sort(key=lambda e: (e.target.stage.level, layout.get_rank(e.target)))
        half = edges[0].source.box_spans[edges[0].source_box].half_height
        # From the middle of a box that others follow goes the arrow to the next.
        room = half if edges[0].source_box < len(edges[0].source.box_spans) - 1 else 2 * half
        for number, edge in enumerate(edges, start=1):
            edge.port_offsets = (room * number / (len(edges) + 1) - half, edge.port_offsets[1])
    for edge in layout.edges:
        beside, among = leaving[id(edge.source), edge.source_box], arriving[id(edge.target)]
        if not crossed_gaps[edge] and not _try_straighten(edge, beside, among):
            crossed_gaps[edge] = (layout.get_rank(edge.target),)


def _try_straighten(edge: Edge, leaving: Sequence[Edge], arriving: Sequence[Edge]) -> bool:
    """Moves one end of an arrow to the height of the other, whichever box is high enough and has nothing there."""
    start, end = edge.port_offsets
    here = [e.port_offsets[0] for e in leaving if e is not edge]
    there = [e.port_offsets[1] for e in arriving if e is not edge]
    for at, others, half in (
        (end, here, edge.source.box_spans[edge.source_box].half_height),
        (start, there, edge.target.box_spans[0].half_height),
    ):
        if abs(at) < half and all(abs(other - at) > PORT_SPACING / 2 for other in others):
            edge.port_offsets = (at, at)
            return True
    return False
