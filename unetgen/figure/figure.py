"""Figure: the picture of a network at an input size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from unetgen.analysis.cost import total_cost
from unetgen.errors import FormatError, did_you_mean
from unetgen.figure.arrow import ArrowReader, GateModule
from unetgen.figure.cell import FONT_SIZE, SMALL_FONT_SIZE, Cell, CellRenderer, Style
from unetgen.figure.file_output import write_scene
from unetgen.figure.layout import MARGIN, Edge, compute_layout
from unetgen.figure.legend import draw_legend
from unetgen.figure.palette import PALETTES, Theme
from unetgen.figure.scene import Scene, Text
from unetgen.figure.stage import Connection, Stage, split_into_stages
from unetgen.figure.svg import render_svg
from unetgen.graph.graph import Graph, Output
from unetgen.graph.node import Node
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes, smallest_fitting_size

TITLE_FONT_SIZE = 13.0

# Where a network names no size, the smallest that fits and is no smaller than this stands in.
DEFAULT_MIN_SIZE = 64


@dataclass(frozen=True)
class Figure:
    """The U of a network. In a notebook it shows itself; ``save`` writes SVG, PNG or PDF.

    ``sizes`` are those of every node's output. ``paper`` draws every map that all others of a level pass through,
    ``compact`` the last of each level, ``detail`` names every op.
    """

    name: str
    graph: Graph
    sizes: tuple[Size, ...]
    style: Style = "paper"
    theme: Theme = "light"

    @classmethod
    def of(
        cls, name: str, graph: Graph, input_size: Size | None = None, style: Style = "paper", theme: Theme = "light"
    ) -> Figure:
        """The figure for a size, else for the graph's own, else for a small one that fits.

        Raises SizeError, and FormatError for a style or theme that there is not.
        """
        _check_choice("style", style, get_args(Style))
        _check_choice("theme", theme, get_args(Theme))
        size = input_size or graph.input_size or smallest_fitting_size(graph, DEFAULT_MIN_SIZE) or (1,) * graph.dims
        return cls(name, graph, check_sizes(graph, size), style, theme)

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG document."""
        return render_svg(self.scene)

    def save(self, path: str | Path) -> None:
        """Writes .svg, .png or .pdf. Raises FormatError for another suffix or where it cannot, and MissingExtra."""
        write_scene(self.scene, path)

    def _repr_svg_(self) -> str:
        return self.svg

    @cached_property
    def scene(self) -> Scene:
        """Everything with its place."""
        palette = PALETTES[self.theme]
        drawer = CellRenderer(self.graph, self.sizes, palette)
        found = split_into_stages(self.graph)
        cells = {stage.name: drawer.build_cell(stage, self.style, _count_ports(stage, found)) for stage in found}
        edges = list(self._build_edges(found, cells))
        scene = Scene(self.name or "network", palette.background)
        layout = compute_layout(list(cells.values()), edges, self._draw_title(scene))
        for cell in cells.values():
            drawer.draw(cell, scene, layout.column_left[layout.get_rank(cell)], layout.row_middle[cell.stage.level])
        layout.draw(scene, palette)
        scene.width = max(layout.right, max(text.bounds.right for text in scene.texts) + MARGIN)
        arrows = [arrow for cell in cells.values() for arrow in cell.arrows[1:]] + [edge.arrow for edge in edges]
        made = [self._describe_merge(stage) for stage in found] if self.style == "compact" else []
        scene.height = draw_legend(scene, arrows, made, palette, layout.bottom + MARGIN) + MARGIN
        return scene

    def _draw_title(self, scene: Scene) -> float:
        """Writes what the network is called and what it makes of what; gives where the first row can begin."""
        palette, cost = PALETTES[self.theme], total_cost(self.graph, self.sizes)
        made = ", ".join(map(self._format_output, self.graph.outputs))
        facts = f"{self._format_shape(0)} -> {made}, {cost.params:,} parameters, {cost.macs:,} MACs"
        scene.texts.append(
            Text(MARGIN, MARGIN + TITLE_FONT_SIZE, scene.title, TITLE_FONT_SIZE, palette.text, bold=True)
        )
        scene.texts.append(
            Text(MARGIN, MARGIN + TITLE_FONT_SIZE + FONT_SIZE + 5, facts, SMALL_FONT_SIZE, palette.muted_text)
        )
        return MARGIN + TITLE_FONT_SIZE + 2 * FONT_SIZE + 5

    def _format_output(self, output: Output) -> str:
        """The name and shape of an output; of several maps the first one's."""
        more = f" and {len(output.nodes) - 1} more" if len(output.nodes) > 1 else ""
        return " ".join(filter(None, (output.name, self._format_shape(output.nodes[0])))) + more

    def _format_shape(self, index: int) -> str:
        node = self.graph.nodes[index]
        return " × ".join(map(str, (node.channels, *(() if node.op.has_no_spatial_axes else self.sizes[index]))))

    def _build_edges(self, stages: list[Stage], cells: dict[str, Cell]) -> Iterator[Edge]:
        reading = ArrowReader(self.graph, self.sizes)
        for stage in stages:
            for passage in stage.connections:
                source = cells[passage.source_stage]
                gate = GateModule(stage.gate_path, stage.is_gated(passage))
                arrow = reading.read_across_stages(
                    self._find_arrow_path(stage, passage), stage.choose_arrow_kind(passage), gate
                )
                yield Edge(source, source.find_box(passage.source_node), cells[stage.name], arrow)

    def _find_arrow_path(self, stage: Stage, connection: Connection) -> tuple[Node, ...]:
        """What a map goes through until it is drawn again; if nothing else is read, all that leads to the next box."""
        if len(stage.connections) > 1 or self.style == "detail":
            return stage.collect_path(connection)
        shown = stage.maps if self.style == "compact" else stage.maps[:1]
        return (*connection.node_path, *(node for found in shown for node in found.node_path))

    def _describe_merge(self, stage: Stage) -> str:
        """What a box that stands for a whole stage makes of the maps that meet there."""
        return (
            ArrowReader(self.graph, self.sizes).describe_path(stage.nodes_from_merge)
            if len(stage.connections) > 1
            else ""
        )


def _check_choice(option: str, value: object, choices: tuple[str, ...]) -> None:
    """Raises FormatError for what figures do not have."""
    if value not in choices:
        way_out = did_you_mean(str(value), choices) or "choose one of them"
        raise FormatError(
            f"{option}: figures have {', '.join(choices[:-1])} and {choices[-1]}, not {value!r}; {way_out}"
        )


def _count_ports(stage: Stage, stages: list[Stage]) -> int:
    """How many arrows come and go on the fuller side of a stage."""
    leaving = sum(passage.source_stage == stage.name for other in stages for passage in other.connections)
    return max(len(stage.connections), leaving)
