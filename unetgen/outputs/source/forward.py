"""Forward: the calls of a module's children as statements, with names for what goes between them."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Mapping
from typing import Any

from unetgen.graph.module_tree import ChildCall, ModuleNode
from unetgen.graph.node import Node
from unetgen.outputs.source.formatting import Expression, format_call
from unetgen.outputs.source.signatures import INLINE_TARGETS, LayerCalls, find_repeated_child

# With more results than this, that levels do not tell apart, a module's tuple stays one.
MAX_UNPACKED = 3

# What runs on is x, and y or z where x is needed once more.
_RUNNING_NAMES = ("x", "y", "z")


class ForwardWriter:
    """Writes the body of one module's forward; ``alone`` says that no other module is of its class."""

    def __init__(self, module_node: ModuleNode, layers: LayerCalls, is_indexed: bool, is_only_instance: bool) -> None:
        self.module_node = module_node
        self.layers = layers
        self.is_indexed = is_indexed
        self.is_only_instance = is_only_instance
        self.value_names: dict[int, str] = {}
        self.taken_names: set[str] = {"self"}
        self.input_names = self._name_inputs()

    def _name_inputs(self) -> list[str]:
        """The names of what the module is handed: of several alike with their levels, or else with numbers."""
        reads = self.module_node.inputs
        roles = [self._choose_role(index) for index in reads]
        for position, (index, role) in enumerate(zip(reads, roles, strict=True)):
            alike = [other for other, its in zip(reads, roles, strict=True) if its == role]
            levels = [self._format_level(other) for other in alike]
            if len(alike) == 1:
                number = ""
            elif self.is_only_instance and len(set(levels)) == len(levels):
                number = self._format_level(index)
            else:
                number = str(roles[:position].count(role) + 1)
            self.value_names[index] = self._reserve_name(f"{role}{number}")
        return [self.value_names[index] for index in reads]

    def _choose_role(self, index: int) -> str:
        """What a map is to the module: what runs through the network was made last, other maps were kept for it."""
        reads = self.module_node.inputs
        if index == max(reads) or self.module_node.path.startswith("head"):
            return "x"
        return "skip" if index else "image"

    def _format_level(self, index: int) -> str:
        """The level of a map, as its path counts them."""
        node = self.layers.graph.nodes[index]
        step = node.path.split(".")[1:2]
        return step[0] if step and step[0].isdigit() else str(node.level)

    def write_body(self, keep_tuple: bool = True) -> tuple[list[str], list[Expression | str]]:
        """The lines before the last, and what is handed on: one by one, or as the tuple that the last call makes."""
        *before, last = self.module_node.calls
        lines = [line for visit in before for line in self._write_statement(visit)]
        results, writes = self.module_node.outputs, last.outputs
        if len(writes) == 1 and results.count(writes[0]) == 1:
            call = self._build_expression(last)
            return lines, [call if index == writes[0] else self.value_names[index] for index in results]
        if keep_tuple and writes == results:
            return lines, [self._build_expression(last)]
        return [*lines, *self._write_statement(last)], [self.value_names[index] for index in results]

    def _write_statement(self, child_call: ChildCall) -> list[str]:
        expression = self._build_expression(child_call)
        freed = [self.value_names[index] for index in child_call.last_used]
        return expression.format_lines(f"{self._name_results(child_call, freed)} = ", "", 2)

    def _build_expression(self, child_call: ChildCall) -> Expression:
        child = self.module_node.children[child_call.child]
        given: list[Expression | str] = [self.value_names[index] for index in child_call.inputs]
        target = self.layers.build_call(child).target if isinstance(child, Node) else ""
        if target in INLINE_TARGETS and isinstance(child, Node):
            return _format_inline_layer(target, self.layers.build_call(child).arguments, [str(item) for item in given])
        name = find_repeated_child(self.module_node, child_call.child) or child_call.child
        return format_call(f"self{self.format_access(name)}", given)

    def format_access(self, name: str) -> str:
        """How a child is come by."""
        if not self.is_indexed:
            return f".{name}"
        ascending = [str(number) for number in range(len(self.module_node.children))]
        return f"[{name}]" if list(self.module_node.children) == ascending else f'["{name}"]'

    # Names

    def _name_results(self, child_call: ChildCall, freed: list[str]) -> str:
        """Names what a call makes; the name of what it used up is free again."""
        if not child_call.outputs:
            return "_"
        free = [name for name in freed if "[" not in name]
        self.taken_names -= set(free)
        *kept, last = child_call.outputs
        levels = [self._format_level(index) for index in kept]
        apart = not self.module_node.path and len(set(levels)) == len(levels)
        if len(child_call.outputs) > MAX_UNPACKED and not apart:
            name = self._reserve_free_name(f"{child_call.child}_maps")
            self.value_names.update({index: f"{name}[{n}]" for n, index in enumerate(child_call.outputs)})
            return name
        # What runs on is named first; what is kept beside it is called by its level, or by what made it.
        self.value_names[last] = self._reserve_name(self._choose_running_name(child_call, free))
        role = "skip" if child_call.child == "encoder" else "x"
        for index, level in zip(kept, levels, strict=True):
            self.value_names[index] = self._reserve_free_name(f"{role}{level}" if apart else child_call.child)
        return ", ".join(self.value_names[index] for index in child_call.outputs)

    def _choose_running_name(self, child_call: ChildCall, free: list[str]) -> str:
        """A name for what runs on through the module; where it is one of those that are kept, by what made it."""
        results, last = self.module_node.outputs, child_call.outputs[-1]
        if child_call.child[:1].isdigit() and last in results and len(results) > 1 and len(child_call.outputs) == 1:
            return self._find_free_name(child_call.child)
        running = [name for name in _RUNNING_NAMES if name in free or name not in self.taken_names]
        if set(free) & {*running}:
            return next(name for name in running if name in free)
        if free and self.module_node.path and not self.is_indexed:
            return free[0]
        if "x" in running:
            return "x"
        if child_call.child == "decoder" and not self.module_node.path and len(child_call.outputs) > 1:
            return self._find_free_name(f"x{self._format_level(last)}")
        passing = self._feeds_only_next_call(child_call) or child_call.child in dir(builtins)
        return running[0] if running and passing else self._find_free_name(child_call.child)

    def _feeds_only_next_call(self, child_call: ChildCall) -> bool:
        """Whether the next call alone reads what a call makes."""
        index = child_call.outputs[-1]
        following = self.module_node.calls[self.module_node.calls.index(child_call) + 1 :]
        readers = [position for position, other in enumerate(following) if index in other.inputs]
        return readers == [0] and index not in self.module_node.outputs

    def _reserve_name(self, name: str) -> str:
        self.taken_names.add(name)
        return name

    def _find_free_name(self, child: str) -> str:
        """A name for what a child makes."""
        name = f"x{child}" if child[:1].isdigit() else child
        name = f"{name}_" if keyword.iskeyword(name) else name
        numbered = (f"{name}_{number}" for number in range(2, len(self.taken_names) + 3))
        return next(fresh for fresh in (name, *numbered) if fresh not in self.taken_names)

    def _reserve_free_name(self, child: str) -> str:
        return self._reserve_name(self._find_free_name(child))


def _format_inline_layer(target: str, arguments: Mapping[str, Any], inputs: list[str]) -> Expression:
    """A layer without numbers as the expression that it is."""
    if target == "layers.Concat":
        return format_call("torch.cat", [Expression("(", [*inputs], ")" if len(inputs) > 1 else ",)"), "dim=1"])
    if target == "layers.Maximum":
        return format_call("torch.maximum", [*inputs])
    if target == "layers.SelectOutput":
        return Expression(f"{inputs[0]}[{arguments['index']}]")
    return Expression((" + " if target == "layers.Add" else " * ").join(inputs))
