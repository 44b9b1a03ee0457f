"""unetgen schema: write the JSON Schema of specs or sweep files, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unetgen.cli.options import OutFile, load_command_registry, plugin_option

_EPILOG = """\b
Examples:
  unetgen schema -o unetgen.schema.json
  unetgen schema --sweep -o sweep.schema.json
and in a spec's first line:
  # yaml-language-server: $schema=unetgen.schema.json"""


@click.command(epilog=_EPILOG)
@click.option("-o", "--out", type=OutFile(), help="Output file (default: stdout).")
@click.option("--sweep", "of_sweeps", is_flag=True, help="Write the schema of sweep files, not of specs.")
@plugin_option
def command(out: Path | None, plugins: tuple[str, ...], *, of_sweeps: bool) -> None:
    """Write the JSON Schema of the spec language, or of sweep files, with all installed parts."""
    from unetgen.ablation.sweeps.definition.schema import build_sweep_schema
    from unetgen.outputs.schema.spec_schema import build_json_schema

    build_schema = build_sweep_schema if of_sweeps else build_json_schema
    text = json.dumps(build_schema(load_command_registry(plugins)), indent=2) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
