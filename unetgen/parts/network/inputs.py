"""Inputs: what is done to the image before the encoder, and undone behind the heads."""

from __future__ import annotations

from typing import ClassVar, Literal

from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Input


class NoInput(Input):
    """The image goes in as it is."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        return image

    def undo(self, g: Builder, output: Value, image: Value, name: str) -> Value:
        return output


class PaddedInput(Input):
    """The image padded to the next size that fits, and the outputs cropped back, so that every size fits."""

    type: ClassVar[str] = "pad"

    mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    place: Literal["end", "both"] = "end"

    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        return g.pad_to_multiple(image, multiple, self.mode, self.place)

    def undo(self, g: Builder, output: Value, image: Value, name: str) -> Value:
        return g.crop_to(output, image, name=name, place="start" if self.place == "end" else "centre")
