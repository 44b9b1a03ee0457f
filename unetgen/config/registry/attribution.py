"""Blame: when a plugin's part raises what it should not, whose it was and what it was doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from unetgen.config.registry.part import Part
from unetgen.errors import PluginError, UnetgenError, format_exception_line

# Who provides a part, in words; nothing for one that is built in.
ProviderOf = Callable[[type[Part]], str]


@contextmanager
def attribute_plugin_errors(provided_by: ProviderOf, format_message: Callable[[str], str]) -> Iterator[None]:
    """Tells what a plugin's part raises as that plugin's failure; what our own raise stays as it is.

    ``told`` makes the sentence of ``block 'mixer' of acme-unet 1.2``; the exception is added to it.
    """
    try:
        yield
    except UnetgenError:
        raise
    except Exception as error:
        part = _find_failing_part(error.__traceback__, provided_by)
        if part is None:
            raise
        who = f"{part.slot} {part.type!r} of {provided_by(part)}"
        raise PluginError(f"{format_message(who)}: {format_exception_line(error)}") from error


def _find_failing_part(traceback: TracebackType | None, provided_by: ProviderOf) -> type[Part] | None:
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
