"""Cell: a stage as one style shows it. Maps in a row, one map, or a card that names every op."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2, prod
from typing import Literal, NamedTuple

from unetgen.figure.arrow import Arrow, ArrowKind, ArrowReader
from unetgen.figure.op_labels import describe_op, format_size
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Box, Line, Scene, Text, measure_text_width
from unetgen.figure.stage import DrawnMap, Stage
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import Add, Concat, Maximum, Multiply
from unetgen.graph.ops.base import Op, Size

Style = Literal["paper", "compact", "detail"]

FONT_SIZE = 9.0
SMALL_FONT_SIZE = 8.0
LEADING = 11.0

# Between two maps of a stage, for an arrow.
BOX_GAP = 18.0

# Letters stand so far above a box and below it; what an output is called stands over them.
LABEL_OFFSET_ABOVE, LABEL_OFFSET_BELOW, OUTPUT_NAME_HEIGHT = 3.0, 9.0, 10.0

# The height of a map as large as the image, and of the smallest.
MAX_MAP_HEIGHT, MIN_MAP_HEIGHT = 96.0, 14.0

# An edge takes so much of a box's side.
PORT_SPACING = 7.0

_MERGE_SYMBOLS: dict[type[Op], str] = {Add: "+", Multiply: "×", Maximum: "max"}


class BoxSpan(NamedTuple):
    """Where arrows can leave or reach a box: its left and right from the cell's left, and half its height."""

    left: float
    right: float
    half_height: float


@dataclass(slots=True)
class Cell:
    """What is drawn of a stage: ``width`` and the height of its boxes; letters stand above and below."""

    stage: Stage
    width: float
    height: float
    box_spans: list[BoxSpan]
    drawn_maps: list[DrawnMap]
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def output_name_height(self) -> float:
        """What the name of an output takes above the letters that all boxes have."""
        return OUTPUT_NAME_HEIGHT if self.drawn_maps and self.stage.output_name else 0.0

    def find_box(self, node_index: int) -> int:
        """Which box stands for a node."""
        if len(self.box_spans) == 1:
            return 0
        return next(
            (n for n, found in enumerate(self.drawn_maps) if found.last_index >= node_index), len(self.drawn_maps) - 1
        )


