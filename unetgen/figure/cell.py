"""Draw one stage in a style: a row of feature maps, a single map, or a card that lists every op."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log2, prod
from typing import Literal, NamedTuple

from unetgen.figure.arrow import Arrow, ArrowKind, ArrowReader
from unetgen.figure.figure_labels import format_size, label_op
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

# The space for an arrow between two feature maps of a stage.
BOX_GAP = 18.0

# The distance of labels above and below a box; an output's name is above the upper label.
LABEL_OFFSET_ABOVE, LABEL_OFFSET_BELOW, OUTPUT_NAME_HEIGHT = 3.0, 9.0, 10.0

# The box height of a feature map as large as the image, and the minimum height.
MAX_MAP_HEIGHT, MIN_MAP_HEIGHT = 96.0, 14.0

# The space that each arrow takes on a box's side.
PORT_SPACING = 7.0

_MERGE_SYMBOLS: dict[type[Op], str] = {Add: "+", Multiply: "×", Maximum: "max"}


class BoxSpan(NamedTuple):
    """The left and right side of a box, relative to the cell's left, and half the box's height."""

    left: float
    right: float
    half_height: float


@dataclass(slots=True)
class Cell:
    """The drawing of a stage: its width, the height of its boxes (without labels), and its arrows."""

    stage: Stage
    width: float
    height: float
    box_spans: list[BoxSpan]
    drawn_maps: list[DrawnMap]
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def output_name_height(self) -> float:
        """The height of an output's name, above the labels that all boxes have."""
        return OUTPUT_NAME_HEIGHT if self.drawn_maps and self.stage.output_name else 0.0

    def find_box(self, node_index: int) -> int:
        """Return the index of the box that represents a node."""
        if len(self.box_spans) == 1:
            return 0
        return next(
            (i for i, drawn_map in enumerate(self.drawn_maps) if drawn_map.last_index >= node_index),
            len(self.drawn_maps) - 1,
        )


