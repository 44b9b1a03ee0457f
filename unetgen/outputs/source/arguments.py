"""Derive the constructor arguments of a class from the arguments in which its modules differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

# Arguments that count channels; those that are equal in every module of a class become one argument.
_CHANNEL_ARGUMENTS = ("channels", "num_channels", "num_features", "num_parameters", "groups")

# The arguments that come first in a signature.
_LEADING_ARGUMENTS = ("in_channels", "channels", "out_channels")

ChildArgument = tuple[str, str]


class ModuleArguments(NamedTuple):
    """One module: the arguments of its children, and the channels of its input and output."""

    child_arguments: dict[ChildArgument, Any]
    in_channels: int
    out_channels: int


class ConstructorArgument(NamedTuple):
    """A constructor argument: its name, its value in each module, and the child arguments that it sets."""

    name: str
    values: tuple[Any, ...]
    child_arguments: tuple[ChildArgument, ...]

    @property
    def annotation(self) -> str:
        """The type annotation."""
        kinds = dict.fromkeys(_format_annotation(value) for value in self.values)
        return " | ".join(kinds)


def derive_constructor_arguments(modules: Sequence[ModuleArguments]) -> list[ConstructorArgument]:
    """Derive the constructor arguments of a class from its modules.

    Channel counts that are equal in every module become one argument; every other differing argument becomes one of
    its own.

    Args:
        modules: All modules of the class.

    Returns:
        The arguments, with input and output channels first.
    """
    groups = list(_group_differing_arguments(modules).values())
    channel_names = [_name_by_channels(group, modules) for group in groups]
    candidates = [name or _choose_bare_name(group) for name, group in zip(channel_names, groups, strict=True)]
    num_uses = Counter(candidates)
    taken: set[str] = set()
    arguments = []
    for channel_name, candidate, group in zip(channel_names, candidates, groups, strict=True):
        is_unambiguous = channel_name or num_uses[candidate] == 1
        name = candidate if is_unambiguous else _format_argument_name(*_select_naming_argument(group))
        arguments.append(_build_argument(_make_unique(name, taken), group, modules))
    return sorted(arguments, key=_signature_position)


def _group_differing_arguments(modules: Sequence[ModuleArguments]) -> dict[tuple[Any, ...], list[ChildArgument]]:
    """Group the child arguments that differ between modules by kind and values."""
    groups: dict[tuple[Any, ...], list[ChildArgument]] = {}
    for child_argument in modules[0].child_arguments:
        values = tuple(module.child_arguments[child_argument] for module in modules)
        if any(value != values[0] or type(value) is not type(values[0]) for value in values):
            kind = "channels" if _is_channel_count(child_argument[1]) else child_argument[1]
            groups.setdefault((kind, *map(repr, values)), []).append(child_argument)
    return groups


def _signature_position(argument: ConstructorArgument) -> int:
    is_leading = argument.name in _LEADING_ARGUMENTS
    return _LEADING_ARGUMENTS.index(argument.name) if is_leading else len(_LEADING_ARGUMENTS)


def _name_by_channels(child_arguments: list[ChildArgument], modules: Sequence[ModuleArguments]) -> str:
    """Return the name of a channel count that is the input or output channels of every module, else an empty string."""
    if not _is_channel_count(child_arguments[0][1]):
        return ""
    values = [module.child_arguments[child_arguments[0]] for module in modules]
    is_input = values == [module.in_channels for module in modules]
    is_output = values == [module.out_channels for module in modules]
    return ("channels" if is_output else "in_channels") if is_input else "out_channels" if is_output else ""


def _choose_bare_name(child_arguments: list[ChildArgument]) -> str:
    """Return the name of an argument that no other argument needs."""
    child, argument = _select_naming_argument(child_arguments)
    return argument if argument not in ("out_channels", *_CHANNEL_ARGUMENTS) else _format_argument_name(child, argument)


def _select_naming_argument(child_arguments: list[ChildArgument]) -> ChildArgument:
    """Return the child argument that names a constructor argument: its first consumer or producer of channels."""
    consumers = [argument for argument in child_arguments if argument[1] == "in_channels"]
    return consumers[0] if consumers and child_arguments[0][1] != "out_channels" else child_arguments[0]


def _format_argument_name(child: str, argument: str) -> str:
    """Name an argument after its child; the output channels of a child are its ``channels``."""
    suffix = "channels" if argument in ("out_channels", *_CHANNEL_ARGUMENTS) else argument
    return f"{suffix}{child}" if child[:1].isdigit() else f"{child}_{suffix}"


def _make_unique(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    unique = next(candidate for candidate in (name, *numbered) if candidate not in taken)
    taken.add(unique)
    return unique


def _build_argument(
    name: str, child_arguments: list[ChildArgument], modules: Sequence[ModuleArguments]
) -> ConstructorArgument:
    return ConstructorArgument(
        name, tuple(module.child_arguments[child_arguments[0]] for module in modules), tuple(child_arguments)
    )


def _is_channel_count(argument: str) -> bool:
    """Return whether an argument counts channels."""
    return "channels" in argument or argument in _CHANNEL_ARGUMENTS


def _format_annotation(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        inner = " | ".join(dict.fromkeys(_format_annotation(item) for item in value)) or "int"
        return f"tuple[{inner}, ...]"
    return "None" if value is None else type(value).__name__
