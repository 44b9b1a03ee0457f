"""Draw a network at an input size as a U figure."""

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

# The default size of a network without input_size: the smallest that fits and is at least this on each axis.
DEFAULT_MIN_SIZE = 64


@dataclass(frozen=True)
class Figure:
    """The U figure of a network. Notebooks display it; ``save`` writes SVG, PNG or PDF.

    Attributes:
        name: The network's name, used as the title.
        graph: The network's graph.
        sizes: The spatial size of each node's output.
        style: ``paper`` draws every feature map that all paths of a level pass through, ``compact`` the last map of
            each level, ``detail`` a card for each level that lists every op.
        theme: ``light`` or ``dark``.
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
        """Create the figure of a graph at an input size.

        Args:
            name: The network's name, used as the title.
            graph: The network's graph.
            input_size: The spatial input size; by default the graph's own, or else a small size that fits.
            style: ``paper``, ``compact`` or ``detail``.
            theme: ``light`` or ``dark``.

        Raises:
            SizeError: The network does not accept the input size.
            FormatError: The style or theme is unknown.

        Examples:
            >>> import unetgen
            >>> figure = Figure.of("small", unetgen.graph_of("unet_paper"), (188, 188), style="compact")
            >>> figure.svg.startswith("<svg")
            True
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
        """Write the figure to a file.

        Args:
            path: The file to write; its suffix is ``.svg``, ``.png`` or ``.pdf``.

        Raises:
            FormatError: The suffix is unknown, or the file cannot be written.
            MissingDependencyError: The format needs a package that is not installed.
        """
        write_scene(self.scene, path)

    def _repr_svg_(self) -> str:
        return self.svg

    @cached_property
    def scene(self) -> Scene:
        """The positions of all boxes, lines and texts."""
        palette = PALETTES[self.theme]
        renderer = CellRenderer(self.graph, self.sizes, palette)
        stages = split_into_stages(self.graph)
        cells = {stage.name: renderer.build_cell(stage, self.style, _count_ports(stage, stages)) for stage in stages}
        edges = list(self._build_edges(stages, cells))
        scene = Scene(self.name or "network", palette.background)
        layout = compute_layout(list(cells.values()), edges, self._draw_title(scene))
        for cell in cells.values():
            renderer.draw(cell, scene, layout.column_left[layout.get_rank(cell)], layout.row_middle[cell.stage.level])
        layout.draw(scene, palette)
        scene.width = max(layout.right, max(text.bounds.right for text in scene.texts) + MARGIN)
        arrows = [arrow for cell in cells.values() for arrow in cell.arrows[1:]] + [edge.arrow for edge in edges]
        merges = [self._describe_merge(stage) for stage in stages] if self.style == "compact" else []
        scene.height = draw_legend(scene, arrows, merges, palette, layout.bottom + MARGIN) + MARGIN
        return scene

    def _draw_title(self, scene: Scene) -> float:
        """Draw the network's name, its shapes and its cost; return where the first row can start."""
        palette, cost = PALETTES[self.theme], total_cost(self.graph, self.sizes)
        outputs = ", ".join(map(self._format_output, self.graph.outputs))
        facts = f"{self._format_shape(0)} -> {outputs}, {cost.params:,} parameters, {cost.macs:,} MACs"
        scene.texts.append(
            Text(MARGIN, MARGIN + TITLE_FONT_SIZE, scene.title, TITLE_FONT_SIZE, palette.text, bold=True)
        )
        scene.texts.append(
            Text(MARGIN, MARGIN + TITLE_FONT_SIZE + FONT_SIZE + 5, facts, SMALL_FONT_SIZE, palette.muted_text)
        )
        return MARGIN + TITLE_FONT_SIZE + 2 * FONT_SIZE + 5

    def _format_output(self, output: Output) -> str:
        """Format an output as its name and shape; of a list of maps, the shape of the first."""
        more = f" and {len(output.nodes) - 1} more" if len(output.nodes) > 1 else ""
        return " ".join(filter(None, (output.name, self._format_shape(output.nodes[0])))) + more

    def _format_shape(self, index: int) -> str:
        node = self.graph.nodes[index]
        return " × ".join(map(str, (node.channels, *(() if node.op.has_no_spatial_axes else self.sizes[index]))))

    def _build_edges(self, stages: list[Stage], cells: dict[str, Cell]) -> Iterator[Edge]:
        reader = ArrowReader(self.graph, self.sizes)
        for stage in stages:
            for connection in stage.connections:
                source = cells[connection.source_stage]
                gate = GateModule(stage.gate_path, stage.is_gated(connection))
                node_path = self._find_arrow_path(stage, connection)
                arrow = reader.read_across_stages(node_path, stage.choose_arrow_kind(connection), gate)
                yield Edge(source, source.find_box(connection.source_node), cells[stage.name], arrow)

    def _find_arrow_path(self, stage: Stage, connection: Connection) -> tuple[Node, ...]:
        """Return the nodes along an arrow; if a stage has one input only, up to the next box that is drawn."""
        if len(stage.connections) > 1 or self.style == "detail":
            return stage.collect_path(connection)
        drawn_maps = stage.maps if self.style == "compact" else stage.maps[:1]
        return (*connection.node_path, *(node for drawn_map in drawn_maps for node in drawn_map.node_path))

    def _describe_merge(self, stage: Stage) -> str:
        """Describe how a stage that is drawn as one box merges its inputs."""
        return (
            ArrowReader(self.graph, self.sizes).describe_path(stage.nodes_from_merge)
            if len(stage.connections) > 1
            else ""
        )


def _check_choice(option: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise FormatError if an option of a figure has an unknown value."""
    if value not in choices:
        hint = did_you_mean(str(value), choices) or f"choose a valid {option}"
        raise FormatError(f"{option}: must be {', '.join(choices[:-1])} or {choices[-1]}, not {value!r}; {hint}")


def _count_ports(stage: Stage, stages: list[Stage]) -> int:
    """Return the number of arrows on the busier side of a stage."""
    num_leaving = sum(connection.source_stage == stage.name for other in stages for connection in other.connections)
    return max(len(stage.connections), num_leaving)
