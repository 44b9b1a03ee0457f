"""Reader: parts, skips and heads from the nodes that describe them, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from unetgen.config.part_cache import CachedPart, PartCache, make_cached_part
from unetgen.config.part_field import ValidationContext
from unetgen.config.registry.part import Part
from unetgen.config.registry.plugin import Provider
from unetgen.config.registry.slots import SKIP_KEYS, SLOTS
from unetgen.config.reserved_names import RESERVED_NAMES
from unetgen.config.spec import JoinPlace, NamedHead, Skip, SlotLocation, Tap
from unetgen.config.validation import parse_model, parse_part
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import Problem, did_you_mean


class _SkipFields(BaseModel):
    """What a skip is told in single words."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    tap: Tap = "after_block"
    place: JoinPlace = "after_upsample"


class PartReader:
    """Reads one spec's parts; remembers who provides them and what is wrong."""

    def __init__(self, context: ValidationContext, cache: PartCache) -> None:
        self.context = context
        self.cache = cache
        self.problems: list[Problem] = []
        self.providers: dict[type[Part], Provider] = {}
        self.qualified_names: dict[type[Part], str] = {}

    def read_all(self, origins: Mapping[SlotLocation, YamlNode]) -> dict[SlotLocation, Part | Skip | None]:
        """What stands at each place of the network; what one node says of several places is read once."""
        read: dict[int, Part | Skip | None] = {}
        for (_, _, slot), node in origins.items():
            if id(node) not in read:
                read[id(node)] = self.read_skip(node) if slot == "skip" else self.read_part(slot, node)
        return {place: read[id(node)] for place, node in origins.items()}

    def read_part(self, slot: str, node: YamlNode | None) -> Part | None:
        """The part that a node describes, or the slot's usual one."""
        node = node or from_data(SLOTS[slot].default, "default", slot)
        said = node.to_data()
        known = self.cache.find(slot, said, self.context)
        if known is None:
            known = self._validate(slot, node, said)
        if known is None:
            return None
        self._record_providers(known.plugin_types)
        return known.part

    def _validate(self, slot: str, node: YamlNode, value: Any) -> CachedPart | None:
        reading = parse_part(slot, node, self.context)
        self.problems += reading.problems
        if reading.part is None:
            return None
        part = make_cached_part(reading.part, self.context)
        if reading.is_as_written:
            self.cache.store(slot, value, self.context, part)
        return part

    def read_skip(self, node: YamlNode) -> Skip | None:
        """The skip that a node describes."""
        if not isinstance(node.value, dict):
            hint = "write {align: crop, fusion: concat}"
            self.problems.append(node.problem("skip", "a skip is a mapping, or 'none'", hint))
            return None
        for key, child in node.mapping.items():
            if key not in SKIP_KEYS:
                hint = did_you_mean(key, SKIP_KEYS) or f"its options are {', '.join(sorted(SKIP_KEYS))}"
                self.problems.append(child.key_problem("unknown_option", "unknown option of skip", hint))
        words, problems = parse_model(_SkipFields, node)
        self.problems += problems
        found = {slot: self.read_part(slot, node.mapping.get(slot)) for slot in SKIP_KEYS if slot in SLOTS}
        parts = {slot: part for slot, part in found.items() if part is not None}
        if words is None or len(parts) < len(found):
            return None
        skip = Skip(tap=words.tap, place=words.place, **parts)
        self._reject_inert_options(node, skip)
        return skip

    def read_heads(self, root: YamlNode) -> tuple[NamedHead, ...]:
        """The one head, or several by name; of two that are inherited and given, what was laid over the other."""
        single, several = root.mapping.get("head"), root.mapping.get("heads")
        if single is not None and several is not None:
            if single.precedence == several.precedence:
                message = "a spec has 'head' for one output or 'heads' for several, not both"
                self.problems.append(several.key_problem("heads", message, "move the head into 'heads', with a name"))
            several = several if several.precedence >= single.precedence else None
        if several is None:
            part = self.read_part("head", single)
            return (NamedHead("", part),) if part is not None else ()
        if not several.mapping:
            hint = "write {mask: {type: conv}, class: {type: classification}}"
            self.problems.append(several.problem("heads", "heads are a mapping of names to heads", hint))
        return tuple(self._read_named_heads(several))

    def _read_named_heads(self, heads: YamlNode) -> list[NamedHead]:
        found = []
        for name, node in heads.mapping.items():
            if not name.isidentifier() or name.startswith("_"):
                hint = "use letters, digits and underscores, and a letter first"
                self.problems.append(node.key_problem("heads", f"{name!r} cannot be the name of an output", hint))
            elif name in RESERVED_NAMES:
                message = f"output name {name!r} is reserved by torch.nn.Module"
                self.problems.append(node.key_problem("heads", message, f"rename it, for example to '{name}_map'"))
            if (part := self.read_part("head", node)) is not None:
                found.append(NamedHead(name, part))
        return found

    def _reject_inert_options(self, node: YamlNode, skip: Skip) -> None:
        fusion = node.mapping.get("fusion")
        if not skip.is_dropped or fusion is None:
            return
        for key, child in node.mapping.items():
            if key != "fusion" and fusion.precedence <= child.precedence:
                message = f"it has no effect: a skip that is dropped has nothing to {_SKIP_ACTIONS[key]}"
                self.problems.append(child.key_problem("no_effect", message, f"delete {key!r}"))

    def _record_providers(self, parts: Iterable[type[Part]]) -> None:
        for part in parts:
            provider = self.context.registry.get_provider(part)
            self.providers[part] = provider
            self.qualified_names[part] = f"{provider.name}/{part.type.rpartition('/')[2]}"


_SKIP_ACTIONS = {"tap": "tap", "gate": "gate with", "align": "align", "transform": "transform", "place": "join"}
