"""unetgen export: a network in a file that something else reads."""

from __future__ import annotations

from pathlib import Path

import click

from unetgen.cli.options import (
    InputSize,
    OutFile,
    expand_input_size,
    load_command_registry,
    load_model,
    plugin_option,
    set_option,
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
@click.option("--format", "output_format", metavar="NAME", help="The format; without it the file's suffix tells it.")
@click.option("--input-size", type=InputSize(), help="Write a program for this size only: onnx, pt2, aoti.")
@click.option("--opset", type=click.IntRange(18), help="The version of ONNX's operators.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of a spec's first weights.")
@set_option
@plugin_option
def command(
    spec: str,
    out: Path,
    output_format: str | None,
    seed: int,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    input_size: tuple[int, ...] | None,
    opset: int | None,
) -> None:
    """Write a network to a file. SPEC is a spec, or a weights file of unetgen, which brings its own."""
    from unetgen.outputs.formats import export, infer_format

    registry = load_command_registry(plugins)
    model = load_model(spec, assignments, seed, registry)
    wanted = {"input_size": expand_input_size(input_size, model.graph.dims), "opset": opset}
    options = {name: value for name, value in wanted.items() if value is not None}
    said = export(model, out, output_format or infer_format(out), registry, **options)
    click.echo(f"{out}: written{f', {said}' if said else ''}")
