"""Legend: what each arrow of the figure stands for, and what is made in boxes where several end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from unetgen.figure.arrow import Arrow
from unetgen.figure.layout import MARGIN
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Box, Line, Scene, Text, breadth

SIZE = 8.0
LEADING = 13.0
SAMPLE = 22.0
INDENT = MARGIN + SAMPLE + 6

# How wide and high the box is that stands for all of its kind.
BOX = (10.0, 8.0)

# A legend may be so wide, even if the figure is not.
NARROWEST = 280.0

# So many ways to say what one kind of arrow stands for are written out.
TOLD = 4


def legend(scene: Scene, arrows: Sequence[Arrow], made: Sequence[str], palette: Palette, top: float) -> float:
    """Writes what the arrows stand for, kind by kind, then what boxes make of what meets; gives where it ends."""
    y, width = top, max(scene.width - INDENT - MARGIN, NARROWEST)
    for kind, cropped in dict.fromkeys((arrow.kind, arrow.cropped) for arrow in arrows):
        middle = y - 0.26 * SIZE
        scene.lines.append(Line(((MARGIN, middle), (MARGIN + SAMPLE, middle)), palette.arrows[kind], cropped))
        words = _told(arrow.words for arrow in arrows if (arrow.kind, arrow.cropped) == (kind, cropped))
        y = _write(scene, _wrapped("head: " if kind == "head" else "", words, width), palette, y)
    if words := _told(made):
        left, above = MARGIN + (SAMPLE - BOX[0]) / 2, y - 0.26 * SIZE - BOX[1] / 2
        scene.boxes.append(Box(left, above, *BOX, palette.map, palette.outline))
        y = _write(scene, _wrapped("where arrows meet: ", words, width), palette, y)
    scene.width = max(scene.width, max(text.extent.right for text in scene.texts) + MARGIN)
    return y - LEADING


def _write(scene: Scene, lines: Sequence[str], palette: Palette, y: float) -> float:
    for line in lines:
        scene.texts.append(Text(INDENT, y, line, SIZE, palette.ink))
        y += LEADING
    return y


def _told(words: Iterable[str]) -> list[str]:
    """Each phrase once; of very many the first."""
    found = list(dict.fromkeys(filter(None, words)))
    more = len(found) - TOLD
    return [*found[:TOLD], f"and {more} more"] if more > 1 else found


def _wrapped(start: str, phrases: Sequence[str], width: float) -> list[str]:
    """Phrases in lines no wider than that; one that is wider by itself goes on in the next line after a comma."""
    lines = [""]
    ended = [*(f"{phrase};  " for phrase in phrases[:-1]), phrases[-1]]
    for phrase in (start + ended[0], *ended[1:]):
        pieces = [phrase] if breadth(phrase.rstrip(), SIZE) <= width else re.split(r"(?<=, )", phrase)
        for piece in pieces:
            if lines[-1] and breadth((lines[-1] + piece).rstrip(), SIZE) > width:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]
