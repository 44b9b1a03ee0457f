"""Blame: when a plugin's part fails while it draws, who that was and where."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from unetgen.config.part import Part
from unetgen.errors import PluginError, UnetgenError, one_line
from unetgen.graph.drawing import Drawing


@contextmanager
def blaming(g: Drawing) -> Iterator[None]:
    """Tells what a plugin's part raises as that plugin's failure; what our own raise stays as it is."""
    try:
        yield
    except UnetgenError:
        raise
    except Exception as error:
        part = _culprit(error.__traceback__, g)
        if part is None:
            raise
        side, level, _ = g.stopped.place
        where = f"at level {level} of the {side}" if side in ("encoder", "decoder") else f"in the {side}"
        message = f"{g.stopped.path}: {part.slot} {part.type!r} of {g.providers[type(part)]} failed {where}"
        raise PluginError(f"{message}: {one_line(error)}") from error


def _culprit(traceback: TracebackType | None, g: Drawing) -> Part | None:
    """The innermost part of a plugin that was drawing."""
    found = None
    while traceback is not None:
        part = traceback.tb_frame.f_locals.get("self")
        if isinstance(part, Part) and type(part) in g.providers:
            found = part
        traceback = traceback.tb_next
    return found
