"""Legend: what each arrow of the figure stands for, and what is made in boxes where several end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from unetgen.figure.arrow import Arrow
from unetgen.figure.layout import MARGIN
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Box, Line, Scene, Text, measure_text_width

FONT_SIZE = 8.0
LEADING = 13.0
SAMPLE_WIDTH = 22.0
TEXT_INDENT = MARGIN + SAMPLE_WIDTH + 6

# How wide and high the box is that stands for all of its kind.
BOX_SIZE = (10.0, 8.0)

# A legend may be so wide, even if the figure is not.
MIN_TEXT_WIDTH = 280.0

# So many ways to say what one kind of arrow stands for are written out.
MAX_PHRASES = 4


def draw_legend(
    scene: Scene, arrows: Sequence[Arrow], merge_descriptions: Sequence[str], palette: Palette, top: float
) -> float:
    """Writes what the arrows stand for, kind by kind, then what boxes make of what meets; gives where it ends."""
    y, width = top, max(scene.width - TEXT_INDENT - MARGIN, MIN_TEXT_WIDTH)
    for kind, cropped in dict.fromkeys((arrow.kind, arrow.cropped) for arrow in arrows):
        middle = y - 0.26 * FONT_SIZE
        scene.lines.append(
            Line(((MARGIN, middle), (MARGIN + SAMPLE_WIDTH, middle)), palette.arrow_colors[kind], cropped)
        )
        words = _limit_phrases(arrow.label for arrow in arrows if (arrow.kind, arrow.cropped) == (kind, cropped))
        y = _draw_text_lines(scene, _wrap_phrases("head: " if kind == "head" else "", words, width), palette, y)
    if words := _limit_phrases(merge_descriptions):
        left, above = MARGIN + (SAMPLE_WIDTH - BOX_SIZE[0]) / 2, y - 0.26 * FONT_SIZE - BOX_SIZE[1] / 2
        scene.boxes.append(Box(left, above, *BOX_SIZE, palette.map_fill, palette.outline))
        y = _draw_text_lines(scene, _wrap_phrases("where arrows meet: ", words, width), palette, y)
    scene.width = max(scene.width, max(text.bounds.right for text in scene.texts) + MARGIN)
    return y - LEADING


def _draw_text_lines(scene: Scene, lines: Sequence[str], palette: Palette, y: float) -> float:
    for line in lines:
        scene.texts.append(Text(TEXT_INDENT, y, line, FONT_SIZE, palette.text))
        y += LEADING
    return y


def _limit_phrases(phrases: Iterable[str]) -> list[str]:
    """Each phrase once; of very many the first."""
    found = list(dict.fromkeys(filter(None, phrases)))
    more = len(found) - MAX_PHRASES
    return [*found[:MAX_PHRASES], f"and {more} more"] if more > 1 else found


def _wrap_phrases(prefix: str, phrases: Sequence[str], width: float) -> list[str]:
    """Phrases in lines no wider than that; one that is wider by itself goes on in the next line after a comma."""
    lines = [""]
    ended = [*(f"{phrase};  " for phrase in phrases[:-1]), phrases[-1]]
    for phrase in (prefix + ended[0], *ended[1:]):
        pieces = [phrase] if measure_text_width(phrase.rstrip(), FONT_SIZE) <= width else re.split(r"(?<=, )", phrase)
        for piece in pieces:
            if lines[-1] and measure_text_width((lines[-1] + piece).rstrip(), FONT_SIZE) > width:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]
