"""Split a graph into stages, the parts that are drawn as one cell, and find the feature maps to draw in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from unetgen.figure.arrow import ArrowKind, find_common_scope
from unetgen.graph.graph import Graph
from unetgen.graph.node import Node
from unetgen.graph.ops import Activation, ChannelScaling, CropTo, Dropout, Normalization, Pad, PadTo, ResizeTo

# Pointwise ops: they are drawn together with the op before them.
_POINTWISE_OPS = (Normalization, Activation, Dropout, ChannelScaling)

# Ops that use only the size of their second input.
_SIZE_MATCHING_OPS = (CropTo, PadTo, ResizeTo)


@dataclass(slots=True)
class DrawnMap:
    """A feature map that is drawn: the node that computes it, and the nodes from the previous map to it."""

    node: Node
    node_path: tuple[Node, ...]
    last_index: int
    """The last node that this map represents, such as its norm or activation."""
    repeats: int = 1
    """The number of equal maps in a row that this map represents."""


@dataclass(slots=True)
class Connection:
    """A feature map passed from one stage to another: its source node, and the nodes that only it passes through."""

    source_stage: str
    source_node: int
    node_path: tuple[Node, ...]
    is_upsampled: bool
    """Whether it comes from a coarser level, or passes through the stage's upsample module."""


@dataclass(slots=True)
class Stage:
    """A stage such as ``encoder.0``, ``decoder.2_1`` or ``head.0``: its nodes in order, its maps and its inputs."""

    name: str
    level: int
    title: str
    """The title of its card."""
    output_name: str
    """The name of the network output that it computes, or empty."""
    nodes: list[Node] = field(default_factory=list)
    maps: list[DrawnMap] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    @property
    def side(self) -> str:
        """The part of the network it belongs to, such as ``encoder`` or ``head``."""
        return self.name.partition(".")[0]

    def find_origin(self, index: int) -> Connection | None:
        """Return the connection that a node's output derives from, followed through first inputs."""
        own_nodes = {node.index: node for node in self.nodes}
        while True:
            through = [c for c in self.connections if any(node.index == index for node in c.node_path)]
            candidates = through or [c for c in self.connections if c.source_node == index]
            if candidates or index not in own_nodes or not own_nodes[index].inputs:
                return min(candidates, key=lambda connection: len(connection.node_path), default=None)
            index = own_nodes[index].inputs[0]

    @property
    def gate_path(self) -> str:
        """The path of the gate that combines the inputs before they are merged, or empty."""
        gate_nodes = [
            node
            for node in self._merging_nodes
            if not self.is_upsampling(node) and not isinstance(node.op, _SIZE_MATCHING_OPS)
        ]
        scope = find_common_scope(gate_nodes) if gate_nodes and len(self.connections) > 1 else ""
        return scope if scope.startswith(f"{self.name}.") else ""

    def is_gated(self, connection: Connection) -> bool:
        """Return whether the gate scales this connection, rather than being controlled by it."""
        gate_nodes = (
            [node.index for node in self._merging_nodes if node.path.startswith(f"{self.gate_path}.")]
            if self.gate_path
            else []
        )
        return bool(gate_nodes) and self.find_origin(gate_nodes[-1]) is connection

    def collect_path(self, connection: Connection) -> tuple[Node, ...]:
        """Return the nodes that only this connection passes through, and the upsampling nodes behind a gate."""
        upsampling = (
            [node for node in self._merging_nodes if self.is_upsampling(node)] if connection.is_upsampled else []
        )
        return (*connection.node_path, *upsampling)

    @property
    def nodes_from_merge(self) -> list[Node]:
        """The nodes from the merge of the inputs to the last feature map."""
        before_merge = {
            node.index
            for node in self._merging_nodes
            if self.is_upsampling(node) or node.path.startswith(f"{self.gate_path}.")
        }
        return [node for node in self._shared_nodes if node.index not in before_merge]

    @property
    def _shared_nodes(self) -> list[Node]:
        unshared = {node.index for connection in self.connections for node in connection.node_path}
        return [node for drawn_map in self.maps for node in drawn_map.node_path if node.index not in unshared]

    @property
    def _merging_nodes(self) -> list[Node]:
        """The nodes that combine inputs before the inputs are merged into one feature map."""
        return [node for node in self._shared_nodes if node.index < self.maps[0].node.index]

    def is_upsampling(self, node: Node) -> bool:
        """Return whether a node belongs to the stage's upsample module."""
        return f"{node.path}.".startswith(f"{self.name}.up.")

    def choose_arrow_kind(self, connection: Connection) -> ArrowKind:
        """Return the arrow kind of a connection to this stage."""
        if self.side in ("head", "output"):
            return "skip" if connection.source_stage == "input" else "head"
        if self.side == "decoder" and len(self.connections) > 1:
            return "conv" if connection.is_upsampled else "skip"
        return "conv"


