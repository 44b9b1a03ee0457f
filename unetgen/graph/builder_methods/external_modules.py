"""Wrapping: ordinary nn.Modules put into the drawing whole, by parts that do not draw what is inside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from unetgen.config.registry.part import Part
from unetgen.graph.base_builder import Axes, BaseBuilder, Value
from unetgen.graph.external.module_op import ExternalModule, MultiOutputModule, SelectOutput, SizeSpec, Window
from unetgen.graph.ops import Call
from unetgen.graph.ops.base import Size
from unetgen.graph.size_rule import Rule

# What becomes of a size: nothing, what a rule says for all axes or for each, or what torch finds for the spec's size.
SizeOption = Literal["same", "measured"] | Rule | tuple[Rule, ...]

# A class or function of modules, ``package.module:Name``, or the name of one beside the part.
Target = str | type

# Where a spec names no size and channels are asked for, maps of at least so many pixels on an axis stand in.
_DEFAULT_PROBE_SIZE = 32


class ExternalModuleMethods(BaseBuilder):
    """Draws modules of other people's making."""

    def module(  # noqa: PLR0913  # what is not said is measured, so there is much that can be said
        self,
        part: Part,
        target: Target,
        *inputs: Value,
        channels: int | None = None,
        size: SizeOption = "same",
        multiple: Axes = 1,
        pixels: int | tuple[Window, ...] | None = None,
        elements: int = 1,
        arguments: Mapping[str, Any] | None = None,
        first: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> Value:
        """A module that makes one map of maps of one size, (c, *size) each -> (channels, *size).

        ``target`` is a class of modules, or a function that returns one, called with ``arguments``: itself, as
        ``package.module:Name``, or the name of one in the part's own file. Without ``channels`` torch is asked for
        them. ``size`` is a Rule where the module changes it; with ``measured`` only the spec's ``input_size`` fits.
        ``multiple`` is what sizes must be multiples of. ``pixels`` is how far it looks to either side of a pixel of
        its input, or a Window for each axis, where that is known; ``elements`` how many pixels its norms need.
        ``first`` are arguments for when the network gets its first weights, and not when it is rebuilt from a file
        of its own: ``{"pretrained": True}``. ``name`` is its place in the module that is being drawn, the part's
        own name where none is given. Raises PluginError where it fails.
        """
        name = name or part.type
        call = Call(_format_target(part, target), dict(arguments or {}))
        origin = self._describe_origin(part, name)
        if channels is None or size == "measured":
            channels, size = self._infer_outputs(call, inputs, channels, size, multiple, origin)
        sizing = self._to_size_spec(size, multiple)
        given = tuple(value.channels for value in inputs)
        op = ExternalModule(
            call.target, call.arguments, given, channels, sizing, pixels, dict(first or {}), elements, part.type, origin
        )
        return self._add_node(name, op, inputs)

    def modules(  # noqa: PLR0913  # as above
        self,
        part: Part,
        target: Target,
        *inputs: Value,
        channels: Sequence[int],
        sizes: Sequence[Literal["same"] | Rule | tuple[Rule, ...]],
        levels: Sequence[int] = (),
        multiple: Axes = 1,
        arguments: Mapping[str, Any] | None = None,
        first: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> list[Value]:
        """A module that makes several maps, a backbone: their channels, and what becomes of the size in each.

        ``levels`` are those that the maps belong to, for tables and messages. The rest is as for ``module``.
        """
        name = name or part.type
        origin = self._describe_origin(part, name)
        pieces = tuple(
            SelectOutput(index, made, self._to_size_spec(size, multiple), part.type)
            for index, (made, size) in enumerate(zip(channels, sizes, strict=True))
        )
        op = MultiOutputModule(
            _format_target(part, target),
            dict(arguments or {}),
            tuple(value.channels for value in inputs),
            inputs[0].channels,
            self._to_size_spec("same", 1),
            None,
            dict(first or {}),
            1,
            part.type,
            origin,
            pieces,
        )
        bundle = self._add_node(name, op, inputs)
        side, level, slot = self._slot_location
        values = []
        for piece, place in zip(pieces, levels or [level] * len(pieces), strict=True):
            with self.at(side, place, slot):
                values.append(self._add_node(f"{name}_{piece.index}", piece, (bundle,)))
        return values

    def _infer_outputs(
        self,
        call: Call,
        inputs: Sequence[Value],
        channels: int | None,
        size: SizeOption,
        multiple: Axes,
        origin: str,
    ) -> tuple[int, SizeOption]:
        """Channels and size as torch finds them."""
        from unetgen.graph.external import measurement  # torch, when a size is asked for

        bound = size == "measured"
        given = self.size_of(inputs[0]) if bound else self._probe_size(inputs[0], multiple)
        shapes = tuple((value.channels, *given) for value in inputs)
        found = measurement.profile_module(call, shapes, origin).shapes[0]
        if bound:
            size = tuple(Rule(factor=0, plus=n) for n in found[1:])
        return found[0] if channels is None else channels, size

    def _probe_size(self, value: Value, multiple: Axes) -> Size:
        """A size that the module takes, without the network being bound to it."""
        if self._input_size is not None:
            return self.to_graph(value).output_size(self._input_size)
        return tuple(-(-_DEFAULT_PROBE_SIZE // n) * n for n in self.per_axis(multiple))

    def _to_size_spec(self, size: SizeOption, multiple: Axes) -> SizeSpec:
        if isinstance(size, Rule) or size == "same":
            size = (size if isinstance(size, Rule) else Rule(),) * self.dims
        elif len(set(size)) > 1:
            self._is_isotropic = False
        return SizeSpec(tuple(size), self.per_axis(multiple))  # type: ignore[arg-type]  # no word is left

    def _describe_origin(self, part: Part, name: str) -> str:
        provider = self.providers.get(type(part))
        return f"{self.path(name)}: {part.slot} {part.type!r}{f' of {provider}' if provider else ''}"


def _format_target(part: Part, target: Target) -> str:
    if not isinstance(target, str):
        return f"{target.__module__}:{target.__qualname__}"
    return target if ":" in target else f"{type(part).__module__}:{target}"
