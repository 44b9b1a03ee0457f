"""Inputs: preprocessing of the image before the encoder, undone after the heads."""

from __future__ import annotations

from typing import ClassVar, Literal

from unetgen.graph.builder import Builder, Value
from unetgen.graph.part_types import Input


class NoInput(Input):
    """No preprocessing: the encoder reads the image unchanged."""

    type: ClassVar[str] = "none"

    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        return image

    def undo(self, g: Builder, output: Value, image: Value, name: str) -> Value:
        return output


class PaddedInput(Input):
    """Pads the image to the next fitting size and crops the outputs back, so that every size fits."""

    type: ClassVar[str] = "pad"

    mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    place: Literal["end", "both"] = "end"

    def emit(self, g: Builder, image: Value, multiple: tuple[int, ...]) -> Value:
        return g.pad_to_multiple(image, multiple, self.mode, self.place)

    def undo(self, g: Builder, output: Value, image: Value, name: str) -> Value:
        return g.crop_to(output, image, name=name, place="start" if self.place == "end" else "centre")
