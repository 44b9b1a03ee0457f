"""Parameter: what modules of one class are made with, where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

# Numbers of channels go by one name wherever they are equal in every module of a class.
_CHANNELS = ("in_channels", "out_channels", "num_features", "num_channels", "channels", "groups", "num_parameters")

Slot = tuple[str, str]


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


def parameters(modules: Sequence[dict[Slot, Any]]) -> list[Parameter]:
    """The arguments of modules of one class: one for all channels that are equal throughout, one for each else."""
    groups: dict[tuple[Any, ...], list[Slot]] = {}
    for slot in modules[0]:
        values = tuple(module[slot] for module in modules)
        if any(value != values[0] or type(value) is not type(values[0]) for value in values):
            kind = "channels" if _plain(slot[1]) in _CHANNELS else slot[1]
            groups.setdefault((kind, *map(repr, values)), []).append(slot)
    taken: set[str] = set()
    return [_named(slots, modules, taken) for slots in groups.values()]


def _named(slots: list[Slot], modules: Sequence[dict[Slot, Any]], taken: set[str]) -> Parameter:
    child, argument = slots[0]
    tries = [argument, f"{'_' if child[:1].isdigit() else ''}{child}_{argument}"]
    if argument in ("num_features", "num_channels", "channels"):
        tries.insert(0, "channels")
    name = next((name for name in tries if name not in taken), f"{tries[-1]}_{len(taken)}")
    taken.add(name)
    return Parameter(name, tuple(module[slots[0]] for module in modules), tuple(slots))


def _plain(name: str) -> str:
    """A parameter that a child was given another name for is what it ends in."""
    return next((known for known in _CHANNELS if name.endswith(known)), name)


def _annotation(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        inner = " | ".join(dict.fromkeys(_annotation(item) for item in value)) or "int"
        return f"tuple[{inner}, ...]"
    return "None" if value is None else type(value).__name__
