"""unetgen plugins: which parts there are, and from whom."""

from __future__ import annotations

import json

import click

from unetgen.cli.options import format_option, plugin_option, registry_with
from unetgen.config.registry import Registry
from unetgen.config.slots import SLOTS

_EPILOG = """\b
Examples:
  unetgen plugins
  unetgen plugins --plugin ./my_blocks.py
  unetgen plugins --options block
"""


@click.command(epilog=_EPILOG)
@click.option("--options", "slot", type=click.Choice(["all", *SLOTS]), help="Write a slot's parts with their options.")
@format_option
@plugin_option
def command(slot: str | None, form: str, plugins: tuple[str, ...]) -> None:
    """List the parts that specs can name, by slot, with who provides them and what each is."""
    registry = registry_with(plugins)
    if slot is not None:
        from unetgen.outputs.reference import reference

        click.echo(reference(registry, *([] if slot == "all" else [slot])), nl=False)
        return
    rows = _rows(registry)
    if form == "json":
        keys = ("slot", "name", "provider", "description")
        failed = [{"provider": str(f.provider), "cause": str(f)} for f in registry.failures]
        parts = [dict(zip(keys, row, strict=True)) for row in rows]
        click.echo(json.dumps({"parts": parts, "failed": failed}, indent=2))
        return
    from unetgen.cli.console import show
    from unetgen.outputs.table import text_table

    show(text_table(("slot", "name", "provider", "what it is"), rows))


def _rows(registry: Registry) -> list[tuple[str, ...]]:
    return [
        (slot, name, str(entry.provider), (entry.part.__doc__ or "").strip().split("\n")[0])
        for slot in SLOTS
        for name, entry in sorted(registry.parts(slot).items())
    ]
