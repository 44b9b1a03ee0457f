"""unetgen plugins: which parts there are and from whom; whether they are right; and a distribution to start from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from unetgen.cli.options import format_option, plugin_option, registry_with
from unetgen.cli.plugins import check, new
from unetgen.config.plugin import Gifts
from unetgen.config.registry import Registry
from unetgen.config.slots import SLOTS

_EPILOG = """\b
Examples:
  unetgen plugins
  unetgen plugins --plugin ./my_blocks.py
  unetgen plugins --options block
  unetgen plugins check ./my_blocks.py
  unetgen plugins new acme-unet
"""


@click.group(epilog=_EPILOG, invoke_without_command=True)
@click.option("--options", "slot", type=click.Choice(["all", *SLOTS]), help="Write a slot's parts with their options.")
@format_option
@plugin_option
@click.pass_context
def command(context: click.Context, slot: str | None, form: str, plugins: tuple[str, ...]) -> None:
    """List the parts that specs can name, with who provides them, and what else plugins give.

    With a COMMAND: check a plugin, or write a new one.
    """
    if context.invoked_subcommand is not None:
        return
    registry = registry_with(plugins)
    if slot is not None:
        from unetgen.outputs.reference import reference

        click.echo(reference(registry, *([] if slot == "all" else [slot])), nl=False)
    elif form == "json":
        click.echo(json.dumps(_record(registry), indent=2))
    else:
        _show(registry)


command.add_command(check.command, "check")
command.add_command(new.command, "new")


def _show(registry: Registry) -> None:
    from unetgen.cli.console import show
    from unetgen.outputs.table import text_table

    show(text_table(("slot", "name", "provider", "what it is"), _parts(registry)))
    if gifts := _gifts(registry):
        rows: list[tuple[str, ...]] = [(row["provider"], row["place"], row["gives"]) for row in gifts]
        show("", text_table(("plugin", "found at", "what it gives"), rows))


def _record(registry: Registry) -> dict[str, object]:
    keys = ("slot", "name", "provider", "description")
    parts = [dict(zip(keys, row, strict=True)) for row in _parts(registry)]
    failed = [{"provider": str(f.provider), "cause": str(f)} for f in registry.failures]
    return {"parts": parts, "plugins": _gifts(registry), "failed": failed}


def _parts(registry: Registry) -> list[tuple[str, ...]]:
    return [
        (slot, name, str(entry.provider), (entry.part.__doc__ or "").strip().split("\n")[0])
        for slot in SLOTS
        for name, entry in sorted(registry.parts(slot).items())
    ]


def _gifts(registry: Registry) -> list[Mapping[str, str]]:
    """Each plugin that loads, where it was found, and what it gives in words."""
    rows = [
        {"provider": str(plugin.provider), "place": _near(plugin.place), "gives": _in_words(plugin.gifts)}
        for plugin in registry.plugins
        if isinstance(plugin.gifts, Gifts)
    ]
    # A file may be named in pyproject.toml and on the command line.
    return [row for number, row in enumerate(rows) if row not in rows[:number]]


def _near(place: str) -> str:
    """A file below the working directory as it is named from there."""
    return place.removeprefix(f"{Path.cwd()}{os.sep}")


def _in_words(gifts: Gifts) -> str:
    specs = sum(len(list(folder.glob("*.yaml"))) for folder in gifts.specs)
    counted = [(len(gifts.parts), "part"), (specs, "spec"), (len(gifts.formats), "format")]
    words = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in counted if count]
    return ", ".join([*words, *(name.removeprefix("unetgen_") for name, _ in gifts.hooks)])
