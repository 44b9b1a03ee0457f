"""Fusions: combine the skip with the upsampled feature map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Fusion


class NoFusion(Fusion):
    """No fusion: the skip is dropped."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        return upsampled


class Concat(Fusion):
    """Concatenation along the channels (Ronneberger et al. 2015).

    Several skips keep the order of the decoder.
    """

    type: ClassVar[str] = "concat"

    order: Literal["skip_first", "upsampled_first"] = "skip_first"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        return self.emit_all(g, upsampled, [skip])

    def emit_all(self, g: Builder, upsampled: Value, skips: Sequence[Value]) -> Value:
        if self.order == "skip_first":
            return g.concat(*skips, upsampled)
        return g.concat(upsampled, *skips)


class SizeOnly(Fusion):
    """Only the size of the skip is used: the alignment resizes the upsampled feature map to it."""

    type: ClassVar[str] = "size_only"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        return upsampled


class _Elementwise(Fusion):
    def check_channels(self, g: Builder, upsampled: Value, skip: Value) -> None:
        """Report feature maps with different numbers of channels."""
        if upsampled.channels != skip.channels:
            channels = f"{upsampled.channels} from below, {skip.channels} from the skip"
            hint = "let the upsampling make the skip's channels, or use concat"
            g.refuse(self, "type", f"{self.type} needs equal channels: {channels}", hint)


class Add(_Elementwise):
    """The sum: LinkNet (Chaurasia and Culurciello 2017)."""

    type: ClassVar[str] = "add"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        self.check_channels(g, upsampled, skip)
        return g.add(upsampled, skip)


class Multiply(_Elementwise):
    """The elementwise product."""

    type: ClassVar[str] = "multiply"

    def emit(self, g: Builder, upsampled: Value, skip: Value) -> Value:
        self.check_channels(g, upsampled, skip)
        return g.multiply(upsampled, skip)
