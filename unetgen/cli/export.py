"""unetgen export: a network in a file that something else reads."""

from __future__ import annotations

from pathlib import Path

import click

from unetgen.cli.options import OutFile, model_of, plugin_option, registry_with, set_option, spec_argument

_EPILOG = """\b
Examples:
  unetgen export my.yaml -o my.safetensors
  unetgen export my.yaml -o my_unet.py
  unetgen export trained.safetensors -o other.safetensors"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("-o", "--out", type=OutFile(), required=True, help="The file to write.")
@click.option("--format", "form", metavar="NAME", help="The format; without it the file's suffix tells it.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of a spec's first weights.")
@set_option
@plugin_option
def command(
    spec: str, out: Path, form: str | None, seed: int, assignments: tuple[str, ...], plugins: tuple[str, ...]
) -> None:
    """Write a network to a file. SPEC is a spec, or a weights file of unetgen, which brings its own."""
    from unetgen.outputs.formats import export, format_of

    registry = registry_with(plugins)
    export(model_of(spec, assignments, seed, registry), out, form or format_of(out), registry)
    click.echo(f"{out}: written")
