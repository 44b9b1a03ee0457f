"""Find which modules of two networks have equal initial weights, without creating any weights.

The initial values of a tensor depend on the seed, its key, its shape and the init's rule. Those of a third-party module
depend on the seed, its path and its arguments. So modules with equal paths and rules start bit-identical.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from unetgen.ablation.comparison.compared_networks import choose_base, extract_from_specs
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.errors import Problem, SpecError
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.from_spec import build_graph
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Shape
from unetgen.graph.part_types import Init
from unetgen.outputs.data_table import Column, DataTable

# The status of a module in another network, compared with the base.
SAME, DIFFERENT_SHAPE, DIFFERENT_INIT, ABSENT, ADDED = "same", "other shape", "other init", "absent", "added"


class ModuleInit(NamedTuple):
    """The shapes of a module's tensors, and the rules that determine their initial values."""

    shapes: tuple[Shape, ...]
    rules: tuple[str, ...]


ModuleInits = Mapping[str, ModuleInit]


class ModuleComparison(NamedTuple):
    """A module, with all modules inside if they compare alike, and its status in each other network."""

    path: str
    num_modules: int
    statuses: tuple[str, ...]


def collect_module_inits(spec: Spec, graph: Graph) -> ModuleInits:
    """Collect how every module with its own tensors is initialised.

    Args:
        spec: The network's resolved spec, with the init.
        graph: The network's graph, with its parameters.

    Returns:
        The shapes and rules of each module, by path.
    """
    tensors: dict[str, list[tuple[Shape, str]]] = {}
    init = cast(Init, spec.init)
    external_modules = {
        node.path: node.op
        for node in graph.nodes
        if isinstance(node.op, ExternalModule) and node.layer_path == node.path
    }
    for key, parameter in graph.parameters.items():
        external_path = next((path for path in external_modules if key.startswith(f"{path}.")), None)
        path = external_path or key.rpartition(".")[0]
        rule = repr(parameter) if external_path else f"{parameter!r} {init.rule(parameter)!r}"
        tensors.setdefault(path, []).append((parameter.shape, f"{key} {rule}"))
    for path, op in external_modules.items():
        if path in tensors:
            tensors[path].append(((), f"{op.to_layer_call()!r} {sorted(op.initial_arguments.items())!r}"))
    return {path: ModuleInit(*(tuple(side) for side in zip(*own, strict=True))) for path, own in tensors.items()}


def compare_modules(base: ModuleInits, others: Sequence[ModuleInits]) -> list[ModuleComparison]:
    """Compare the modules of networks with those of a base.

    Args:
        base: The base's modules.
        others: The modules of each other network.

    Returns:
        The modules with their status in each other network; a module whose inner modules compare alike is one entry.
    """
    paths = list(dict.fromkeys(path for inits in (base, *others) for path in inits))
    statuses = {path: tuple(_compare_init(base.get(path), other.get(path)) for other in others) for path in paths}
    return list(_group_modules("", statuses))


def build_weights_table(sources: Sequence[str], registry: Registry, base: str | None = None) -> DataTable:
    """Build a table of a base's modules and their status in other networks under equal seeds.

    Args:
        sources: Names and paths of specs, and directories of specs or sweeps.
        registry: The installed parts.
        base: The name of the base (default: the base of a single sweep directory, else the first network).

    Returns:
        The table, with a column for each other network.

    Raises:
        SpecError: Specs are invalid, there is only one network, or the base is not one of them.
    """
    networks = extract_from_specs(
        sources, registry, lambda spec: (spec.hash, collect_module_inits(spec, build_graph(spec)))
    )
    base_name = choose_base(base, sources, {name: hash_ for name, (hash_, _) in networks.items()})
    inits = {name: module_inits for name, (_, module_inits) in networks.items()}
    if len(inits) < 2:
        message = f"cannot compare initial weights: {base_name} is the only network in {sources[0]}"
        raise SpecError([Problem("alone", "", message, "give two networks")])
    others = [name for name in inits if name != base_name]
    rows = compare_modules(inits[base_name], [inits[name] for name in others])
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
    """Yield the modules in a scope; a module is one entry if all modules in it have the same statuses."""
    if scope and len(set(statuses.values())) == 1:
        yield ModuleComparison(scope, len(statuses), next(iter(statuses.values())))
        return
    depth = scope.count(".") + 1 if scope else 0
    parts: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, status in statuses.items():
        parts.setdefault(".".join(path.split(".")[: depth + 1]), {})[path] = status
    for inner_scope, inner_statuses in parts.items():
        yield from _group_modules(inner_scope, inner_statuses)
