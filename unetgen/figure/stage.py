"""Stage: a stretch of the network that is drawn in one place, and the maps that everything in it passes through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from unetgen.figure.arrow import ArrowKind, find_common_scope
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import Activation, ChannelScaling, CropTo, Dropout, Normalization, Pad, PadTo, ResizeTo

# What changes a map's values one by one; it is drawn with what it follows.
_POINTWISE_OPS = (Normalization, Activation, Dropout, ChannelScaling)

# What reads its second input's size only.
_SIZE_MATCHING_OPS = (CropTo, PadTo, ResizeTo)


@dataclass(slots=True)
class DrawnMap:
    """A map that is drawn: the node that made it, and the nodes that led to it from the map before."""

    node: Node
    node_path: tuple[Node, ...]
    last_index: int
    """The node up to which it stands for what follows: its norm, its activation."""
    repeats: int = 1
    """How many such maps in a row it stands for."""


@dataclass(slots=True)
class Connection:
    """What one stage hands to another: from which node, and through which nodes of its own."""

    source_stage: str
    source_node: int
    node_path: tuple[Node, ...]
    is_upsampled: bool
    """Whether it comes from below, or through what brings this stage up to its size."""


@dataclass(slots=True)
class Stage:
    """``encoder.0``, ``decoder.2_1``, ``head.0``: its nodes in order, its maps, and what it reads."""

    name: str
    level: int
    title: str
    """What its card is called."""
    output_name: str
    """What the network calls the map that it hands out, if it has a name."""
    nodes: list[Node] = field(default_factory=list)
    maps: list[DrawnMap] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    @property
    def side(self) -> str:
        """Which part of the network it is in."""
        return self.name.partition(".")[0]

    def find_origin(self, index: int) -> Connection | None:
        """What is handed over that a node's map is made of, going by the first of what each node reads."""
        inside = {node.index: node for node in self.nodes}
        while True:
            through = [p for p in self.connections if any(node.index == index for node in p.node_path)]
            found = through or [p for p in self.connections if p.source_node == index]
            if found or index not in inside or not inside[index].inputs:
                return min(found, key=lambda passage: len(passage.node_path), default=None)
            index = inside[index].inputs[0]

    @property
    def gate_path(self) -> str:
        """The path of a module in which what is read meets before it is one map, if there is any."""
        met = [
            node
            for node in self._merging_nodes
            if not self.is_upsampling(node) and not isinstance(node.op, _SIZE_MATCHING_OPS)
        ]
        scope = find_common_scope(met) if met and len(self.connections) > 1 else ""
        return scope if scope.startswith(f"{self.name}.") else ""

    def is_gated(self, connection: Connection) -> bool:
        """Whether the gate lets through what is handed over, and does not only look at it."""
        through = (
            [node.index for node in self._merging_nodes if node.path.startswith(f"{self.gate_path}.")]
            if self.gate_path
            else []
        )
        return bool(through) and self.find_origin(through[-1]) is connection

    def collect_path(self, connection: Connection) -> tuple[Node, ...]:
        """The nodes that a map goes through alone, and those behind a gate that bring it up to size."""
        behind = [node for node in self._merging_nodes if self.is_upsampling(node)] if connection.is_upsampled else []
        return (*connection.node_path, *behind)

    @property
    def nodes_from_merge(self) -> list[Node]:
        """The nodes that make its last map of what it reads, from where that is joined."""
        before = {
            node.index
            for node in self._merging_nodes
            if self.is_upsampling(node) or node.path.startswith(f"{self.gate_path}.")
        }
        return [node for node in self._shared_nodes if node.index not in before]

    @property
    def _shared_nodes(self) -> list[Node]:
        own = {node.index for passage in self.connections for node in passage.node_path}
        return [node for found in self.maps for node in found.node_path if node.index not in own]

    @property
    def _merging_nodes(self) -> list[Node]:
        """The nodes at which what is read has met, and is not one map yet."""
        return [node for node in self._shared_nodes if node.index < self.maps[0].node.index]

    def is_upsampling(self, node: Node) -> bool:
        """Whether a node is of the module that brings what comes from below up to size."""
        return f"{node.path}.".startswith(f"{self.name}.up.")

    def choose_arrow_kind(self, connection: Connection) -> ArrowKind:
        """What it means that this stage is handed a map."""
        if self.side in ("head", "output"):
            return "skip" if connection.source_stage == "input" else "head"
        if self.side == "decoder" and len(self.connections) > 1:
            return "conv" if connection.is_upsampled else "skip"
        return "conv"


def split_into_stages(graph: Graph) -> list[Stage]:
    """A graph in stages, in the order in which they run."""
    homes = _assign_stages(graph)
    titles, outputs = _title_heads(graph, homes), _name_outputs(graph, homes)
    found: dict[str, Stage] = {}
    for node in graph.nodes:
        if home := homes[node.index]:
            empty = Stage(home, node.level, titles.get(home, home), outputs.get(home, ""))
            found.setdefault(home, empty).nodes.append(node)
    for stage in found.values():
        stage.level = _find_level(stage, found, graph, homes)
        _add_connections(stage, found, graph, homes)
        _add_maps(stage, graph)
    return list(found.values())


def _assign_stages(graph: Graph) -> list[str]:
    """The stage of each node; none where a node leads from a stage to the next and is drawn with that."""
    homes = [_parse_stage_name(node.path) for node in graph.nodes]
    stays = {home for node, home in zip(graph.nodes, homes, strict=True) if not _is_transition(node, home)}
    homes = [
        "" if home in stays and _is_transition(n, home) else home for n, home in zip(graph.nodes, homes, strict=True)
    ]
    return _separate_heads(graph, homes)


