"""unetgen draw: draw the figure of a network, or a contact sheet of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unetgen.cli.options import (
    DEFAULT_SPEC,
    InputSize,
    OutFile,
    expand_input_size,
    load_command_registry,
    load_spec,
    plugin_option,
    set_option,
)

_EPILOG = """\b
Examples:
  unetgen draw unet_paper -o unet.pdf
  unetgen draw my.yaml --style compact --theme dark -o figure.svg
  unetgen draw variants/*.yaml --style compact -o variants.svg
  unetgen draw my.yaml --input-size 256 > figure.svg"""


@click.command(epilog=_EPILOG)
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("-o", "--out", type=OutFile(), help="Output file: .svg, .png or .pdf (default: SVG on stdout).")
@click.option("--style", type=click.Choice(["paper", "compact", "detail"]), default="paper", show_default=True,
              help="Show every feature map, one per level, or every operation.")  # fmt: skip
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@click.option("--input-size", type=InputSize(), help="Input size for the shapes in the figure: 572x572, or one number.")
@set_option
@plugin_option
def command(
    specs: tuple[str, ...],
    out: Path | None,
    input_size: tuple[int, ...] | None,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    **figure_options: Any,
) -> None:
    """Draw networks as boxes and arrows, as Fig. 1 of the U-Net paper does.

    SPEC is a file or the name of a shipped spec. Several are drawn on one contact sheet.
    """
    from unetgen.figure.contact_sheet import build_contact_sheet
    from unetgen.figure.figure import Figure
    from unetgen.figure.file_output import write_scene
    from unetgen.figure.svg import render_svg
    from unetgen.graph.from_spec import build_graph

    registry = load_command_registry(plugins)
    scenes = []
    for spec in specs or (DEFAULT_SPEC,):
        loaded_spec = load_spec(spec, assignments, registry)
        size = expand_input_size(input_size, loaded_spec.dims) or loaded_spec.input_size
        scenes.append(Figure.of(loaded_spec.name, build_graph(loaded_spec), size, **figure_options).scene)
    scene = scenes[0] if len(scenes) == 1 else build_contact_sheet(scenes, "networks")
    if out is None:
        click.echo(render_svg(scene), nl=False)
    else:
        write_scene(scene, out)
        click.echo(f"{out}: written, {scene.width:.0f} x {scene.height:.0f} points")
