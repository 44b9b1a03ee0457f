"""Formats: what a network can be written as. Ours enter by the same hook as a stranger's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetgen.config.registry.plugin import Provider
from unetgen.config.registry.registry import Registry
from unetgen.errors import FormatError, PluginError, UnetgenError, did_you_mean, format_exception_line
from unetgen.graph.ops.base import Size
from unetgen.hookspecs import hookimpl

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

# Ours say something of what they wrote, and take options; a plugin's need not.
FormatWriter = Callable[..., str | None]


@hookimpl
def unetgen_formats() -> Mapping[str, FormatWriter]:
    """The formats that unetgen writes itself."""
    return {
        "aoti": _write_aoti,
        "onnx": _write_onnx,
        "pt2": _write_pt2,
        "python": _write_python,
        "safetensors": _write_safetensors,
    }


def _write_aoti(model: UNet, path: Path, *, input_size: Size | None = None) -> str:
    from unetgen.outputs.exports.aoti import write

    return write(model, path, input_size)


def _write_onnx(model: UNet, path: Path, *, input_size: Size | None = None, opset: int | None = None) -> str:
    from unetgen.outputs.exports.onnx import DEFAULT_OPSET, write

    return write(model, path, input_size, opset or DEFAULT_OPSET)


def _write_pt2(model: UNet, path: Path, *, input_size: Size | None = None) -> str:
    from unetgen.outputs.exports.pt2 import write

    return write(model, path, input_size)


def _write_python(model: UNet, path: Path) -> None:
    from unetgen.network.weights.tensor_file import write_atomically
    from unetgen.outputs.source.file import generate_source

    text = generate_source(model.spec, model.graph)
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _write_safetensors(model: UNet, path: Path) -> None:
    from unetgen.network.weights.checkpoint import save

    save(model, path)


# Suffixes that are no format's name.
_FORMAT_BY_SUFFIX = {"py": "python"}


def infer_format(path: Path) -> str:
    """The name of the format that a file's suffix tells; nothing where it has none."""
    suffix = path.suffix.removeprefix(".").lower()
    return _FORMAT_BY_SUFFIX.get(suffix, suffix)


def collect_formats(registry: Registry) -> dict[str, tuple[Provider, FormatWriter]]:
    """Every format by its name; by ``distribution/name`` too, and only so where two have one name."""
    found = {name: (Provider("unetgen", is_builtin=True), write) for name, write in unetgen_formats().items()}
    theirs = [
        (provider, name, write) for provider, gifts in registry.iter_contributions() for name, write in gifts.formats
    ]
    bare = [name for _, name, _ in theirs]
    for provider, name, write in theirs:
        found[f"{provider.name}/{name}"] = (provider, write)
        if bare.count(name) == 1:
            found.setdefault(name, (provider, write))
    return found


def export(model: UNet, path: Path, format_name: str, registry: Registry, **options: Any) -> str | None:
    """Writes a network in a format; gives what the format says of it.

    Raises FormatError where there is none of that name or it has no such option, else PluginError.
    """
    known = collect_formats(registry)
    if not format_name:
        told = ", ".join(sorted(known))
        raise FormatError(
            f"{path}: no suffix tells the format; end the name in one, or add --format; formats are {told}"
        )
    if format_name not in known:
        hint = did_you_mean(format_name, known) or f"formats are {', '.join(sorted(known))}"
        raise FormatError(f"{path}: unknown format {format_name!r}; {hint}")
    provider, write = known[format_name]
    if strange := [option for option in options if option not in signature(write).parameters]:
        option = f"--{strange[0].replace('_', '-')}"
        raise FormatError(f"{path}: {option} has no effect on format {format_name!r}; leave it out")
    try:
        return write(model, path, **options)
    except UnetgenError:
        raise
    except Exception as error:
        message = f"{path}: format {format_name!r} of {provider} failed while writing: {format_exception_line(error)}"
        raise PluginError.from_failure(message, str(provider)) from error
