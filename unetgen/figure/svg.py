"""SVG: a scene as vector graphics whose letters are letters."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from unetgen.figure.scene import Box, Line, Scene, Text

# The first that is there; all are as wide as the scene reckons, or narrower.
FACES = "Helvetica, Arial, 'DejaVu Sans', 'Bitstream Vera Sans', sans-serif"

# The head of an arrow: how long, and half as wide.
HEAD, HALF = 5.0, 2.4


def svg(scene: Scene) -> str:
    """The scene as a document."""
    width, height = number(scene.width), number(scene.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FACES}" role="img">',
        f"<title>{escape(scene.title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{scene.background}"/>',
        *map(_box, scene.boxes),
        *map(_line, scene.lines),
        *map(_text, scene.texts),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A number without more digits than anybody can see."""
    return f"{value:.1f}".removesuffix(".0")


def head(line: Line) -> tuple[tuple[float, float], ...]:
    """The three corners of an arrow's head."""
    (x0, y0), (x1, y1) = line.points[-2:]
    if abs(x1 - x0) >= abs(y1 - y0):
        back = x1 - HEAD if x1 > x0 else x1 + HEAD
        return (x1, y1), (back, y1 - HALF), (back, y1 + HALF)
    back = y1 - HEAD if y1 > y0 else y1 + HEAD
    return (x1, y1), (x1 - HALF, back), (x1 + HALF, back)


def _box(box: Box) -> str:
    place = f'x="{number(box.x)}" y="{number(box.y)}" width="{number(box.width)}" height="{number(box.height)}"'
    inner = f"<title>{escape(box.tip)}</title></rect>" if box.tip else "</rect>"
    return f'<rect {place} fill="{box.fill}" stroke="{box.stroke}"{_path(box.path)}>{inner}'


def _line(line: Line) -> str:
    points = " ".join(f"{number(x)},{number(y)}" for x, y in line.points)
    corners = " ".join(f"{number(x)},{number(y)}" for x, y in head(line))
    dashes = ' stroke-dasharray="4 2"' if line.dashed else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{line.stroke}" stroke-width="{line.width}"{dashes}/>'
        f'<polygon points="{corners}" fill="{line.stroke}"/>'
    )


def _text(text: Text) -> str:
    anchor = "" if text.anchor == "start" else f' text-anchor="{text.anchor}"'
    bold = ' font-weight="bold"' if text.bold else ""
    place = f'x="{number(text.x)}" y="{number(text.y)}" font-size="{number(text.size)}"'
    return f'<text {place} fill="{text.fill}"{anchor}{bold}{_path(text.path)}>{escape(text.string)}</text>'


def _path(path: str) -> str:
    return f" data-path={quoteattr(path)}" if path else ""
