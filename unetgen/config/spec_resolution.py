"""Resolve a tree of YAML nodes to a Spec, and collect every problem."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from unetgen.config.level_settings import (
    check_keys,
    check_unused_slots,
    collect_slot_settings,
    describe_dropped_levels,
    iter_slot_locations,
)
from unetgen.config.part_cache import PartCache
from unetgen.config.part_field import ValidationContext
from unetgen.config.part_reader import PartReader
from unetgen.config.plugin_requirements import add_install_hints, describe_version_mismatches, find_transform_plugins
from unetgen.config.registry.attribution import attribute_plugin_errors
from unetgen.config.registry.part import Part
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES
from unetgen.config.spec import DecoderLevel, EncoderLevel, SlotLocation, Spec
from unetgen.config.top_level import (
    TopLevelFields,
    find_unknown_keys,
    read_checkpointing,
    read_input_size,
    read_model_built,
    read_plugins,
    read_top_level,
)
from unetgen.config.widths import Widths, read_widths
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError

T = TypeVar("T")


def resolve(root: YamlNode, registry: Registry, part_cache: PartCache | None = None) -> Spec:
    """Return the spec that a tree describes.

    Args:
        root: The tree, with everything it extends merged in.
        registry: The parts that the spec can name.
        part_cache: Validated parts, shared by calls for similar specs.

    Raises:
        SpecError: The spec is invalid; the error lists every problem.
        PluginError: A plugin that the spec needs failed.
    """
    with attribute_plugin_errors(registry.format_provider, lambda part: f"{part} failed while reading its options"):
        return _Resolver(root, registry, PartCache() if part_cache is None else part_cache).build_spec()


class _Resolver:
    def __init__(self, root: YamlNode, registry: Registry, part_cache: PartCache) -> None:
        self.root = root
        self.registry = registry
        self.top_level, self.notices, self.problems = read_top_level(root)
        self.dims = self.top_level.dims if self.top_level else 2
        self.reader = PartReader(ValidationContext(registry, self.dims), part_cache)

    def build_spec(self) -> Spec:
        self.problems += find_unknown_keys(self.root)
        requirements = self._collect(read_plugins(self.root))
        transforms = self._collect(read_model_built(self.root))
        encoder, decoder = self._read_side("encoder"), self._read_side("decoder")
        widths, problems = read_widths(self.root, getattr(encoder, "own_depth", None))
        # An encoder with problems may have its own widths.
        self.problems += [p for p in problems if encoder is not None or p.code != "missing"]
        size = self._collect(read_input_size(self.root, self.dims))
        checkpointing = self._collect(read_checkpointing(self.root))
        # With invalid widths the levels are still checked, as far as possible.
        depth = widths.depth if widths else 4
        if widths:
            self.problems += check_keys(self.root, depth)
            self.notices += describe_dropped_levels(self.root, depth)
        used = {
            **SIDES,
            "encoder": _list_used_slots(encoder, "encoder"),
            "decoder": _list_used_slots(decoder, "decoder"),
        }
        self.problems += check_unused_slots(self.root, used)
        origins = collect_slot_settings(self.root, iter_slot_locations(depth, used))
        parts = self.reader.read_all(origins)
        network_parts = {
            "encoder": encoder,
            "decoder": decoder,
            "heads": self.reader.read_heads(self.root),
            **{slot: self.reader.read_part(slot, self.root.mapping.get(slot)) for slot in ("init", "input")},
        }
        self.problems += self.reader.problems
        transform_providers = self._collect(find_transform_plugins(self.root, transforms, self.registry))
        if self.problems or widths is None or self.top_level is None:
            raise SpecError(add_install_hints(self.problems, requirements, self.registry))
        providers = dict(self.reader.providers)
        self.notices += describe_version_mismatches(requirements, {*providers.values(), *transform_providers})
        return self._assemble(
            self.top_level,
            widths,
            parts,
            network_parts,
            origins,
            input_size=size,
            checkpointing=checkpointing,
            model_built=tuple(transforms),
            plugins=tuple(sorted({str(p) for p in (*providers.values(), *transform_providers)})),
            providers={part: str(provider) for part, provider in providers.items()},
        )

    def _assemble(
        self,
        top_level: TopLevelFields,
        widths: Widths,
        parts: Mapping[SlotLocation, Any],
        network_parts: Mapping[str, Any],
        origins: dict[SlotLocation, YamlNode],
        **other_fields: Any,
    ) -> Spec:
        levels = range(widths.depth)
        encoder = [
            EncoderLevel(widths.encoder[i], *(parts.get(("encoder", i, slot)) for slot in SIDES["encoder"]))
            for i in levels
        ]
        decoder = [
            DecoderLevel(widths.decoder[i], *(parts.get(("decoder", i, slot)) for slot in SIDES["decoder"]))
            for i in levels
        ]
        return Spec(
            **top_level.model_dump(),
            **network_parts,
            **other_fields,
            encoder_levels=tuple(encoder),
            bottleneck_width=widths.encoder[-1],
            bottleneck=parts["bottleneck", widths.depth, "block"],
            decoder_levels=tuple(decoder),
            root=self.root,
            origins=origins,
            names=self.reader.qualified_names,
            notices=tuple(self.notices),
        )

    def _collect(self, result: tuple[T, list[Problem]]) -> T:
        value, problems = result
        self.problems += problems
        return value

    def _read_side(self, side: str) -> Part | None:
        """Read an encoder or decoder, without the settings of its levels."""
        node = self.root.mapping.get(side)
        if node is not None and node.value is None:
            self.problems.append(
                node.problem("side", "a side must be a name or a mapping", "indent its entries below it")
            )
            return None
        if node is not None and isinstance(node.value, dict):
            node = node.without(*LEVEL_KEYS, *(["widths"] if side == "decoder" else []))
        return self.reader.read_part(side, node)


def _list_used_slots(part: Part | None, side_name: str) -> tuple[str, ...]:
    """Return the slots of a side that its part uses; all of them if the part is invalid."""
    uses: Collection[str] = getattr(part, "uses", SIDES[side_name])
    return tuple(slot for slot in SIDES[side_name] if slot in uses)
