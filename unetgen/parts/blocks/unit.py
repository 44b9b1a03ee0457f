"""The unit of blocks: a convolution with its norm, activation and dropout, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Count, Inert, Kernel, Part
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Dropout, Norm, Stride, Striding, Unit
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.dropouts import NoDropout
from unetgen.parts.layers.norms import NoNorm

Padding = Literal["valid", "zeros", "reflect", "replicate", "circular"]
Step = Literal["conv", "norm", "activation", "dropout"]

# The rule of ``validate_unique_steps`` in the JSON Schema, for editors.
UNIQUE_ITEMS: JsonDict = {"uniqueItems": True}

DEFAULT_ORDER: tuple[Step, ...] = ("conv", "norm", "activation", "dropout")

# The number of groups; ``channels`` makes one per input channel: a depthwise convolution.
Groups = Annotated[Literal["channels"] | Count, Field(union_mode="left_to_right")]

_NO_STRIDE = Stride()


def validate_unique_steps(steps: tuple[str, ...]) -> tuple[str, ...]:
    """Return an order of steps unchanged; raise PydanticCustomError if it lists a step twice."""
    repeated = next((step for step in steps if steps.count(step) > 1), None)
    if repeated is not None:
        what, hint = f"the order lists {repeated!r} twice", "list each step at most once"
        raise PydanticCustomError("order", "{what}", {"what": what, "hint": hint})
    return steps


def _require_conv(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    if "conv" not in steps:
        what, hint = "the order has no 'conv'", "add 'conv'"
        raise PydanticCustomError("order", "{what}", {"what": what, "hint": hint})
    return steps


Order = Annotated[
    tuple[Step, ...],
    Field(strict=False, max_length=4, json_schema_extra={**UNIQUE_ITEMS, "contains": {"const": "conv"}}),
    AfterValidator(validate_unique_steps),
    AfterValidator(_require_conv),
]


def emit_in_order(
    part: Part,
    g: Builder,
    x: Value,
    steps: Iterable[str],
    emit_conv: Callable[[Value, str], Value],
    *,
    suffix: int | str = "",
    last: bool = True,
) -> Value:
    """Emit a convolution, norm, activation and dropout in the given order.

    Args:
        part: The part whose fields ``norm``, ``activation`` and ``dropout`` are emitted.
        g: The builder.
        x: The input, ``(batch, c, *size)``.
        steps: The steps, in order; ``conv`` and names of fields.
        emit_conv: Emits the convolution; gets its input and its name.
        suffix: Follows each step in the layer's name, such as the unit's number.
        last: Whether this is the last unit of its block, for the dropout.

    Returns:
        The output of the last step.
    """
    for step in steps:
        name = f"{step}{suffix}"
        if step == "conv":
            x = emit_conv(x, name)
        elif step == "dropout":
            x = getattr(part, step).emit(g, x, name, last)
        else:
            x = getattr(part, step).emit(g, x, name)
    return x


class Units(Striding):
    """The options of a block of units; steps whose part is ``none`` add no layer."""

    repeats: Count = 2
    kernel_size: Kernel = 3
    padding: Padding = "valid"
    dilation: Kernel = 1
    groups: Groups = 1
    bias: bool = True
    order: Order = DEFAULT_ORDER
    norm: Annotated[Norm, In("norm")] = NoNorm()
    activation: Annotated[Activation, In("activation")] = Relu()
    dropout: Annotated[Dropout, In("dropout")] = NoDropout()

    def inert(self) -> list[Inert]:
        inert = [
            Inert(step, "order", f"the order has no {step!r}")
            for step in ("norm", "activation", "dropout")
            if step not in self.order and getattr(self, step).type != "none"
        ]
        if self.kernel_size == 1:
            inert += [Inert(option, "kernel_size", "a kernel of 1 has no border") for option in ("padding", "dilation")]
        if self.repeats == 1 and self.dropout.type != "none":
            inert.append(Inert("dropout.place", "repeats", "the only unit is the last one"))
        return inert

    @property
    def steps_after_conv(self) -> tuple[Step, ...]:
        """The steps of a unit that follow its convolution."""
        return self.order[self.order.index("conv") + 1 :]

    @property
    def shortcut_unit(self) -> Unit:
        """The options that a shortcut takes over from the block."""
        return Unit(self.bias, self.norm, self.padding, "norm" in self.steps_after_conv)

    def emit_unit(
        self,
        g: Builder,
        x: Value,
        channels: int,
        number: int | str,
        *,
        last: bool,
        omitted: tuple[Step, ...] = (),
        stride: Stride = _NO_STRIDE,
    ) -> Value:
        """Emit one unit.

        Args:
            g: The builder.
            x: The input, ``(batch, c, *size)``.
            channels: The output channels.
            number: The number of the unit in its block; it ends the names of the layers.
            last: Whether it is the last unit of the block.
            omitted: Steps of ``order`` that are emitted elsewhere, such as an activation after a sum.
            stride: The change of resolution by the convolution.

        Returns:
            The output, ``(batch, channels, *size / stride)``.
        """
        steps = [step for step in self.order if step not in omitted]
        emit_conv = partial(self._emit_conv, g, channels, stride)
        return emit_in_order(self, g, x, steps, emit_conv, suffix=number, last=last)

    def _emit_conv(self, g: Builder, channels: int, stride: Stride, x: Value, name: str) -> Value:
        groups = self.groups if isinstance(self.groups, int) else x.channels
        for count in dict.fromkeys((x.channels, channels)) if groups > 1 else ():
            if count % groups:
                divisors = [n for n in range(1, min(count, 64) + 1) if count % n == 0]
                hint = f"use one of {', '.join(map(str, divisors))}"
                g.refuse(self, "groups", f"{groups} does not divide {count} channel{'s' * (count > 1)}", hint)
        return g.conv(
            x,
            channels,
            self.kernel_size,
            name=name,
            stride=stride.factor,
            rounding=stride.rounding,
            padding=self.padding,
            dilation=self.dilation,
            groups=groups,
            bias=self.bias,
        )
