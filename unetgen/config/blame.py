"""Blame: when a plugin's part raises what it should not, whose it was and what it was doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from unetgen.config.part import Part
from unetgen.errors import PluginError, UnetgenError, one_line

# Who provides a part, in words; nothing for one that is built in.
Providing = Callable[[type[Part]], str]


@contextmanager
def blaming(provided_by: Providing, told: Callable[[str], str]) -> Iterator[None]:
    """Tells what a plugin's part raises as that plugin's failure; what our own raise stays as it is.

    ``told`` makes the sentence of ``block 'mixer' of acme-unet 1.2``; the exception is added to it.
    """
    try:
        yield
    except UnetgenError:
        raise
    except Exception as error:
        part = _culprit(error.__traceback__, provided_by)
        if part is None:
            raise
        who = f"{part.slot} {part.type!r} of {provided_by(part)}"
        raise PluginError(f"{told(who)}: {one_line(error)}") from error


def _culprit(traceback: TracebackType | None, provided_by: Providing) -> type[Part] | None:
    """The innermost part of a plugin that was at work."""
    found = None
    while traceback is not None:
        names = traceback.tb_frame.f_locals
        for part in (names.get("self"), names.get("cls")):
            kind = part if isinstance(part, type) else type(part)
            if issubclass(kind, Part) and provided_by(kind):
                found = kind
        traceback = traceback.tb_next
    return found
