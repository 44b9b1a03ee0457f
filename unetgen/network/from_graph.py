"""A Graph to an nn.Module: the tree of modules follows the nodes' paths, forward follows their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unetgen.errors import Problem, SizeError
from unetgen.graph.graph import Graph
from unetgen.graph.liveness import overwriting
from unetgen.graph.node import Node
from unetgen.graph.ops import Opaque
from unetgen.graph.size import checked_sizes
from unetgen.network.calls import layer
from unetgen.network.measurement import made
from unetgen.network.scope import Scope, Step

if TYPE_CHECKING:
    from unetgen.config.spec import Spec


# What a network returns: a map, a list of maps, or such under the names of its heads.
Result = Tensor | list[Tensor] | dict[str, Tensor | list[Tensor]]

# The name of each output, and how many maps are in it where it is a list.
Form = tuple[tuple[str, int | None], ...]

_ONE_MAP: Form = (("", None),)


class UNet(Scope):
    """The finished network. ``spec`` and ``graph`` are the data it was built from; arithmetic uses neither.

    ``model(x)`` takes (batch, in_channels, *size) and returns (batch, out_channels, *output_size): one map; with deep
    supervision a list of maps, finest first; with named heads a dict of either. It is the same in training and in
    evaluation. A size that does not fit raises SizeError, a ValueError, before anything is computed.
    """

    def __init__(self, spec: Spec, graph: Graph) -> None:
        super().__init__("UNet")
        self.spec = spec
        self.graph = graph
        self.form: Form = tuple((o.name, len(o.nodes) if o.several else None) for o in graph.outputs)
        self._fitting: set[tuple[int, ...]] = set()

    def forward(self, x: Tensor) -> Result:  # type: ignore[override]  # a network has one input
        if not torch.compiler.is_compiling() and tuple(x.shape[1:]) not in self._fitting:
            self._check(x)
        results = self.run([x])
        return results[0] if self.form == _ONE_MAP else _shaped(results, self.form)

    def _repr_svg_(self) -> str:
        """The U figure, for notebooks."""
        from unetgen.figure.figure import Figure

        return Figure.of(self.spec.name, self.graph, self.spec.input_size).svg

    def _check(self, x: Tensor) -> None:
        shape = tuple(x.shape[1:])
        if x.dim() != self.graph.dims + 2 or shape[0] != self.graph.in_channels:
            axes = ", ".join(["batch", str(self.graph.in_channels), *(["size"] * self.graph.dims)])
            message = f"the input has shape {tuple(x.shape)}, this network takes ({axes})"
            hint = "add or move the batch and channel axes" if x.dim() != self.graph.dims + 2 else "check in_channels"
            raise SizeError([Problem("shape", "input", message, hint)])
        checked_sizes(self.graph, shape[1:])
        self._fitting.add(shape)


def _shaped(results: Sequence[Tensor], form: Form) -> Result:
    """Maps in a row as the lists and names that they are handed out in."""
    outputs: dict[str, Tensor | list[Tensor]] = {}
    start = 0
    for name, count in form:
        outputs[name] = results[start] if count is None else list(results[start : start + count])
        start += count or 1
    return outputs.pop("") if "" in outputs else outputs


def network(spec: Spec, graph: Graph) -> UNet:
    """The network of a graph on torch's default device, its weights not yet filled in any particular way."""
    model = UNet(spec, graph)
    _Assembly(graph).fill(model, "", graph.nodes[1:])
    return model


class _Assembly:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.overwriting = overwriting(graph)
        self.scopes: dict[str, Scope] = {}
        self.layers: dict[str, torch.nn.Module] = {}

    def fill(self, scope: Scope, path: str, nodes: Sequence[Node]) -> None:
        """Gives a scope its children and its steps: those of its stretch of the graph."""
        inside = {node.index for node in nodes}
        numbers: dict[int, int] = {}
        for node in nodes:
            for source in node.inputs:
                if source not in inside:
                    numbers.setdefault(source, len(numbers))
        calls = []
        for child, stretch in _children(path, nodes):
            reads = list(dict.fromkeys(i for n in stretch for i in n.inputs if i not in {m.index for m in stretch}))
            writes = self._results(stretch)
            for index in writes:
                numbers.setdefault(index, len(numbers))
            calls.append((self._child(scope, path, child, stretch), self._sources(stretch, reads), writes))
        results = list(self.graph.results) if not path else self._results(nodes)
        scope.steps = tuple(self._steps(calls, numbers, results))
        scope.results = tuple(numbers[index] for index in results)
        scope.values = len(numbers)

    def _sources(self, stretch: Sequence[Node], reads: list[int]) -> list[int]:
        # A single op reads in its own order, and may read one map twice.
        return list(stretch[0].inputs) if len(stretch) == 1 else reads

    def _child(self, scope: Scope, path: str, name: str, stretch: Sequence[Node]) -> str:
        inner = f"{path}.{name}" if path else name
        node = stretch[0]
        if node.path != inner:
            child = Scope(self.graph.labels.get(inner, "Scope"))
            # Inside a module that is computed again nothing is kept anyway.
            child.checkpointed = inner in self.graph.checkpointing
            scope.add_module(name, child)
            self.fill(child, inner, stretch)
        elif node.layer != node.path:
            scope.borrowed[name] = [self.layers[node.layer]]
        else:
            self.layers[node.path] = self._layer(node)
            scope.add_module(name, self.layers[node.path])
        return name

    def _layer(self, node: Node) -> torch.nn.Module:
        if isinstance(node.op, Opaque):
            return made(node.op.call(), node.op.origin)
        return layer(node.op.call(), **({"inplace": True} if node.index in self.overwriting else {}))

    def _results(self, nodes: Sequence[Node]) -> list[int]:
        """What is made here and read elsewhere."""
        inside = {node.index for node in nodes}
        return [
            node.index
            for node in nodes
            if node.index in self.graph.results or any(r not in inside for r in self.graph.consumers[node.index])
        ]

    def _steps(
        self, calls: list[tuple[str, list[int], list[int]]], numbers: dict[int, int], results: list[int]
    ) -> list[Step]:
        last = {index: position for position, (_, reads, _) in enumerate(calls) for index in reads}
        steps = []
        for position, (child, reads, writes) in enumerate(calls):
            done = [i for i in dict.fromkeys(reads) if last[i] == position and i not in results]
            steps.append(Step(child, *(tuple(numbers[i] for i in group) for group in (reads, writes, done))))
        return steps


def _children(path: str, nodes: Sequence[Node]) -> list[tuple[str, list[Node]]]:
    """The nodes by the next step of their paths. A child's nodes stand together, or the order would be lost."""
    depth = path.count(".") + 1 if path else 0
    groups: list[tuple[str, list[Node]]] = []
    for node in nodes:
        name = node.path.split(".")[depth]
        if not groups or groups[-1][0] != name:
            if any(name == other for other, _ in groups):
                raise ValueError(f"{node.path} is drawn after its scope was left; draw a scope in one go")
            groups.append((name, []))
        groups[-1][1].append(node)
    return groups
