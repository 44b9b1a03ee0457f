"""unetgen export: write a network to a file for other programs."""

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
@click.option("-o", "--out", type=OutFile(), required=True, help="Output file.")
@click.option("--format", "output_format", metavar="NAME", help="Format (default: from the file's suffix).")
@click.option("--input-size", type=InputSize(), help="Fix the input size of the program: onnx, pt2, aoti.")
@click.option("--opset", type=click.IntRange(18), help="Version of the ONNX operator set.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of a spec's initial weights.")
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
    """Write a network to a file. SPEC is a spec, or a weights file of unetgen, which contains one."""
    from unetgen.outputs.formats import export, infer_format

    registry = load_command_registry(plugins)
    model = load_model(spec, assignments, seed, registry)
    requested = {"input_size": expand_input_size(input_size, model.graph.dims), "opset": opset}
    options = {name: value for name, value in requested.items() if value is not None}
    notice = export(model, out, output_format or infer_format(out), registry, **options)
    click.echo(f"{out}: written{f', {notice}' if notice else ''}")
