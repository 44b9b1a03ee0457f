"""Describe a drawing as boxes, lines and text in points, independent of the file format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from unicodedata import east_asian_width

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


class Rect(NamedTuple):
    """A bounding box: left, top, right and bottom in points; y points down."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rect) -> bool:
        """Return whether two rectangles share more than a border."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > 0.01
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 0.01
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``path`` names the node that it represents, ``tooltip`` is shown when the pointer hovers over it."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str
    path: str = ""
    tooltip: str = ""

    @property
    def bounds(self) -> Rect:
        """The bounding box."""
        return Rect(self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text with its base line at y; ``path`` names the node that it describes."""

    x: float
    y: float
    string: str
    size: float
    fill: str
    anchor: Anchor = "start"
    bold: bool = False
    path: str = ""

    @property
    def bounds(self) -> Rect:
        """The bounding box, or a slightly larger one."""
        width = measure_text_width(self.string, self.size, bold=self.bold)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return Rect(left, self.y - 0.76 * self.size, left + width, self.y + 0.24 * self.size)


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points with an arrowhead at its end."""

    points: tuple[Point, ...]
    stroke: str
    dashed: bool = False
    width: float = 1.2


@dataclass(slots=True)
class Scene:
    """All elements of a drawing, and its size in points."""

    title: str = ""
    background: str = "#ffffff"
    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


# The first letter that is missing in Bitstream Vera.
FIRST_NON_LATIN = "\u0100"

# Letter widths in Verdana and Bitstream Vera, the widest of the figure's fonts, as fractions of the font size; the
# other fonts are narrower.
_LETTER_WIDTHS = {
    **dict.fromkeys("ijl'|", 0.29), **dict.fromkeys(" .,:;[]()/-ft", 0.40), **dict.fromkeys("rsJ²³", 0.53),
    **dict.fromkeys("mMW", 0.99), **dict.fromkeys("w×+→", 0.84), **dict.fromkeys("ABCDGHKNOQRTUV", 0.79),
}  # fmt: skip


def measure_text_width(string: str, size: float, *, bold: bool = False) -> float:
    """Return the maximum width of a line of text.

    Args:
        string: The text.
        size: The font size in points.
        bold: Whether the text is bold, which is 15 % wider.

    Returns:
        The width in points in the widest of the figure's fonts.
    """
    return sum(map(_measure_letter_width, string)) * size * (1.15 if bold else 1.0)


def _measure_letter_width(letter: str) -> float:
    """Return a letter's width; letters outside Latin use other fonts, in which East Asian ones are square."""
    if letter in _LETTER_WIDTHS or letter < FIRST_NON_LATIN:
        return _LETTER_WIDTHS.get(letter, 0.64)
    return 1.0 if east_asian_width(letter) in "WF" else 0.8
