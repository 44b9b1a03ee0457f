"""Palette: the colours of a theme. Arrows differ in lightness too, so that they can be told apart in grey."""

from __future__ import annotations

from typing import Literal, NamedTuple

from unetgen.figure.arrow import Kind

Theme = Literal["light", "dark"]


class Palette(NamedTuple):
    """What is drawn in which colour."""

    background: str
    ink: str
    faint: str
    map: str
    copied: str
    outline: str
    arrows: dict[Kind, str]


PALETTES: dict[Theme, Palette] = {
    "light": Palette(
        background="#ffffff",
        ink="#1f2933",
        faint="#616e7c",
        map="#9ec5e8",
        copied="#ffffff",
        outline="#33658f",
        arrows={"conv": "#1d4e89", "block": "#6a3d9a", "down": "#c0392b", "up": "#2e8b57", "skip": "#7b8794",
                "head": "#0e9aa7"},
    ),
    "dark": Palette(
        background="#15191e",
        ink="#e4e7eb",
        faint="#9aa5b1",
        map="#2f5d86",
        copied="#15191e",
        outline="#8fb8de",
        arrows={"conv": "#7db3e8", "block": "#c3a0e8", "down": "#ff8a7a", "up": "#7fd6a4", "skip": "#9aa5b1",
                "head": "#5fd4de"},
    ),
}  # fmt: skip
