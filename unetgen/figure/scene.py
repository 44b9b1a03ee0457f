"""Scene: boxes, lines and letters in points, whatever they are then written as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from unicodedata import east_asian_width

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


class Rect(NamedTuple):
    """The rectangle that something takes: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rect) -> bool:
        """Whether they have more than a border in common."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > 0.01
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 0.01
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``path`` is the map's that it stands for, ``tip`` what is shown where a pointer rests on it."""

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
        """What it takes."""
        return Rect(self.x, self.y, self.x + self.width, self.y + self.height)


@dataclass(frozen=True, slots=True)
class Text:
    """A line of letters, its base line at y; ``path`` is the map's that it says something of."""

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
        """What it takes, at most."""
        width = measure_text_width(self.string, self.size, bold=self.bold)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return Rect(left, self.y - 0.76 * self.size, left + width, self.y + 0.24 * self.size)


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, with a head at its end."""

    points: tuple[Point, ...]
    stroke: str
    dashed: bool = False
    width: float = 1.2


@dataclass(slots=True)
class Scene:
    """Everything that is to be seen, and how large it is."""

    title: str = ""
    background: str = "#ffffff"
    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


# The first letter that Bitstream Vera does not have.
FIRST_NON_LATIN = "\u0100"

# How wide letters are in Verdana and Bitstream Vera, the widest of the faces that the figure asks for, in parts of the
# size; all others stand in it with room to spare.
_LETTER_WIDTHS = {
    **dict.fromkeys("ijl'|", 0.29), **dict.fromkeys(" .,:;[]()/-ft", 0.40), **dict.fromkeys("rsJ²³", 0.53),
    **dict.fromkeys("mMW", 0.99), **dict.fromkeys("w×+→", 0.84), **dict.fromkeys("ABCDGHKNOQRTUV", 0.79),
}  # fmt: skip


def measure_text_width(string: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of letters is at most."""
    return sum(map(_measure_letter_width, string)) * size * (1.15 if bold else 1.0)


def _measure_letter_width(letter: str) -> float:
    """Letters outside Latin come from other faces, where those of East Asia are as wide as they are high."""
    if letter in _LETTER_WIDTHS or letter < FIRST_NON_LATIN:
        return _LETTER_WIDTHS.get(letter, 0.64)
    return 1.0 if east_asian_width(letter) in "WF" else 0.8