def _parse_stage_name(path: str) -> str:
    first, *rest = path.split(".")
    return first if first in ("bottleneck", "input") or not rest else f"{first}.{rest[0]}"


def _is_transition(node: Node, stage_name: str) -> bool:
    return node.path == f"{stage_name}.down" or node.path.startswith(f"{stage_name}.down.")


def _separate_heads(graph: Graph, stage_names: list[str]) -> list[str]:
    """With several outputs each is a stage of its own, with what leads to it; what is shared is the shorter way's."""
    if len(graph.output_nodes) == 1:
        return stage_names
    ways = {
        result: _collect_head_ancestors(result, graph, stage_names)
        for result in graph.output_nodes
        if stage_names[result].startswith("head")
    }
    for result, way in sorted(ways.items(), key=lambda item: len(item[1]), reverse=True):
        for index in way:
            stage_names[index] = graph.nodes[result].path
    return stage_names


def _title_heads(graph: Graph, stage_names: Sequence[str]) -> dict[str, str]:
    """Heads that stand apart are called by the modules that hold them, where each has one to itself."""
    apart = [graph.nodes[result] for result in graph.output_nodes if stage_names[result] == graph.nodes[result].path]
    scopes = {node.path: find_common_scope([node]) for node in apart}
    return {home: scope for home, scope in scopes.items() if list(scopes.values()).count(scope) == 1}


def _name_outputs(graph: Graph, stage_names: Sequence[str]) -> dict[str, str]:
    """The names of the outputs, by stage; of several under one name each with its number."""
    return {
        stage_names[index]: f"{output.name} {number}" if output.is_list else output.name
        for output in graph.outputs if output.name
        for number, index in enumerate(output.nodes)
    }  # fmt: skip


def _collect_head_ancestors(output_index: int, graph: Graph, stage_names: Sequence[str]) -> set[int]:
    """The nodes of a head that lead to one of its outputs."""
    way, waiting = set(), [output_index]
    while waiting:
        index = waiting.pop()
        if stage_names[index].startswith("head") and index not in way:
            way.add(index)
            waiting += graph.nodes[index].inputs
    return way


def _find_level(stage: Stage, stages_by_name: dict[str, Stage], graph: Graph, stage_names: Sequence[str]) -> int:
    """The row of a stage; a head stands in that of the finest map it reads."""
    if not stage.name.startswith(("head", "output")):
        return stage.nodes[-1].level
    read = [
        stage_names[i]
        for node in stage.nodes
        for i in _get_value_inputs(node)
        if stage_names[i] and stage_names[i] != stage.name
    ]
    return min((stages_by_name[home].level for home in read), default=0)


def _add_connections(stage: Stage, stages_by_name: dict[str, Stage], graph: Graph, stage_names: Sequence[str]) -> None:
    """Finds what a stage reads, each with the nodes that it alone goes through before it meets the rest."""
    inside = {node.index for node in stage.nodes}
    entries = [i for i in dict.fromkeys(i for n in stage.nodes for i in _get_value_inputs(n)) if i not in inside]
    reached = {entry: _find_reachable(entry, stage.nodes) for entry in entries}
    for entry in entries:
        others = set().union(*(nodes for other, nodes in reached.items() if other != entry))
        own = [graph.nodes[i] for i in sorted(reached[entry] - others)] if len(entries) > 1 else []
        source, before = _trace_to_source(entry, graph, stage_names)
        rises = stages_by_name[stage_names[source]].level > stage.level or any(map(stage.is_upsampling, own))
        stage.connections.append(Connection(stage_names[source], source, (*before, *own), rises))


def _find_reachable(entry: int, nodes: Iterable[Node]) -> set[int]:
    reached = {entry}
    for node in nodes:
        if reached.intersection(_get_value_inputs(node)):
            reached.add(node.index)
    return reached - {entry}


def _get_value_inputs(node: Node) -> tuple[int, ...]:
    """The nodes whose values a node reads."""
    return node.inputs[:1] if isinstance(node.op, _SIZE_MATCHING_OPS) else node.inputs


def _trace_to_source(index: int, graph: Graph, stage_names: Sequence[str]) -> tuple[int, list[Node]]:
    """The node of a stage that a map comes from, and the nodes between stages on its way, in whatever branches."""
    way, waiting, sources = set[int](), [index], set[int]()
    while waiting:
        found = waiting.pop()
        if stage_names[found]:
            sources.add(found)
        elif found not in way:
            way.add(found)
            waiting += _get_value_inputs(graph.nodes[found])
    return max(sources), [graph.nodes[found] for found in sorted(way)]


def _add_maps(stage: Stage, graph: Graph) -> None:
    """Gives a stage its maps: those that everything passes through, what is pointwise drawn with what it follows."""
    led = [p.node_path[-1] for p in stage.connections if p.node_path and p.node_path[-1] not in stage.nodes]
    for node in led[:1]:
        stage.maps.append(DrawnMap(node, (), node.index))
    since: list[Node] = []
    cuts = _find_cut_vertices(stage)
    for node in stage.nodes:
        since.append(node)
        if node.index not in cuts:
            continue
        before = stage.maps[-1] if stage.maps and len(since) == 1 else None
        if before and isinstance(node.op, _POINTWISE_OPS) and before.node not in led:
            before.last_index, before.node_path = node.index, (*before.node_path, node)
            since = []
        elif not isinstance(node.op, (Pad, *_POINTWISE_OPS)) or node is stage.nodes[-1]:
            stage.maps.append(DrawnMap(node, tuple(since), node.index))
            since = []


def _find_cut_vertices(stage: Stage) -> set[int]:
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
