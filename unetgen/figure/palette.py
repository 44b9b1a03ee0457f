"""Define the colours of each theme. Arrows also differ in lightness, so that they are distinct in greyscale."""

from __future__ import annotations

from typing import Literal, NamedTuple

from unetgen.figure.arrow import ArrowKind

Theme = Literal["light", "dark"]


class Palette(NamedTuple):
    """The colours of one theme."""

    background: str
    text: str
    muted_text: str
    map_fill: str
    copied_map_fill: str
    outline: str
    arrow_colors: dict[ArrowKind, str]


PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        background="#ffffff",
        text="#1f2933",
        muted_text="#616e7c",
        map_fill="#9ec5e8",
        copied_map_fill="#ffffff",
        outline="#33658f",
        arrow_colors={"conv": "#1d4e89", "block": "#6a3d9a", "down": "#c0392b", "up": "#2e8b57", "skip": "#7b8794",
                "head": "#0e9aa7"},
    ),
    "dark": Palette(
        background="#15191e",
        text="#e4e7eb",
        muted_text="#9aa5b1",
        map_fill="#2f5d86",
        copied_map_fill="#15191e",
        outline="#8fb8de",
        arrow_colors={"conv": "#7db3e8", "block": "#c3a0e8", "down": "#ff8a7a", "up": "#7fd6a4", "skip": "#9aa5b1",
                "head": "#5fd4de"},
    ),
}  # fmt: skip
