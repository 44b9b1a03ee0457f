"""Merge the settings of each slot, in order of precedence: top level, side, level, side within a level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from unetgen.config.overlay import merge
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SLOTS
from unetgen.config.spec import SlotLocation
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import Problem, did_you_mean

# By side, the slots of SIDES that the spec's encoder, bottleneck and decoder use.
UsedSlots = Mapping[str, tuple[str, ...]]


def iter_slot_locations(depth: int, used: UsedSlots) -> Iterator[SlotLocation]:
    """Yield every slot location of a network: encoder levels, bottleneck, decoder levels."""
    for level in range(depth):
        yield from (("encoder", level, slot) for slot in used["encoder"])
    yield from (("bottleneck", depth, slot) for slot in used["bottleneck"])
    for level in range(depth):
        yield from (("decoder", level, slot) for slot in used["decoder"])


def check_unused_slots(root: YamlNode, used: UsedSlots) -> list[Problem]:
    """Report settings of slots that the encoder or decoder does not use, unless they are inherited."""
    problems = []
    for side in ("encoder", "decoder"):
        unused = [slot for slot in SIDES[side] if slot not in used[side]]
        side_node = root.mapping.get(side)
        type_node = side_node.mapping.get("type", side_node) if side_node else None
        if not unused or type_node is None:
            continue
        others = {slot for other, slots in used.items() if other != side for slot in slots}
        for is_side, entries in _iter_settings(root, side):
            for slot in unused:
                node = entries.get(slot)
                if node is not None and (is_side or slot not in others) and node.precedence >= type_node.precedence:
                    message = f"{slot!r} has no effect: {side} {type_node.value!r} {_OWN_ACTIONS[slot]}"
                    problems.append(node.key_problem("no_effect", message, f"delete {slot!r}"))
    return problems


# What a side does by itself if it does not use a slot.
_OWN_ACTIONS = {
    "block": "has its own blocks",
    "downsample": "does its own downsampling",
    "upsample": "does its own upsampling",
    "skip": "connects its own skips",
}


def _iter_settings(root: YamlNode, side: str) -> Iterator[tuple[bool, Mapping[str, YamlNode]]]:
    """Yield all mappings that can set slots of a side, and whether each belongs to that side alone."""
    levels = _list_levels(root)
    yield False, root.mapping
    yield True, _get_entries(root.mapping.get(side))
    yield from ((True, _get_entries(_get_entry(level, side))) for level in levels)
    yield from ((False, level.mapping) for level in levels)


def _list_levels(root: YamlNode) -> list[YamlNode]:
    levels = root.mapping.get("levels")
    return list(levels.mapping.values()) if levels else []


def collect_slot_settings(root: YamlNode, locations: Iterable[SlotLocation]) -> dict[SlotLocation, YamlNode]:
    """Return the merged settings of each slot location; locations with equal settings share one node."""
    top, levels = root.mapping, _get_entries(root.mapping.get("levels"))
    merged: dict[tuple[str, tuple[int, ...]], YamlNode] = {}
    settings = {}
    for location in locations:
        side, level, slot = location
        entries = _get_entries(levels.get(str(level)))
        sources = (
            top.get(slot),
            _get_entry(top.get(side), slot),
            entries.get(slot),
            _get_entry(entries.get(side), slot),
        )
        key = slot, tuple(map(id, sources))
        if key not in merged:
            merged[key] = _merge_all([node for node in sources if node is not None], slot)
        settings[location] = merged[key]
    return settings


def _merge_all(nodes: list[YamlNode], slot: str) -> YamlNode:
    if not nodes:
        return _make_default_node(slot)
    node = nodes[0]
    for overlay in nodes[1:]:
        node = merge(node, overlay, slot)
    # Expand a single name to a mapping too.
    return merge(YamlNode({}, node.path, node.mark, node.key_mark, precedence=-1), node, slot)


def check_keys(root: YamlNode, depth: int) -> list[Problem]:
    """Report unknown keys of sides and levels, and keys that have no effect in their place."""
    problems: list[Problem] = []
    problems += _check_side(root.mapping.get("bottleneck"), "bottleneck", SIDES["bottleneck"])
    for side in ("encoder", "decoder"):
        # Other keys may be options of the encoder or decoder itself.
        entries = _get_entries(root.mapping.get(side))
        misplaced = {key: node for key, node in entries.items() if key in LEVEL_KEYS and key not in SIDES[side]}
        problems += [_make_misplaced_key_problem(node, key, SIDES[side], side) for key, node in misplaced.items()]
    levels = root.mapping.get("levels")
    if levels is not None and not isinstance(levels.value, dict):
        hint = _suggest_indentation("write {0: {...}}", levels)
        return [*problems, levels.problem("levels", "levels must be a mapping of level numbers", hint)]
    return problems + [
        problem for node, problem in _check_levels(root, depth) if not _is_caused_by_depth(node, problem, root)
    ]


def describe_dropped_levels(root: YamlNode, depth: int) -> list[str]:
    """Return a notice for each inherited level setting that the spec's depth removes."""
    dropped = [node for node, problem in _check_levels(root, depth) if _is_caused_by_depth(node, problem, root)]
    return [f"inherited setting {node.path} is dropped at depth {depth}" for node in dropped]


