"""A tree of nodes to a Spec, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from unetgen.config.blame import blaming
from unetgen.config.choice import Context
from unetgen.config.header import (
    Header,
    checkpointing_of,
    header_of,
    input_size_of,
    model_built_of,
    plugins_of,
    unknown_keys,
)
from unetgen.config.known_parts import KnownParts
from unetgen.config.levels import check_keys, outgrown, places, told, unused
from unetgen.config.needs import blamed, other_versions, transformers_of
from unetgen.config.node import Node
from unetgen.config.part import Part
from unetgen.config.reader import Reader
from unetgen.config.registry import Registry
from unetgen.config.slots import LEVEL_KEYS, SIDES
from unetgen.config.spec import DecoderLevel, EncoderLevel, Place, Spec
from unetgen.config.widths import Widths, widths_of
from unetgen.errors import Problem, SpecError

T = TypeVar("T")


def resolve(root: Node, registry: Registry, known: KnownParts | None = None) -> Spec:
    """The spec that a tree describes. Raises SpecError with all that is wrong, PluginError where a plugin fails.

    Who resolves many specs that are much alike gives the same ``known`` each time.
    """
    with blaming(registry.vendor, lambda who: f"{who} failed while its options were read"):
        return _Resolver(root, registry, KnownParts() if known is None else known).spec()


class _Resolver:
    def __init__(self, root: Node, registry: Registry, known: KnownParts) -> None:
        self.root = root
        self.registry = registry
        self.header, self.notices, self.problems = header_of(root)
        self.dims = self.header.dims if self.header else 2
        self.reader = Reader(Context(registry, self.dims), known)

    def spec(self) -> Spec:
        self.problems += unknown_keys(self.root)
        needed = self._noted(plugins_of(self.root))
        transforms = self._noted(model_built_of(self.root))
        encoder, decoder = self._side("encoder"), self._side("decoder")
        widths, found = widths_of(self.root, getattr(encoder, "own_depth", None))
        # An encoder that cannot be read may be one with widths of its own.
        self.problems += [p for p in found if encoder is not None or p.code != "missing"]
        size = self._noted(input_size_of(self.root, self.dims))
        checkpointing = self._noted(checkpointing_of(self.root))
        # With unknown widths the levels are still checked, as far as the spec names any.
        depth = widths.depth if widths else 4
        if widths:
            self.problems += check_keys(self.root, depth)
            self.notices += outgrown(self.root, depth)
        used = {**SIDES, "encoder": _used(encoder, "encoder"), "decoder": _used(decoder, "decoder")}
        self.problems += unused(self.root, used)
        origins = told(self.root, places(depth, used))
        parts = self.reader.at(origins)
        whole = {
            "encoder": encoder,
            "decoder": decoder,
            "heads": self.reader.heads(self.root),
            **{slot: self.reader.part(slot, self.root.mapping.get(slot)) for slot in ("init", "input")},
        }
        self.problems += self.reader.problems
        transformers = self._noted(transformers_of(self.root, transforms, self.registry))
        if self.problems or widths is None or self.header is None:
            raise SpecError(blamed(self.problems, needed, self.registry))
        providers = dict(self.reader.providers)
        self.notices += other_versions(needed, {*providers.values(), *transformers})
        return self._assembled(
            self.header,
            widths,
            parts,
            whole,
            origins,
            input_size=size,
            checkpointing=checkpointing,
            model_built=tuple(transforms),
            plugins=tuple(sorted({str(p) for p in (*providers.values(), *transformers)})),
            providers={part: str(provider) for part, provider in providers.items()},
        )

    def _assembled(
        self,
        header: Header,
        widths: Widths,
        parts: Mapping[Place, Any],
        whole: Mapping[str, Any],
        origins: dict[Place, Node],
        **more: Any,
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
            **header.model_dump(),
            **whole,
            **more,
            encoder_levels=tuple(encoder),
            bottleneck_width=widths.encoder[-1],
            bottleneck=parts["bottleneck", widths.depth, "block"],
            decoder_levels=tuple(decoder),
            root=self.root,
            origins=origins,
            names=self.reader.names,
            notices=tuple(self.notices),
        )

    def _noted(self, found: tuple[T, list[Problem]]) -> T:
        value, problems = found
        self.problems += problems
        return value

    def _side(self, side: str) -> Part | None:
        """An encoder or decoder, without what it says about its levels."""
        node = self.root.mapping.get(side)
        if node is not None and node.value is None:
            self.problems.append(node.problem("side", "a side is a name or a mapping", "indent its entries below it"))
            return None
        if node is not None and isinstance(node.value, dict):
            node = node.without(*LEVEL_KEYS, *(["widths"] if side == "decoder" else []))
        return self.reader.part(side, node)


def _used(side: Part | None, name: str) -> tuple[str, ...]:
    """The slots of a side that its part draws with; all of them where that part is not known."""
    uses: Collection[str] = getattr(side, "uses", SIDES[name])
    return tuple(slot for slot in SIDES[name] if slot in uses)
