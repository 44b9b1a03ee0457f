"""Builder methods that add ordinary PyTorch modules, whose inside is not part of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from unetgen.config.registry.part import Part
from unetgen.graph.base_builder import Axes, BaseBuilder, Value
from unetgen.graph.external.module_op import ExternalModule, MultiOutputModule, SelectOutput, SizeSpec, Window
from unetgen.graph.ops import Call
from unetgen.graph.ops.base import Size
from unetgen.graph.size_rule import Rule

# How the output size follows from the input size: not changed, measured for the spec's input size, or by a rule for
# all axes or one per axis.
SizeOption = Literal["same", "measured"] | Rule | tuple[Rule, ...]

# A module class or factory function: itself, as ``package.module:Name``, or a name in the part's own file.
Target = str | type

# The size for which channels are measured if the spec has no input size, rounded up to the module's multiple.
_DEFAULT_PROBE_SIZE = 32


class ExternalModuleMethods(BaseBuilder):
    """Methods that add third-party modules."""

    def module(  # noqa: PLR0913  # all that torch need not measure can be declared
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
        """Add a third-party module with one output.

        Args:
            part: The part that adds the module.
            target: A module class, or a function that returns a module: itself, as ``package.module:Name``, or the
                name of one in the part's own file.
            *inputs: The inputs, ``(batch, c_i, *size)`` each.
            channels: The number of output channels (default: measured by torch).
            size: ``same`` if the module keeps the size; a ``Rule`` for all axes or one per axis; or ``measured``, with
                which only the spec's ``input_size`` fits.
            multiple: The number of which input sizes must be multiples, for all axes or one per axis.
            pixels: How many pixels the module looks to either side of a pixel, or a ``Window`` per axis
                (default: unknown).
            elements: The smallest number of pixels for the module's norms.
            arguments: The keyword arguments of the target.
            first: Further arguments for new models only, such as ``{"pretrained": True}``; a model that is loaded from
                a checkpoint is built without them.
            name: The module's name in the current module (default: the part's type).

        Returns:
            The output, ``(batch, channels, *new_size)``.

        Raises:
            PluginError: If the module has to be measured and fails.
            ValueError: If the name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Block, Builder
            >>> class Mixer(Block):
            ...     type = "mixer"
            ...     def emit(self, g, x, channels):
            ...         arguments = {"width": channels}
            ...         return g.module(self, "acme.layers:Mixer", x, channels=channels, arguments=arguments)
            >>> g = Builder(dims=2, in_channels=3)
            >>> Mixer().emit(g, g.input, 8).channels
            8
        """
        name = name or part.type
        call = Call(_format_target(part, target), dict(arguments or {}))
        origin = self._describe_origin(part, name)
        if channels is None or size == "measured":
            channels, size = self._infer_outputs(call, inputs, channels, size, multiple, origin)
        op = ExternalModule(
            call.target,
            call.arguments,
            tuple(value.channels for value in inputs),
            channels,
            self._to_size_spec(size, multiple),
            pixels,
            dict(first or {}),
            elements,
            part.type,
            origin,
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
        """Add a third-party module with several outputs, such as a backbone.

        Args:
            part: The part that adds the module.
            target: As for ``module``.
            *inputs: The inputs, ``(batch, c_i, *size)`` each.
            channels: The number of channels of each output.
            sizes: The size of each output: ``same``, or a ``Rule`` for all axes or one per axis.
            levels: The level of each output, for tables and messages (default: the current level).
            multiple: The number of which input sizes must be multiples, for all axes or one per axis.
            arguments: The keyword arguments of the target.
            first: Further arguments for new models only, as for ``module``.
            name: The module's name in the current module (default: the part's type).

        Returns:
            The outputs, in the order in which the module returns them.

        Raises:
            ValueError: If a name is taken or reserved.

        Examples:
            >>> from unetgen.authoring import Builder, Rule
            >>> from unetgen.parts.network.encoders import PlainEncoder
            >>> g = Builder(dims=2, in_channels=3, input_size=(64, 64))
            >>> halve = Rule(divisor=2, residue=0)
            >>> maps = g.modules(PlainEncoder(), "acme:Net", g.input, channels=[8, 16], sizes=["same", halve])
            >>> [(x.channels, x.size) for x in maps]
            [(8, (64, 64)), (16, (32, 32))]
        """
        name = name or part.type
        origin = self._describe_origin(part, name)
        outputs = tuple(
            SelectOutput(index, num_channels, self._to_size_spec(size, multiple), part.type)
            for index, (num_channels, size) in enumerate(zip(channels, sizes, strict=True))
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
            outputs,
        )
        module = self._add_node(name, op, inputs)
        side, current_level, slot = self._slot_location
        values = []
        for output, level in zip(outputs, levels or [current_level] * len(outputs), strict=True):
            with self.at(side, level, slot):
                values.append(self._add_node(f"{name}_{output.index}", output, (module,)))
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
        """Return the output's channels and size rule, measured by torch if they are not declared."""
        from unetgen.graph.external import measurement  # imports torch

        is_measured = size == "measured"
        input_size = self.size_of(inputs[0]) if is_measured else self._probe_size(inputs[0], multiple)
        shapes = tuple((value.channels, *input_size) for value in inputs)
        output_shape = measurement.profile_module(call, shapes, origin).shapes[0]
        if is_measured:
            size = tuple(Rule(factor=0, plus=n) for n in output_shape[1:])
        return output_shape[0] if channels is None else channels, size

    def _probe_size(self, value: Value, multiple: Axes) -> Size:
        """Return an input size for a measurement that does not fix the network's size."""
        if self._input_size is not None:
            return self.to_graph(value).output_size(self._input_size)
        return tuple(-(-_DEFAULT_PROBE_SIZE // n) * n for n in self.per_axis(multiple))

    def _to_size_spec(self, size: SizeOption, multiple: Axes) -> SizeSpec:
        if isinstance(size, Rule) or size == "same":
            size = (size if isinstance(size, Rule) else Rule(),) * self.dims
        elif len(set(size)) > 1:
            self._is_isotropic = False
        return SizeSpec(tuple(size), self.per_axis(multiple))  # type: ignore[arg-type]  # no literal is left

    def _describe_origin(self, part: Part, name: str) -> str:
        """Return the module's path, part and provider, for errors."""
        provider = self.providers.get(type(part))
        return f"{self.path(name)}: {part.slot} {part.type!r}{f' of {provider}' if provider else ''}"


def _format_target(part: Part, target: Target) -> str:
    if not isinstance(target, str):
        return f"{target.__module__}:{target.__qualname__}"
    return target if ":" in target else f"{type(part).__module__}:{target}"
