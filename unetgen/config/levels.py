"""What each place in the network is told: top level < side < level < the level's side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from unetgen.config.node import Node, from_data
from unetgen.config.overlay import merge
from unetgen.config.slots import LEVEL_KEYS, SIDES, SLOTS
from unetgen.config.spec import Place
from unetgen.errors import Problem, did_you_mean

# The slots that each side of a spec's network draws with: those of SIDES that its encoder and decoder use.
Used = Mapping[str, tuple[str, ...]]


def places(depth: int, used: Used) -> Iterator[Place]:
    """Every place of a network: each level's slots on the way down, at the bottom, on the way up."""
    for level in range(depth):
        yield from (("encoder", level, slot) for slot in used["encoder"])
    yield from (("bottleneck", depth, slot) for slot in used["bottleneck"])
    for level in range(depth):
        yield from (("decoder", level, slot) for slot in used["decoder"])


def unused(root: Node, used: Used) -> list[Problem]:
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
        places += [(side, _entry(node, side).mapping) for node in _levels(root) if _entry(node, side)]  # type: ignore[union-attr]  # just asked
        places += [("", node.mapping) for node in _levels(root)]
        for where, entries in places:
            for slot in idle:
                node = entries.get(slot)
                if node is not None and (where or slot not in others) and node.layer >= named.layer:
                    message = f"it has no effect: {side} {named.value!r} has a way of its own"
                    problems.append(node.key_problem("no_effect", message, f"delete {slot!r}"))
    return problems


def _levels(root: Node) -> list[Node]:
    levels = root.mapping.get("levels")
    return list(levels.mapping.values()) if levels else []


def told(root: Node, places: Iterable[Place]) -> dict[Place, Node]:
    """Everything the spec says about each place, laid over each other; one node for places that are told the same."""
    top, levels = root.mapping, _entries(root.mapping.get("levels"))
    laid: dict[tuple[str, tuple[int, ...]], Node] = {}
    found = {}
    for place in places:
        side, level, slot = place
        here = _entries(levels.get(str(level)))
        sources = (top.get(slot), _entry(top.get(side), slot), here.get(slot), _entry(here.get(side), slot))
        key = slot, tuple(map(id, sources))
        if key not in laid:
            laid[key] = _laid([node for node in sources if node is not None], slot)
        found[place] = laid[key]
    return found


def _laid(given: list[Node], slot: str) -> Node:
    if not given:
        return _default(slot)
    node = given[0]
    for over in given[1:]:
        node = merge(node, over, slot)
    # A lone name and a mapping are spelt alike from here on.
    return merge(Node({}, node.path, node.mark, node.key, layer=-1), node, slot)


def check_keys(root: Node, depth: int) -> list[Problem]:
    """Keys of sides and levels that name nothing, or that can have no effect where they stand."""
    problems: list[Problem] = []
    problems += _check_side(root.mapping.get("bottleneck"), "bottleneck", SIDES["bottleneck"])
    for side in ("encoder", "decoder"):
        # What else stands there may be an option of the encoder or decoder itself.
        whole = root.mapping.get(side)
        given = whole.mapping if whole else {}
        foreign = {key: node for key, node in given.items() if key in LEVEL_KEYS and key not in SIDES[side]}
        problems += [_misplaced(node, key, SIDES[side], side) for key, node in foreign.items()]
    levels = root.mapping.get("levels")
    if levels is not None and not isinstance(levels.value, dict):
        hint = _indented("write {0: {...}}", levels)
        return [*problems, levels.problem("levels", "this is no mapping of level numbers", hint)]
    return problems + [problem for node, problem in _of_levels(root, depth) if not _outgrown(node, problem, root)]


def outgrown(root: Node, depth: int) -> list[str]:
    """What is to be told of levels that the spec inherits, and that its depth leaves no place for."""
    gone = [node for node, problem in _of_levels(root, depth) if _outgrown(node, problem, root)]
    return [f"{node.path} is inherited, and has no place at depth {depth}" for node in gone]


def _outgrown(node: Node, problem: Problem, root: Node) -> bool:
    """Whether what is wrong with an entry of a level comes from a depth that was laid over it."""
    decided = max((root.mapping[key].layer for key in ("depth", "widths") if key in root.mapping), default=0)
    return node.layer < decided and problem.code in ("levels", "no_effect")


def _of_levels(root: Node, depth: int) -> Iterator[tuple[Node, Problem]]:
    """What is wrong with the entries of levels, each with its node."""
    known = {str(level) for level in range(depth + 1)}
    levels = root.mapping.get("levels")
    for key, level in levels.mapping.items() if levels else ():
        if key not in known:
            hint = f"levels go from 0, the finest, to {depth}, the bottleneck"
            yield level, level.key_problem("levels", f"there is no level {key!r}", hint)
        elif not isinstance(level.value, dict):
            yield level, level.problem("levels", "a level is a mapping", _indented("write {block: {...}}", level))
        else:
            yield from _of_level(level, int(key), depth)


def _of_level(level: Node, index: int, depth: int) -> Iterator[tuple[Node, Problem]]:
    bottom = index == depth
    sides = ("bottleneck",) if bottom else ("encoder", "decoder")
    slots = SIDES["bottleneck"] if bottom else LEVEL_KEYS
    for key, node in level.mapping.items():
        if key in sides:
            yield from ((node, problem) for problem in _check_side(node, key, SIDES[key]))
        elif key not in slots:
            where = f"level {index}{', the bottleneck' * bottom}"
            yield node, _misplaced(node, key, (*slots, *sides), where)


def _check_side(node: Node | None, side: str, slots: tuple[str, ...]) -> list[Problem]:
    if node is None:
        return []
    if not isinstance(node.value, dict):
        return [node.problem("side", "a side is a mapping", _indented(f"write {{{slots[0]}: ...}}", node))]
    return [_misplaced(child, key, slots, side) for key, child in node.mapping.items() if key not in slots]


def _misplaced(node: Node, key: str, known: tuple[str, ...], where: str) -> Problem:
    listed = f"its keys are {', '.join(known)}"
    if key in (*LEVEL_KEYS, *SIDES, *SLOTS):
        return node.key_problem("no_effect", f"{key!r} has no effect in {where}", listed)
    return node.key_problem("unknown_key", f"unknown key of {where}", did_you_mean(key, known) or listed)


def _indented(hint: str, node: Node) -> str:
    """Of a mapping that is empty, most often what belongs into it stands too far left."""
    return "indent its entries below it" if node.value is None else hint


def _entries(node: Node | None) -> Mapping[str, Node]:
    return node.mapping if node is not None else {}


def _entry(node: Node | None, key: str) -> Node | None:
    return node.mapping.get(key) if node is not None else None


def _default(slot: str) -> Node:
    value: dict[str, object] = {} if slot == "skip" else {"type": SLOTS[slot].default}
    return from_data(value, "default", slot)
