"""Render an SVG document as PNG with a bundled font, so that it looks the same on every machine."""

from __future__ import annotations

from pathlib import Path

from unetgen.errors import MissingDependencyError
from unetgen.figure.scene import FIRST_NON_LATIN

# The resolution: pixels per point of the figure.
PIXELS_PER_POINT = 2


def render_png(svg_document: str) -> bytes:
    """Render a document at two pixels per point; letters outside Latin use the system's fonts.

    Raises:
        MissingDependencyError: resvg-py or reportlab is not installed.
    """
    try:
        import resvg_py
    except ImportError:
        raise MissingDependencyError("a figure as PNG", "resvg-py", "draw") from None
    font_files = [str(path) for path in find_font_files("Vera.ttf", "VeraBd.ttf")]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg_document,
            font_files=font_files,
            sans_serif_family="Bitstream Vera Sans",
            skip_system_fonts=all(letter < FIRST_NON_LATIN for letter in svg_document),
            zoom=PIXELS_PER_POINT,
        )
    )


def find_font_files(*names: str) -> list[Path]:
    """Return files of Bitstream Vera, which reportlab ships; raise MissingDependencyError without it."""
    try:
        import reportlab
    except ImportError:
        raise MissingDependencyError("the font of a figure", "reportlab", "draw") from None
    return [Path(reportlab.__file__).parent / "fonts" / name for name in names]
