"""What must be true of every finished drawing, whoever's parts drew it."""

from __future__ import annotations

from unetgen.config.spec import Spec
from unetgen.errors import Problem, did_you_mean
from unetgen.graph.graph import Graph
from unetgen.graph.ops import Add, Maximum, Multiply

_PART_BUG_HINT = "this is a fault of the part that drew it"


def structural_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Skips that reach nothing, parameters that change nothing, an output with other channels than asked for."""
    return [
        *_lost_skip_problems(graph, spec),
        *_dead_layer_problems(graph, spec),
        *_output_channel_problems(graph, spec),
        *_channel_mismatch_problems(graph, spec),
        *_unknown_checkpointing_problems(graph, spec),
    ]


def _lost_skip_problems(graph: Graph, spec: Spec) -> list[Problem]:
    problems = []
    read = {source for node in graph.nodes if node.side == "decoder" for source in node.inputs}
    for level, source in graph.skips.items():
        if source not in read:
            written = spec.origins["decoder", level, "skip"]
            hint = f"drop it: levels: {{{level}: {{skip: none}}}}"
            problems.append(written.problem("lost_skip", f"the skip of level {level} reaches no decoder node", hint))
    return problems


def _dead_layer_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Layers on no path to the output: their parameters would never get a gradient."""
    alive = set(graph.output_nodes)
    for node in reversed(graph.nodes):
        if node.index in alive:
            alive.update(node.inputs)
    return [
        spec.root.problem("dead_layer", f"{node.path} is on no path to the output", _PART_BUG_HINT)
        for node in graph.nodes
        if node.index not in alive and node.op.parameters()
    ]


def _output_channel_problems(graph: Graph, spec: Spec) -> list[Problem]:
    problems = []
    for head, output in zip(spec.heads, graph.outputs, strict=True):
        wanted = getattr(head.part, "out_channels", None) or spec.out_channels
        made = next((n for i in output.nodes if (n := graph.nodes[i].channels) != wanted), wanted)
        if made != wanted:
            message = f"the head makes {made} channels of {wanted}"
            hint = (
                "make them in the last block, or use a head that does" if head.part.type == "none" else _PART_BUG_HINT
            )
            several = spec.root.mapping.get("heads")
            node = several.find((head.name,)) if several and head.name else spec.root.mapping.get("head", spec.root)
            problems.append(node.problem("output", message, hint))
    return problems


def _channel_mismatch_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Sums and products of maps that torch would stretch to each other, or refuse."""
    problems = []
    for node in graph.nodes:
        if len(node.inputs) > 1 and isinstance(node.op, (Add, Multiply, Maximum)):
            channels = list(dict.fromkeys(graph.nodes[source].channels for source in node.inputs))
            if len(channels) > 1:
                message = f"{node.path} joins maps of {' and '.join(map(str, channels))} channels"
                problems.append(spec.root.problem("channels", message, _PART_BUG_HINT))
    return problems


def _unknown_checkpointing_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Paths in ``checkpointing`` that are no modules with layers in them."""
    if not spec.checkpointing:
        return []
    steps = [node.path.split(".") for node in graph.nodes[1:]]
    modules = list(dict.fromkeys(".".join(path[:end]) for path in steps for end in range(1, len(path))))
    written = spec.root.mapping.get("checkpointing", spec.root)
    return [
        written.find((number,)).problem(
            "checkpointing",
            f"there is no module {path!r}",
            did_you_mean(path, modules) or "name a module of print(model), such as encoder.0",
        )
        for number, path in enumerate(spec.checkpointing)
        if path not in modules
    ]
