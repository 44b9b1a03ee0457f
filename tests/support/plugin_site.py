"""A plugin as an author would write it, and a folder to install it into."""

from __future__ import annotations

from pathlib import Path

EXAMPLE_PLUGIN = '''\
"""A plugin as an author would write it."""

from __future__ import annotations

from typing import ClassVar

import unetgen
from unetgen.graph.part_types import Block


class Twice(Block):
    """Two convolutions and nothing else."""

    type: ClassVar[str] = "twice"

    kernel_size: int = 3

    def emit(self, g, x, channels):
        for number in (1, 2):
            x = g.conv(x, channels, self.kernel_size, name=f"conv{number}", padding="zeros")
        return x


@unetgen.hookimpl
def unetgen_parts():
    return [Twice]
'''


class PluginSite:
    """A folder that Python takes for site-packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def install(self, name: str, source: str = EXAMPLE_PLUGIN, version: str = "1.2", entry: str | None = None) -> None:
        module = name.lower().replace("-", "_")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[unetgen]\n{entry or f'{module} = {module}'}\n")
        (self.folder / f"{module}.py").write_text(source)


CRASHING_PLUGIN = '''\
from typing import ClassVar

from unetgen.authoring import Block, hookimpl


class Crash(Block):
    """It has an error."""

    type: ClassVar[str] = "crash"

    def emit(self, g, x, channels):
        raise RuntimeError("out of ink")


@hookimpl
def unetgen_parts():
    return [Crash]
'''
