"""PNG: an SVG document as pixels, in a face that comes along, so that it looks alike on every machine."""

from __future__ import annotations

from pathlib import Path

from unetgen.errors import MissingExtra
from unetgen.figure.scene import LATIN

# Pixels for a point of the figure.
ZOOM = 2


def png(document: str) -> bytes:
    """The document, two pixels to a point; with letters outside Latin in the machine's faces. Raises MissingExtra."""
    try:
        import resvg_py
    except ImportError:
        raise MissingExtra("a figure as PNG", "resvg-py", "draw") from None
    faces = [str(path) for path in faces_of("Vera.ttf", "VeraBd.ttf")]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=document,
            font_files=faces,
            sans_serif_family="Bitstream Vera Sans",
            skip_system_fonts=all(letter < LATIN for letter in document),
            zoom=ZOOM,
        )
    )


def faces_of(*names: str) -> list[Path]:
    """Files of Bitstream Vera, which reportlab ships. Raises MissingExtra."""
    try:
        import reportlab
    except ImportError:
        raise MissingExtra("a figure's letters", "reportlab", "draw") from None
    return [Path(reportlab.__file__).parent / "fonts" / name for name in names]
