"""Parameter: what modules of one class are made with, where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

# Numbers of channels go by one name wherever they are equal in every module of a class.
_CHANNEL_ARGUMENTS = ("channels", "num_channels", "num_features", "num_parameters", "groups")

# What a module is made with first goes without saying.
_LEADING_ARGUMENTS = ("in_channels", "channels", "out_channels")

ChildArgument = tuple[str, str]


class ModuleArguments(NamedTuple):
    """One module: the arguments of its children, and the channels of what it is handed and of what it hands on."""

    child_arguments: dict[ChildArgument, Any]
    in_channels: int
    out_channels: int


class ConstructorArgument(NamedTuple):
    """An argument of a class: its name, its value in each module, and the slots that it fills."""

    name: str
    values: tuple[Any, ...]
    child_arguments: tuple[ChildArgument, ...]

    @property
    def annotation(self) -> str:
        """The type of its values."""
        kinds = dict.fromkeys(_format_annotation(value) for value in self.values)
        return " | ".join(kinds)


def derive_constructor_arguments(modules: Sequence[ModuleArguments]) -> list[ConstructorArgument]:
    """The arguments of modules of one class: one for all channels that are equal throughout, one for each else."""
    groups: dict[tuple[Any, ...], list[ChildArgument]] = {}
    for slot in modules[0].child_arguments:
        values = tuple(module.child_arguments[slot] for module in modules)
        if any(value != values[0] or type(value) is not type(values[0]) for value in values):
            kind = "channels" if _is_channel_count(slot[1]) else slot[1]
            groups.setdefault((kind, *map(repr, values)), []).append(slot)
    sure = [_name_by_channels(slots, modules) for slots in groups.values()]
    asked = [known or _choose_bare_name(slots) for known, slots in zip(sure, groups.values(), strict=True)]
    often = Counter(asked)
    taken: set[str] = set()
    found = []
    for known, name, slots in zip(sure, asked, groups.values(), strict=True):
        plain = name if known or often[name] == 1 else _format_argument_name(*_select_naming_argument(slots))
        found.append(_build_argument(_make_unique(plain, taken), slots, modules))
    return sorted(
        found,
        key=lambda parameter: (
            _LEADING_ARGUMENTS.index(parameter.name)
            if parameter.name in _LEADING_ARGUMENTS
            else len(_LEADING_ARGUMENTS)
        ),
    )


def _name_by_channels(child_arguments: list[ChildArgument], modules: Sequence[ModuleArguments]) -> str:
    """The name of channels that are those of what enters or leaves every module; nothing for others."""
    if not _is_channel_count(child_arguments[0][1]):
        return ""
    values = [module.child_arguments[child_arguments[0]] for module in modules]
    enters = values == [module.in_channels for module in modules]
    leaves = values == [module.out_channels for module in modules]
    return ("channels" if leaves else "in_channels") if enters else "out_channels" if leaves else ""


def _choose_bare_name(child_arguments: list[ChildArgument]) -> str:
    """The name that an argument has if no other asks for it."""
    child, argument = _select_naming_argument(child_arguments)
    return argument if argument not in ("out_channels", *_CHANNEL_ARGUMENTS) else _format_argument_name(child, argument)


def _select_naming_argument(child_arguments: list[ChildArgument]) -> ChildArgument:
    """The slot that an argument is called by: what makes so many channels, or else what takes them."""
    takes = [slot for slot in child_arguments if slot[1] == "in_channels"]
    return takes[0] if takes and child_arguments[0][1] != "out_channels" else child_arguments[0]


def _format_argument_name(child: str, argument: str) -> str:
    """An argument by the child that it is for; what a child makes is its channels."""
    plain = "channels" if argument in ("out_channels", *_CHANNEL_ARGUMENTS) else argument
    return f"{plain}{child}" if child[:1].isdigit() else f"{child}_{plain}"


def _make_unique(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    found = next(fresh for fresh in (name, *numbered) if fresh not in taken)
    taken.add(found)
    return found


def _build_argument(
    name: str, child_arguments: list[ChildArgument], modules: Sequence[ModuleArguments]
) -> ConstructorArgument:
    return ConstructorArgument(
        name, tuple(module.child_arguments[child_arguments[0]] for module in modules), tuple(child_arguments)
    )


def _is_channel_count(argument: str) -> bool:
    """Whether an argument is a number of channels, under whatever name a child was given for it."""
    return "channels" in argument or argument in _CHANNEL_ARGUMENTS


def _format_annotation(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        inner = " | ".join(dict.fromkeys(_format_annotation(item) for item in value)) or "int"
        return f"tuple[{inner}, ...]"
    return "None" if value is None else type(value).__name__
