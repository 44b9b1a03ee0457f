"""unetgen plugins: list parts and plugins; check a plugin; create one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from unetgen.cli.options import format_option, load_command_registry, plugin_option
from unetgen.cli.plugins import check, new
from unetgen.config.registry.plugin import Contributions
from unetgen.config.registry.registry import Registry
from unetgen.config.registry.slots import SLOTS

_EPILOG = """\b
Examples:
  unetgen plugins
  unetgen plugins --plugin ./my_blocks.py
  unetgen plugins --options block
  unetgen plugins check ./my_blocks.py
  unetgen plugins new acme-unet
"""


@click.group(epilog=_EPILOG, invoke_without_command=True)
@click.option("--options", "slot", type=click.Choice(["all", *SLOTS]), help="Print a slot's parts with their options.")
@format_option
@plugin_option
@click.pass_context
def command(context: click.Context, slot: str | None, output_format: str, plugins: tuple[str, ...]) -> None:
    """List all parts with their providers, and the other contributions of plugins.

    With a COMMAND, check a plugin or create one.
    """
    if context.invoked_subcommand is not None:
        return
    registry = load_command_registry(plugins)
    if slot is not None:
        from unetgen.outputs.schema.part_reference import format_reference

        click.echo(format_reference(registry, *([] if slot == "all" else [slot])), nl=False)
    elif output_format == "json":
        click.echo(json.dumps(_to_dict(registry), indent=2))
    else:
        _print_tables(registry)


command.add_command(check.command, "check")
command.add_command(new.command, "new")


def _print_tables(registry: Registry) -> None:
    from unetgen.analysis.tables import build_text_table
    from unetgen.cli.console import print_renderables

    print_renderables(build_text_table(("slot", "name", "provider", "description"), _list_parts(registry)))
    if contributions := _list_contributions(registry):
        rows: list[tuple[str, ...]] = [(row["provider"], row["place"], row["gives"]) for row in contributions]
        print_renderables("", build_text_table(("plugin", "found at", "contributions"), rows))


def _to_dict(registry: Registry) -> dict[str, object]:
    keys = ("slot", "name", "provider", "description")
    parts = [dict(zip(keys, row, strict=True)) for row in _list_parts(registry)]
    failed = [{"provider": str(f.provider), "cause": str(f)} for f in registry.failures]
    return {"parts": parts, "plugins": _list_contributions(registry), "failed": failed}


def _list_parts(registry: Registry) -> list[tuple[str, ...]]:
    return [
        (slot, name, str(entry.provider), (entry.part.__doc__ or "").strip().split("\n")[0])
        for slot in SLOTS
        for name, entry in sorted(registry.list_parts(slot).items())
    ]


def _list_contributions(registry: Registry) -> list[Mapping[str, str]]:
    """Return the provider, the location and the contributions of each plugin that loads."""
    rows = [
        {
            "provider": str(plugin.provider),
            "place": _shorten_path(plugin.source),
            "gives": _describe_contributions(plugin.contributions),
        }
        for plugin in registry.plugins
        if isinstance(plugin.contributions, Contributions)
    ]
    # A file may be listed in pyproject.toml and on the command line.
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def _shorten_path(path: str) -> str:
    """Return a path relative to the working directory if it is below that."""
    return path.removeprefix(f"{Path.cwd()}{os.sep}")


def _describe_contributions(contributions: Contributions) -> str:
    specs = sum(len(list(folder.glob("*.yaml"))) for folder in contributions.spec_folders)
    counted = [(len(contributions.parts), "part"), (specs, "spec"), (len(contributions.formats), "format")]
    words = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in counted if count]
    return ", ".join([*words, *(name.removeprefix("unetgen_") for name, _ in contributions.hooks)])
