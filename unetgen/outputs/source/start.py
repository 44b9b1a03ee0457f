"""Start: the spec's init as a function of the file, where torch's own layers start otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from unetgen.graph.graph import Graph
from unetgen.graph.kinds import Init
from unetgen.graph.ops import Call, Opaque, Parameter
from unetgen.outputs.source.text import called, literal
from unetgen.parts.layers.inits import TorchDefault

# What one tensor of a layer is filled by; None where the layer does that itself when it is made.
Rule = Call | None


def start(graph: Graph, init: Init, named: Callable[[str], str]) -> list[str] | None:
    """The function that gives each layer its first weights, or nothing where every layer does so by itself.

    None where one function cannot say it: layers of one class start otherwise, or a stranger's module holds some.
    """
    rules = _rules(graph, init)
    if any(len(choices) > 1 for choices in rules.values()):
        return None
    told: dict[str, dict[str, Call]] = {}
    for (target, name), (choice,) in rules.items():
        if choice is not None:
            told.setdefault(named(target), {})[name] = choice
    if told and any(isinstance(node.op, Opaque) for node in graph.nodes):
        return None
    return _function(told) if told else []


def _rules(graph: Graph, init: Init) -> dict[tuple[str, str], list[Rule]]:
    """For each layer's class and tensor the ways in which it starts."""
    found: dict[tuple[str, str], list[Rule]] = {}
    for node in graph.nodes[1:]:
        target = node.op.call().target
        for parameter in node.op.parameters():
            if parameter.role == "own":
                continue
            rule = None if _by_itself(target, parameter, init) else init.rule(parameter)
            choices = found.setdefault((target, parameter.name), [])
            if rule not in choices:
                choices.append(rule)
    return found


def _by_itself(target: str, parameter: Parameter, init: Init) -> bool:
    """Whether a layer fills a tensor as the init says when it is made; of ours, ChannelConv makes zeros."""
    return target != "attention.ChannelConv" and init.rule(parameter) == TorchDefault().rule(parameter)


def _function(told: Mapping[str, Mapping[str, Call]]) -> list[str]:
    lines = ["def initialise(module: nn.Module) -> None:", '    """Gives a layer its first weights."""']
    alike: dict[str, list[str]] = {}
    for layer, rules in sorted(told.items()):
        body = "\n".join(line for name, rule in rules.items() for line in _filled(name, rule))
        alike.setdefault(body, []).append(layer)
    for number, (body, layers) in enumerate(alike.items()):
        kinds = f"({', '.join(layers)})" if len(layers) > 1 else layers[0]
        lines += [f"    {'elif' if number else 'if'} isinstance(module, {kinds}):", *body.split("\n")]
    return lines


def _filled(name: str, rule: Call) -> list[str]:
    from torch.nn import init as functions

    known = inspect.signature(getattr(functions, rule.target.rpartition(".")[2])).parameters
    given: dict[str, Any] = {key: value for key, value in rule.arguments.items() if value != known[key].default}
    call = called(rule.target, [f"module.{name}", *(f"{key}={literal(value)}" for key, value in given.items())])
    if name == "bias":
        return ["        if module.bias is not None:", f"            {call}"]
    return [f"        {call}"]
