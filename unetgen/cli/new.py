"""unetgen new: write a spec to start from."""

from __future__ import annotations

from pathlib import Path

import click

from unetgen.cli.options import OutFile


@click.command(epilog="\b\nExamples:\n  unetgen new my.yaml\n  unetgen new > my.yaml")
@click.argument("file", required=False, type=OutFile())
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(file: Path | None, *, force: bool) -> None:
    """Write a commented spec with common settings to FILE, or to stdout."""
    text = (Path(__file__).parent / "starter.yaml").read_text(encoding="utf-8")
    if file is None:
        click.echo(text, nl=False)
        return
    if file.exists() and not force:
        raise click.UsageError(f"{file} already exists; use --force to overwrite it")
    file.write_text(text, encoding="utf-8")
    click.echo(f"{file}: written; next: unetgen build {file}")
