"""Title: what the classes are called. As their modules are printed, and by where they stand where several are alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from keyword import iskeyword

from unetgen.outputs.source.signatures import ModuleSignature, SignatureKey

# Labels that say nothing of what is inside.
_UNINFORMATIVE_LABELS = ("Scope", "Sequence", "NoBlock")

_DIGITS = "0123456789"


def choose_class_names(signatures: Sequence[ModuleSignature], reserved: Iterable[str]) -> dict[SignatureKey, str]:
    """A name for each class, none of them reserved."""
    taken = set(reserved)
    standing = [(_find_common_location(shape), _choose_label(shape)) for shape in signatures]
    found = {}
    for shape, (place, label) in zip(signatures, standing, strict=True):
        if sum(label == other for _, other in standing) == 1:
            tries = [label, f"{place}{label}"]
        elif standing.count((place, label)) == 1 or not _find_common_level(shape):
            tries = [f"{place}{label}"]
        else:
            tries = [f"{place}{label}{_find_common_level(shape)}"]
        numbered = (
            f"{tries[-1]}_{number}" if tries[-1][-1] in _DIGITS else f"{tries[-1]}{number}"
            for number in range(2, len(taken) + 3)
        )
        found[shape.key] = next(name for name in (*tries, *numbered) if name not in taken)
        taken.add(found[shape.key])
    return found


def _choose_label(signature: ModuleSignature) -> str:
    """What a class is: its label if that says something, else its name in the module that holds it."""
    path, label = signature.module_node.path, signature.module_node.label
    if not path:
        return "UNet"
    if label not in _UNINFORMATIVE_LABELS:
        return label
    named = [step for step in map(_strip_number, path.split(".")[1:]) if step and not iskeyword(step)]
    if named:
        return named[-1].title().replace("_", "")
    if label == "NoBlock":
        return "Level"
    return "Blocks" if path.count(".") < 2 else "Block"


def _find_common_location(signature: ModuleSignature) -> str:
    """The side that all modules of a class are in, or the name that all of them have; nothing where they differ."""
    sides = {path.partition(".")[0] for path in signature.paths}
    stems = {_strip_number(path.rpartition(".")[2]) for path in signature.paths}
    found = sides if len(sides) == 1 else stems
    name = found.pop().title() if len(found) == 1 else ""
    return "" if name == _choose_label(signature) else name


def _find_common_level(signature: ModuleSignature) -> str:
    """The level that all modules of a class are at; nothing where they are at several."""
    levels = {step for path in signature.paths for step in path.split(".")[1:2]}
    level = levels.pop() if len(levels) == 1 else ""
    return level if level.isdigit() else ""


def _strip_number(step: str) -> str:
    """A step of a path without the number it ends in; nothing where it is one."""
    return "" if step[:1].isdigit() else step.rstrip(_DIGITS)
