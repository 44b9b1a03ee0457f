"""A plugin whose module is far away: importing this imports no torch."""

from __future__ import annotations

from typing import ClassVar

from unetgen.authoring import Block, Builder, Value, hookimpl


class ImportedByName(Block):
    """Wraps a module of another file, and says what it makes."""

    type: ClassVar[str] = "far"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        arguments = {"dims": g.dims, "inputs": x.channels, "outputs": channels}
        return g.module(self, "support.external_parts:ShiftedConv", x, channels=channels, arguments=arguments)


@hookimpl
def unetgen_parts() -> list[type[Block]]:
    return [ImportedByName]
