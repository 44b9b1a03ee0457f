"""Writing: a scene into a file, of the kind that its suffix names."""

from __future__ import annotations

from pathlib import Path

from unetgen.errors import FormatError
from unetgen.figure.scene import Scene
from unetgen.figure.svg import render_svg


def write_scene(scene: Scene, path: str | Path) -> None:
    """Writes .svg, .png or .pdf. Raises FormatError for another suffix or where it cannot, and MissingExtra."""
    target = Path(path)
    try:
        target.write_bytes(_encode_scene(scene, target))
    except OSError as error:
        raise FormatError(f"{path}: cannot be written: {error.strerror}; choose another place") from error


def _encode_scene(scene: Scene, target: Path) -> bytes:
    kind = target.suffix.lower()
    if kind == ".svg":
        return render_svg(scene).encode()
    if kind == ".png":
        from unetgen.figure.png import render_png

        return render_png(render_svg(scene))
    if kind == ".pdf":
        from unetgen.figure.pdf import render_pdf

        return render_pdf(scene)
    raise FormatError(f"{target}: a figure is .svg, .png or .pdf, not {kind!r}; choose one of them")
