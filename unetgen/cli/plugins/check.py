"""unetgen plugins check: whether a plugin's parts are what they say."""

from __future__ import annotations

import json

import click

from unetgen.cli.options import format_option
from unetgen.errors import ExitCode

_EPILOG = """\b
Examples:
  unetgen plugins check ./my_blocks.py
  unetgen plugins check acme-unet --format json"""


@click.command(epilog=_EPILOG)
@click.argument("plugin", metavar="DIST|FILE|MODULE")
@format_option
def command(plugin: str, output_format: str) -> int:
    """Try every part of a plugin in small networks of one, two and three dimensions.

    Shapes, parameters, MACs and options are held against what torch does; gradients, copies, files, export and
    compilation are tried. Exits with 3 if something is wrong.
    """
    from unetgen.testing import CHECKS, all_faults
    from unetgen.testing.part_collection import collect_subjects

    provider, subjects = collect_subjects(plugin)
    found = {}
    for subject in subjects:
        called = subject.called
        found[called] = [str(fault) for fault in all_faults(subject)]
        if output_format == "text":  # as soon as it is known: a part with many options takes its time
            lines = [f"{called}: {sentence}" for sentence in found[called]]
            click.echo("\n".join(lines or [f"{called}: {len(CHECKS)} checks passed"]))
    if output_format == "json":
        parts = [{"part": called, "faults": sentences} for called, sentences in found.items()]
        click.echo(json.dumps({"plugin": str(provider), "parts": parts}, indent=2))
    return ExitCode.PLUGIN if any(found.values()) else ExitCode.OK
