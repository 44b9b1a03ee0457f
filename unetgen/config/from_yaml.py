"""A tree of nodes to a Spec, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from unetgen.config.choice import Context
from unetgen.config.header import (
    Header,
    checkpointing_of,
    header_of,
    input_size_of,
    plugins_of,
    unknown_keys,
)
from unetgen.config.levels import check_keys, places, told, unused
from unetgen.config.node import Node
from unetgen.config.part import Part
from unetgen.config.reader import Reader
from unetgen.config.registry import Registry, same_distribution
from unetgen.config.slots import LEVEL_KEYS, SIDES
from unetgen.config.spec import DecoderLevel, EncoderLevel, Place, Spec
from unetgen.config.widths import Widths, widths_of
from unetgen.errors import PluginError, Problem, SpecError

T = TypeVar("T")


def resolve(root: Node, registry: Registry) -> Spec:
    """The spec that a tree describes. Raises SpecError with all that is wrong."""
    return _Resolver(root, registry).spec()


class _Resolver:
    def __init__(self, root: Node, registry: Registry) -> None:
        self.root = root
        self.registry = registry
        self.header, self.notices, self.problems = header_of(root)
        self.dims = self.header.dims if self.header else 2
        self.reader = Reader(Context(registry, self.dims))

    def spec(self) -> Spec:
        self.problems += unknown_keys(self.root)
        needed = self._noted(plugins_of(self.root))
        encoder, decoder = self._side("encoder"), self._side("decoder")
        widths, found = widths_of(self.root, getattr(encoder, "own_depth", None))
        # An encoder that cannot be read may be one with widths of its own.
        self.problems += [p for p in found if encoder is not None or p.code != "missing"]
        size = self._noted(input_size_of(self.root, self.dims))
        checkpointing = self._noted(checkpointing_of(self.root))
        # With unknown widths the levels are still checked, as far as the spec names any.
        depth = widths.depth if widths else 4
        self.problems += check_keys(self.root, depth) if widths else []
        used = {**SIDES, "encoder": _used(encoder, "encoder"), "decoder": _used(decoder, "decoder")}
        self.problems += unused(self.root, used)
        origins = {place: told(self.root, place) for place in places(depth, used)}
        parts = {place: self.reader.at(place, node) for place, node in origins.items()}
        whole = {
            "encoder": encoder,
            "decoder": decoder,
            "heads": self.reader.heads(self.root),
            **{slot: self.reader.part(slot, self.root.mapping.get(slot)) for slot in ("init", "input")},
        }
        self.problems += self.reader.problems
        if self.problems or widths is None or self.header is None:
            self._blame_plugins(needed)
            raise SpecError(self.problems)
        return self._assembled(self.header, widths, parts, whole, origins, input_size=size, checkpointing=checkpointing)

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
        providers = {part: str(provider) for part, provider in self.reader.providers.items()}
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
            plugins=tuple(sorted(set(providers.values()))),
            names=self.reader.names,
            providers=providers,
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

    def _blame_plugins(self, needed: list[str]) -> None:
        """An unknown part of a spec that names its plugins: say which one is missing or broken."""
        unknown = [problem for problem in self.problems if problem.code == "unknown_part"]
        if not unknown:
            return
        names = {same_distribution(name.split(" ")[0]): name for name in needed}
        for failure in self.registry.failures:
            vendors = [problem for problem in unknown if f"'{failure.provider.name}/" in problem.message]
            if same_distribution(failure.provider.name) in names or vendors:
                message = f"{(vendors or unknown)[0]}\nplugin {failure.provider} failed to load: {failure}"
                raise PluginError(message) from failure.cause
        loaded = {same_distribution(provider.name) for provider in self.registry.loaded()}
        absent = [name for key, name in names.items() if key not in loaded]
        if absent:
            hint = "; ".join(self._way_to(name) for name in absent)
            self.problems = [replace(p, hint=hint) if p in unknown else p for p in self.problems]

    def _way_to(self, plugin: str) -> str:
        """How to get a plugin that a spec names: ``acme-unet 1.2``, or ``my_blocks`` where it was given by hand."""
        name, _, version = plugin.partition(" ")
        if same_distribution(name) in map(same_distribution, self.registry.disabled):
            return f"the spec needs {plugin}, which UNETGEN_DISABLE_PLUGINS switches off"
        if not version:
            # Anybody could own that name on the package index.
            return f"the spec needs {plugin}, a file or module of its author's; give it with --plugin"
        return f"the spec needs {plugin}; run: pip install {name}"


def _used(side: Part | None, name: str) -> tuple[str, ...]:
    """The slots of a side that its part draws with; all of them where that part is not known."""
    uses: Collection[str] = getattr(side, "uses", SIDES[name])
    return tuple(slot for slot in SIDES[name] if slot in uses)
