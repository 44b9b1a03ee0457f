"""Place cells in columns and rows, and route arrows between them without crossing a cell.

A stage's column is the length of the longest path to it, its row is its level. Arrows leave a box to the right and
arrive from the left. They run vertically in the gaps between columns, each on its own track, and pass other cells
horizontally on lanes above a row.
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

# Tracks behind a box that is not the last of its cell: the distance of the first track, and the room for all.
INNER_TRACK_OFFSET, INNER_TRACK_ROOM = 4.0, 9.0

# The width of a gap between columns without tracks, and the space around a row without lanes.
COLUMN_GAP = 20.0
SPACE_ABOVE_ROW, SPACE_BELOW_ROW = 13.0, 16.0


@dataclass(eq=False, slots=True)
class Edge:
    """An arrow between two cells: the box of the source cell, the tracks and the lane."""

    source: Cell
    source_box: int
    target: Cell
    arrow: Arrow
    track_xs: tuple[float, float] = (0.0, 0.0)
    lane_index: int | None = None
    port_offsets: tuple[float, float] = (0.0, 0.0)
    """The offset of each end from the middle of its row."""


@dataclass(slots=True)
class Layout:
    """The positions of cells and arrows."""

    cells: Sequence[Cell]
    edges: Sequence[Edge]
    ranks: dict[int, int] = field(default_factory=dict)
    column_left: dict[int, float] = field(default_factory=dict)
    """The left side of each column."""
    row_middle: dict[int, float] = field(default_factory=dict)
    """The height of each row's middle."""
    right: float = 0.0
    bottom: float = 0.0

    def get_rank(self, cell: Cell) -> int:
        """Return the column index of a cell."""
        return self.ranks[id(cell)]

    def draw(self, scene: Scene, palette: Palette) -> None:
        """Draw the arrows into a scene."""
        for edge in self.edges:
            stroke = palette.arrow_colors[edge.arrow.kind]
            scene.lines.append(Line(tuple(self._compute_route(edge)), stroke, edge.arrow.cropped))

    def _compute_route(self, edge: Edge) -> list[Point]:
        source_rank, target_rank = self.get_rank(edge.source), self.get_rank(edge.target)
        x0 = self.column_left[source_rank] + edge.source.box_spans[edge.source_box].right
        x1 = self.column_left[target_rank] + edge.target.box_spans[0].left
        y0 = self.row_middle[edge.source.stage.level] + edge.port_offsets[0]
        y1 = self.row_middle[edge.target.stage.level] + edge.port_offsets[1]
        first, second = edge.track_xs
        if edge.lane_index is not None:
            lane = self._compute_lane_y(edge)
            points = [(x0, y0), (first, y0), (first, lane), (second, lane), (second, y1), (x1, y1)]
        elif abs(y0 - y1) < 0.01:
            points = [(x0, y0), (x1, y1)]
        else:
            points = [(x0, y0), (second, y0), (second, y1), (x1, y1)]
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
        """Return the height of the labels above the boxes of a row."""
        return SPACE_ABOVE_ROW + max(c.output_name_height for c in self.cells if c.stage.level == level)


def compute_layout(cells: Sequence[Cell], edges: Sequence[Edge], top: float) -> Layout:
    """Compute the positions of cells and arrows.

    Args:
        cells: The cells, in the order in which their stages run.
        edges: The arrows between cells; their tracks, lanes and port offsets are set.
        top: The height below which the first row starts, in points.

    Returns:
        The finished layout.
    """
    layout = Layout(cells, edges)
    _assign_ranks(layout)
    crossed_gaps = {edge: _find_crossed_gaps(layout, edge) for edge in edges}
    lanes = _assign_lanes(layout, crossed_gaps)
    _spread_ports(layout, crossed_gaps)
    _place_columns(layout, crossed_gaps)
    _place_rows(layout, lanes, top)
    return layout


def _assign_ranks(layout: Layout) -> None:
    """Assign each cell a column behind all its inputs, with at most one cell of a row in a column."""
    taken: set[tuple[int, int]] = set()
    for cell in layout.cells:
        inputs = [layout.ranks[id(e.source)] for e in layout.edges if e.target is cell and id(e.source) in layout.ranks]
        rank = max(inputs, default=-1) + 1
        while (rank, cell.stage.level) in taken:
            rank += 1
        taken.add((rank, cell.stage.level))
        layout.ranks[id(cell)] = rank


def _find_crossed_gaps(layout: Layout, edge: Edge) -> tuple[int, ...]:
    """Return the gaps in which an arrow runs vertically, by the column behind them; empty if it is straight.

    The gap behind a box that is not the last of its cell is -1.
    """
    first_gap, last_gap = layout.get_rank(edge.source) + 1, layout.get_rank(edge.target)
    source_level, target_level = edge.source.stage.level, edge.target.stage.level
    is_last_box = edge.source_box == len(edge.source.box_spans) - 1
    is_blocked = _has_cells_between(layout, target_level, first_gap, last_gap)
    if source_level == target_level and not is_blocked and is_last_box:
        return ()
    if is_last_box and (first_gap == last_gap or not _has_cells_between(layout, source_level, first_gap, last_gap)):
        return (last_gap,)
    return (first_gap if is_last_box else -1, last_gap)


