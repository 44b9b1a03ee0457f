"""File: the whole of the source, from its docstring to the network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from unetgen.config.yaml.writer import dump_yaml
from unetgen.graph.graph import Graph
from unetgen.graph.module_tree import build_module_tree
from unetgen.outputs.source.bundled_layers import collect_layer_sources
from unetgen.outputs.source.formatting import Expression, format_call
from unetgen.outputs.source.init_function import format_init_function
from unetgen.outputs.source.module import ModuleClass, ModuleClasses
from unetgen.outputs.source.signatures import INLINE_TARGETS, LayerCalls, collect_signatures
from unetgen.outputs.source.size_check import format_size_check

if TYPE_CHECKING:
    from unetgen.config.spec import Spec
    from unetgen.graph.part_types import Init


def generate_source(spec: Spec, graph: Graph) -> str:
    """A file of Python that needs torch alone, and what plugins' modules come from: the network as its class UNet.

    Its keys are those of the network that unetgen builds, and what it computes is equal to the bit.
    """
    layers = LayerCalls(graph)
    root = build_module_tree(graph)
    targets = [layers.build_call(node).target for node in graph.nodes[1:]]
    modules = ModuleClasses(root, collect_signatures(root, layers), layers, _format_class_name)
    written = [modules.by_key[shape.key] for shape in collect_signatures(root, layers)]
    parts = collect_layer_sources(target for target in targets if target not in INLINE_TARGETS)
    parts += ["\n".join([*modules.format_class(module), *modules.format_forward(module)]) for module in written[:-1]]
    first = format_init_function(graph, cast("Init", spec.init), _format_class_name)
    parts.append("\n".join(_format_network_class(modules, written[-1], graph, first or [])))
    body = "\n\n\n".join(parts)
    return f"{_format_docstring(spec, graph, targets, first is not None)}\n\n{_format_imports(body, targets)}\n\n\n{body}\n"


def _format_class_name(target: str) -> str:
    """How a layer's class is called in the file."""
    module, colon, name = target.partition(":")
    if colon:
        return name.split(".")[0] if "." not in name else name
    return target if module.startswith("nn.") else target.rpartition(".")[2]


def _format_docstring(spec: Spec, graph: Graph, targets: list[str], uses_spec_init: bool) -> str:
    shape = ", ".join(["batch", str(graph.in_channels), *["size"] * graph.dims])
    needs = sorted({target.partition(":")[0].partition(".")[0] for target in targets if ":" in target})
    resolved = _escape_docstring(dump_yaml(spec.resolved()))
    again = ["What it says of checkpointing is left out: no map is computed again.", ""] if spec.checkpointing else []
    lines = [
        f'"""{_escape_docstring(spec.name) or "A network"}, as unetgen wrote it down. It needs torch{_join_packages(needs)}.',
        "",
        f"UNet() takes ({shape}); along each axis {'; '.join(dict.fromkeys(str(fit) for fit in graph.fits))}.",
        f"Its weights are not here: UNet() draws first ones {_describe_initialization(uses_spec_init)}. What unetgen saved is loaded by",
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


def _describe_initialization(uses_spec_init: bool) -> str:
    """Where first weights come from: of the init's distribution, but from torch's own generator, not by path."""
    return "as the spec's init says" if uses_spec_init else "as torch does, not as the spec's init says"


def _escape_docstring(text: str) -> str:
    """Text as it can stand between three quotes."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _join_packages(packages: list[str]) -> str:
    return "".join(f" and {package}" for package in packages) or " alone"


def _format_imports(body: str, targets: list[str]) -> str:
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


def _format_network_class(
    modules: ModuleClasses, module: ModuleClass, graph: Graph, init_lines: list[str]
) -> list[str]:
    """The class of the network: its layers are started, its size is checked, and its outputs have their names."""
    head, *rest = modules.format_class(module)
    single = [output.name for output in graph.outputs] == [""]
    statements, results = modules.build_forward_writer(module).write_body(keep_tuple=single)
    started = ["        self.apply(initialise)", ""] if init_lines else [""]
    signature = f"    def forward(self, x: Tensor) -> {_format_return_type(graph)}:"
    checked = ["        if not torch.compiler.is_compiling():", "            check(x)"]
    lines = [head, f'    """(batch, {graph.in_channels}, *size) -> (batch, {graph.out_channels}, *output_size)."""', ""]
    lines += [
        *rest[:-1],
        *started,
        signature,
        *checked,
        *statements,
        *_pack_outputs(results, graph).format_lines("return ", "", 2),
    ]
    return [*format_size_check(graph), "", "", *([*init_lines, "", ""] if init_lines else []), *lines]


def _format_return_type(graph: Graph) -> str:
    kinds = dict.fromkeys("list[Tensor]" if output.is_list else "Tensor" for output in graph.outputs)
    inner = " | ".join(kinds)
    return f"dict[str, {inner}]" if graph.outputs[0].name else inner


def _pack_outputs(results: Sequence[Expression | str], graph: Graph) -> Expression:
    """The maps in a row as the lists and names that they are handed out in."""
    if len(results) < len(graph.output_nodes):
        return format_call("list", results)  # a list of what the last module hands on
    maps = list(results)
    made: dict[str, Expression] = {}
    for output in graph.outputs:
        mine, maps = maps[: len(output.nodes)], maps[len(output.nodes) :]
        made[output.name] = Expression("[", mine, "]") if output.is_list else _to_expression(mine[0])
    if "" in made:
        return made[""]
    return Expression("{", [Expression(f'"{name}": {e.head}', e.items, e.tail) for name, e in made.items()], "}")


def _to_expression(text: Expression | str) -> Expression:
    return text if isinstance(text, Expression) else Expression(text)