def _is_caused_by_depth(node: YamlNode, problem: Problem, root: YamlNode) -> bool:
    """Return whether an entry of a level is invalid only because a later depth overrides it."""
    depth_precedence = max(
        (root.mapping[key].precedence for key in ("depth", "widths") if key in root.mapping), default=0
    )
    return node.precedence < depth_precedence and problem.code in ("levels", "no_effect")


def _check_levels(root: YamlNode, depth: int) -> Iterator[tuple[YamlNode, Problem]]:
    """Yield the problems of levels, each with its node."""
    known = {str(level) for level in range(depth + 1)}
    levels = root.mapping.get("levels")
    for key, level in levels.mapping.items() if levels else ():
        if key not in known:
            hint = f"use 0 (the finest) to {depth} (the bottleneck)"
            yield level, level.key_problem("levels", f"level {key!r} does not exist", hint)
        elif not isinstance(level.value, dict):
            yield (
                level,
                level.problem(
                    "levels", "a level must be a mapping", _suggest_indentation("write {block: {...}}", level)
                ),
            )
        else:
            yield from _check_level(level, int(key), depth)


def _check_level(level: YamlNode, index: int, depth: int) -> Iterator[tuple[YamlNode, Problem]]:
    is_bottleneck = index == depth
    sides = ("bottleneck",) if is_bottleneck else ("encoder", "decoder")
    slots = SIDES["bottleneck"] if is_bottleneck else LEVEL_KEYS
    for key, node in level.mapping.items():
        if key in sides:
            yield from ((node, problem) for problem in _check_side(node, key, SIDES[key]))
        elif key not in slots:
            container = f"level {index}{', the bottleneck' * is_bottleneck}"
            yield node, _make_misplaced_key_problem(node, key, (*slots, *sides), container)


def _check_side(node: YamlNode | None, side: str, slots: tuple[str, ...]) -> list[Problem]:
    if node is None:
        return []
    if not isinstance(node.value, dict):
        return [
            node.problem("side", "a side must be a mapping", _suggest_indentation(f"write {{{slots[0]}: ...}}", node))
        ]
    return [
        _make_misplaced_key_problem(child, key, slots, side) for key, child in node.mapping.items() if key not in slots
    ]


def _make_misplaced_key_problem(node: YamlNode, key: str, known: tuple[str, ...], container: str) -> Problem:
    hint = f"its keys are {', '.join(known)}"
    if key in (*LEVEL_KEYS, *SIDES, *SLOTS):
        return node.key_problem("no_effect", f"{key!r} has no effect in {container}", hint)
    return node.key_problem("unknown_key", f"unknown key of {container}", did_you_mean(key, known) or hint)


def _suggest_indentation(hint: str, node: YamlNode) -> str:
    """Return the hint, or another one for an empty mapping, whose entries are usually not indented."""
    return "indent its entries below it" if node.value is None else hint


def _get_entries(node: YamlNode | None) -> Mapping[str, YamlNode]:
    return node.mapping if node is not None else {}


def _get_entry(node: YamlNode | None, key: str) -> YamlNode | None:
    return node.mapping.get(key) if node is not None else None


def _make_default_node(slot: str) -> YamlNode:
    value: dict[str, object] = {} if slot == "skip" else {"type": SLOTS[slot].default}
    return from_data(value, "default", slot)
