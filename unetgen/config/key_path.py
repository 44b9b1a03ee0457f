"""Dotted paths: what a person calls a place in a spec, and whether any spec has it."""

from __future__ import annotations

from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOT_BY_KEY, SLOTS
from unetgen.config.top_level import TOP_KEYS
from unetgen.config.widths import Growth
from unetgen.errors import Problem, SourceLocation, SpecError, did_you_mean

KeyPath = tuple[str, ...]

# What comes after nothing, after widths that grow, and after keys whose values are no mappings.
_FIXED_CHILDREN: dict[KeyPath, tuple[str, ...]] = {
    (): TOP_KEYS,
    ("widths",): tuple(Growth.model_fields),
    **{(key,): () for key in ("dims", "in_channels", "out_channels", "input_size", "depth", "checkpointing")},
    ("model_built",): (),
}


def parse_key_path(path: str, mark: SourceLocation) -> KeyPath:
    """The steps of a path. Raises SpecError where there is nothing between two dots."""
    steps = tuple(path.replace("[", ".").replace("]", "").split("."))
    if not all(steps):
        raise SpecError([Problem("set", path, "a path is names joined by dots", "write decoder.block.norm", mark)])
    return steps


def explain_unknown_path(key_path: KeyPath, registry: Registry) -> tuple[str, str] | None:
    """Why no spec has anything at a location, and what was meant; None where one may have.

    A plugin is imported only where no built-in part has an option of that name.
    """
    for number, step in enumerate(key_path):
        before = key_path[:number]
        known = _list_child_names(before, registry)
        if known is None:
            continue
        if step not in known and not (before and _has_plugin_option(before, step, registry)):
            return f"{'.'.join(key_path)!r} is nowhere in a spec", _suggest_path(key_path, number, known)
    return None


def _suggest_path(key_path: KeyPath, index: int, known: tuple[str, ...]) -> str:
    """What to write instead of an unknown step of a path."""
    where, step, rest = ".".join(key_path[:index]), key_path[index], key_path[index + 1 :]
    if not where and step in SLOTS:
        return f"write {'skip' if step in SKIP_KEYS else 'block'}.{'.'.join(key_path)}"
    if near := did_you_mean(step, known):
        meant = near.split("'")[1]
        return f"did you mean {'.'.join((*key_path[:index], meant, *rest))!r}?"
    if not known:
        return f"{where} is a single value"
    return f"{where} has {', '.join(sorted(known))}" if where else "see: unetgen new"


def _list_child_names(prefix: KeyPath, registry: Registry) -> tuple[str, ...] | None:
    """The names that can come after a location; None where anything may."""
    if prefix in _FIXED_CHILDREN:
        return _FIXED_CHILDREN[prefix]
    *above, last = prefix
    if last in SIDES and (not above or above[0] == "levels"):
        own = () if above else _list_option_names(last, registry)
        return (*SIDES[last], *own, *(("widths",) if last == "decoder" and not above else ()))
    if len(prefix) == 2 and above == ["levels"]:
        return (*LEVEL_KEYS, *SIDES)
    if last == "skip":
        return SKIP_KEYS
    return _list_option_names(last, registry) if last in SLOT_BY_KEY and prefix[0] != "heads" else None


def _list_option_names(slot: str, registry: Registry) -> tuple[str, ...]:
    """What the parts of a slot that are there have as options; a bottleneck has none of its own."""
    return ("type", *registry.list_options(SLOT_BY_KEY[slot])) if slot in SLOT_BY_KEY else ()


def _has_plugin_option(prefix: KeyPath, step: str, registry: Registry) -> bool:
    """Whether a plugin's part has it."""
    slot = SLOT_BY_KEY.get(prefix[-1])
    return slot is not None and step in registry.list_options(slot, include_plugins=True)