class CellRenderer(NamedTuple):
    """What cells are drawn from."""

    graph: Graph
    sizes: tuple[Size, ...]
    palette: Palette

    @property
    def arrow_reader(self) -> ArrowReader:
        """What arrows are read with."""
        return ArrowReader(self.graph, self.sizes)

    def build_cell(self, stage: Stage, style: Style, num_ports: int) -> Cell:
        """A stage in a style, its boxes high enough for so many arrows on a side."""
        if style == "detail":
            return self._build_card(stage)
        shown = self._collapse_repeats(stage) if style == "paper" else stage.maps[-1:]
        sides, left = [], 0.0
        for number, found in enumerate(shown):
            name = stage.output_name if found is shown[-1] else ""
            slot = max(
                self._compute_box_width(found.node),
                self._compute_labels_width(shown, number),
                measure_text_width(name, SMALL_FONT_SIZE, bold=True),
            )
            middle = left + slot / 2
            half = max(self._compute_box_height(found.node), PORT_SPACING * (num_ports + 1)) / 2
            sides.append(
                BoxSpan(
                    middle - self._compute_box_width(found.node) / 2,
                    middle + self._compute_box_width(found.node) / 2,
                    half,
                )
            )
            left += slot + BOX_GAP
        kind: ArrowKind = "head" if stage.side in ("head", "output") else "conv"
        arrows = (
            [self.arrow_reader.read_within_stage(found.node_path, kind) for found in shown] if style == "paper" else []
        )
        return Cell(stage, left - BOX_GAP, 2 * max(side.half_height for side in sides), sides, shown, arrows)

    def draw(self, cell: Cell, scene: Scene, x: float, middle: float) -> None:
        """Puts a cell into a scene, its left at x and its middle at that height."""
        if not cell.drawn_maps:
            self._draw_card(cell, scene, x, middle)
            return
        for number, (found, side) in enumerate(zip(cell.drawn_maps, cell.box_spans, strict=True)):
            self._draw_map(cell, found, scene, (x + side.left, middle - side.half_height, side))
            self._draw_labels(cell, number, scene, (x + (side.left + side.right) / 2, middle))
            if number:
                start = (x + cell.box_spans[number - 1].right, middle)
                stroke = self.palette.arrow_colors[cell.arrows[number].kind]
                scene.lines.append(Line((start, (x + side.left, middle)), stroke))

    def _draw_labels(self, cell: Cell, index: int, scene: Scene, position: tuple[float, float]) -> None:
        """Writes what stands above a box and below it, in the middle of the box."""
        centre, middle = position
        path, half = cell.drawn_maps[index].node.path, cell.box_spans[index].half_height
        above, below = self._format_labels(cell.drawn_maps, index)
        for string, y, ink in (
            (above, middle - half - LABEL_OFFSET_ABOVE, self.palette.text),
            (below, middle + half + LABEL_OFFSET_BELOW, self.palette.muted_text),
        ):
            if string:
                scene.texts.append(Text(centre, y, string, SMALL_FONT_SIZE, ink, "middle", path=path))
        if cell.output_name_height and index == len(cell.drawn_maps) - 1:
            y, name = middle - half - LABEL_OFFSET_ABOVE - OUTPUT_NAME_HEIGHT, cell.stage.output_name
            scene.texts.append(
                Text(centre, y, name, SMALL_FONT_SIZE, self.palette.text, "middle", bold=True, path=path)
            )

    # Maps

    def _collapse_repeats(self, stage: Stage) -> list[DrawnMap]:
        """The maps of a stage; three or more in a row that are alike are one that says how many."""
        found: list[list[DrawnMap]] = []
        for one in stage.maps:
            alike = (
                found
                and self._build_repeat_key(found[-1][-1]) == self._build_repeat_key(one)
                and len(one.node_path) > 0
            )
            found[-1].append(one) if alike else found.append([one])
        shown = []
        for run in found:
            if len(run) > 2:
                shown.append(DrawnMap(run[-1].node, run[-1].node_path, run[-1].last_index, len(run)))
            else:
                shown += run
        return shown

    def _build_repeat_key(self, drawn_map: DrawnMap) -> tuple[int, Size, Arrow]:
        return (
            drawn_map.node.channels,
            self.sizes[drawn_map.node.index],
            self.arrow_reader.read_within_stage(drawn_map.node_path, "conv"),
        )

    def _compute_box_width(self, node: Node) -> float:
        return 4 + 3 * log2(node.channels + 1)

    def _compute_box_height(self, node: Node) -> float:
        """The root of what a map's sides are of the image's, so that small ones can still be seen."""
        if node.op.has_no_spatial_axes:
            return MIN_MAP_HEIGHT
        ratio: float = prod(self.sizes[node.index]) / prod(self.sizes[0])
        return float(max(MAX_MAP_HEIGHT * ratio ** (1 / (2 * self.graph.dims)), MIN_MAP_HEIGHT))

    def _compute_labels_width(self, drawn_maps: Sequence[DrawnMap], index: int) -> float:
        return max(measure_text_width(text, SMALL_FONT_SIZE) for text in self._format_labels(drawn_maps, index))

    def _format_labels(self, drawn_maps: Sequence[DrawnMap], index: int) -> tuple[str, str]:
        """What stands above a map, its channels, and below, its size where that is another than the one before."""
        found = drawn_maps[index]
        size = self.sizes[found.node.index]
        same = index > 0 and self.sizes[drawn_maps[index - 1].node.index] == size
        told = "" if same or found.node.op.has_no_spatial_axes else format_size(size)
        return str(found.node.channels), " ".join(
            filter(None, (told, f"{found.repeats}×" if found.repeats > 1 else ""))
        )

    def _draw_map(self, cell: Cell, drawn_map: DrawnMap, scene: Scene, position: tuple[float, float, BoxSpan]) -> None:
        x, y, side = position
        width, height, path = side.right - side.left, 2 * side.half_height, drawn_map.node.path
        met = cell.stage.maps[0].node if drawn_map is cell.drawn_maps[0] and len(cell.stage.connections) > 1 else None
        tip = f"{path}: {drawn_map.node.channels} × {'×'.join(map(str, self.sizes[drawn_map.node.index]))}"
        left = x
        for share, copied in (
            self._iter_input_shares(cell.stage, drawn_map.node) if met is drawn_map.node else [(1.0, False)]
        ):
            fill = self.palette.copied_map_fill if copied else self.palette.map_fill
            scene.boxes.append(Box(left, y, width * share, height, fill, self.palette.outline, path, tip))
            left += width * share
        sign = _MERGE_SYMBOLS.get(type(met.op), "") if met else ""
        size = next((s for s in (FONT_SIZE + 2, SMALL_FONT_SIZE) if measure_text_width(sign, s) <= width - 2), 0.0)
        if sign and size:
            base = y + height / 2 + size / 3
            scene.texts.append(Text(x + width / 2, base, sign, size, self.palette.text, "middle", path=path))

    def _iter_input_shares(self, stage: Stage, node: Node) -> Iterator[tuple[float, bool]]:
        """The shares of a concatenated map, and whether each was handed over from another side."""
        if not isinstance(node.op, Concat):
            yield 1.0, False
            return
        for source in node.inputs:
            origin = stage.find_origin(source)
            yield self.graph.nodes[source].channels / node.channels, origin is not None and not origin.is_upsampled

    # Cards

    def _build_card(self, stage: Stage) -> Cell:
        rows = list(self._iter_card_rows(stage))
        lines = [sum(measure_text_width(column, SMALL_FONT_SIZE) for column in row) + 16 for row in rows]
        width = max(measure_text_width(stage.title, FONT_SIZE, bold=True), *lines) + 12
        height = LEADING * (len(rows) + 1) + 10
        return Cell(stage, width, height, [BoxSpan(0, width, height / 2)], [])

    def _iter_card_rows(self, stage: Stage) -> Iterator[tuple[str, str]]:
        entry = [stage.maps[0].node] if stage.maps and stage.maps[0].node not in stage.nodes else []
        for node in [*entry, *stage.nodes]:
            name = node.path.removeprefix(f"{stage.title}.")
            size = "" if node.op.has_no_spatial_axes else f" · {format_size(self.sizes[node.index])}"
            yield f"{name}: {describe_op(node.op) or node.op.kind}", f"{node.channels}{size}"

    def _draw_card(self, cell: Cell, scene: Scene, x: float, middle: float) -> None:
        top = middle - cell.height / 2
        path = cell.stage.title
        scene.boxes.append(
            Box(x, top, cell.width, cell.height, self.palette.background, self.palette.outline, path, path)
        )
        scene.texts.append(Text(x + 6, top + LEADING + 1, path, FONT_SIZE, self.palette.text, bold=True, path=path))
        for number, (name, shape) in enumerate(self._iter_card_rows(cell.stage), start=2):
            y = top + LEADING * number + 2
            scene.texts.append(Text(x + 6, y, name, SMALL_FONT_SIZE, self.palette.text, path=path))
            scene.texts.append(
                Text(x + cell.width - 6, y, shape, SMALL_FONT_SIZE, self.palette.muted_text, "end", path=path)
            )
