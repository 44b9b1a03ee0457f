"""Legend: what each arrow of the figure stands for."""

from __future__ import annotations

from collections.abc import Sequence

from unetgen.figure.layout import MARGIN
from unetgen.figure.palette import Palette
from unetgen.figure.scene import Line, Scene, Text, breadth
from unetgen.figure.words import Arrow

SIZE = 8.0
LEADING = 13.0
SAMPLE = 22.0

# So many ways to say what one kind of arrow stands for are written out.
TOLD = 4


def legend(scene: Scene, arrows: Sequence[Arrow], palette: Palette, top: float) -> float:
    """Writes what the arrows stand for, kind by kind, in lines as wide as the scene; gives where it ends."""
    y = top
    for kind, cropped in dict.fromkeys((arrow.kind, arrow.cropped) for arrow in arrows):
        words = list(dict.fromkeys(a.words for a in arrows if (a.kind, a.cropped) == (kind, cropped) and a.words))
        if not words:
            continue
        start = MARGIN, y - 0.26 * SIZE
        line = Line((start, (MARGIN + SAMPLE, start[1])), palette.arrows[kind], cropped)
        scene.lines.append(line)
        for text in _wrapped(_told(words), max(scene.width - 2 * MARGIN - SAMPLE - 6, 200)):
            scene.texts.append(Text(MARGIN + SAMPLE + 6, y, text, SIZE, palette.ink))
            y += LEADING
    scene.width = max(scene.width, max(text.extent.right for text in scene.texts) + MARGIN)
    return y - LEADING


def _told(words: Sequence[str]) -> list[str]:
    more = len(words) - TOLD
    return [*words[:TOLD], f"and {more} more"] if more > 1 else list(words)


def _wrapped(words: Sequence[str], width: float) -> list[str]:
    """Phrases in lines no wider than that, unless one alone is."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]};  {word}" if lines else word
        if lines and breadth(longer, SIZE) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
