"""unetgen show: print the resolved spec."""

from __future__ import annotations

import json

import click

from unetgen.cli.options import (
    format_option,
    load_command_registry,
    load_spec,
    plugin_option,
    set_option,
    spec_argument,
)

_EPILOG = """\b
Examples:
  unetgen show unet_tutorial
  unetgen show my.yaml --set depth=3 > resolved.yaml
  unetgen show my.yaml --provenance"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("--provenance", "with_origin", is_flag=True, help="Show which file and line set each value.")
@format_option
@set_option
@plugin_option
def command(
    spec: str, output_format: str, assignments: tuple[str, ...], plugins: tuple[str, ...], *, with_origin: bool
) -> None:
    """Print a spec with all defaults. The output is a spec itself, and resolves to itself."""
    from unetgen.config.provenance import trace_provenance
    from unetgen.config.yaml.writer import dump_yaml

    loaded_spec = load_spec(spec, assignments, load_command_registry(plugins))
    if with_origin:
        rows = [(path, value, origin) for path, value, origin in trace_provenance(loaded_spec)]
        if output_format == "json":
            click.echo(json.dumps([{"path": p, "value": v, "origin": o} for p, v, o in rows], indent=2))
            return
        lines = [(f"{path}: {json.dumps(value, ensure_ascii=False)}", origin) for path, value, origin in rows]
        width = min(max(len(text) for text, _ in lines), 60)
        for text, origin in lines:
            click.echo(f"{text:<{width}}  # {origin}")
    elif output_format == "json":
        click.echo(json.dumps(loaded_spec.resolved(), indent=2))
    else:
        click.echo(dump_yaml(loaded_spec.resolved()), nl=False)
