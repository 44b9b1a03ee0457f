"""unetgen draw: the U figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unetgen.cli.options import (
    InputSize,
    OutFile,
    loaded,
    plugin_option,
    registry_with,
    set_option,
    size_for,
    spec_argument,
)

_EPILOG = """\b
Examples:
  unetgen draw unet_paper -o unet.pdf
  unetgen draw my.yaml --style compact --theme dark -o figure.svg
  unetgen draw my.yaml --input-size 256 > figure.svg"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("-o", "--out", type=OutFile(), help="The file to write: .svg, .png or .pdf; without it SVG is printed.")
@click.option("--style", type=click.Choice(["paper", "compact", "detail"]), default="paper", show_default=True,
              help="Every map, one for each level, or every op by its name.")  # fmt: skip
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@click.option("--input-size", type=InputSize(), help="Draw sizes for this one: 572x572, or one number.")
@set_option
@plugin_option
def command(
    spec: str,
    out: Path | None,
    input_size: tuple[int, ...] | None,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    **look: Any,
) -> None:
    """Draw a network as boxes and arrows, as Fig. 1 of the U-Net paper does. SPEC is a file or a shipped spec's name."""
    from unetgen.api import draw

    registry = registry_with(plugins)
    checked = loaded(spec, assignments, registry)
    figure = draw(checked, input_size=size_for(input_size, checked.dims), registry=registry, **look)
    if out is None:
        click.echo(figure.svg, nl=False)
        return
    try:
        figure.save(out)
    except OSError as error:
        raise click.UsageError(f"--out {out}: {error.strerror}; choose another place") from None
    click.echo(f"{out}: written, {figure.scene.width:.0f} x {figure.scene.height:.0f} points")
