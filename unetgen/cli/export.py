"""unetgen export: a network in a file that something else reads."""

from __future__ import annotations

from pathlib import Path

import click

from unetgen.cli.options import (
    InputSize,
    OutFile,
    model_of,
    plugin_option,
    registry_with,
    set_option,
    size_for,
    spec_argument,
)

_EPILOG = """\b
Examples:
  unetgen export my.yaml -o my.safetensors
  unetgen export my.yaml -o my_unet.py
  unetgen export trained.safetensors -o net.onnx
  unetgen export trained.safetensors -o net.pt2 --format aoti
  unetgen export trained.safetensors -o other.safetensors"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("-o", "--out", type=OutFile(), required=True, help="The file to write.")
@click.option("--format", "form", metavar="NAME", help="The format; without it the file's suffix tells it.")
@click.option("--input-size", type=InputSize(), help="Write a program for this size only: onnx, pt2, aoti.")
@click.option("--opset", type=click.IntRange(18), help="The version of ONNX's operators.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of a spec's first weights.")
@set_option
@plugin_option
def command(
    spec: str,
    out: Path,
    form: str | None,
    seed: int,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    input_size: tuple[int, ...] | None,
    opset: int | None,
) -> None:
    """Write a network to a file. SPEC is a spec, or a weights file of unetgen, which brings its own."""
    from unetgen.outputs.formats import export, format_of

    registry = registry_with(plugins)
    model = model_of(spec, assignments, seed, registry)
    wanted = {"input_size": size_for(input_size, model.graph.dims), "opset": opset}
    options = {name: value for name, value in wanted.items() if value is not None}
    said = export(model, out, form or format_of(out), registry, **options)
    click.echo(f"{out}: written{f', {said}' if said else ''}")
