"""The options that several commands share, and the specs they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from unetgen.cli.output_format import remember_format
from unetgen.config.registry.registry import Registry
from unetgen.config.resolution import resolve
from unetgen.config.spec import Spec
from unetgen.config.spec_sources import apply_assignments, load_tree
from unetgen.plugins import format_failure_warnings, load_registry

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SPEC = "unet_paper"


class InputSize(click.ParamType[tuple[int, ...]]):
    """572, 572x572 or 116,132,132."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = re.split(r"[x,]", str(value).strip())
        if not all(part.strip().isdigit() and 0 < int(part) < 10**6 for part in parts):
            self.fail(f"{value!r} is not a size; write 572x572", param, ctx)
        return tuple(int(part) for part in parts)


class OutFile(click.Path):
    """A file to be written, in a folder that is there."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        folder = Path(value).parent
        if not folder.is_dir():
            self.fail(f"there is no folder {folder}; make it first", param, ctx)
        return super().convert(value, param, ctx)


def plugin_option(command: F) -> F:
    """``--plugin``: parts from a file or a module, beside the installed ones."""
    text = "Also load the parts of this file or module. May be given several times."
    return click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE", help=text)(command)


def set_option(command: F) -> F:
    """``--set``: values laid over the spec."""
    text = "Lay a value over the spec: --set block.norm=batch. May be given several times."
    return click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE", help=text)(command)


def format_option(command: F) -> F:
    """``--format``: for people or for programs."""
    choice = click.Choice(["text", "json"])
    return click.option(
        "--format",
        "output_format",
        type=choice,
        default="text",
        callback=remember_format,
        help="Human-readable text, or JSON; with json, errors are JSON too.",
    )(command)


def spec_argument(command: F) -> F:
    """SPEC: a file or the name of a shipped spec."""
    return click.argument("spec", default=DEFAULT_SPEC, metavar="[SPEC]")(command)


def load_command_registry(plugins: Sequence[str]) -> Registry:
    """The registry; when the command ends, one line on stderr for each plugin that it needed and that is broken."""
    registry = load_registry(plugins)
    click.get_current_context().call_on_close(lambda: _print_plugin_warnings(registry))
    return registry


def _print_plugin_warnings(registry: Registry) -> None:
    for line in format_failure_warnings(registry.failures):
        click.echo(f"warning: {line}", err=True)


def load_spec(spec: str, assignments: Sequence[str], registry: Registry) -> Spec:
    """A spec with ``--set`` laid over it; what it should be told about goes to stderr."""
    checked = resolve(apply_assignments(load_tree(spec, registry), tuple(assignments)), registry)
    for notice in checked.notices:
        click.echo(f"note: {spec}: {notice}", err=True)
    return checked


def load_model(spec: str, assignments: Sequence[str], seed: int, registry: Registry) -> UNet:
    """The network of a weights file of unetgen, or of a spec with its first weights."""
    from unetgen.api import build, load

    if not spec.endswith(".safetensors"):
        return build(load_spec(spec, assignments, registry), seed=seed, registry=registry)
    if assignments:
        raise click.UsageError("--set is for specs; a weights file brings its own, which cannot be changed")
    return load(spec, registry=registry)


def expand_input_size(size: tuple[int, ...] | None, dims: int) -> tuple[int, ...] | None:
    """A size from the command line for all axes; one number stands for each."""
    if size is None or len(size) == dims:
        return size
    if len(size) == 1:
        return size * dims
    raise click.UsageError(f"--input-size has {len(size)} numbers, the network has {dims} axes")
