"""Attribute an unexpected exception to the plugin part that raised it, and to its activity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from unetgen.config.registry.part import Part
from unetgen.errors import PluginError, UnetgenError, format_exception_line

# Returns the provider of a part (``acme-unet 1.2``), or an empty text for a built-in part.
ProviderOf = Callable[[type[Part]], str]


@contextmanager
def attribute_plugin_errors(provided_by: ProviderOf, format_message: Callable[[str], str]) -> Iterator[None]:
    """Raise the exception of a plugin's part as a PluginError; exceptions of unetgen's own code pass unchanged.

    Args:
        provided_by: Returns the provider of a part.
        format_message: Makes the message from the part's description, such as ``block 'mixer' of acme-unet 1.2``;
            the exception is appended to it.

    Raises:
        PluginError: A part of a plugin raised an exception that is not an UnetgenError.
    """
    try:
        yield
    except UnetgenError:
        raise
    except Exception as error:
        part = _find_failing_part(error.__traceback__, provided_by)
        if part is None:
            raise
        provider = provided_by(part)
        message = format_message(f"{part.slot} {part.type!r} of {provider}")
        raise PluginError.from_failure(f"{message}: {format_exception_line(error)}", provider) from error


def _find_failing_part(traceback: TracebackType | None, provided_by: ProviderOf) -> type[Part] | None:
    """Return the innermost part of a plugin in the traceback."""
    failing = None
    while traceback is not None:
        local_variables = traceback.tb_frame.f_locals
        for instance in (local_variables.get("self"), local_variables.get("cls")):
            part = instance if isinstance(instance, type) else type(instance)
            if issubclass(part, Part) and provided_by(part):
                failing = part
        traceback = traceback.tb_next
    return failing