def split_into_stages(graph: Graph) -> list[Stage]:
    """Return the stages of a graph in execution order."""
    stage_names = _assign_stages(graph)
    titles, output_names = _title_heads(graph, stage_names), _name_outputs(graph, stage_names)
    stages: dict[str, Stage] = {}
    for node in graph.nodes:
        if name := stage_names[node.index]:
            new_stage = Stage(name, node.level, titles.get(name, name), output_names.get(name, ""))
            stages.setdefault(name, new_stage).nodes.append(node)
    for stage in stages.values():
        stage.level = _find_level(stage, stages, graph, stage_names)
        _add_connections(stage, stages, graph, stage_names)
        _add_maps(stage, graph)
    return list(stages.values())


def _assign_stages(graph: Graph) -> list[str]:
    """Return the stage name of each node; empty for a transition, which is drawn as part of an arrow."""
    names = [_parse_stage_name(node.path) for node in graph.nodes]
    drawn = {name for node, name in zip(graph.nodes, names, strict=True) if not _is_transition(node, name)}
    names = [
        "" if name in drawn and _is_transition(node, name) else name
        for node, name in zip(graph.nodes, names, strict=True)
    ]
    return _separate_heads(graph, names)


def _parse_stage_name(path: str) -> str:
    first, *rest = path.split(".")
    return first if first in ("bottleneck", "input") or not rest else f"{first}.{rest[0]}"


def _is_transition(node: Node, stage_name: str) -> bool:
    return node.path == f"{stage_name}.down" or node.path.startswith(f"{stage_name}.down.")


def _separate_heads(graph: Graph, stage_names: list[str]) -> list[str]:
    """Make each of several outputs a stage with its ancestors; the output with fewer gets the shared ones."""
    if len(graph.output_nodes) == 1:
        return stage_names
    ancestors_by_output = {
        output: _collect_head_ancestors(output, graph, stage_names)
        for output in graph.output_nodes
        if stage_names[output].startswith("head")
    }
    for output, ancestors in sorted(ancestors_by_output.items(), key=lambda item: len(item[1]), reverse=True):
        for index in ancestors:
            stage_names[index] = graph.nodes[output].path
    return stage_names


def _title_heads(graph: Graph, stage_names: Sequence[str]) -> dict[str, str]:
    """Return titles for separate heads: the path of the enclosing module, if no other head shares it."""
    separate = [graph.nodes[i] for i in graph.output_nodes if stage_names[i] == graph.nodes[i].path]
    scopes = {node.path: find_common_scope([node]) for node in separate}
    return {name: scope for name, scope in scopes.items() if list(scopes.values()).count(scope) == 1}


def _name_outputs(graph: Graph, stage_names: Sequence[str]) -> dict[str, str]:
    """Return the output names by stage; the outputs of a list are numbered."""
    return {
        stage_names[index]: f"{output.name} {number}" if output.is_list else output.name
        for output in graph.outputs if output.name
        for number, index in enumerate(output.nodes)
    }  # fmt: skip


def _collect_head_ancestors(output_index: int, graph: Graph, stage_names: Sequence[str]) -> set[int]:
    """Return the head nodes that an output depends on."""
    ancestors, pending = set(), [output_index]
    while pending:
        index = pending.pop()
        if stage_names[index].startswith("head") and index not in ancestors:
            ancestors.add(index)
            pending += graph.nodes[index].inputs
    return ancestors


