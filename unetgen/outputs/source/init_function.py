"""Generate the function that initialises layers as the spec's init does, if torch's own layers do not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.graph import Graph
from unetgen.graph.ops import Call, Parameter
from unetgen.graph.part_types import Init
from unetgen.outputs.source.formatting import format_call, format_literal
from unetgen.parts.layers.inits import TorchDefault

# The initializer of one tensor; None if the layer's constructor already does the same.
InitRule = Call | None


def format_init_function(graph: Graph, init: Init, format_layer_name: Callable[[str], str]) -> list[str] | None:
    """Generate the lines of the init function.

    Args:
        graph: The network.
        init: The init of the spec.
        format_layer_name: A function that returns the class name in the file for a call target.

    Returns:
        The lines; empty if torch's own initialisation is the same. None if one rule per layer class is not enough,
        because layers of one class are initialised differently or third-party modules contain layers.
    """
    rules = _collect_init_rules(graph, init)
    if any(len(alternatives) > 1 for alternatives in rules.values()):
        return None
    rules_by_layer: dict[str, dict[str, Call]] = {}
    for (target, name), (rule,) in rules.items():
        if rule is not None:
            rules_by_layer.setdefault(format_layer_name(target), {})[name] = rule
    if rules_by_layer and any(isinstance(node.op, ExternalModule) for node in graph.nodes):
        return None
    return _format_function(rules_by_layer) if rules_by_layer else []


def _collect_init_rules(graph: Graph, init: Init) -> dict[tuple[str, str], list[InitRule]]:
    """Return the distinct init rules for each layer class and tensor name."""
    rules: dict[tuple[str, str], list[InitRule]] = {}
    for node in graph.nodes[1:]:
        target = node.op.to_layer_call().target
        for parameter in node.op.parameters():
            if parameter.role == "own":
                continue
            rule = None if _is_layer_default(target, parameter, init) else init.rule(parameter)
            alternatives = rules.setdefault((target, parameter.name), [])
            if rule not in alternatives:
                alternatives.append(rule)
    return rules


def _is_layer_default(target: str, parameter: Parameter, init: Init) -> bool:
    """Return whether a layer's constructor fills a tensor as the init does; ChannelConv's fills it with zeros."""
    return target != "gating_layers.ChannelConv" and init.rule(parameter) == TorchDefault().rule(parameter)


def _format_function(rules_by_layer: Mapping[str, Mapping[str, Call]]) -> list[str]:
    lines = ["def initialise(module: nn.Module) -> None:", '    """Initialise the parameters of a layer."""']
    layers_by_body: dict[str, list[str]] = {}
    for layer, rules in sorted(rules_by_layer.items()):
        body = "\n".join(line for name, rule in rules.items() for line in _format_fill(name, rule))
        layers_by_body.setdefault(body, []).append(layer)
    for number, (body, layers) in enumerate(layers_by_body.items()):
        classes = f"({', '.join(layers)})" if len(layers) > 1 else layers[0]
        lines += [f"    {'elif' if number else 'if'} isinstance(module, {classes}):", *body.split("\n")]
    return lines


def _format_fill(name: str, rule: Call) -> list[str]:
    from torch.nn import init as functions

    parameters = inspect.signature(getattr(functions, rule.target.rpartition(".")[2])).parameters
    options: dict[str, Any] = {key: value for key, value in rule.arguments.items() if value != parameters[key].default}
    call = format_call(
        rule.target, [f"module.{name}", *(f"{key}={format_literal(value)}" for key, value in options.items())]
    )
    if name == "bias":
        return ["        if module.bias is not None:", f"            {call}"]
    return [f"        {call}"]
