"""Arrange many scenes on one page, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, sqrt

from unetgen.figure.scene import Scene

SCENE_GAP = 16.0


def build_contact_sheet(scenes: Sequence[Scene], title: str) -> Scene:
    """Combine scenes into one scene in a roughly square grid.

    Args:
        scenes: The scenes, placed from left to right and from top to bottom.
        title: The title of the combined scene.

    Returns:
        A scene with the elements of all scenes, without tooltips. Each row is as high as its highest scene.
    """
    columns = ceil(sqrt(len(scenes) * 1.3))
    page = Scene(title, scenes[0].background)
    y = 0.0
    for row in (scenes[start : start + columns] for start in range(0, len(scenes), columns)):
        x = 0.0
        for scene in row:
            _paste_scene(scene, page, x, y)
            x += scene.width + SCENE_GAP
        y += max(scene.height for scene in row) + SCENE_GAP
        page.width = max(page.width, x - SCENE_GAP)
    page.height = y - SCENE_GAP
    return page


def _paste_scene(scene: Scene, page: Scene, x: float, y: float) -> None:
    page.boxes += [replace(box, x=box.x + x, y=box.y + y, tooltip="") for box in scene.boxes]
    page.texts += [replace(text, x=text.x + x, y=text.y + y) for text in scene.texts]
    page.lines += [replace(line, points=tuple((a + x, b + y) for a, b in line.points)) for line in scene.lines]
