"""unetgen plugins new: create a plugin distribution to start from."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

import click

from unetgen import hookspecs

_TEMPLATE_DIRECTORY = Path(__file__).parent / "template"


@click.command(epilog="\b\nExamples:\n  unetgen plugins new acme-unet")
@click.argument("name")
def command(name: str) -> None:
    """Create a complete distribution NAME in a directory of that name: one block, its tests, a README."""
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise click.UsageError(f"{name!r} is not a distribution name; use lower-case letters and hyphens: acme-unet")
    folder = Path(name)
    if folder.exists():
        raise click.UsageError(f"{folder} already exists; choose another name, or move it")
    substitutions = {
        "name": name,
        "package": name.replace("-", "_"),
        "short": name.partition("-")[0],
        "api": f"({hookspecs.API_VERSION[0]}, {hookspecs.API_VERSION[1]})",
    }
    for source in sorted(_TEMPLATE_DIRECTORY.rglob("*.template")):
        target = folder / Template(str(source.relative_to(_TEMPLATE_DIRECTORY).with_suffix(""))).substitute(
            substitutions
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text(encoding="utf-8")).substitute(substitutions), encoding="utf-8")
    click.echo(f"{folder}: written; next: cd {folder} && pip install -e '.[test]' && pytest")
