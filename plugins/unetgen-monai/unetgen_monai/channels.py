"""Define the option ``channels`` of upsamplings, with the choices of unetgen's own upsamplings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unetgen.config.registry.part import Channels, Part
from unetgen.graph.builder import Value

ChannelChoice = Annotated[Literal["width", "half_width", "half", "keep"] | Channels, Field(union_mode="left_to_right")]


class OutputChannels(Part):
    """An upsampling with an option for its number of output channels."""

    channels: ChannelChoice = "width"
    """MONAI's `out_channels`: the level's width, half of it, half of the input's channels, the input's, or a number."""

    def resolve_channels(self, x: Value, width: int) -> int:
        """Return the number of output channels for an input and the level's width."""
        choices = {"width": width, "half_width": width // 2, "half": x.channels // 2, "keep": x.channels}
        return self.channels if isinstance(self.channels, int) else max(choices[self.channels], 1)
