"""Export a network in a format, built-in or of a plugin; both come from the same hook."""

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

# A writer may take options as keywords, and may return a one-line summary.
FormatWriter = Callable[..., str | None]


@hookimpl
def unetgen_formats() -> Mapping[str, FormatWriter]:
    """Return the built-in formats."""
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


# Suffixes that differ from the format's name.
_FORMAT_BY_SUFFIX = {"py": "python"}


def infer_format(path: Path) -> str:
    """Return the format name for a file's suffix, or an empty string without one."""
    suffix = path.suffix.removeprefix(".").lower()
    return _FORMAT_BY_SUFFIX.get(suffix, suffix)


def collect_formats(registry: Registry) -> dict[str, tuple[Provider, FormatWriter]]:
    """Return every format with its provider and writer.

    Formats of plugins are listed as ``distribution/name``, and under the bare name if no other format has it.
    """
    formats = {name: (Provider("unetgen", is_builtin=True), write) for name, write in unetgen_formats().items()}
    plugin_formats = [
        (provider, name, write)
        for provider, contributions in registry.iter_contributions()
        for name, write in contributions.formats
    ]
    names = [name for _, name, _ in plugin_formats]
    for provider, name, write in plugin_formats:
        formats[f"{provider.name}/{name}"] = (provider, write)
        if names.count(name) == 1:
            formats.setdefault(name, (provider, write))
    return formats


def export(model: UNet, path: Path, format_name: str, registry: Registry, **options: Any) -> str | None:
    """Write a network in a format.

    Args:
        model: The network.
        path: The file to write.
        format_name: The name of the format, as ``infer_format`` returns it.
        registry: The registry with the formats of plugins.
        **options: Options of the format.

    Returns:
        The writer's summary, if any.

    Raises:
        FormatError: The format is unknown, does not take an option, or cannot express the network.
        PluginError: The writer of a plugin fails.
    """
    formats = collect_formats(registry)
    available = f"available formats: {', '.join(sorted(formats))}"
    if not format_name:
        message = f"{path}: the file name has no suffix to infer the format from"
        raise FormatError(f"{message}; add one, or --format; {available}")
    if format_name not in formats:
        hint = did_you_mean(format_name, formats) or available
        raise FormatError(f"{path}: unknown format {format_name!r}; {hint}")
    provider, write = formats[format_name]
    if unknown := [option for option in options if option not in signature(write).parameters]:
        option = f"--{unknown[0].replace('_', '-')}"
        raise FormatError(f"{path}: {option} has no effect on format {format_name!r}; remove it")
    try:
        return write(model, path, **options)
    except UnetgenError:
        raise
    except Exception as error:
        message = f"{path}: format {format_name!r} of {provider} failed while writing: {format_exception_line(error)}"
        raise PluginError.from_failure(message, str(provider)) from error
