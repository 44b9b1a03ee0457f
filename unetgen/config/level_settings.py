"""What each place in the network is told: top level < side < level < the level's side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from unetgen.config.overlay import merge
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SLOTS
from unetgen.config.spec import SlotLocation
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import Problem, did_you_mean

# The slots that each side of a spec's network draws with: those of SIDES that its encoder and decoder use.
UsedSlots = Mapping[str, tuple[str, ...]]


def iter_slot_locations(depth: int, used: UsedSlots) -> Iterator[SlotLocation]:
    """Every place of a network: each level's slots on the way down, at the bottom, on the way up."""
    for level in range(depth):
        yield from (("encoder", level, slot) for slot in used["encoder"])
    yield from (("bottleneck", depth, slot) for slot in used["bottleneck"])
    for level in range(depth):
        yield from (("decoder", level, slot) for slot in used["decoder"])


def check_unused_slots(root: YamlNode, used: UsedSlots) -> list[Problem]:
    """What is said about slots that the encoder or the decoder has no use for, unless it is inherited."""
    problems = []
    for side in ("encoder", "decoder"):
        idle = [slot for slot in SIDES[side] if slot not in used[side]]
        whole = root.mapping.get(side)
        named = whole.mapping.get("type", whole) if whole else None
        if not idle or named is None:
            continue
        others = {slot for other, slots in used.items() if other != side for slot in slots}
        places = [("", root.mapping), (side, whole.mapping if whole else {})]
        places += [(side, _get_entry(node, side).mapping) for node in _list_levels(root) if _get_entry(node, side)]  # type: ignore[union-attr]  # just asked
        places += [("", node.mapping) for node in _list_levels(root)]
        for where, entries in places:
            for slot in idle:
                node = entries.get(slot)
                if node is not None and (where or slot not in others) and node.precedence >= named.precedence:
                    message = f"it has no effect: {side} {named.value!r} has a way of its own"
                    problems.append(node.key_problem("no_effect", message, f"delete {slot!r}"))
    return problems


def _list_levels(root: YamlNode) -> list[YamlNode]:
    levels = root.mapping.get("levels")
    return list(levels.mapping.values()) if levels else []


def collect_slot_settings(root: YamlNode, locations: Iterable[SlotLocation]) -> dict[SlotLocation, YamlNode]:
    """Everything the spec says about each place, laid over each other; one node for places that are told the same."""
    top, levels = root.mapping, _get_entries(root.mapping.get("levels"))
    laid: dict[tuple[str, tuple[int, ...]], YamlNode] = {}
    found = {}
    for place in locations:
        side, level, slot = place
        here = _get_entries(levels.get(str(level)))
        sources = (top.get(slot), _get_entry(top.get(side), slot), here.get(slot), _get_entry(here.get(side), slot))
        key = slot, tuple(map(id, sources))
        if key not in laid:
            laid[key] = _merge_all([node for node in sources if node is not None], slot)
        found[place] = laid[key]
    return found


def _merge_all(nodes: list[YamlNode], slot: str) -> YamlNode:
    if not nodes:
        return _make_default_node(slot)
    node = nodes[0]
    for over in nodes[1:]:
        node = merge(node, over, slot)
    # A lone name and a mapping are spelt alike from here on.
    return merge(YamlNode({}, node.path, node.mark, node.key_mark, precedence=-1), node, slot)


def check_keys(root: YamlNode, depth: int) -> list[Problem]:
    """Keys of sides and levels that name nothing, or that can have no effect where they stand."""
    problems: list[Problem] = []
    problems += _check_side(root.mapping.get("bottleneck"), "bottleneck", SIDES["bottleneck"])
    for side in ("encoder", "decoder"):
        # What else stands there may be an option of the encoder or decoder itself.
        whole = root.mapping.get(side)
        given = whole.mapping if whole else {}
        foreign = {key: node for key, node in given.items() if key in LEVEL_KEYS and key not in SIDES[side]}
        problems += [_make_misplaced_key_problem(node, key, SIDES[side], side) for key, node in foreign.items()]
    levels = root.mapping.get("levels")
    if levels is not None and not isinstance(levels.value, dict):
        hint = _suggest_indentation("write {0: {...}}", levels)
        return [*problems, levels.problem("levels", "this is no mapping of level numbers", hint)]
    return problems + [
        problem for node, problem in _check_levels(root, depth) if not _is_caused_by_depth(node, problem, root)
    ]


