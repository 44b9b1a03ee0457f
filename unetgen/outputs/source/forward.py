"""Generate forward methods: the calls of a module's children as statements, with names for the values."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Mapping
from typing import Any

from unetgen.graph.module_tree import ChildCall, ModuleNode
from unetgen.graph.node import Node
from unetgen.outputs.source.formatting import Expression, format_call
from unetgen.outputs.source.signatures import INLINE_TARGETS, LayerCalls, find_repeated_child

# A result tuple with more values than this, whose levels are not distinct, is not unpacked.
MAX_UNPACKED = 3

# Names of the running value: x, and y or z while x is still needed.
_RUNNING_NAMES = ("x", "y", "z")


class ForwardWriter:
    """Writes the body of one module's forward.

    Args:
        module_node: The module.
        layers: The layers of the network.
        is_indexed: Whether children are accessed by index or key instead of by attribute.
        is_only_instance: Whether no other module has the same class, so that names may contain levels.
    """

    def __init__(self, module_node: ModuleNode, layers: LayerCalls, is_indexed: bool, is_only_instance: bool) -> None:
        self.module_node = module_node
        self.layers = layers
        self.is_indexed = is_indexed
        self.is_only_instance = is_only_instance
        self.value_names: dict[int, str] = {}
        self.taken_names: set[str] = {"self"}
        self.input_names = self._name_inputs()

    def _name_inputs(self) -> list[str]:
        """Name the inputs; several with one role get their levels, or numbers if levels are not distinct."""
        inputs = self.module_node.inputs
        roles = [self._choose_role(index) for index in inputs]
        for position, (index, role) in enumerate(zip(inputs, roles, strict=True)):
            same_role = [other for other, other_role in zip(inputs, roles, strict=True) if other_role == role]
            levels = [self._format_level(other) for other in same_role]
            if len(same_role) == 1:
                number = ""
            elif self.is_only_instance and len(set(levels)) == len(levels):
                number = self._format_level(index)
            else:
                number = str(roles[:position].count(role) + 1)
            self.value_names[index] = self._reserve_name(f"{role}{number}")
        return [self.value_names[index] for index in inputs]

    def _choose_role(self, index: int) -> str:
        """Return the role of an input: the newest value is the running one, others are skips or the image."""
        if index == max(self.module_node.inputs) or self.module_node.path.startswith("head"):
            return "x"
        return "skip" if index else "image"

    def _format_level(self, index: int) -> str:
        """Return the level of a value, taken from its path if possible."""
        node = self.layers.graph.nodes[index]
        step = node.path.split(".")[1:2]
        return step[0] if step and step[0].isdigit() else str(node.level)

    def write_body(self, keep_tuple: bool = True) -> tuple[list[str], list[Expression | str]]:
        """Return the statements, and the expressions to return: one per output, or the tuple of the last call."""
        *before, last = self.module_node.calls
        lines = [line for child_call in before for line in self._write_statement(child_call)]
        outputs, last_outputs = self.module_node.outputs, last.outputs
        if len(last_outputs) == 1 and outputs.count(last_outputs[0]) == 1:
            call = self._build_expression(last)
            return lines, [call if index == last_outputs[0] else self.value_names[index] for index in outputs]
        if keep_tuple and last_outputs == outputs:
            return lines, [self._build_expression(last)]
        return [*lines, *self._write_statement(last)], [self.value_names[index] for index in outputs]

    def _write_statement(self, child_call: ChildCall) -> list[str]:
        expression = self._build_expression(child_call)
        freed = [self.value_names[index] for index in child_call.last_used]
        return expression.format_lines(f"{self._name_results(child_call, freed)} = ", "", 2)

    def _build_expression(self, child_call: ChildCall) -> Expression:
        child = self.module_node.children[child_call.child]
        inputs: list[Expression | str] = [self.value_names[index] for index in child_call.inputs]
        target = self.layers.build_call(child).target if isinstance(child, Node) else ""
        if target in INLINE_TARGETS and isinstance(child, Node):
            return _format_inline_layer(target, self.layers.build_call(child).arguments, [str(item) for item in inputs])
        name = find_repeated_child(self.module_node, child_call.child) or child_call.child
        return format_call(f"self{self.format_access(name)}", inputs)

    def format_access(self, name: str) -> str:
        """Return the access to a child: attribute, index or key."""
        if not self.is_indexed:
            return f".{name}"
        consecutive = [str(number) for number in range(len(self.module_node.children))]
        return f"[{name}]" if list(self.module_node.children) == consecutive else f'["{name}"]'

    # Names

    def _name_results(self, child_call: ChildCall, freed: list[str]) -> str:
        """Name the results of a call; names of values that it uses last become free."""
        if not child_call.outputs:
            return "_"
        free = [name for name in freed if "[" not in name]
        self.taken_names -= set(free)
        *kept, last = child_call.outputs
        levels = [self._format_level(index) for index in kept]
        has_levels = not self.module_node.path and len(set(levels)) == len(levels)
        if len(child_call.outputs) > MAX_UNPACKED and not has_levels:
            name = self._reserve_free_name(f"{child_call.child}_maps")
            self.value_names.update({index: f"{name}[{n}]" for n, index in enumerate(child_call.outputs)})
            return name
        # The running value is named first; others are named by their level, or after the child that returns them.
        self.value_names[last] = self._reserve_name(self._choose_running_name(child_call, free))
        role = "skip" if child_call.child == "encoder" else "x"
        for index, level in zip(kept, levels, strict=True):
            self.value_names[index] = self._reserve_free_name(f"{role}{level}" if has_levels else child_call.child)
        return ", ".join(self.value_names[index] for index in child_call.outputs)

    def _choose_running_name(self, child_call: ChildCall, free: list[str]) -> str:
        """Choose the name of the running value; one of several outputs is named after the child that returns it."""
        outputs, last = self.module_node.outputs, child_call.outputs[-1]
        if child_call.child[:1].isdigit() and last in outputs and len(outputs) > 1 and len(child_call.outputs) == 1:
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
        is_temporary = self._feeds_only_next_call(child_call) or child_call.child in dir(builtins)
        return running[0] if running and is_temporary else self._find_free_name(child_call.child)

    def _feeds_only_next_call(self, child_call: ChildCall) -> bool:
        """Return whether only the next call reads the last result of a call."""
        index = child_call.outputs[-1]
        following = self.module_node.calls[self.module_node.calls.index(child_call) + 1 :]
        readers = [position for position, other in enumerate(following) if index in other.inputs]
        return readers == [0] and index not in self.module_node.outputs

    def _reserve_name(self, name: str) -> str:
        self.taken_names.add(name)
        return name

    def _find_free_name(self, child: str) -> str:
        """Return an unused name for the result of a child."""
        name = f"x{child}" if child[:1].isdigit() else child
        name = f"{name}_" if keyword.iskeyword(name) else name
        numbered = (f"{name}_{number}" for number in range(2, len(self.taken_names) + 3))
        return next(candidate for candidate in (name, *numbered) if candidate not in self.taken_names)

    def _reserve_free_name(self, child: str) -> str:
        return self._reserve_name(self._find_free_name(child))


def _format_inline_layer(target: str, arguments: Mapping[str, Any], inputs: list[str]) -> Expression:
    """Format a layer without parameters as an expression."""
    if target == "layers.Concat":
        return format_call("torch.cat", [Expression("(", [*inputs], ")" if len(inputs) > 1 else ",)"), "dim=1"])
    if target == "layers.Maximum":
        return format_call("torch.maximum", [*inputs])
    if target == "layers.SelectOutput":
        return Expression(f"{inputs[0]}[{arguments['index']}]")
    return Expression((" + " if target == "layers.Add" else " * ").join(inputs))
