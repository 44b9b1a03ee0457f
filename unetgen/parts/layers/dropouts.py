"""Dropouts: of elements, channels or residual branches."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from unetgen.config.registry.part import Inert
from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Dropout

Rate = Annotated[float, Field(gt=0, lt=1, strict=True)]


def inert_dropout_place(dropout: Dropout) -> list[Inert]:
    """Return ``dropout.place`` as inert, for a part that has only one dropout layer."""
    return [Inert("dropout.place", "dropout", "there is only one dropout layer")] if dropout.type != "none" else []


class NoDropout(Dropout):
    """No dropout."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        return x


class _DropoutPart(Dropout):
    layer: ClassVar[str]

    rate: Rate
    place: Literal["last", "every"] = "last"
    """Whether dropout follows only the last unit of a block, or every unit."""

    def emit(self, g: Builder, x: Value, name: str, last: bool) -> Value:
        return g.dropout(x, self.layer, self.rate, name) if last or self.place == "every" else x


class ElementDropout(_DropoutPart):
    """Drops single elements (Srivastava et al. 2014); ``dropout: 0.5`` is short for this at that rate."""

    type: ClassVar[str] = "element"
    layer: ClassVar[str] = "nn.Dropout"


class Channel(_DropoutPart):
    """Drops whole channels (Tompson et al. 2015)."""

    type: ClassVar[str] = "channel"
    layer: ClassVar[str] = "nn.Dropout{dims}d"


class Alpha(_DropoutPart):
    """Drops single elements and keeps the mean and variance of SELU outputs (Klambauer et al. 2017)."""

    type: ClassVar[str] = "alpha"
    layer: ClassVar[str] = "nn.AlphaDropout"


class Path(_DropoutPart):
    """Drops the branch of whole samples and keeps the shortcut: stochastic depth (Huang et al. 2016)."""

    type: ClassVar[str] = "path"
    layer: ClassVar[str] = "gating_layers.DropPath"
