"""First weights: which modules of two networks start from the same, known without making any.

What a tensor starts with follows from the seed, its key, its shape and the init's rule for it; what a stranger's module
starts with, from the seed, its path and its arguments. So equal paths with equal rules start bit-identical.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from unetgen.ablation.comparison.spec_loading import choose_base, load_specs
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import Problem, SpecError
from unetgen.graph.from_spec import build_graph
from unetgen.graph.graph import Graph
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.ops.base import Shape
from unetgen.graph.part_types import Init
from unetgen.outputs.table import Column, DataTable

# How a module of another network compares with the base's.
SAME, DIFFERENT_SHAPE, DIFFERENT_INIT, ABSENT, ADDED = "same", "other shape", "other start", "not there", "only there"


class ModuleInit(NamedTuple):
    """How the tensors of one module start: their shapes, and all that decides about their values."""

    shapes: tuple[Shape, ...]
    rules: tuple[str, ...]


ModuleInits = Mapping[str, ModuleInit]


class ModuleComparison(NamedTuple):
    """A module, as large as can be told in one line, and how it compares in each of the other networks."""

    path: str
    num_modules: int
    statuses: tuple[str, ...]


def collect_module_inits(spec: Spec, graph: Graph) -> ModuleInits:
    """How every module with tensors of its own starts, by its path."""
    found: dict[str, list[tuple[Shape, str]]] = {}
    init = cast(Init, spec.init)
    strangers = {
        node.path: node.op
        for node in graph.nodes
        if isinstance(node.op, ExternalModule) and node.layer_path == node.path
    }
    for key, parameter in graph.parameters.items():
        stranger = next((path for path in strangers if key.startswith(f"{path}.")), None)
        path = stranger or key.rpartition(".")[0]
        rule = repr(parameter) if stranger else f"{parameter!r} {init.rule(parameter)!r}"
        found.setdefault(path, []).append((parameter.shape, f"{key} {rule}"))
    for path, op in strangers.items():
        if path in found:
            found[path].append(((), f"{op.to_call()!r} {sorted(op.initial_arguments.items())!r}"))
    return {path: ModuleInit(*(tuple(side) for side in zip(*told, strict=True))) for path, told in found.items()}


def compare_modules(base: ModuleInits, others: Sequence[ModuleInits]) -> list[ModuleComparison]:
    """Every module of the networks, gathered where all that is in a module compares alike."""
    paths = list(dict.fromkeys(path for starts in (base, *others) for path in starts))
    states = {path: tuple(_compare_init(base.get(path), other.get(path)) for other in others) for path in paths}
    return list(_group_modules("", states))


def build_weights_table(sources: Sequence[str], registry: Registry, base: str | None = None) -> DataTable:
    """The modules of a network and how each starts in the others under equal seeds, as a table. Raises SpecError."""
    found = load_specs(sources, registry, lambda spec: (spec.hash, collect_module_inits(spec, build_graph(spec))))
    first = choose_base(base, sources, {name: own for name, (own, _) in found.items()})
    starts = {name: told for name, (_, told) in found.items()}
    if len(starts) < 2:
        message = f"{first} is alone in {sources[0]}, and first weights are compared with another network's"
        raise SpecError([Problem("alone", "", message, "give two networks")])
    others = [name for name in starts if name != first]
    rows = compare_modules(starts[first], [starts[name] for name in others])
    columns = [Column("module", "module"), Column("modules", "modules", is_numeric=True)]
    columns += [Column(name, name) for name in others]
    return DataTable(tuple(columns), tuple((row.path, row.num_modules, *row.statuses) for row in rows))


def _compare_init(ours: ModuleInit | None, theirs: ModuleInit | None) -> str:
    if ours is None or theirs is None:
        return ADDED if ours is None and theirs is not None else ABSENT
    if ours == theirs:
        return SAME
    return DIFFERENT_SHAPE if ours.shapes != theirs.shapes else DIFFERENT_INIT


def _group_modules(scope: str, statuses: Mapping[str, tuple[str, ...]]) -> Iterator[ModuleComparison]:
    """The modules below a scope, one line for each that is uniform."""
    if scope and len(set(statuses.values())) == 1:
        yield ModuleComparison(scope, len(statuses), next(iter(statuses.values())))
        return
    depth = scope.count(".") + 1 if scope else 0
    parts: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, state in statuses.items():
        parts.setdefault(".".join(path.split(".")[: depth + 1]), {})[path] = state
    for inner, found in parts.items():
        yield from _group_modules(inner, found)
