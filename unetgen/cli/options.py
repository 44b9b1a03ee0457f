"""Options that several commands share, and the specs and models that they load."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from unetgen.cli.output_format import remember_format
from unetgen.config.registry.registry import Registry
from unetgen.config.spec import Spec
from unetgen.config.spec_resolution import resolve
from unetgen.config.spec_sources import apply_assignments, load_tree
from unetgen.config.weights_file import is_weights_path
from unetgen.plugins import format_failure_warnings, load_registry

if TYPE_CHECKING:
    from unetgen.network.unet import UNet

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SPEC = "unet_paper"


class InputSize(click.ParamType[tuple[int, ...]]):
    """The type of an input size: 572, 572x572 or 116,132,132."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Parse a size."""
        parts = re.split(r"[x,]", str(value).strip())
        if not all(part.strip().isdigit() and 0 < int(part) < 10**6 for part in parts):
            self.fail(f"{value!r} is not a size; use 572 or 572x572", param, ctx)
        return tuple(int(part) for part in parts)


class OutFile(click.Path):
    """The type of an output file; its directory must exist."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check that the directory of the file exists."""
        folder = Path(value).parent
        if not folder.is_dir():
            self.fail(f"directory not found: {folder}; create it first", param, ctx)
        return super().convert(value, param, ctx)


def plugin_option(command: F) -> F:
    """Add ``--plugin``, which loads parts from a file or a module in addition to the installed ones."""
    text = "Also load the parts of this file or module. Repeatable."
    return click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE", help=text)(command)


def set_option(command: F) -> F:
    """Add ``--set``, which overrides values of the spec."""
    text = "Override a value of the spec: --set block.norm=batch. Repeatable."
    return click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE", help=text)(command)


def format_option(command: F) -> F:
    """Add ``--format``, which chooses text or JSON."""
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
    """Add the argument SPEC, a file or the name of a shipped spec."""
    return click.argument("spec", default=DEFAULT_SPEC, metavar="[SPEC]")(command)


def load_command_registry(plugins: Sequence[str]) -> Registry:
    """Load the registry. When the command ends, print a warning for each broken plugin that it needed."""
    registry = load_registry(plugins)
    click.get_current_context().call_on_close(lambda: _print_plugin_warnings(registry))
    return registry


def _print_plugin_warnings(registry: Registry) -> None:
    for line in format_failure_warnings(registry.failures):
        click.echo(f"warning: {line}", err=True)


def load_spec(spec: str, assignments: Sequence[str], registry: Registry) -> Spec:
    """Load a spec with the overrides of ``--set``; print its notices on stderr."""
    loaded_spec = resolve(apply_assignments(load_tree(spec, registry), tuple(assignments)), registry)
    for notice in loaded_spec.notices:
        click.echo(f"note: {spec}: {notice}", err=True)
    return loaded_spec


def load_model(spec: str, assignments: Sequence[str], seed: int, registry: Registry) -> UNet:
    """Load a network.

    Args:
        spec: A weights file of unetgen (``.safetensors``), or a spec, which gives initial weights.
        assignments: The values of ``--set``, for specs only.
        seed: The seed of the initial weights.
        registry: The parts.
    """
    from unetgen.api import build, load

    if not is_weights_path(spec):
        return build(load_spec(spec, assignments, registry), seed=seed, registry=registry)
    if assignments:
        raise click.UsageError("--set cannot change the spec in a weights file; remove --set")
    return load(spec, registry=registry)


def expand_input_size(size: tuple[int, ...] | None, dims: int) -> tuple[int, ...] | None:
    """Return a size with a number for each spatial dimension; repeat a single number."""
    if size is None or len(size) == dims:
        return size
    if len(size) == 1:
        return size * dims
    raise click.UsageError(f"--input-size has {len(size)} numbers, but the network has {dims} dimensions")
