"""Write a scene to a file whose suffix selects the format."""

from __future__ import annotations

from pathlib import Path

from unetgen.atomic_files import is_disk_failure
from unetgen.errors import FileWriteError, FormatError
from unetgen.figure.scene import Scene
from unetgen.figure.svg import render_svg


def write_scene(scene: Scene, path: str | Path) -> None:
    """Write a scene to a file.

    Args:
        scene: The scene to write.
        path: The file to write; its suffix is ``.svg``, ``.png`` or ``.pdf``.

    Raises:
        FormatError: The suffix is unknown, or the file cannot be written.
        MissingDependencyError: The format needs a package that is not installed.
    """
    target = Path(path)
    try:
        target.write_bytes(_encode_scene(scene, target))
    except OSError as error:
        error_class = FileWriteError if is_disk_failure(error) else FormatError
        raise error_class(f"{path}: cannot be written: {error.strerror}; choose another path") from error


def _encode_scene(scene: Scene, target: Path) -> bytes:
    suffix = target.suffix.lower()
    if suffix == ".svg":
        return render_svg(scene).encode()
    if suffix == ".png":
        from unetgen.figure.png import render_png

        return render_png(render_svg(scene))
    if suffix == ".pdf":
        from unetgen.figure.pdf import render_pdf

        return render_pdf(scene)
    raise FormatError(f"{target}: suffix must be .svg, .png or .pdf, not {suffix!r}; rename the file")
