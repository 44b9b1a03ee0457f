"""The resolved spec: every default filled in, and a part for each slot of each level."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

from unetgen.config.overlay import compute_minimal_overlay
from unetgen.config.registry.part import Part, QualifiedNames
from unetgen.config.registry.slots import SIDES, SKIP_KEYS
from unetgen.config.yaml.tree import YamlNode

SCHEMA_VERSION = 1

# The keys that do not change the architecture; the hash ignores them.
NON_ARCHITECTURE_KEYS = ("name", "description", "about", "plugins", "checkpointing")

# By the number of spatial dimensions, the letters of the axes in a tensor's order.
AXIS_NAMES = {1: "L", 2: "HW", 3: "DHW"}


# Where a skip leaves the encoder, and where it joins the decoder.
Tap = Literal["after_block", "after_downsample"]
JoinPlace = Literal["after_upsample", "before_upsample"]


@dataclass(frozen=True, slots=True)
class Skip:
    """A skip connection: tapped from the encoder, aligned, transformed, and fused with the upsampled feature map.

    Its gate is applied to the coarser feature map before the upsampling.
    """

    tap: Tap
    place: JoinPlace
    gate: Part
    align: Part
    transform: Part
    fusion: Part

    @property
    def is_dropped(self) -> bool:
        """Whether this level has no skip."""
        return self.fusion.type == "none"

    def describe(self, names: QualifiedNames = MappingProxyType({})) -> str | dict[str, Any]:
        """Return the skip as a spec writes it."""
        if self.is_dropped:
            return "none"
        values = ((key, getattr(self, key)) for key in SKIP_KEYS)
        return {key: value.describe(names) if isinstance(value, Part) else value for key, value in values}


@dataclass(frozen=True, slots=True)
class EncoderLevel:
    """One encoder level: a block, then a downsampling; a field that the encoder does not use is None.

    Examples:
        >>> import unetgen
        >>> level = unetgen.load_spec("unet_paper").encoder_levels[0]
        >>> level.width, level.downsample.type
        (64, 'max_pool')
    """

    width: int | None
    block: Part | None
    downsample: Part | None


@dataclass(frozen=True, slots=True)
class DecoderLevel:
    """One decoder level: an upsampling, a skip, then a block; a field that the decoder does not use is None.

    Examples:
        >>> import unetgen
        >>> level = unetgen.load_spec("unet_paper").decoder_levels[0]
        >>> level.width, level.upsample.type
        (64, 'transposed_conv')
    """

    width: int
    upsample: Part | None
    skip: Skip | None
    block: Part | None


@dataclass(frozen=True, slots=True)
class NamedHead:
    """A head and the name of its output; the name is empty for the single ``head``."""

    name: str
    part: Part


# A slot in the network: the side, the level, the slot's name.
SlotLocation = tuple[str, int, str]


@dataclass(frozen=True)
class Spec:
    """A validated, complete spec. Equal architectures have equal ``hash``.

    ``encoder_levels`` and ``decoder_levels`` are indexed by level; level 0 is the finest.

    Examples:
        >>> import unetgen
        >>> spec = unetgen.load_spec("unet_paper")
        >>> spec.depth, spec.widths
        (4, (64, 128, 256, 512, 1024))
    """

    name: str
    description: str
    about: Mapping[str, str]
    dims: int
    in_channels: int
    out_channels: int
    input_size: tuple[int, ...] | None
    encoder: Part
    encoder_levels: tuple[EncoderLevel, ...]
    bottleneck_width: int | None
    bottleneck: Part
    decoder: Part
    decoder_levels: tuple[DecoderLevel, ...]
    heads: tuple[NamedHead, ...]
    init: Part
    input: Part
    checkpointing: tuple[str, ...]
    model_built: tuple[str, ...]
    """The plugins that transform the network, in order."""
    root: YamlNode = field(repr=False, compare=False)
    origins: dict[SlotLocation, YamlNode] = field(repr=False, compare=False, default_factory=dict)
    plugins: tuple[str, ...] = ()
    names: QualifiedNames = field(repr=False, default_factory=dict)
    providers: Mapping[type[Part], str] = field(repr=False, compare=False, default_factory=dict)
    """The providers of the parts that are not built in: ``acme-unet 1.2``."""
    notices: tuple[str, ...] = field(default=(), compare=False)

    @property
    def depth(self) -> int:
        """The number of resolution changes."""
        return len(self.encoder_levels)

    @property
    def widths(self) -> tuple[int, ...] | None:
        """The encoder's channels per level, the bottleneck last; None if the encoder has its own widths."""
        widths = [level.width for level in self.encoder_levels] + [self.bottleneck_width]
        return tuple(width for width in widths if width is not None) or None

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the resolved spec without the keys that do not change the architecture."""
        identity = {k: v for k, v in self.resolved().items() if k not in NON_ARCHITECTURE_KEYS}
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def resolved(self) -> dict[str, Any]:
        """Return the spec as plain data with every default written out; it is a spec itself."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "description": self.description,
            **({"about": dict(self.about)} if any(self.about.values()) else {}),
            "dims": self.dims,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "input_size": list(self.input_size) if self.input_size else None,
            "depth": self.depth,
            **({"widths": list(self.widths)} if self.widths else {}),
            **self._describe_slots(),
            **self._describe_heads(),
            "init": self.init.describe(self.names),
            "input": self.input.describe(self.names),
            "checkpointing": list(self.checkpointing),
            **({"model_built": list(self.model_built)} if self.model_built else {}),
            **({"plugins": list(self.plugins)} if self.plugins else {}),
        }

    def __deepcopy__(self, memo: dict[int, Any]) -> Spec:
        return self  # a spec is immutable

    def places(self) -> Iterator[tuple[SlotLocation, Part | Skip]]:
        """Yield every part of a level, with its slot location."""
        sides: dict[str, Sequence[EncoderLevel | DecoderLevel]]
        sides = {"encoder": self.encoder_levels, "decoder": self.decoder_levels}
        for side, slots in SIDES.items():
            if side == "bottleneck":
                yield (side, self.depth, "block"), self.bottleneck
                continue
            for index, level in enumerate(sides[side]):
                for slot in slots:
                    if (part := getattr(level, slot)) is not None:
                        yield (side, index, slot), part

    def _describe_heads(self) -> dict[str, Any]:
        heads = {head.name: head.part.describe(self.names) for head in self.heads}
        return {"head": heads[""]} if "" in heads else {"heads": heads}

    def _describe_slots(self) -> dict[str, Any]:
        """Describe each slot once, then the differences: of a side if all its levels agree, else of levels."""
        columns = self._describe_columns()
        top: dict[str, Any] = {}
        for (_, slot), column in columns.items():
            top.setdefault(slot, next(iter(column.values())))
        sides: dict[str, dict[str, Any]] = {
            "encoder": _describe_side(self.encoder, self.names),
            "bottleneck": {},
            "decoder": _describe_side(self.decoder, self.names),
        }
        sides["decoder"]["widths"] = [level.width for level in self.decoder_levels]
        levels: dict[int, dict[str, Any]] = {}
        for (side, slot), column in columns.items():
            first = next(iter(column.values()))
            base = first if all(value == first for value in column.values()) else top[slot]
            # Levels share descriptions, so each is copied before it is returned.
            if base != top[slot]:
                sides[side][slot] = deepcopy(compute_minimal_overlay(top[slot], base))
            for level, value in column.items():
                if value != base:
                    overlay = levels.setdefault(level, {})
                    target = overlay if side == "bottleneck" else overlay.setdefault(side, {})
                    target[slot] = deepcopy(compute_minimal_overlay(base, value))
        sorted_levels = {"levels": dict(sorted(levels.items()))} if levels else {}
        return {**top, **{side: value for side, value in sides.items() if value}, **sorted_levels}

    def _describe_columns(self) -> dict[tuple[str, str], dict[int, Any]]:
        """Return the description of each level's part by side and slot; levels that share a part share it."""
        described: dict[int, Any] = {}
        columns: dict[tuple[str, str], dict[int, Any]] = {}
        for (side, level, slot), part in self.places():
            if id(part) not in described:
                described[id(part)] = part.describe(self.names)
            columns.setdefault((side, slot), {})[level] = described[id(part)]
        return columns


def _describe_side(part: Part, names: QualifiedNames) -> dict[str, Any]:
    described = part.describe(names)
    return {"type": described} if isinstance(described, str) else described