def _has_cells_between(layout: Layout, level: int, first_rank: int, end_rank: int) -> bool:
    """Return whether a row has cells between two columns."""
    return any(c.stage.level == level and first_rank <= layout.get_rank(c) < end_rank for c in layout.cells)


def _assign_lanes(layout: Layout, crossed_gaps: dict[Edge, tuple[int, ...]]) -> Counter[int]:
    """Assign a lane to each arrow that passes other cells, so that none overlap; return the lanes per row."""
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
    """Place the columns side by side, with a track in each gap for every arrow that runs vertically there."""
    tracks: dict[int, list[tuple[Edge, int]]] = defaultdict(list)
    for edge in layout.edges:
        for end, gap in enumerate(crossed_gaps[edge]):
            tracks[gap].append((edge, end if len(crossed_gaps[edge]) == 2 else 1))
    x = MARGIN
    for rank in range(max(layout.ranks.values()) + 1):
        gap_edges = tracks.get(rank, [])
        if rank:
            for index, (edge, end) in enumerate(_untangle_tracks(gap_edges)):
                track_x = x + COLUMN_GAP / 2 + TRACK_SPACING * index
                edge.track_xs = (track_x, edge.track_xs[1]) if end == 0 else (edge.track_xs[0], track_x)
            x += COLUMN_GAP + TRACK_SPACING * max(len(gap_edges) - 1, 0)
        layout.column_left[rank] = x
        x += max(c.width for c in layout.cells if layout.get_rank(c) == rank)
    _place_inner_tracks(layout, [edge for edge, _ in tracks.get(-1, [])])
    layout.right = x + MARGIN


def _untangle_tracks(gap_edges: list[tuple[Edge, int]]) -> list[tuple[Edge, int]]:
    """Return the arrows of a gap in track order; if no order avoids an overlap, shift the end of an arrow."""
    segments = [_build_segment(edge, end) for edge, end in gap_edges]
    order = order_tracks(segments)
    for index in find_conflicts(segments, order):
        edge = gap_edges[index][0]
        edge.port_offsets = (edge.port_offsets[0], edge.port_offsets[1] + PORT_SPACING / 2)
    return [gap_edges[index] for index in order]


def _build_segment(edge: Edge, end: int) -> VerticalSegment:
    entry = GapCrossing(edge.source.stage.level, edge.port_offsets[0])
    exit_ = GapCrossing(edge.target.stage.level, edge.port_offsets[1])
    if edge.lane_index is None:
        return VerticalSegment(entry, exit_)
    return VerticalSegment(None, exit_) if end else VerticalSegment(entry, None)


def _place_inner_tracks(layout: Layout, edges: Sequence[Edge]) -> None:
    """Place the first tracks of arrows whose source box is not the last of its cell: directly behind that box."""
    edges_by_box: dict[tuple[int, int], list[Edge]] = defaultdict(list)
    for edge in edges:
        edges_by_box[id(edge.source), edge.source_box].append(edge)
    for box_edges in edges_by_box.values():
        for index, edge in enumerate(box_edges):
            x = layout.column_left[layout.get_rank(edge.source)] + edge.source.box_spans[edge.source_box].right
            edge.track_xs = (x + INNER_TRACK_OFFSET + INNER_TRACK_ROOM * index / len(box_edges), edge.track_xs[1])


def _place_rows(layout: Layout, lanes: Counter[int], top: float) -> None:
    """Place the rows one below the other, with room for labels and lanes."""
    y = top
    for level in sorted({c.stage.level for c in layout.cells}):
        height = max(c.height for c in layout.cells if c.stage.level == level)
        y += layout.compute_space_above(level) + LANE_SPACING * lanes[level]
        layout.row_middle[level] = y + height / 2
        y += height + SPACE_BELOW_ROW
    layout.bottom = y


def _spread_ports(layout: Layout, crossed_gaps: dict[Edge, tuple[int, ...]]) -> None:
    """Spread the ends of arrows over the sides of boxes, with both ends of a straight arrow at one height.

    An arrow that cannot be straight is routed through the gap before its target instead.
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
        # The middle of a box that is not the last of its cell is taken by the arrow to the next box.
        room = half if edges[0].source_box < len(edges[0].source.box_spans) - 1 else 2 * half
        for number, edge in enumerate(edges, start=1):
            edge.port_offsets = (room * number / (len(edges) + 1) - half, edge.port_offsets[1])
    for edge in layout.edges:
        source_edges, target_edges = leaving[id(edge.source), edge.source_box], arriving[id(edge.target)]
        if not crossed_gaps[edge] and not _try_straighten(edge, source_edges, target_edges):
            crossed_gaps[edge] = (layout.get_rank(edge.target),)


def _try_straighten(edge: Edge, leaving: Sequence[Edge], arriving: Sequence[Edge]) -> bool:
    """Move one end of an arrow to the height of the other if a box is high enough; return whether it was."""
    start, end = edge.port_offsets
    leaving_offsets = [e.port_offsets[0] for e in leaving if e is not edge]
    arriving_offsets = [e.port_offsets[1] for e in arriving if e is not edge]
    for offset, taken, half in (
        (end, leaving_offsets, edge.source.box_spans[edge.source_box].half_height),
        (start, arriving_offsets, edge.target.box_spans[0].half_height),
    ):
        if abs(offset) < half and all(abs(other - offset) > PORT_SPACING / 2 for other in taken):
            edge.port_offsets = (offset, offset)
            return True
    return False
