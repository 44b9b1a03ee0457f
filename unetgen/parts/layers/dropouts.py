"""Dropouts."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Dropout

Rate = Annotated[float, Field(gt=0, lt=1, strict=True)]


class NoDropout(Dropout):
    """No dropout."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        return x


class _DropoutPart(Dropout):
    layer: ClassVar[str]

    rate: Rate
    place: Literal["last", "every"] = "last"
    """After the last unit of a block only, or in every unit."""

    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        return g.dropout(x, self.layer, self.rate, name) if last or self.place == "every" else x


class ElementDropout(_DropoutPart):
    """Single values (Srivastava et al. 2014). ``dropout: 0.5`` is short for this at that rate."""

    type: ClassVar[str] = "element"
    layer: ClassVar[str] = "nn.Dropout"


class Channel(_DropoutPart):
    """Whole channels (Tompson et al. 2015)."""

    type: ClassVar[str] = "channel"
    layer: ClassVar[str] = "nn.Dropout{dims}d"


class Alpha(_DropoutPart):
    """Single values, keeping mean and variance of SELU's outputs (Klambauer et al. 2017)."""

    type: ClassVar[str] = "alpha"
    layer: ClassVar[str] = "nn.AlphaDropout"


class Path(_DropoutPart):
    """Whole samples of a branch, whose shortcut is then all that is left: stochastic depth (Huang et al. 2016)."""

    type: ClassVar[str] = "path"
    layer: ClassVar[str] = "gating_layers.DropPath"
