"""Formats: what a network can be written as. Ours enter by the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetgen.config.plugin import Provider
from unetgen.config.registry import Registry
from unetgen.errors import FormatError, PluginError, UnetgenError, did_you_mean, one_line
from unetgen.graph.ops.base import Size
from unetgen.hookspecs import hookimpl

if TYPE_CHECKING:
    from unetgen.network.from_graph import UNet

# Ours say something of what they wrote, and take options; a plugin's need not.
Write = Callable[..., str | None]


@hookimpl
def unetgen_formats() -> Mapping[str, Write]:
    """The formats that unetgen writes itself."""
    return {"aoti": _aoti, "onnx": _onnx, "pt2": _pt2, "python": _python, "safetensors": _safetensors}


def _aoti(model: UNet, path: Path, *, input_size: Size | None = None) -> str:
    from unetgen.outputs.exports.aoti import write

    return write(model, path, input_size)


def _onnx(model: UNet, path: Path, *, input_size: Size | None = None, opset: int | None = None) -> str:
    from unetgen.outputs.exports.onnx import OPSET, write

    return write(model, path, input_size, opset or OPSET)


def _pt2(model: UNet, path: Path, *, input_size: Size | None = None) -> str:
    from unetgen.outputs.exports.pt2 import write

    return write(model, path, input_size)


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
    """The name of the format that a file's suffix tells; nothing where it has none."""
    suffix = path.suffix.removeprefix(".").lower()
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


def export(model: UNet, path: Path, name: str, registry: Registry, **options: Any) -> str | None:
    """Writes a network in a format; gives what the format says of it.

    Raises FormatError where there is none of that name or it has no such option, else PluginError.
    """
    known = formats(registry)
    if not name:
        told = ", ".join(sorted(known))
        raise FormatError(
            f"{path}: no suffix tells the format; end the name in one, or add --format; formats are {told}"
        )
    if name not in known:
        hint = did_you_mean(name, known) or f"formats are {', '.join(sorted(known))}"
        raise FormatError(f"{path}: unknown format {name!r}; {hint}")
    provider, write = known[name]
    if strange := [option for option in options if option not in signature(write).parameters]:
        option = f"--{strange[0].replace('_', '-')}"
        raise FormatError(f"{path}: {option} has no effect on format {name!r}; leave it out")
    try:
        return write(model, path, **options)
    except UnetgenError:
        raise
    except Exception as error:
        message = f"{path}: format {name!r} of {provider} failed while writing: {one_line(error)}"
        raise PluginError(message) from error
