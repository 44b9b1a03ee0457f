"""Stage: a stretch of the network that is drawn in one place, and the maps that everything in it passes through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from unetgen.figure.arrow import Kind, scope_of
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import Activation, ChannelScaling, CropTo, Dropping, Normalization, Pad, PadTo, ResizeTo

# What changes a map's values one by one; it is drawn with what it follows.
_POINTWISE = (Normalization, Activation, Dropping, ChannelScaling)

# What reads its second input's size only.
_FITTING = (CropTo, PadTo, ResizeTo)


@dataclass(slots=True)
class Map:
    """A map that is drawn: the node that made it, and the nodes that led to it from the map before."""

    node: Node
    way: tuple[Node, ...]
    last: int
    """The node up to which it stands for what follows: its norm, its activation."""
    times: int = 1
    """How many such maps in a row it stands for."""


@dataclass(slots=True)
class Passage:
    """What one stage hands to another: from which node, and through which nodes of its own."""

    source: str
    node: int
    way: tuple[Node, ...]
    rises: bool
    """Whether it comes from below, or through what brings this stage up to its size."""


@dataclass(slots=True)
class Stage:
    """``encoder.0``, ``decoder.2_1``, ``head.0``: its nodes in order, its maps, and what it reads."""

    name: str
    level: int
    title: str
    """What its card is called."""
    output: str
    """What the network calls the map that it hands out, if it has a name."""
    nodes: list[Node] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)

    @property
    def side(self) -> str:
        """Which part of the network it is in."""
        return self.name.partition(".")[0]

    def origin(self, index: int) -> Passage | None:
        """What is handed over that a node's map is made of, going by the first of what each node reads."""
        inside = {node.index: node for node in self.nodes}
        while True:
            through = [p for p in self.passages if any(node.index == index for node in p.way)]
            found = through or [p for p in self.passages if p.node == index]
            if found or index not in inside or not inside[index].inputs:
                return min(found, key=lambda passage: len(passage.way), default=None)
            index = inside[index].inputs[0]

    @property
    def gate(self) -> str:
        """The path of a module in which what is read meets before it is one map, if there is any."""
        met = [node for node in self._met if not self.lifts(node) and not isinstance(node.op, _FITTING)]
        scope = scope_of(met) if met and len(self.passages) > 1 else ""
        return scope if scope.startswith(f"{self.name}.") else ""

    def gates(self, passage: Passage) -> bool:
        """Whether the gate lets through what is handed over, and does not only look at it."""
        through = [node.index for node in self._met if node.path.startswith(f"{self.gate}.")] if self.gate else []
        return bool(through) and self.origin(through[-1]) is passage

    def way(self, passage: Passage) -> tuple[Node, ...]:
        """The nodes that a map goes through alone, and those behind a gate that bring it up to size."""
        behind = [node for node in self._met if self.lifts(node)] if passage.rises else []
        return (*passage.way, *behind)

    @property
    def made(self) -> list[Node]:
        """The nodes that make its last map of what it reads, from where that is joined."""
        before = {node.index for node in self._met if self.lifts(node) or node.path.startswith(f"{self.gate}.")}
        return [node for node in self._joined if node.index not in before]

    @property
    def _joined(self) -> list[Node]:
        own = {node.index for passage in self.passages for node in passage.way}
        return [node for found in self.maps for node in found.way if node.index not in own]

    @property
    def _met(self) -> list[Node]:
        """The nodes at which what is read has met, and is not one map yet."""
        return [node for node in self._joined if node.index < self.maps[0].node.index]

    def lifts(self, node: Node) -> bool:
        """Whether a node is of the module that brings what comes from below up to size."""
        return f"{node.path}.".startswith(f"{self.name}.up.")

    def kind(self, passage: Passage) -> Kind:
        """What it means that this stage is handed a map."""
        if self.side in ("head", "output"):
            return "skip" if passage.source == "input" else "head"
        if self.side == "decoder" and len(self.passages) > 1:
            return "conv" if passage.rises else "skip"
        return "conv"


def stages(graph: Graph) -> list[Stage]:
    """A graph in stages, in the order in which they run."""
    homes = _homes(graph)
    titles, outputs = _titles(graph, homes), _outputs(graph, homes)
    found: dict[str, Stage] = {}
    for node in graph.nodes:
        if home := homes[node.index]:
            empty = Stage(home, node.level, titles.get(home, home), outputs.get(home, ""))
            found.setdefault(home, empty).nodes.append(node)
    for stage in found.values():
        stage.level = _level(stage, found, graph, homes)
        _connect(stage, found, graph, homes)
        _map(stage, graph)
    return list(found.values())


def _homes(graph: Graph) -> list[str]:
    """The stage of each node; none where a node leads from a stage to the next and is drawn with that."""
    homes = [_prefix(node.path) for node in graph.nodes]
    stays = {home for node, home in zip(graph.nodes, homes, strict=True) if not _leads(node, home)}
    homes = ["" if home in stays and _leads(n, home) else home for n, home in zip(graph.nodes, homes, strict=True)]
    return _heads_apart(graph, homes)


def _prefix(path: str) -> str:
    first, *rest = path.split(".")
    return first if first in ("bottleneck", "input") or not rest else f"{first}.{rest[0]}"


def _leads(node: Node, home: str) -> bool:
    return node.path == f"{home}.down" or node.path.startswith(f"{home}.down.")


