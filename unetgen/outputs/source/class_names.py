"""Choose class names: the printed name of the modules, with their location if several classes share it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from keyword import iskeyword

from unetgen.outputs.source.signatures import ModuleSignature, SignatureKey

# Printed names that do not describe the content.
_UNINFORMATIVE_LABELS = ("Scope", "Sequence", "NoBlock")

_DIGITS = "0123456789"


def choose_class_names(signatures: Sequence[ModuleSignature], reserved: Iterable[str]) -> dict[SignatureKey, str]:
    """Choose a unique name for each class.

    Args:
        signatures: The classes.
        reserved: Names that the file uses for other things.

    Returns:
        The name of each class by its key.
    """
    taken = set(reserved)
    located = [(_find_common_location(signature), _choose_label(signature)) for signature in signatures]
    names = {}
    for signature, (location, label) in zip(signatures, located, strict=True):
        if sum(label == other for _, other in located) == 1:
            candidates = [label, f"{location}{label}"]
        elif located.count((location, label)) == 1 or not _find_common_level(signature):
            candidates = [f"{location}{label}"]
        else:
            candidates = [f"{location}{label}{_find_common_level(signature)}"]
        stem = f"{candidates[-1]}_" if candidates[-1][-1] in _DIGITS else candidates[-1]
        numbered = (f"{stem}{number}" for number in range(2, len(taken) + 3))
        names[signature.key] = next(name for name in (*candidates, *numbered) if name not in taken)
        taken.add(names[signature.key])
    return names


def _choose_label(signature: ModuleSignature) -> str:
    """Return the printed name if it is informative, else a name from the path."""
    path, label = signature.module_node.path, signature.module_node.label
    if not path:
        return "UNet"
    if label not in _UNINFORMATIVE_LABELS:
        return label
    steps = [step for step in map(_strip_number, path.split(".")[1:]) if step and not iskeyword(step)]
    if steps:
        return steps[-1].title().replace("_", "")
    if label == "NoBlock":
        return "Level"
    return "Blocks" if path.count(".") < 2 else "Block"


def _find_common_location(signature: ModuleSignature) -> str:
    """Return the side that contains all modules of a class, or the name that all have, else an empty string."""
    sides = {path.partition(".")[0] for path in signature.paths}
    stems = {_strip_number(path.rpartition(".")[2]) for path in signature.paths}
    common = sides if len(sides) == 1 else stems
    name = common.pop().title() if len(common) == 1 else ""
    return "" if name == _choose_label(signature) else name


def _find_common_level(signature: ModuleSignature) -> str:
    """Return the level of all modules of a class, or an empty string if they are at several."""
    levels = {step for path in signature.paths for step in path.split(".")[1:2]}
    level = levels.pop() if len(levels) == 1 else ""
    return level if level.isdigit() else ""


def _strip_number(step: str) -> str:
    """Return a path step without its trailing number; an empty string for a number."""
    return "" if step[:1].isdigit() else step.rstrip(_DIGITS)
