"""Formats: what a network can be written as. Ours enter by the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unetgen.config.plugin import Provider
from unetgen.config.registry import Registry
from unetgen.errors import FormatError, PluginError, UnetgenError, did_you_mean, one_line
from unetgen.hookspecs import hookimpl

if TYPE_CHECKING:
    from unetgen.network.from_graph import UNet

Write = Callable[["UNet", Path], None]


@hookimpl
def unetgen_formats() -> Mapping[str, Write]:
    """The formats that unetgen writes itself."""
    return {"python": _python, "safetensors": _safetensors}


def _python(model: UNet, path: Path) -> None:
    from unetgen.network.weights.file import write_whole
    from unetgen.outputs.source.file import source

    text = source(model.spec, model.graph)
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _safetensors(model: UNet, path: Path) -> None:
    from unetgen.network.weights.checkpoint import save

    save(model, path)


# Suffixes that are no format's name.
_SUFFIXES = {"py": "python"}


def format_of(path: Path) -> str:
    """The name of the format that a file's suffix tells."""
    suffix = path.suffix.removeprefix(".")
    return _SUFFIXES.get(suffix, suffix)


def formats(registry: Registry) -> dict[str, tuple[Provider, Write]]:
    """Every format by its name; by ``distribution/name`` too, and only so where two have one name."""
    found = {name: (Provider("unetgen", builtin=True), write) for name, write in unetgen_formats().items()}
    theirs = [(provider, name, write) for provider, gifts in registry.gifts() for name, write in gifts.formats]
    bare = [name for _, name, _ in theirs]
    for provider, name, write in theirs:
        found[f"{provider.name}/{name}"] = (provider, write)
        if bare.count(name) == 1:
            found.setdefault(name, (provider, write))
    return found


def export(model: UNet, path: Path, name: str, registry: Registry) -> None:
    """Writes a network in a format. Raises FormatError where there is none of that name, else PluginError."""
    known = formats(registry)
    if name not in known:
        hint = did_you_mean(name, known) or f"formats are {', '.join(sorted(known))}"
        raise FormatError(f"{path}: unknown format {name!r}; {hint}")
    provider, write = known[name]
    try:
        write(model, path)
    except UnetgenError:
        raise
    except Exception as error:
        message = f"{path}: format {name!r} of {provider} failed while writing: {one_line(error)}"
        raise PluginError(message) from error
