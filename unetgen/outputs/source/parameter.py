"""Parameter: what modules of one class are made with, where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

# Numbers of channels go by one name wherever they are equal in every module of a class.
_CHANNELS = ("channels", "num_channels", "num_features", "num_parameters", "groups")

# What a module is made with first goes without saying.
_FIRST = ("in_channels", "channels", "out_channels")

Slot = tuple[str, str]


class Made(NamedTuple):
    """One module: the arguments of its children, and the channels of what it is handed and of what it hands on."""

    slots: dict[Slot, Any]
    in_channels: int
    out_channels: int


class Parameter(NamedTuple):
    """An argument of a class: its name, its value in each module, and the slots that it fills."""

    name: str
    values: tuple[Any, ...]
    slots: tuple[Slot, ...]

    @property
    def annotation(self) -> str:
        """The type of its values."""
        kinds = dict.fromkeys(_annotation(value) for value in self.values)
        return " | ".join(kinds)


def parameters(modules: Sequence[Made]) -> list[Parameter]:
    """The arguments of modules of one class: one for all channels that are equal throughout, one for each else."""
    groups: dict[tuple[Any, ...], list[Slot]] = {}
    for slot in modules[0].slots:
        values = tuple(module.slots[slot] for module in modules)
        if any(value != values[0] or type(value) is not type(values[0]) for value in values):
            kind = "channels" if _counts(slot[1]) else slot[1]
            groups.setdefault((kind, *map(repr, values)), []).append(slot)
    sure = [_by_value(slots, modules) for slots in groups.values()]
    asked = [known or _bare(slots) for known, slots in zip(sure, groups.values(), strict=True)]
    often = Counter(asked)
    taken: set[str] = set()
    found = []
    for known, name, slots in zip(sure, asked, groups.values(), strict=True):
        plain = name if known or often[name] == 1 else _told(*_telling(slots))
        found.append(_parameter(_apart(plain, taken), slots, modules))
    return sorted(
        found, key=lambda parameter: _FIRST.index(parameter.name) if parameter.name in _FIRST else len(_FIRST)
    )


def _by_value(slots: list[Slot], modules: Sequence[Made]) -> str:
    """The name of channels that are those of what enters or leaves every module; nothing for others."""
    if not _counts(slots[0][1]):
        return ""
    values = [module.slots[slots[0]] for module in modules]
    enters = values == [module.in_channels for module in modules]
    leaves = values == [module.out_channels for module in modules]
    return ("channels" if leaves else "in_channels") if enters else "out_channels" if leaves else ""


def _bare(slots: list[Slot]) -> str:
    """The name that an argument has if no other asks for it."""
    child, argument = _telling(slots)
    return argument if argument not in ("out_channels", *_CHANNELS) else _told(child, argument)


def _telling(slots: list[Slot]) -> Slot:
    """The slot that an argument is called by: what makes so many channels, or else what takes them."""
    takes = [slot for slot in slots if slot[1] == "in_channels"]
    return takes[0] if takes and slots[0][1] != "out_channels" else slots[0]


def _told(child: str, argument: str) -> str:
    """An argument by the child that it is for; what a child makes is its channels."""
    plain = "channels" if argument in ("out_channels", *_CHANNELS) else argument
    return f"{plain}{child}" if child[:1].isdigit() else f"{child}_{plain}"


def _apart(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    found = next(fresh for fresh in (name, *numbered) if fresh not in taken)
    taken.add(found)
    return found


def _parameter(name: str, slots: list[Slot], modules: Sequence[Made]) -> Parameter:
    return Parameter(name, tuple(module.slots[slots[0]] for module in modules), tuple(slots))


def _counts(argument: str) -> bool:
    """Whether an argument is a number of channels, under whatever name a child was given for it."""
    return "channels" in argument or argument in _CHANNELS


def _annotation(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        inner = " | ".join(dict.fromkeys(_annotation(item) for item in value)) or "int"
        return f"tuple[{inner}, ...]"
    return "None" if value is None else type(value).__name__