def _find_level(stage: Stage, stages_by_name: dict[str, Stage], graph: Graph, stage_names: Sequence[str]) -> int:
    """Return the row of a stage; a head is in the row of its finest input."""
    if not stage.name.startswith(("head", "output")):
        return stage.nodes[-1].level
    input_stages = [
        stage_names[i]
        for node in stage.nodes
        for i in _get_value_inputs(node)
        if stage_names[i] and stage_names[i] != stage.name
    ]
    return min((stages_by_name[name].level for name in input_stages), default=0)


def _add_connections(stage: Stage, stages_by_name: dict[str, Stage], graph: Graph, stage_names: Sequence[str]) -> None:
    """Add the connections of a stage: its inputs, each with the nodes it passes through before the merge."""
    own_nodes = {node.index for node in stage.nodes}
    entries = [i for i in dict.fromkeys(i for n in stage.nodes for i in _get_value_inputs(n)) if i not in own_nodes]
    reachable = {entry: _find_reachable(entry, stage.nodes) for entry in entries}
    for entry in entries:
        shared = set().union(*(nodes for other, nodes in reachable.items() if other != entry))
        unshared = [graph.nodes[i] for i in sorted(reachable[entry] - shared)] if len(entries) > 1 else []
        source, between = _trace_to_source(entry, graph, stage_names)
        is_coarser = stages_by_name[stage_names[source]].level > stage.level
        is_upsampled = is_coarser or any(map(stage.is_upsampling, unshared))
        stage.connections.append(Connection(stage_names[source], source, (*between, *unshared), is_upsampled))


def _find_reachable(entry: int, nodes: Iterable[Node]) -> set[int]:
    reachable = {entry}
    for node in nodes:
        if reachable.intersection(_get_value_inputs(node)):
            reachable.add(node.index)
    return reachable - {entry}


def _get_value_inputs(node: Node) -> tuple[int, ...]:
    """Return the inputs of a node whose values it uses, without those of which it uses the size only."""
    return node.inputs[:1] if isinstance(node.op, _SIZE_MATCHING_OPS) else node.inputs


def _trace_to_source(index: int, graph: Graph, stage_names: Sequence[str]) -> tuple[int, list[Node]]:
    """Return the last stage node that a node depends on, and the transition nodes in between, on any branch."""
    between, pending, sources = set[int](), [index], set[int]()
    while pending:
        current = pending.pop()
        if stage_names[current]:
            sources.add(current)
        elif current not in between:
            between.add(current)
            pending += _get_value_inputs(graph.nodes[current])
    return max(sources), [graph.nodes[i] for i in sorted(between)]


def _add_maps(stage: Stage, graph: Graph) -> None:
    """Add the feature maps that all paths of a stage pass through; pointwise ops join the map before them."""
    transitions = [c.node_path[-1] for c in stage.connections if c.node_path and c.node_path[-1] not in stage.nodes]
    for node in transitions[:1]:
        stage.maps.append(DrawnMap(node, (), node.index))
    pending: list[Node] = []
    cuts = _find_cut_vertices(stage)
    for node in stage.nodes:
        pending.append(node)
        if node.index not in cuts:
            continue
        previous = stage.maps[-1] if stage.maps and len(pending) == 1 else None
        if previous and isinstance(node.op, _POINTWISE_OPS) and previous.node not in transitions:
            previous.last_index, previous.node_path = node.index, (*previous.node_path, node)
            pending = []
        elif not isinstance(node.op, (Pad, *_POINTWISE_OPS)) or node is stage.nodes[-1]:
            stage.maps.append(DrawnMap(node, tuple(pending), node.index))
            pending = []


def _find_cut_vertices(stage: Stage) -> set[int]:
    """Return the nodes that every path through a stage passes: no edge leads from before to behind them."""
    position = {node.index: i for i, node in enumerate(stage.nodes)}
    last_target: dict[int, int] = {}
    for i, node in enumerate(stage.nodes):
        for source in node.inputs:
            last_target[position.get(source, -1)] = i
    farthest, cuts = last_target.get(-1, -1), set()
    for i, node in enumerate(stage.nodes):
        if farthest <= i:
            cuts.add(node.index)
        farthest = max(farthest, last_target.get(i, -1))
    return cuts
