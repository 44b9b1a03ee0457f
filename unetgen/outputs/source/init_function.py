"""Start: the spec's init as a function of the file, where torch's own layers start otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from unetgen.graph.graph import Graph
from unetgen.graph.external.module_op import ExternalModule
from unetgen.graph.ops import Call, Parameter
from unetgen.graph.part_types import Init
from unetgen.outputs.source.formatting import format_call, format_literal
from unetgen.parts.layers.inits import TorchDefault

# What one tensor of a layer is filled by; None where the layer does that itself when it is made.
InitRule = Call | None


def format_init_function(graph: Graph, init: Init, format_layer_name: Callable[[str], str]) -> list[str] | None:
    """The function that gives each layer its first weights, or nothing where every layer does so by itself.

    None where one function cannot say it: layers of one class start otherwise, or a stranger's module holds some.
    """
    rules = _collect_init_rules(graph, init)
    if any(len(choices) > 1 for choices in rules.values()):
        return None
    told: dict[str, dict[str, Call]] = {}
    for (target, name), (choice,) in rules.items():
        if choice is not None:
            told.setdefault(format_layer_name(target), {})[name] = choice
    if told and any(isinstance(node.op, ExternalModule) for node in graph.nodes):
        return None
    return _format_function(told) if told else []


def _collect_init_rules(graph: Graph, init: Init) -> dict[tuple[str, str], list[InitRule]]:
    """For each layer's class and tensor the ways in which it starts."""
    found: dict[tuple[str, str], list[InitRule]] = {}
    for node in graph.nodes[1:]:
        target = node.op.to_call().target
        for parameter in node.op.parameters():
            if parameter.role == "own":
                continue
            rule = None if _is_layer_default(target, parameter, init) else init.rule(parameter)
            choices = found.setdefault((target, parameter.name), [])
            if rule not in choices:
                choices.append(rule)
    return found


def _is_layer_default(target: str, parameter: Parameter, init: Init) -> bool:
    """Whether a layer fills a tensor as the init says when it is made; of ours, ChannelConv makes zeros."""
    return target != "gating_layers.ChannelConv" and init.rule(parameter) == TorchDefault().rule(parameter)


def _format_function(rules_by_layer: Mapping[str, Mapping[str, Call]]) -> list[str]:
    lines = ["def initialise(module: nn.Module) -> None:", '    """Gives a layer its first weights."""']
    alike: dict[str, list[str]] = {}
    for layer, rules in sorted(rules_by_layer.items()):
        body = "\n".join(line for name, rule in rules.items() for line in _format_fill(name, rule))
        alike.setdefault(body, []).append(layer)
    for number, (body, layers) in enumerate(alike.items()):
        kinds = f"({', '.join(layers)})" if len(layers) > 1 else layers[0]
        lines += [f"    {'elif' if number else 'if'} isinstance(module, {kinds}):", *body.split("\n")]
    return lines


def _format_fill(name: str, rule: Call) -> list[str]:
    from torch.nn import init as functions

    known = inspect.signature(getattr(functions, rule.target.rpartition(".")[2])).parameters
    given: dict[str, Any] = {key: value for key, value in rule.arguments.items() if value != known[key].default}
    call = format_call(
        rule.target, [f"module.{name}", *(f"{key}={format_literal(value)}" for key, value in given.items())]
    )
    if name == "bias":
        return ["        if module.bias is not None:", f"            {call}"]
    return [f"        {call}"]