class CellRenderer(NamedTuple):
    """Builds cells and draws them into a scene."""

    graph: Graph
    sizes: tuple[Size, ...]
    palette: Palette

    @property
    def arrow_reader(self) -> ArrowReader:
        """The reader that labels this graph's arrows."""
        return ArrowReader(self.graph, self.sizes)

    def build_cell(self, stage: Stage, style: Style, num_ports: int) -> Cell:
        """Build the cell of a stage.

        Args:
            stage: The stage to draw.
            style: ``paper``, ``compact`` or ``detail``.
            num_ports: The number of arrows that must fit on one side of each box.

        Returns:
            The cell, with box positions relative to its left side and its middle.
        """
        if style == "detail":
            return self._build_card(stage)
        drawn_maps = self._collapse_repeats(stage) if style == "paper" else stage.maps[-1:]
        spans, left = [], 0.0
        for index, drawn_map in enumerate(drawn_maps):
            name = stage.output_name if drawn_map is drawn_maps[-1] else ""
            box_width = self._compute_box_width(drawn_map.node)
            slot = max(
                box_width,
                self._compute_labels_width(drawn_maps, index),
                measure_text_width(name, SMALL_FONT_SIZE, bold=True),
            )
            middle = left + slot / 2
            half = max(self._compute_box_height(drawn_map.node), PORT_SPACING * (num_ports + 1)) / 2
            spans.append(BoxSpan(middle - box_width / 2, middle + box_width / 2, half))
            left += slot + BOX_GAP
        kind: ArrowKind = "head" if stage.side in ("head", "output") else "conv"
        arrows = (
            [self.arrow_reader.read_within_stage(drawn_map.node_path, kind) for drawn_map in drawn_maps]
            if style == "paper"
            else []
        )
        return Cell(stage, left - BOX_GAP, 2 * max(span.half_height for span in spans), spans, drawn_maps, arrows)

    def draw(self, cell: Cell, scene: Scene, x: float, middle: float) -> None:
        """Draw a cell into a scene.

        Args:
            cell: The cell to draw.
            scene: The scene that receives the boxes, labels and arrows.
            x: The left side of the cell, in points.
            middle: The height of the cell's middle, in points from the top.
        """
        if not cell.drawn_maps:
            self._draw_card(cell, scene, x, middle)
            return
        for index, (drawn_map, span) in enumerate(zip(cell.drawn_maps, cell.box_spans, strict=True)):
            self._draw_map(cell, drawn_map, scene, (x + span.left, middle - span.half_height, span))
            self._draw_labels(cell, index, scene, (x + (span.left + span.right) / 2, middle))
            if index:
                start = (x + cell.box_spans[index - 1].right, middle)
                stroke = self.palette.arrow_colors[cell.arrows[index].kind]
                scene.lines.append(Line((start, (x + span.left, middle)), stroke))

    def _draw_labels(self, cell: Cell, index: int, scene: Scene, position: tuple[float, float]) -> None:
        """Draw the labels above and below a box, centred on it."""
        centre, middle = position
        path, half = cell.drawn_maps[index].node.path, cell.box_spans[index].half_height
        above, below = self._format_labels(cell.drawn_maps, index)
        for string, y, color in (
            (above, middle - half - LABEL_OFFSET_ABOVE, self.palette.text),
            (below, middle + half + LABEL_OFFSET_BELOW, self.palette.muted_text),
        ):
            if string:
                scene.texts.append(Text(centre, y, string, SMALL_FONT_SIZE, color, "middle", path=path))
        if cell.output_name_height and index == len(cell.drawn_maps) - 1:
            y, name = middle - half - LABEL_OFFSET_ABOVE - OUTPUT_NAME_HEIGHT, cell.stage.output_name
            scene.texts.append(
                Text(centre, y, name, SMALL_FONT_SIZE, self.palette.text, "middle", bold=True, path=path)
            )

    # Maps

    def _collapse_repeats(self, stage: Stage) -> list[DrawnMap]:
        """Return the feature maps of a stage, with three or more equal ones in a row drawn as one."""
        runs: list[list[DrawnMap]] = []
        for drawn_map in stage.maps:
            is_repeat = (
                runs
                and self._build_repeat_key(runs[-1][-1]) == self._build_repeat_key(drawn_map)
                and len(drawn_map.node_path) > 0
            )
            runs[-1].append(drawn_map) if is_repeat else runs.append([drawn_map])
        collapsed = []
        for run in runs:
            if len(run) > 2:
                collapsed.append(DrawnMap(run[-1].node, run[-1].node_path, run[-1].last_index, len(run)))
            else:
                collapsed += run
        return collapsed

    def _build_repeat_key(self, drawn_map: DrawnMap) -> tuple[int, Size, Arrow]:
        return (
            drawn_map.node.channels,
            self.sizes[drawn_map.node.index],
            self.arrow_reader.read_within_stage(drawn_map.node_path, "conv"),
        )

    def _compute_box_width(self, node: Node) -> float:
        return 4 + 3 * log2(node.channels + 1)

    def _compute_box_height(self, node: Node) -> float:
        """Return a height by the square root of the map's side relative to the image's, so small maps stay visible."""
        if node.op.has_no_spatial_axes:
            return MIN_MAP_HEIGHT
        ratio: float = prod(self.sizes[node.index]) / prod(self.sizes[0])
        return float(max(MAX_MAP_HEIGHT * ratio ** (1 / (2 * self.graph.dims)), MIN_MAP_HEIGHT))

    def _compute_labels_width(self, drawn_maps: Sequence[DrawnMap], index: int) -> float:
        return max(measure_text_width(text, SMALL_FONT_SIZE) for text in self._format_labels(drawn_maps, index))

    def _format_labels(self, drawn_maps: Sequence[DrawnMap], index: int) -> tuple[str, str]:
        """Return the label above a map, its channels, and below it, its size if it differs from the previous map's."""
        drawn_map = drawn_maps[index]
        size = self.sizes[drawn_map.node.index]
        is_same = index > 0 and self.sizes[drawn_maps[index - 1].node.index] == size
        size_label = "" if is_same or drawn_map.node.op.has_no_spatial_axes else format_size(size)
        repeats = f"{drawn_map.repeats}×" if drawn_map.repeats > 1 else ""
        return str(drawn_map.node.channels), " ".join(filter(None, (size_label, repeats)))

    def _draw_map(self, cell: Cell, drawn_map: DrawnMap, scene: Scene, position: tuple[float, float, BoxSpan]) -> None:
        x, y, span = position
        width, height, path = span.right - span.left, 2 * span.half_height, drawn_map.node.path
        has_merge = drawn_map is cell.drawn_maps[0] and len(cell.stage.connections) > 1
        merge_node = cell.stage.maps[0].node if has_merge else None
        tooltip = f"{path}: {drawn_map.node.channels} × {'×'.join(map(str, self.sizes[drawn_map.node.index]))}"
        left = x
        for share, is_copied in (
            self._iter_input_shares(cell.stage, drawn_map.node) if merge_node is drawn_map.node else [(1.0, False)]
        ):
            fill = self.palette.copied_map_fill if is_copied else self.palette.map_fill
            scene.boxes.append(Box(left, y, width * share, height, fill, self.palette.outline, path, tooltip))
            left += width * share
        symbol = _MERGE_SYMBOLS.get(type(merge_node.op), "") if merge_node else ""
        size = next((s for s in (FONT_SIZE + 2, SMALL_FONT_SIZE) if measure_text_width(symbol, s) <= width - 2), 0.0)
        if symbol and size:
            base = y + height / 2 + size / 3
            scene.texts.append(Text(x + width / 2, base, symbol, size, self.palette.text, "middle", path=path))

    def _iter_input_shares(self, stage: Stage, node: Node) -> Iterator[tuple[float, bool]]:
        """Yield each input's share of a concatenated map's channels, and whether it came over a skip connection."""
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
            yield f"{name}: {label_op(node.op) or node.op.kind}", f"{node.channels}{size}"

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
