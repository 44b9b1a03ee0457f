"""File: the whole of the source, from its docstring to the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from unetgen.config.yaml_writer import write
from unetgen.graph.branch import trunk
from unetgen.graph.graph import Graph
from unetgen.outputs.source.fits import check
from unetgen.outputs.source.module import Module, Modules
from unetgen.outputs.source.own_layers import own_layers
from unetgen.outputs.source.shape import INLINE, Layers, shapes
from unetgen.outputs.source.start import start
from unetgen.outputs.source.text import Expression, called

if TYPE_CHECKING:
    from unetgen.config.spec import Spec
    from unetgen.graph.kinds import Init


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
    first = start(graph, cast("Init", spec.init), _named)
    parts.append("\n".join(_network(modules, written[-1], graph, first or [])))
    body = "\n\n\n".join(parts)
    return f"{_docstring(spec, graph, targets, first is not None)}\n\n{_imports(body, targets)}\n\n\n{body}\n"


def _named(target: str) -> str:
    """How a layer's class is called in the file."""
    module, colon, name = target.partition(":")
    if colon:
        return name.split(".")[0] if "." not in name else name
    return target if module.startswith("nn.") else target.rpartition(".")[2]


def _docstring(spec: Spec, graph: Graph, targets: list[str], started: bool) -> str:
    shape = ", ".join(["batch", str(graph.in_channels), *["size"] * graph.dims])
    needs = sorted({target.partition(":")[0].partition(".")[0] for target in targets if ":" in target})
    resolved = _escaped(write(spec.resolved()))
    again = ["What it says of checkpointing is left out: no map is computed again.", ""] if spec.checkpointing else []
    lines = [
        f'"""{_escaped(spec.name) or "A network"}, as unetgen wrote it down. It needs torch{_and(needs)}.',
        "",
        f"UNet() takes ({shape}); along each axis {'; '.join(dict.fromkeys(str(fit) for fit in graph.fits))}.",
        f"Its weights are not here: UNet() draws first ones {_drawn(started)}. What unetgen saved is loaded by",
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


def _drawn(started: bool) -> str:
    """Where first weights come from: of the init's distribution, but from torch's own generator, not by path."""
    return "as the spec's init says" if started else "as torch does, not as the spec's init says"


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


def _network(modules: Modules, module: Module, graph: Graph, first: list[str]) -> list[str]:
    """The class of the network: its layers are started, its size is checked, and its outputs have their names."""
    head, *rest = modules.lines(module)
    single = [output.name for output in graph.outputs] == [""]
    statements, results = modules.body(module).body(whole=single)
    started = ["        self.apply(initialise)", ""] if first else [""]
    signature = f"    def forward(self, x: Tensor) -> {_annotated(graph)}:"
    checked = ["        if not torch.compiler.is_compiling():", "            check(x)"]
    lines = [head, f'    """(batch, {graph.in_channels}, *size) -> (batch, {graph.out_channels}, *output_size)."""', ""]
    lines += [*rest[:-1], *started, signature, *checked, *statements, *_shaped(results, graph).lines("return ", "", 2)]
    return [*check(graph), "", "", *([*first, "", ""] if first else []), *lines]


def _annotated(graph: Graph) -> str:
    kinds = dict.fromkeys("list[Tensor]" if output.several else "Tensor" for output in graph.outputs)
    inner = " | ".join(kinds)
    return f"dict[str, {inner}]" if graph.outputs[0].name else inner


def _shaped(results: Sequence[Expression | str], graph: Graph) -> Expression:
    """The maps in a row as the lists and names that they are handed out in."""
    if len(results) < len(graph.results):
        return called("list", results)  # a list of what the last module hands on
    maps = list(results)
    made: dict[str, Expression] = {}
    for output in graph.outputs:
        mine, maps = maps[: len(output.nodes)], maps[len(output.nodes) :]
        made[output.name] = Expression("[", mine, "]") if output.several else _expression(mine[0])
    if "" in made:
        return made[""]
    return Expression("{", [Expression(f'"{name}": {e.head}', e.inside, e.tail) for name, e in made.items()], "}")


def _expression(text: Expression | str) -> Expression:
    return text if isinstance(text, Expression) else Expression(text)
