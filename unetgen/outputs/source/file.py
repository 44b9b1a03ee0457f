"""File: the whole of the source, from its docstring to the network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from unetgen.config.yaml_writer import write
from unetgen.graph.branch import trunk
from unetgen.graph.graph import Graph
from unetgen.outputs.source.module import Module, Modules
from unetgen.outputs.source.own_layers import own_layers
from unetgen.outputs.source.shape import INLINE, Layers, shapes
from unetgen.outputs.source.text import Expression

if TYPE_CHECKING:
    from unetgen.config.spec import Spec


def source(spec: Spec, graph: Graph) -> str:
    """A file of Python that needs torch alone, and what plugins' modules come from: the network as its class UNet.

    Its keys are those of the network that unetgen builds, and what it computes is equal to the bit.
    """
    layers = Layers(graph)
    root = trunk(graph)
    targets = [layers.call(node).target for node in graph.nodes[1:]]
    modules = Modules(root, shapes(root, layers), layers, _named)
    written = [modules.by_key[shape.key] for shape in shapes(root, layers)]
    parts = own_layers(target for target in targets if target not in INLINE)
    parts += ["\n".join([*modules.lines(module), *modules.forward(module)]) for module in written[:-1]]
    parts.append("\n".join(_network(modules, written[-1], graph)))
    body = "\n\n\n".join(parts)
    return f"{_docstring(spec, graph, targets)}\n\n{_imports(body, targets)}\n\n\n{body}\n"


def _named(target: str) -> str:
    """How a layer's class is called in the file."""
    module, colon, name = target.partition(":")
    if colon:
        return name.split(".")[0] if "." not in name else name
    return target if module.startswith("nn.") else target.rpartition(".")[2]


def _docstring(spec: Spec, graph: Graph, targets: list[str]) -> str:
    shape = ", ".join(["batch", str(graph.in_channels), *["size"] * graph.dims])
    needs = sorted({target.partition(":")[0].partition(".")[0] for target in targets if ":" in target})
    resolved = _escaped(write(spec.resolved()))
    again = ["What it says of checkpointing is left out: no map is computed again.", ""] if spec.checkpointing else []
    lines = [
        f'"""{_escaped(spec.name) or "A network"}, as unetgen wrote it down. It needs torch{_and(needs)}.',
        "",
        f"UNet() takes ({shape}); along each axis {'; '.join(dict.fromkeys(str(fit) for fit in graph.fits))}.",
        "Its weights are not here. What unetgen saved is loaded by",
        "",
        '    model.load_state_dict(safetensors.torch.load_file("weights.safetensors"))',
        "",
        *again,
        f"Hash of the architecture: {spec.hash}",
        "The spec:",
        "",
        *(f"    {line}".rstrip() for line in resolved.rstrip().splitlines()),
        '"""',
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text as it can stand between three quotes."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _and(packages: list[str]) -> str:
    return "".join(f" and {package}" for package in packages) or " alone"


def _imports(body: str, targets: list[str]) -> str:
    """Only what is used, in the order that ruff puts it in."""
    lines = ["from __future__ import annotations", ""]
    if re.search(r"\bSequence\[", body):
        lines += ["from collections.abc import Sequence", ""]
    lines += ["import torch", "from torch import Tensor, nn"]
    if re.search(r"\bF\.", body):
        lines.append("from torch.nn import functional as F")
    theirs: dict[str, set[str]] = {}
    for target in targets:
        module, colon, name = target.partition(":")
        if colon:
            theirs.setdefault(module, set()).add(name.partition(".")[0])
    told = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(theirs.items())]
    return "\n".join([*lines, *(["", *told] if told else [])])


def _network(modules: Modules, module: Module, graph: Graph) -> list[str]:
    """The class of the network: its size is checked, and its outputs have their names."""
    module.name = "UNet"
    head, *rest = modules.lines(module)
    forward = modules.forward(module)[1:]
    several = len(graph.outputs) > 1 or graph.outputs[0].several or graph.outputs[0].name
    result = forward[-1].removeprefix("        return ")
    shaped = Expression(_shaped(result, graph)).lines("return ", "", 2) if several else [forward[-1]]
    signature = f"    def forward(self, x: Tensor) -> {_annotated(graph)}:"
    check = ["        if not torch.compiler.is_compiling():", "            check(x)"]
    lines = [head, f'    """(batch, {graph.in_channels}, *size) -> (batch, {graph.out_channels}, *output_size)."""', ""]
    return [*_check(graph), "", "", *lines, *rest, signature, *check, *forward[:-1], *shaped]


def _annotated(graph: Graph) -> str:
    kinds = dict.fromkeys("list[Tensor]" if output.several else "Tensor" for output in graph.outputs)
    inner = " | ".join(kinds)
    return f"dict[str, {inner}]" if graph.outputs[0].name else inner


def _shaped(result: str, graph: Graph) -> str:
    """The maps in a row as the lists and names that they are handed out in."""
    maps = result.split(", ")
    texts = {}
    for output in graph.outputs:
        mine, maps = maps[: len(output.nodes)], maps[len(output.nodes) :]
        texts[output.name] = f"[{', '.join(mine)}]" if output.several else mine[0]
    if "" in texts:
        return texts[""]
    return "{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}"


def _check(graph: Graph) -> list[str]:
    """The sizes that fit, and a function that refuses others."""
    told = "; ".join(dict.fromkeys(str(fit) for fit in graph.fits))
    axes = [Expression("[", [f"({c.first}, {c.period}, {c.last})" for c in fit.classes], "]") for fit in graph.fits]
    shape = f"(batch, {graph.in_channels}{', size' * graph.dims})"
    lines = [
        "def check(x: Tensor) -> None:",
        '    """Raises ValueError where an image has a shape that this network cannot take."""',
        f"    if x.dim() != {graph.dims + 2} or x.shape[1] != {graph.in_channels}:",
        f'        raise ValueError(f"the input has shape {{tuple(x.shape)}}, not {shape}")',
    ]
    if not all(fit.complete for fit in graph.fits):
        return lines  # too many classes of sizes to list; what does not fit is found where it does not
    return [
        "# For each axis the sizes that fit: the first, how far apart they are, and the last if there is one.",
        *Expression("FITS = [", axes, "]").lines("", "", 0),
        "",
        "",
        *lines,
        "    for size, fit in zip(x.shape[2:], FITS, strict=True):",
        "        if not any(a <= size <= (last or size) and (size - a) % step == 0 for a, step, last in fit):",
        f'            raise ValueError(f"a size of {{size}} does not fit; those that do are {told}")',
    ]
