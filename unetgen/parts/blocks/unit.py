"""The unit that blocks repeat: a convolution with its norm, activation and dropout, in any order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from unetgen.config.part_field import In
from unetgen.config.registry.part import Count, Inert, Kernel
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Activation, Dropout, Norm, Stride, Striding, Unit
from unetgen.parts.layers.activations import Relu
from unetgen.parts.layers.dropouts import NoDropout
from unetgen.parts.layers.norms import NoNorm

Padding = Literal["valid", "zeros", "reflect", "replicate", "circular"]
Step = Literal["conv", "norm", "activation", "dropout"]

# What ``each_once`` asks, for editors.
UNIQUE_ITEMS: JsonDict = {"uniqueItems": True}
Order = Annotated[
    tuple[Step, ...],
    Field(strict=False, max_length=4, json_schema_extra={**UNIQUE_ITEMS, "contains": {"const": "conv"}}),
]

DEFAULT_ORDER: tuple[Step, ...] = ("conv", "norm", "activation", "dropout")

# How many groups, or one for each channel that comes in: a depthwise convolution.
Groups = Annotated[Literal["channels"] | Count, Field(union_mode="left_to_right")]

_NO_STRIDE = Stride()


def validate_unique_steps(steps: tuple[str, ...]) -> tuple[str, ...]:
    """An order with every step in it, and none of them twice."""
    twice = next((step for step in steps if steps.count(step) > 1), None)
    if twice is not None:
        hint = "each step stands in it once"
        raise PydanticCustomError("order", "{what}", {"what": f"the order names {twice!r} twice", "hint": hint})
    return steps


class Units(Striding):
    """The options of a block that is made of units. ``none`` steps are left out of the order."""

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

    @model_validator(mode="after")
    def _check_order(self) -> Units:
        twice = sorted({step for step in self.order if self.order.count(step) > 1})
        if twice or "conv" not in self.order:
            what = f"the order names {twice[0]!r} twice" if twice else "the order has no 'conv'"
            hint = "each of conv, norm, activation, dropout stands in it at most once"
            raise PydanticCustomError("order", "{what}", {"what": what, "hint": hint, "at": "order"})
        return self

    def inert(self) -> list[Inert]:
        found = [
            Inert(step, "order", f"the order has no {step!r}")
            for step in ("norm", "activation", "dropout")
            if step not in self.order and getattr(self, step).type != "none"
        ]
        if self.kernel_size == 1:
            found += [Inert(option, "kernel_size", "a kernel of 1 has no border") for option in ("padding", "dilation")]
        if self.repeats == 1 and self.dropout.type != "none":
            found.append(Inert("dropout.place", "repeats", "the only unit is the last one"))
        return found

    @property
    def steps_after_conv(self) -> tuple[Step, ...]:
        """The steps of a unit that follow its convolution."""
        return self.order[self.order.index("conv") + 1 :]

    @property
    def shortcut_unit(self) -> Unit:
        """What a shortcut takes over."""
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
        """Draws one unit, (c, *size) -> (channels, *size / stride); ``skip`` names steps that are drawn elsewhere."""
        for step in self.order:
            if step in omitted:
                continue
            name = f"{step}{number}"
            if step == "conv":
                x = self._emit_conv(g, x, channels, name, stride)
            elif step == "dropout":
                x = self.dropout.emit(g, x, name, last)
            else:
                x = getattr(self, step).emit(g, x, name)
        return x

    def _emit_conv(self, g: Builder, x: Value, channels: int, name: str, stride: Stride) -> Value:
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
