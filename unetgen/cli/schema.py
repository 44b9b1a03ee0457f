"""unetgen schema: for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unetgen.cli.options import OutFile, plugin_option, registry_with

_EPILOG = """\b
Examples:
  unetgen schema -o unetgen.schema.json
and in a spec's first line:
  # yaml-language-server: $schema=unetgen.schema.json"""


@click.command(epilog=_EPILOG)
@click.option("-o", "--out", type=OutFile(), help="Write to a file, not to stdout.")
@plugin_option
def command(out: Path | None, plugins: tuple[str, ...]) -> None:
    """Print the JSON Schema of the spec language with all installed parts."""
    from unetgen.outputs.schema import json_schema

    text = json.dumps(json_schema(registry_with(plugins)), indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