def describe_dropped_levels(root: YamlNode, depth: int) -> list[str]:
    """What is to be told of levels that the spec inherits, and that its depth leaves no place for."""
    gone = [node for node, problem in _check_levels(root, depth) if _is_caused_by_depth(node, problem, root)]
    return [f"{node.path} is inherited, and has no place at depth {depth}" for node in gone]


def _is_caused_by_depth(node: YamlNode, problem: Problem, root: YamlNode) -> bool:
    """Whether what is wrong with an entry of a level comes from a depth that was laid over it."""
    decided = max((root.mapping[key].precedence for key in ("depth", "widths") if key in root.mapping), default=0)
    return node.precedence < decided and problem.code in ("levels", "no_effect")


def _check_levels(root: YamlNode, depth: int) -> Iterator[tuple[YamlNode, Problem]]:
    """What is wrong with the entries of levels, each with its node."""
    known = {str(level) for level in range(depth + 1)}
    levels = root.mapping.get("levels")
    for key, level in levels.mapping.items() if levels else ():
        if key not in known:
            hint = f"levels go from 0, the finest, to {depth}, the bottleneck"
            yield level, level.key_problem("levels", f"there is no level {key!r}", hint)
        elif not isinstance(level.value, dict):
            yield (
                level,
                level.problem("levels", "a level is a mapping", _suggest_indentation("write {block: {...}}", level)),
            )
        else:
            yield from _check_level(level, int(key), depth)


def _check_level(level: YamlNode, index: int, depth: int) -> Iterator[tuple[YamlNode, Problem]]:
    bottom = index == depth
    sides = ("bottleneck",) if bottom else ("encoder", "decoder")
    slots = SIDES["bottleneck"] if bottom else LEVEL_KEYS
    for key, node in level.mapping.items():
        if key in sides:
            yield from ((node, problem) for problem in _check_side(node, key, SIDES[key]))
        elif key not in slots:
            where = f"level {index}{', the bottleneck' * bottom}"
            yield node, _make_misplaced_key_problem(node, key, (*slots, *sides), where)


def _check_side(node: YamlNode | None, side: str, slots: tuple[str, ...]) -> list[Problem]:
    if node is None:
        return []
    if not isinstance(node.value, dict):
        return [node.problem("side", "a side is a mapping", _suggest_indentation(f"write {{{slots[0]}: ...}}", node))]
    return [
        _make_misplaced_key_problem(child, key, slots, side) for key, child in node.mapping.items() if key not in slots
    ]


def _make_misplaced_key_problem(node: YamlNode, key: str, known: tuple[str, ...], container: str) -> Problem:
    listed = f"its keys are {', '.join(known)}"
    if key in (*LEVEL_KEYS, *SIDES, *SLOTS):
        return node.key_problem("no_effect", f"{key!r} has no effect in {container}", listed)
    return node.key_problem("unknown_key", f"unknown key of {container}", did_you_mean(key, known) or listed)


def _suggest_indentation(hint: str, node: YamlNode) -> str:
    """Of a mapping that is empty, most often what belongs into it stands too far left."""
    return "indent its entries below it" if node.value is None else hint


def _get_entries(node: YamlNode | None) -> Mapping[str, YamlNode]:
    return node.mapping if node is not None else {}


def _get_entry(node: YamlNode | None, key: str) -> YamlNode | None:
    return node.mapping.get(key) if node is not None else None


def _make_default_node(slot: str) -> YamlNode:
    value: dict[str, object] = {} if slot == "skip" else {"type": SLOTS[slot].default}
    return from_data(value, "default", slot)
