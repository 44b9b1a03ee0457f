"""unetgen plugins check: run the conformance checks on the parts of a plugin."""

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
    """Run the conformance checks on every part of a plugin, in small networks of one, two and three dimensions.

    Shapes, parameters, MACs and options are compared with torch; gradients, copies, weights files, export and
    compilation are tested. Exits with 3 if a check fails.
    """
    from unetgen.testing import CHECKS, all_faults
    from unetgen.testing.part_collection import collect_subjects

    provider, subjects = collect_subjects(plugin)
    faults_by_part = {}
    for subject in subjects:
        name = subject.called
        faults_by_part[name] = [str(fault) for fault in all_faults(subject)]
        if output_format == "text":  # at once: a part with many options takes long
            lines = [f"{name}: {sentence}" for sentence in faults_by_part[name]]
            click.echo("\n".join(lines or [f"{name}: {len(CHECKS)} checks passed"]))
    if output_format == "json":
        parts = [{"part": name, "faults": sentences} for name, sentences in faults_by_part.items()]
        click.echo(json.dumps({"plugin": str(provider), "parts": parts}, indent=2))
    return ExitCode.PLUGIN if any(faults_by_part.values()) else ExitCode.OK
