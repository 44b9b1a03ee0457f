"""Title: what the classes are called. As their modules are printed, and by where they stand where several are alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from keyword import iskeyword

from unetgen.outputs.source.shape import Key, Shape

# Labels that say nothing of what is inside.
_VAGUE = ("Scope", "Sequence", "NoBlock")

_DIGITS = "0123456789"


def titles(shapes: Sequence[Shape], reserved: Iterable[str]) -> dict[Key, str]:
    """A name for each class, none of them reserved."""
    taken = set(reserved)
    standing = [(_place(shape), _label(shape)) for shape in shapes]
    found = {}
    for shape, (place, label) in zip(shapes, standing, strict=True):
        if sum(label == other for _, other in standing) == 1:
            tries = [label, f"{place}{label}"]
        elif standing.count((place, label)) == 1 or not _level(shape):
            tries = [f"{place}{label}"]
        else:
            tries = [f"{place}{label}{_level(shape)}"]
        numbered = (
            f"{tries[-1]}_{number}" if tries[-1][-1] in _DIGITS else f"{tries[-1]}{number}"
            for number in range(2, len(taken) + 3)
        )
        found[shape.key] = next(name for name in (*tries, *numbered) if name not in taken)
        taken.add(found[shape.key])
    return found


def _label(shape: Shape) -> str:
    """What a class is: its label if that says something, else its name in the module that holds it."""
    path, label = shape.branch.path, shape.branch.label
    if not path:
        return "UNet"
    if label not in _VAGUE:
        return label
    named = [step for step in map(_stem, path.split(".")[1:]) if step and not iskeyword(step)]
    if named:
        return named[-1].title().replace("_", "")
    if label == "NoBlock":
        return "Level"
    return "Blocks" if path.count(".") < 2 else "Block"


def _place(shape: Shape) -> str:
    """The side that all modules of a class are in, or the name that all of them have; nothing where they differ."""
    sides = {path.partition(".")[0] for path in shape.paths}
    stems = {_stem(path.rpartition(".")[2]) for path in shape.paths}
    found = sides if len(sides) == 1 else stems
    name = found.pop().title() if len(found) == 1 else ""
    return "" if name == _label(shape) else name


def _level(shape: Shape) -> str:
    """The level that all modules of a class are at; nothing where they are at several."""
    levels = {step for path in shape.paths for step in path.split(".")[1:2]}
    level = levels.pop() if len(levels) == 1 else ""
    return level if level.isdigit() else ""


def _stem(step: str) -> str:
    """A step of a path without the number it ends in; nothing where it is one."""
    return "" if step[:1].isdigit() else step.rstrip(_DIGITS)
