"""How many channels an upsampling makes, in the words of unetgen's own upsamplings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unetgen.config.registry.part import Channels, Part
from unetgen.graph.builder import Value

ChannelChoice = Annotated[Literal["width", "half_width", "half", "keep"] | Channels, Field(union_mode="left_to_right")]


class OutputChannels(Part):
    """An upsampling that is told how many channels it makes."""

    channels: ChannelChoice = "width"
    """MONAI's `out_channels`: the level's width, half of it, half of what comes from below, all that, or a number."""

    def resolve_channels(self, x: Value, width: int) -> int:
        """The channels that go out."""
        shares = {"width": width, "half_width": width // 2, "half": x.channels // 2, "keep": x.channels}
        return self.channels if isinstance(self.channels, int) else max(shares[self.channels], 1)
