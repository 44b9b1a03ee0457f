"""PNG: an SVG document as pixels, in a face that comes along, so that it looks alike on every machine."""

from __future__ import annotations

from pathlib import Path

from unetgen.errors import MissingDependencyError
from unetgen.figure.scene import FIRST_NON_LATIN

# Pixels for a point of the figure.
PIXELS_PER_POINT = 2


def render_png(svg_document: str) -> bytes:
    """The document, two pixels to a point; with letters outside Latin in the machine's faces. Raises MissingExtra."""
    try:
        import resvg_py
    except ImportError:
        raise MissingDependencyError("a figure as PNG", "resvg-py", "draw") from None
    faces = [str(path) for path in find_font_files("Vera.ttf", "VeraBd.ttf")]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg_document,
            font_files=faces,
            sans_serif_family="Bitstream Vera Sans",
            skip_system_fonts=all(letter < FIRST_NON_LATIN for letter in svg_document),
            zoom=PIXELS_PER_POINT,
        )
    )


def find_font_files(*names: str) -> list[Path]:
    """Files of Bitstream Vera, which reportlab ships. Raises MissingExtra."""
    try:
        import reportlab
    except ImportError:
        raise MissingDependencyError("a figure's letters", "reportlab", "draw") from None
    return [Path(reportlab.__file__).parent / "fonts" / name for name in names]
