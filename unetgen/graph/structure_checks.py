"""Check the structure of a finished graph, whichever parts built it."""

from __future__ import annotations

from unetgen.config.spec import Spec
from unetgen.errors import Problem, did_you_mean
from unetgen.graph.graph import Graph
from unetgen.graph.ops import Add, Maximum, Multiply

_PART_BUG_HINT = "this is a bug in the part that added it"


def structural_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Return the problems of a graph: unused skips and layers, wrong channels, unknown checkpointing paths."""
    return [
        *_lost_skip_problems(graph, spec),
        *_dead_layer_problems(graph, spec),
        *_output_channel_problems(graph, spec),
        *_channel_mismatch_problems(graph, spec),
        *_unknown_checkpointing_problems(graph, spec),
    ]


def _lost_skip_problems(graph: Graph, spec: Spec) -> list[Problem]:
    problems = []
    decoder_inputs = {source for node in graph.nodes if node.side == "decoder" for source in node.inputs}
    for level, source in graph.skips.items():
        if source not in decoder_inputs:
            yaml_node = spec.origins["decoder", level, "skip"]
            hint = f"remove it: levels: {{{level}: {{skip: none}}}}"
            problems.append(
                yaml_node.problem("lost_skip", f"the skip of level {level} is not used by the decoder", hint)
            )
    return problems


def _dead_layer_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Return a problem for each layer that is not on a path to an output, whose parameters would get no gradient."""
    needed = graph.find_needed_nodes()
    return [
        spec.root.problem("dead_layer", f"{node.path} is not on a path to an output", _PART_BUG_HINT)
        for node in graph.nodes
        if node.index not in needed and node.op.parameters()
    ]


def _output_channel_problems(graph: Graph, spec: Spec) -> list[Problem]:
    problems = []
    for head, output in zip(spec.heads, graph.outputs, strict=True):
        expected = getattr(head.part, "out_channels", None) or spec.out_channels
        actual = next((n for i in output.nodes if (n := graph.nodes[i].channels) != expected), expected)
        if actual != expected:
            message = f"the head has {actual} output channels instead of {expected}"
            hint = "let the last block output them, or use another head" if head.part.type == "none" else _PART_BUG_HINT
            heads = spec.root.mapping.get("heads")
            node = heads.find((head.name,)) if heads and head.name else spec.root.mapping.get("head", spec.root)
            problems.append(node.problem("output", message, hint))
    return problems


def _channel_mismatch_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Return a problem for each sum, product or maximum of maps with different channels, which torch may broadcast."""
    problems = []
    for node in graph.nodes:
        if len(node.inputs) > 1 and isinstance(node.op, (Add, Multiply, Maximum)):
            channels = list(dict.fromkeys(graph.nodes[source].channels for source in node.inputs))
            if len(channels) > 1:
                message = f"the inputs of {node.path} have {' and '.join(map(str, channels))} channels"
                problems.append(spec.root.problem("channels", message, _PART_BUG_HINT))
    return problems


def _unknown_checkpointing_problems(graph: Graph, spec: Spec) -> list[Problem]:
    """Return a problem for each path in ``checkpointing`` that is not a module with layers in it."""
    if not spec.checkpointing:
        return []
    node_paths = [node.path.split(".") for node in graph.nodes[1:]]
    modules = list(dict.fromkeys(".".join(path[:end]) for path in node_paths for end in range(1, len(path))))
    yaml_node = spec.root.mapping.get("checkpointing", spec.root)
    return [
        yaml_node.find((number,)).problem(
            "checkpointing",
            f"module {path!r} does not exist",
            did_you_mean(path, modules) or "name a module of print(model), such as encoder.0",
        )
        for number, path in enumerate(spec.checkpointing)
        if path not in modules
    ]
