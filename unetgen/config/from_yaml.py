"""A tree of nodes to a Spec, with every problem found on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from unetgen.config.choice import Context
from unetgen.config.levels import check_keys, places, told
from unetgen.config.node import Node, from_data
from unetgen.config.part import Channels, Part
from unetgen.config.registry import Provider, Registry, same_distribution
from unetgen.config.slots import LEVEL_KEYS, SIDES, SLOTS
from unetgen.config.spec import SCHEMA_VERSION, DecoderLevel, EncoderLevel, Place, Skip, Spec
from unetgen.config.validation import model_at, part_at
from unetgen.config.widths import Widths, widths_of
from unetgen.errors import PluginError, Problem, SpecError, did_you_mean

TOP_KEYS = (
    "$schema", "schema_version", "extends", "name", "description", "dims", "in_channels", "out_channels",
    "input_size", "depth", "widths", *LEVEL_KEYS, *SIDES, "levels", "head", "init", "plugins",
)  # fmt: skip


class Header(BaseModel):
    """The keys that are single values."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    name: str = ""
    description: str = ""
    dims: Literal[1, 2, 3] = 2
    in_channels: Channels
    out_channels: Channels


Size = Annotated[int, Field(ge=1, le=1_000_000)]


class _InputSize(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    input_size: list[Size] | None = None


def resolve(root: Node, registry: Registry) -> Spec:
    """The spec that a tree describes. Raises SpecError with all that is wrong."""
    return _Resolver(root, registry).spec()


class _Resolver:
    def __init__(self, root: Node, registry: Registry) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.notices: list[str] = []
        self.providers: set[Provider] = set()
        self.names: dict[type[Part], str] = {}
        self.registry = registry
        self.header = self._header()
        dims = self.header.dims if self.header else 2
        self.context = Context(registry, dims)
        self._seen: dict[tuple[str, str], Part] = {}

    def spec(self) -> Spec:
        self._check_top_keys()
        needed = self._plugins()
        widths, problems = widths_of(self.root)
        self.problems += problems
        size = self._input_size()
        # With unknown widths the levels are still checked, as far as the spec names any.
        depth = widths.depth if widths else 4
        self.problems += check_keys(self.root, depth) if widths else []
        origins = {place: told(self.root, place) for place in places(depth)}
        parts = {place: self._part_of(place, node) for place, node in origins.items()}
        whole = {slot: self._whole(slot) for slot in ("encoder", "decoder", "head", "init")}
        if self.problems or widths is None or self.header is None:
            self._blame_plugins(needed)
            raise SpecError(self.problems)
        return self._assembled(self.header, size, widths, parts, whole, origins)

    def _assembled(
        self,
        header: Header,
        size: tuple[int, ...] | None,
        widths: Widths,
        parts: Mapping[Place, Any],
        whole: Mapping[str, Any],
        origins: dict[Place, Node],
    ) -> Spec:
        depth = widths.depth
        encoder = [
            EncoderLevel(widths.encoder[i], parts["encoder", i, "block"], parts["encoder", i, "downsample"])
            for i in range(depth)
        ]
        decoder = [
            DecoderLevel(widths.decoder[i], *(parts["decoder", i, slot] for slot in SIDES["decoder"]))
            for i in range(depth)
        ]
        return Spec(
            **header.model_dump(),
            input_size=size,
            encoder=whole["encoder"],
            encoder_levels=tuple(encoder),
            bottleneck_width=widths.encoder[-1],
            bottleneck=parts["bottleneck", depth, "block"],
            decoder=whole["decoder"],
            decoder_levels=tuple(decoder),
            head=whole["head"],
            init=whole["init"],
            root=self.root,
            origins=origins,
            plugins=tuple(sorted(str(p) for p in self.providers if not p.builtin)),
            names=self.names,
            notices=tuple(self.notices),
        )

    def _header(self) -> Header | None:
        header, problems = model_at(Header, self.root)
        self.problems += problems
        version = self.root.mapping.get("schema_version")
        if version is None:
            self.notices.append(f"no schema_version; read as version {SCHEMA_VERSION}")
        elif version.value != SCHEMA_VERSION or type(version.value) is not int:
            message = f"this unetgen reads version {SCHEMA_VERSION} of the spec language"
            hint = "a newer version needs a newer unetgen"
            self.problems.append(version.problem("schema_version", message, hint))
        return header

    def _check_top_keys(self) -> None:
        for key, node in self.root.mapping.items():
            if key in TOP_KEYS:
                continue
            hint = did_you_mean(key, TOP_KEYS)
            if key in SLOTS:
                hint = (
                    "it belongs into a block" if key in ("norm", "activation", "dropout") else "it belongs into 'skip'"
                )
            self.problems.append(node.key_problem("unknown_key", "unknown key", hint or "see: unetgen new"))

    def _plugins(self) -> list[str]:
        """The distributions that a resolved spec says it needs: ``acme-unet 1.2``."""
        node = self.root.mapping.get("plugins")
        if node is None:
            return []
        names = node.plain()
        if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
            self._add([node.problem("plugins", "this is no list of distributions", "write [acme-unet 1.2]")])
            return []
        return names

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

    def _input_size(self) -> tuple[int, ...] | None:
        node = self.root.mapping.get("input_size")
        model, problems = model_at(_InputSize, self.root)
        self.problems += problems
        if node is None or model is None or model.input_size is None:
            return None
        dims = self.context.dims
        if len(model.input_size) != dims:
            example = f"[{', '.join(['572'] * dims)}]"
            message = f"dims {dims} has as many axes, this names {len(model.input_size)}"
            self.problems.append(node.problem("input_size", message, f"write one for each axis: {example}"))
        return tuple(model.input_size)

    def _part_of(self, place: Place, node: Node) -> Part | Skip | None:
        if place[2] != "skip":
            return self._part(place[2], node)
        return self._skip(node)

    def _skip(self, node: Node) -> Skip | None:
        if not isinstance(node.value, dict):
            self._add([node.problem("skip", "a skip is a mapping, or 'none'", "write {align: crop, fusion: concat}")])
            return None
        for key, child in node.mapping.items():
            if key not in ("align", "fusion"):
                hint = did_you_mean(key, ("align", "fusion")) or "its options are align, fusion"
                self._add([child.key_problem("unknown_option", "unknown option of skip", hint)])
        align, fusion = (self._part(slot, node.mapping.get(slot)) for slot in ("align", "fusion"))
        if align is None or fusion is None:
            return None
        skip = Skip(align, fusion)
        self._refuse_idle_align(node, skip)
        return skip

    def _refuse_idle_align(self, node: Node, skip: Skip) -> None:
        align, fusion = node.mapping.get("align"), node.mapping.get("fusion")
        if skip.dropped and align and fusion and fusion.layer <= align.layer:
            message = "it has no effect: a skip that is dropped has nothing to align"
            self._add([align.key_problem("no_effect", message, "delete 'align'")])

    def _whole(self, slot: str) -> Part | None:
        """A part that the network has once; for a side, without what it says about its levels."""
        node = self.root.mapping.get(slot)
        if node is not None and slot in SIDES and node.value is None:
            return None  # said already, with what to do about it
        if node is not None and slot in SIDES and isinstance(node.value, dict):
            node = node.without(*LEVEL_KEYS, *(["widths"] if slot == "decoder" else []))
        return self._part(slot, node)

    def _part(self, slot: str, node: Node | None) -> Part | None:
        node = node or from_data(SLOTS[slot].default, "default", slot)
        # Levels share most of what they are told; what is refused is looked at in each place.
        key = (slot, repr(node.plain()))
        if (part := self._seen.get(key)) is None:
            part, problems = part_at(slot, node, self.context)
            self._add(problems)
            if part is not None and not problems:
                self._seen[key] = part
                self._note_provider(part)
        return part

    def _note_provider(self, part: Part) -> None:
        provider = self.registry.provider(type(part))
        self.providers.add(provider)
        if not provider.builtin:
            self.names[type(part)] = f"{provider.name}/{part.type.rpartition('/')[2]}"
        for name in type(part).model_fields:
            if isinstance(child := getattr(part, name), Part):
                self._note_provider(child)

    def _add(self, problems: list[Problem]) -> None:
        self.problems += problems  # SpecError says equal ones once
