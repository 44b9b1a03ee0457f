"""Draw the legend: the meaning of each kind of arrow, and how boxes with several inputs merge them."""

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

# The width and height of the sample box.
BOX_SIZE = (10.0, 8.0)

# The minimum width of the legend's text, even if the figure is narrower.
MIN_TEXT_WIDTH = 280.0

# The maximum number of phrases that describe one kind of arrow.
MAX_PHRASES = 4


def draw_legend(
    scene: Scene, arrows: Sequence[Arrow], merge_descriptions: Sequence[str], palette: Palette, top: float
) -> float:
    """Draw the legend into a scene.

    Args:
        scene: The scene; it is widened if the legend needs more room.
        arrows: The figure's arrows, explained kind by kind.
        merge_descriptions: Descriptions of the ops at which arrows meet.
        palette: The colours.
        top: The base line of the first line of text, in points.

    Returns:
        The base line of the last line of text.
    """
    y, width = top, max(scene.width - TEXT_INDENT - MARGIN, MIN_TEXT_WIDTH)
    for kind, cropped in dict.fromkeys((arrow.kind, arrow.cropped) for arrow in arrows):
        middle = y - 0.26 * FONT_SIZE
        scene.lines.append(
            Line(((MARGIN, middle), (MARGIN + SAMPLE_WIDTH, middle)), palette.arrow_colors[kind], cropped)
        )
        phrases = _limit_phrases(arrow.label for arrow in arrows if (arrow.kind, arrow.cropped) == (kind, cropped))
        y = _draw_text_lines(scene, _wrap_phrases("head: " if kind == "head" else "", phrases, width), palette, y)
    if phrases := _limit_phrases(merge_descriptions):
        left, above = MARGIN + (SAMPLE_WIDTH - BOX_SIZE[0]) / 2, y - 0.26 * FONT_SIZE - BOX_SIZE[1] / 2
        scene.boxes.append(Box(left, above, *BOX_SIZE, palette.map_fill, palette.outline))
        y = _draw_text_lines(scene, _wrap_phrases("where arrows meet: ", phrases, width), palette, y)
    scene.width = max(scene.width, max(text.bounds.right for text in scene.texts) + MARGIN)
    return y - LEADING


def _draw_text_lines(scene: Scene, lines: Sequence[str], palette: Palette, y: float) -> float:
    for line in lines:
        scene.texts.append(Text(TEXT_INDENT, y, line, FONT_SIZE, palette.text))
        y += LEADING
    return y


def _limit_phrases(phrases: Iterable[str]) -> list[str]:
    """Return each phrase once, and the number of phrases beyond the maximum."""
    unique = list(dict.fromkeys(filter(None, phrases)))
    num_omitted = len(unique) - MAX_PHRASES
    return [*unique[:MAX_PHRASES], f"and {num_omitted} more"] if num_omitted > 1 else unique


def _wrap_phrases(prefix: str, phrases: Sequence[str], width: float) -> list[str]:
    """Wrap phrases into lines of a maximum width; a phrase that is wider than a line breaks after a comma."""
    lines = [""]
    punctuated = [*(f"{phrase};  " for phrase in phrases[:-1]), phrases[-1]]
    for phrase in (prefix + punctuated[0], *punctuated[1:]):
        pieces = [phrase] if measure_text_width(phrase.rstrip(), FONT_SIZE) <= width else re.split(r"(?<=, )", phrase)
        for piece in pieces:
            if lines[-1] and measure_text_width((lines[-1] + piece).rstrip(), FONT_SIZE) > width:
                lines.append("")
            lines[-1] += piece
    return [line.rstrip() for line in lines]
