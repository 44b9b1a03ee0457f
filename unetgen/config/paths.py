"""Dotted paths: what a person calls a place in a spec, and whether any spec has it."""

from __future__ import annotations

from unetgen.config.header import TOP_KEYS
from unetgen.config.registry import Registry
from unetgen.config.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOT_OF, SLOTS
from unetgen.config.widths import Growth
from unetgen.errors import Mark, Problem, SpecError, did_you_mean

Location = tuple[str, ...]

# What comes after nothing, after widths that grow, and after keys whose values are no mappings.
_FIXED: dict[Location, tuple[str, ...]] = {
    (): TOP_KEYS,
    ("widths",): tuple(Growth.model_fields),
    **{(key,): () for key in ("dims", "in_channels", "out_channels", "input_size", "depth", "checkpointing")},
    ("model_built",): (),
}


def location_of(path: str, mark: Mark) -> Location:
    """The steps of a path. Raises SpecError where there is nothing between two dots."""
    steps = tuple(path.replace("[", ".").replace("]", "").split("."))
    if not all(steps):
        raise SpecError([Problem("set", path, "a path is names joined by dots", "write decoder.block.norm", mark)])
    return steps


def unknown(location: Location, registry: Registry) -> tuple[str, str] | None:
    """Why no spec has anything at a location, and what was meant; None where one may have.

    A plugin is imported only where no built-in part has an option of that name.
    """
    for number, step in enumerate(location):
        before = location[:number]
        known = _known(before, registry)
        if known is None:
            continue
        if step not in known and not (before and _option(before, step, registry)):
            return f"{'.'.join(location)!r} is nowhere in a spec", _meant(location, number, known)
    return None


def _meant(location: Location, number: int, known: tuple[str, ...]) -> str:
    """What to write instead of an unknown step of a path."""
    where, step, rest = ".".join(location[:number]), location[number], location[number + 1 :]
    if not where and step in SLOTS:
        return f"write {'skip' if step in SKIP_KEYS else 'block'}.{'.'.join(location)}"
    if near := did_you_mean(step, known):
        meant = near.split("'")[1]
        return f"did you mean {'.'.join((*location[:number], meant, *rest))!r}?"
    if not known:
        return f"{where} is a single value"
    return f"{where} has {', '.join(sorted(known))}" if where else "see: unetgen new"


def _known(before: Location, registry: Registry) -> tuple[str, ...] | None:
    """The names that can come after a location; None where anything may."""
    if before in _FIXED:
        return _FIXED[before]
    *above, last = before
    if last in SIDES and (not above or above[0] == "levels"):
        own = () if above else _options(last, registry)
        return (*SIDES[last], *own, *(("widths",) if last == "decoder" and not above else ()))
    if len(before) == 2 and above == ["levels"]:
        return (*LEVEL_KEYS, *SIDES)
    if last == "skip":
        return SKIP_KEYS
    return _options(last, registry) if last in SLOT_OF and before[0] != "heads" else None


def _options(slot: str, registry: Registry) -> tuple[str, ...]:
    """What the parts of a slot that are there have as options; a bottleneck has none of its own."""
    return ("type", *registry.options(SLOT_OF[slot])) if slot in SLOT_OF else ()


def _option(before: Location, step: str, registry: Registry) -> bool:
    """Whether a plugin's part has it."""
    slot = SLOT_OF.get(before[-1])
    return slot is not None and step in registry.options(slot, of_plugins=True)
