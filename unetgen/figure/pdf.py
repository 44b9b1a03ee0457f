"""Render a scene as a one-page PDF with selectable text."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from unetgen.errors import MissingDependencyError
from unetgen.figure.png import find_font_files
from unetgen.figure.scene import Scene, Text
from unetgen.figure.svg import compute_arrowhead

_FONT_NAMES = {False: "Vera", True: "VeraBd"}


def render_pdf(scene: Scene) -> bytes:
    """Render a scene as a document of one page; raise MissingDependencyError without reportlab."""
    try:
        from reportlab.pdfbase.pdfmetrics import registerFont
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise MissingDependencyError("a figure as PDF", "reportlab", "draw") from None
    for name, file in zip(_FONT_NAMES.values(), find_font_files("Vera.ttf", "VeraBd.ttf"), strict=True):
        registerFont(TTFont(name, file))
    buffer = BytesIO()
    # No timestamps, so that the same figure is always the same file.
    page = Canvas(buffer, pagesize=(scene.width, scene.height), invariant=True)
    page.setTitle(scene.title)
    _draw_scene(scene, page)
    page.save()
    return buffer.getvalue()


def _draw_scene(scene: Scene, page: Any) -> None:
    """Draw a scene on a page, whose y axis points upwards."""
    page.setFillColor(scene.background)
    page.rect(0, 0, scene.width, scene.height, stroke=0, fill=1)
    page.setLineWidth(1)
    for box in scene.boxes:
        page.setFillColor(box.fill)
        page.setStrokeColor(box.stroke)
        page.rect(box.x, scene.height - box.y - box.height, box.width, box.height, fill=1)
    for line in scene.lines:
        page.setStrokeColor(line.stroke)
        page.setFillColor(line.stroke)
        page.setLineWidth(line.width)
        page.setDash([4, 2] if line.dashed else [])
        _draw_path(page, [(x, scene.height - y) for x, y in line.points], filled=False)
        _draw_path(page, [(x, scene.height - y) for x, y in compute_arrowhead(line)], filled=True)
    for text in scene.texts:
        _draw_text(page, text, scene.height - text.y)


def _draw_path(page: Any, points: list[tuple[float, float]], *, filled: bool) -> None:
    path = page.beginPath()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    if filled:
        path.close()
    page.drawPath(path, stroke=not filled, fill=filled)


def _draw_text(page: Any, text: Text, y: float) -> None:
    page.setFont(_FONT_NAMES[text.bold], text.size)
    page.setFillColor(text.fill)
    draw = {"start": page.drawString, "middle": page.drawCentredString, "end": page.drawRightString}[text.anchor]
    draw(text.x, y, text.string)
