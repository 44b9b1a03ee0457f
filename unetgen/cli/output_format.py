"""Store the value of ``--format``, so that errors are printed in the same format."""

from __future__ import annotations

import click

from unetgen.errors import UnetgenError

_META_KEY = "unetgen.output_format"


def remember_format(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Store the value of ``--format``; use as the callback of such an option."""
    context.meta[_META_KEY] = value
    return value


def print_json_error(context: click.Context, error: UnetgenError) -> None:
    """Print an error's record on stdout if ``--format json`` was chosen."""
    if context.meta.get(_META_KEY) == "json":
        import json

        click.echo(json.dumps(error.to_dict(), indent=2))
