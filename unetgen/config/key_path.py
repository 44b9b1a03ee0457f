"""Parse dotted key paths and explain those that no spec can have."""

from __future__ import annotations

from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOT_BY_KEY, SLOTS
from unetgen.config.top_level import TOP_KEYS
from unetgen.config.widths import Growth
from unetgen.errors import Problem, SourceLocation, SpecError, did_you_mean

KeyPath = tuple[str, ...]

# The child names of the root, of growing widths, and of keys whose values are not mappings.
_FIXED_CHILDREN: dict[KeyPath, tuple[str, ...]] = {
    (): TOP_KEYS,
    ("widths",): tuple(Growth.model_fields),
    **{(key,): () for key in ("dims", "in_channels", "out_channels", "input_size", "depth", "checkpointing")},
    ("model_built",): (),
}


def parse_key_path(path: str, mark: SourceLocation) -> KeyPath:
    """Return the steps of a dotted path. Raises SpecError if a step is empty."""
    steps = tuple(path.replace("[", ".").replace("]", "").split("."))
    if not all(steps):
        raise SpecError([Problem("set", path, "a path is names joined by dots", "write decoder.block.norm", mark)])
    return steps


def explain_unknown_path(key_path: KeyPath, registry: Registry) -> tuple[str, str] | None:
    """Return why no spec can have a key path, and the fix; None if a spec can have it.

    Plugins are imported only if no built-in part has an option of that name.
    """
    for number, step in enumerate(key_path):
        prefix = key_path[:number]
        known = _list_child_names(prefix, registry)
        if known is None:
            continue
        if step not in known and not (prefix and _has_plugin_option(prefix, step, registry)):
            return f"unknown path {'.'.join(key_path)!r}", _suggest_path(key_path, number, known)
    return None


def _suggest_path(key_path: KeyPath, index: int, known: tuple[str, ...]) -> str:
    """Return the fix for an unknown step of a path."""
    parent, step, rest = ".".join(key_path[:index]), key_path[index], key_path[index + 1 :]
    if not parent and step in SLOTS:
        return f"write {'skip' if step in SKIP_KEYS else 'block'}.{'.'.join(key_path)}"
    if suggestion := did_you_mean(step, known):
        similar = suggestion.split("'")[1]
        return f"did you mean {'.'.join((*key_path[:index], similar, *rest))!r}?"
    if not known:
        return f"{parent} is a single value"
    return f"the keys of {parent} are {', '.join(sorted(known))}" if parent else "see: unetgen new"


def _list_child_names(prefix: KeyPath, registry: Registry) -> tuple[str, ...] | None:
    """Return the names that can follow a key path; None if any name can."""
    if prefix in _FIXED_CHILDREN:
        return _FIXED_CHILDREN[prefix]
    *parents, last = prefix
    if last in SIDES and (not parents or parents[0] == "levels"):
        options = () if parents else _list_option_names(last, registry)
        return (*SIDES[last], *options, *(("widths",) if last == "decoder" and not parents else ()))
    if len(prefix) == 2 and parents == ["levels"]:
        return (*LEVEL_KEYS, *SIDES)
    if last == "skip":
        return SKIP_KEYS
    return _list_option_names(last, registry) if last in SLOT_BY_KEY and prefix[0] != "heads" else None


def _list_option_names(slot: str, registry: Registry) -> tuple[str, ...]:
    """Return the options of a slot's loaded parts; a bottleneck has none."""
    return ("type", *registry.list_options(SLOT_BY_KEY[slot])) if slot in SLOT_BY_KEY else ()


def _has_plugin_option(prefix: KeyPath, step: str, registry: Registry) -> bool:
    """Return whether a plugin's part has an option."""
    slot = SLOT_BY_KEY.get(prefix[-1])
    return slot is not None and step in registry.list_options(slot, include_plugins=True)
