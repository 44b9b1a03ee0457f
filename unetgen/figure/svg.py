"""Render a scene as SVG with selectable text."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from unetgen.figure.scene import Box, Line, Scene, Text

# The first installed font is used; none is wider than measure_text_width assumes.
FONT_FAMILIES = "Helvetica, Arial, 'DejaVu Sans', 'Bitstream Vera Sans', sans-serif"

# The length and half the width of an arrowhead.
ARROWHEAD_LENGTH, ARROWHEAD_HALF_WIDTH = 5.0, 2.4


def render_svg(scene: Scene) -> str:
    """Render a scene as an SVG document."""
    width, height = format_number(scene.width), format_number(scene.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT_FAMILIES}" role="img">',
        f"<title>{escape(scene.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{scene.background}"/>',
        *map(_render_box, scene.boxes),
        *map(_render_line, scene.lines),
        *map(_render_text, scene.texts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def format_number(value: float) -> str:
    """Format a number with at most one decimal, which is finer than a visible difference."""
    return f"{value:.1f}".removesuffix(".0")


def compute_arrowhead(line: Line) -> tuple[tuple[float, float], ...]:
    """Return the three corners of a line's arrowhead."""
    (x0, y0), (x1, y1) = line.points[-2:]
    if abs(x1 - x0) >= abs(y1 - y0):
        back = x1 - ARROWHEAD_LENGTH if x1 > x0 else x1 + ARROWHEAD_LENGTH
        return (x1, y1), (back, y1 - ARROWHEAD_HALF_WIDTH), (back, y1 + ARROWHEAD_HALF_WIDTH)
    back = y1 - ARROWHEAD_LENGTH if y1 > y0 else y1 + ARROWHEAD_LENGTH
    return (x1, y1), (x1 - ARROWHEAD_HALF_WIDTH, back), (x1 + ARROWHEAD_HALF_WIDTH, back)


def _render_box(box: Box) -> str:
    position = f'x="{format_number(box.x)}" y="{format_number(box.y)}"'
    size = f'width="{format_number(box.width)}" height="{format_number(box.height)}"'
    content = f"<title>{escape(box.tooltip)}</title></rect>" if box.tooltip else "</rect>"
    path = _format_path_attribute(box.path)
    return f'<rect {position} {size} fill="{box.fill}" stroke="{box.stroke}"{path}>{content}'


def _render_line(line: Line) -> str:
    points = " ".join(f"{format_number(x)},{format_number(y)}" for x, y in line.points)
    corners = " ".join(f"{format_number(x)},{format_number(y)}" for x, y in compute_arrowhead(line))
    dashes = ' stroke-dasharray="4 2"' if line.dashed else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{line.stroke}" stroke-width="{line.width}"{dashes}/>'
        f'<polygon points="{corners}" fill="{line.stroke}"/>'
    )


def _render_text(text: Text) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    bold = ' font-weight="bold"' if text.bold else ""
    attributes = f'x="{format_number(text.x)}" y="{format_number(text.y)}" font-size="{format_number(text.size)}"'
    path = _format_path_attribute(text.path)
    return f'<text {attributes} fill="{text.fill}"{anchor}{bold}{path}>{escape(text.string)}</text>'


def _format_path_attribute(path: str) -> str:
    return f" data-path={quoteattr(path)}" if path else ""