def _heads_apart(graph: Graph, homes: list[str]) -> list[str]:
    """With several outputs each is a stage of its own, with what leads to it; what is shared is the shorter way's."""
    if len(graph.results) == 1:
        return homes
    ways = {result: _before(result, graph, homes) for result in graph.results if homes[result].startswith("head")}
    for result, way in sorted(ways.items(), key=lambda item: len(item[1]), reverse=True):
        for index in way:
            homes[index] = graph.nodes[result].path
    return homes


def _titles(graph: Graph, homes: Sequence[str]) -> dict[str, str]:
    """Heads that stand apart are called by the modules that hold them, where each has one to itself."""
    apart = [graph.nodes[result] for result in graph.results if homes[result] == graph.nodes[result].path]
    scopes = {node.path: scope_of([node]) for node in apart}
    return {home: scope for home, scope in scopes.items() if list(scopes.values()).count(scope) == 1}


def _outputs(graph: Graph, homes: Sequence[str]) -> dict[str, str]:
    """The names of the outputs, by stage; of several under one name each with its number."""
    return {
        homes[index]: f"{output.name} {number}" if output.several else output.name
        for output in graph.outputs if output.name
        for number, index in enumerate(output.nodes)
    }  # fmt: skip


def _before(result: int, graph: Graph, homes: Sequence[str]) -> set[int]:
    """The nodes of a head that lead to one of its outputs."""
    way, waiting = set(), [result]
    while waiting:
        index = waiting.pop()
        if homes[index].startswith("head") and index not in way:
            way.add(index)
            waiting += graph.nodes[index].inputs
    return way


def _level(stage: Stage, found: dict[str, Stage], graph: Graph, homes: Sequence[str]) -> int:
    """The row of a stage; a head stands in that of the finest map it reads."""
    if not stage.name.startswith(("head", "output")):
        return stage.nodes[-1].level
    read = [homes[i] for node in stage.nodes for i in _read(node) if homes[i] and homes[i] != stage.name]
    return min((found[home].level for home in read), default=0)


def _connect(stage: Stage, found: dict[str, Stage], graph: Graph, homes: Sequence[str]) -> None:
    """Finds what a stage reads, each with the nodes that it alone goes through before it meets the rest."""
    inside = {node.index for node in stage.nodes}
    entries = [i for i in dict.fromkeys(i for n in stage.nodes for i in _read(n)) if i not in inside]
    reached = {entry: _reached(entry, stage.nodes) for entry in entries}
    for entry in entries:
        others = set().union(*(nodes for other, nodes in reached.items() if other != entry))
        own = [graph.nodes[i] for i in sorted(reached[entry] - others)] if len(entries) > 1 else []
        source, before = _traced(entry, graph, homes)
        rises = found[homes[source]].level > stage.level or any(map(stage.lifts, own))
        stage.passages.append(Passage(homes[source], source, (*before, *own), rises))


def _reached(entry: int, nodes: Iterable[Node]) -> set[int]:
    reached = {entry}
    for node in nodes:
        if reached.intersection(_read(node)):
            reached.add(node.index)
    return reached - {entry}


def _read(node: Node) -> tuple[int, ...]:
    """The nodes whose values a node reads."""
    return node.inputs[:1] if isinstance(node.op, _FITTING) else node.inputs


def _traced(index: int, graph: Graph, homes: Sequence[str]) -> tuple[int, list[Node]]:
    """The node of a stage that a map comes from, and the nodes between stages on its way, in whatever branches."""
    way, waiting, sources = set[int](), [index], set[int]()
    while waiting:
        found = waiting.pop()
        if homes[found]:
            sources.add(found)
        elif found not in way:
            way.add(found)
            waiting += _read(graph.nodes[found])
    return max(sources), [graph.nodes[found] for found in sorted(way)]


def _map(stage: Stage, graph: Graph) -> None:
    """Gives a stage its maps: those that everything passes through, what is pointwise drawn with what it follows."""
    led = [p.way[-1] for p in stage.passages if p.way and p.way[-1] not in stage.nodes]
    for node in led[:1]:
        stage.maps.append(Map(node, (), node.index))
    since: list[Node] = []
    cuts = _cuts(stage)
    for node in stage.nodes:
        since.append(node)
        if node.index not in cuts:
            continue
        before = stage.maps[-1] if stage.maps and len(since) == 1 else None
        if before and isinstance(node.op, _POINTWISE) and before.node not in led:
            before.last, before.way = node.index, (*before.way, node)
            since = []
        elif not isinstance(node.op, (Pad, *_POINTWISE)) or node is stage.nodes[-1]:
            stage.maps.append(Map(node, tuple(since), node.index))
            since = []


def _cuts(stage: Stage) -> set[int]:
    """The nodes that no way through a stage goes past: no edge leads from before them to behind them."""
    position = {node.index: number for number, node in enumerate(stage.nodes)}
    farthest, cuts = -1, set()
    targets: dict[int, int] = {}
    for number, node in enumerate(stage.nodes):
        for source in node.inputs:
            targets[position.get(source, -1)] = number
    farthest = targets.get(-1, -1)
    for number, node in enumerate(stage.nodes):
        if farthest <= number:
            cuts.add(node.index)
        farthest = max(farthest, targets.get(number, -1))
    return cuts
