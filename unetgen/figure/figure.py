"""Figure: the picture of a network at an input size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from unetgen.errors import FormatError, did_you_mean
from unetgen.figure.arrow import Gate, Reading
from unetgen.figure.cell import LETTERS, SMALL, Cell, Drawer, Style
from unetgen.figure.layout import MARGIN, Edge, laid_out
from unetgen.figure.legend import legend
from unetgen.figure.palette import PALETTES, Theme
from unetgen.figure.scene import Scene, Text
from unetgen.figure.stage import Passage, Stage, stages
from unetgen.figure.svg import svg
from unetgen.figure.writing import write
from unetgen.graph.cost import total_cost
from unetgen.graph.graph import Graph, Output
from unetgen.graph.node import Node
from unetgen.graph.ops.base import Size
from unetgen.graph.size import checked_sizes, smallest_fitting

TITLE = 13.0

# Where a network names no size, the smallest that fits and is no smaller than this stands in.
USUAL_SIZE = 64


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
        _known("style", style, get_args(Style))
        _known("theme", theme, get_args(Theme))
        size = input_size or graph.input_size or smallest_fitting(graph, USUAL_SIZE) or (1,) * graph.dims
        return cls(name, graph, checked_sizes(graph, size), style, theme)

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG document."""
        return svg(self.scene)

    def save(self, path: str | Path) -> None:
        """Writes .svg, .png or .pdf. Raises FormatError for another suffix or where it cannot, and MissingExtra."""
        write(self.scene, path)

    def _repr_svg_(self) -> str:
        return self.svg

    @cached_property
    def scene(self) -> Scene:
        """Everything with its place."""
        palette = PALETTES[self.theme]
        drawer = Drawer(self.graph, self.sizes, palette)
        found = stages(self.graph)
        cells = {stage.name: drawer.cell(stage, self.style, _ports(stage, found)) for stage in found}
        edges = list(self._edges(found, cells))
        scene = Scene(self.name or "network", palette.background)
        layout = laid_out(list(cells.values()), edges, self._titled(scene))
        for cell in cells.values():
            drawer.draw(cell, scene, layout.left[layout.rank(cell)], layout.middle[cell.stage.level])
        layout.draw(scene, palette)
        scene.width = max(layout.right, max(text.extent.right for text in scene.texts) + MARGIN)
        arrows = [arrow for cell in cells.values() for arrow in cell.arrows[1:]] + [edge.arrow for edge in edges]
        made = [self._made(stage) for stage in found] if self.style == "compact" else []
        scene.height = legend(scene, arrows, made, palette, layout.bottom + MARGIN) + MARGIN
        return scene

    def _titled(self, scene: Scene) -> float:
        """Writes what the network is called and what it makes of what; gives where the first row can begin."""
        palette, cost = PALETTES[self.theme], total_cost(self.graph, self.sizes)
        made = ", ".join(map(self._handed_out, self.graph.outputs))
        facts = f"{self._shape(0)} -> {made}, {cost.params:,} parameters, {cost.macs:,} MACs"
        scene.texts.append(Text(MARGIN, MARGIN + TITLE, scene.title, TITLE, palette.ink, bold=True))
        scene.texts.append(Text(MARGIN, MARGIN + TITLE + LETTERS + 5, facts, SMALL, palette.faint))
        return MARGIN + TITLE + 2 * LETTERS + 5

    def _handed_out(self, output: Output) -> str:
        """The name and shape of an output; of several maps the first one's."""
        more = f" and {len(output.nodes) - 1} more" if len(output.nodes) > 1 else ""
        return " ".join(filter(None, (output.name, self._shape(output.nodes[0])))) + more

    def _shape(self, index: int) -> str:
        node = self.graph.nodes[index]
        return " × ".join(map(str, (node.channels, *(() if node.op.flat else self.sizes[index]))))

    def _edges(self, found: list[Stage], cells: dict[str, Cell]) -> Iterator[Edge]:
        reading = Reading(self.graph, self.sizes)
        for stage in found:
            for passage in stage.passages:
                source = cells[passage.source]
                gate = Gate(stage.gate, stage.gates(passage))
                arrow = reading.across(self._way(stage, passage), stage.kind(passage), gate)
                yield Edge(source, source.side(passage.node), cells[stage.name], arrow)

    def _way(self, stage: Stage, passage: Passage) -> tuple[Node, ...]:
        """What a map goes through until it is drawn again; if nothing else is read, all that leads to the next box."""
        if len(stage.passages) > 1 or self.style == "detail":
            return stage.way(passage)
        shown = stage.maps if self.style == "compact" else stage.maps[:1]
        return (*passage.way, *(node for found in shown for node in found.way))

    def _made(self, stage: Stage) -> str:
        """What a box that stands for a whole stage makes of the maps that meet there."""
        return Reading(self.graph, self.sizes).told(stage.made) if len(stage.passages) > 1 else ""


def _known(choice: str, given: object, known: tuple[str, ...]) -> None:
    """Raises FormatError for what figures do not have."""
    if given not in known:
        way_out = did_you_mean(str(given), known) or "choose one of them"
        raise FormatError(f"{choice}: figures have {', '.join(known[:-1])} and {known[-1]}, not {given!r}; {way_out}")


def _ports(stage: Stage, found: list[Stage]) -> int:
    """How many arrows come and go on the fuller side of a stage."""
    leaving = sum(passage.source == stage.name for other in found for passage in other.passages)
    return max(len(stage.passages), leaving)
