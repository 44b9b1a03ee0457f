"""Read parts, skips and heads from YAML nodes, and collect every problem."""

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
    """The options of a skip that are not parts."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    tap: Tap = "after_block"
    place: JoinPlace = "after_upsample"


class PartReader:
    """Reader of one spec's parts, which collects their providers and problems."""

    def __init__(self, context: ValidationContext, cache: PartCache) -> None:
        self.context = context
        self.cache = cache
        self.problems: list[Problem] = []
        self.providers: dict[type[Part], Provider] = {}
        self.qualified_names: dict[type[Part], str] = {}

    def read_all(self, origins: Mapping[SlotLocation, YamlNode]) -> dict[SlotLocation, Part | Skip | None]:
        """Return the content of each slot location; a node that several locations share is read once."""
        content: dict[int, Part | Skip | None] = {}
        for (_, _, slot), node in origins.items():
            if id(node) not in content:
                content[id(node)] = self.read_skip(node) if slot == "skip" else self.read_part(slot, node)
        return {location: content[id(node)] for location, node in origins.items()}

    def read_part(self, slot: str, node: YamlNode | None) -> Part | None:
        """Return the part that a node describes, or the slot's default part."""
        node = node or from_data(SLOTS[slot].default, "default", slot)
        value = node.to_data()
        entry = self.cache.find(slot, value, self.context)
        if entry is None:
            entry = self._validate(slot, node, value)
        if entry is None:
            return None
        self._record_providers(entry.plugin_types)
        return entry.part

    def _validate(self, slot: str, node: YamlNode, value: Any) -> CachedPart | None:
        result = parse_part(slot, node, self.context)
        self.problems += result.problems
        if result.part is None:
            return None
        entry = make_cached_part(result.part, self.context)
        if result.is_as_written:
            self.cache.store(slot, value, self.context, entry)
        return entry

    def read_skip(self, node: YamlNode) -> Skip | None:
        """Return the skip that a node describes."""
        if not isinstance(node.value, dict):
            hint = "write {align: crop, fusion: concat}"
            self.problems.append(node.problem("skip", "a skip must be a mapping or 'none'", hint))
            return None
        for key, child in node.mapping.items():
            if key not in SKIP_KEYS:
                hint = did_you_mean(key, SKIP_KEYS) or f"its options are {', '.join(sorted(SKIP_KEYS))}"
                self.problems.append(child.key_problem("unknown_option", "unknown option of skip", hint))
        fields, problems = parse_model(_SkipFields, node)
        self.problems += problems
        results = {slot: self.read_part(slot, node.mapping.get(slot)) for slot in SKIP_KEYS if slot in SLOTS}
        parts = {slot: part for slot, part in results.items() if part is not None}
        if fields is None or len(parts) < len(results):
            return None
        skip = Skip(tap=fields.tap, place=fields.place, **parts)
        self._reject_inert_options(node, skip)
        return skip

    def read_heads(self, root: YamlNode) -> tuple[NamedHead, ...]:
        """Return the single head or the named heads; if both are set, the one of higher precedence."""
        single, several = root.mapping.get("head"), root.mapping.get("heads")
        if single is not None and several is not None:
            if single.precedence == several.precedence:
                message = "'head' (one output) and 'heads' (several) exclude each other"
                self.problems.append(several.key_problem("heads", message, "move the head into 'heads', with a name"))
            several = several if several.precedence >= single.precedence else None
        if several is None:
            part = self.read_part("head", single)
            return (NamedHead("", part),) if part is not None else ()
        if not several.mapping:
            hint = "write {mask: {type: conv}, class: {type: classification}}"
            self.problems.append(several.problem("heads", "heads must be a mapping of names to heads", hint))
        return tuple(self._read_named_heads(several))

    def _read_named_heads(self, heads: YamlNode) -> list[NamedHead]:
        named_heads = []
        for name, node in heads.mapping.items():
            if not name.isidentifier() or name.startswith("_"):
                hint = "use letters, digits and underscores, beginning with a letter"
                self.problems.append(node.key_problem("heads", f"output name {name!r} is invalid", hint))
            elif name in RESERVED_NAMES:
                message = f"output name {name!r} is reserved by torch.nn.Module"
                self.problems.append(node.key_problem("heads", message, f"rename it, for example to '{name}_map'"))
            if (part := self.read_part("head", node)) is not None:
                named_heads.append(NamedHead(name, part))
        return named_heads

    def _reject_inert_options(self, node: YamlNode, skip: Skip) -> None:
        fusion = node.mapping.get("fusion")
        if not skip.is_dropped or fusion is None:
            return
        for key, child in node.mapping.items():
            if key != "fusion" and fusion.precedence <= child.precedence:
                message = f"{key!r} has no effect: a dropped skip has nothing to {_SKIP_ACTIONS[key]}"
                self.problems.append(child.key_problem("no_effect", message, f"delete {key!r}"))

    def _record_providers(self, parts: Iterable[type[Part]]) -> None:
        for part in parts:
            provider = self.context.registry.get_provider(part)
            self.providers[part] = provider
            self.qualified_names[part] = f"{provider.name}/{part.type.rpartition('/')[2]}"


_SKIP_ACTIONS = {"tap": "tap", "gate": "gate with", "align": "align", "transform": "transform", "place": "join"}
