"""unetgen build: build a network; print its layer table and its properties."""

from __future__ import annotations

from pathlib import Path

import click

from unetgen.cli.options import (
    InputSize,
    expand_input_size,
    load_command_registry,
    load_spec,
    plugin_option,
    set_option,
    spec_argument,
)
from unetgen.config.weights_file import is_weights_path

_EPILOG = """\b
Examples:
  unetgen build
  unetgen build specs/unet_3d.yaml --input-size 92
  unetgen build my.yaml --set block.norm=batch --out my.safetensors"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("--input-size", type=InputSize(), help="Show shapes and costs for this size: 572x572, or one number.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write initial weights and spec here.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the weights that --out writes.")
@set_option
@plugin_option
def command(
    spec: str,
    input_size: tuple[int, ...] | None,
    out: Path | None,
    seed: int,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
) -> None:
    """Validate a spec, analyse its network, and build it. SPEC is a file, a weights file or a shipped spec."""
    from unetgen.analysis.report import NetworkReport
    from unetgen.graph.from_spec import build_graph
    from unetgen.plugins.advice import collect_advice

    if out is not None and is_weights_path(spec):
        raise click.UsageError(
            f"--out writes initial weights, not those of {spec}; use: unetgen export {spec} -o {out}"
        )
    registry = load_command_registry(plugins)
    loaded_spec = load_spec(spec, assignments, registry)
    report = NetworkReport.of(loaded_spec, build_graph(loaded_spec), expand_input_size(input_size, loaded_spec.dims))

    # Importing torch takes a second, so the spec is validated before.
    from unetgen.api import build
    from unetgen.network.layer_table import format_layer_table

    click.echo(format_layer_table(build(loaded_spec, device="meta", registry=registry), report.input_size))
    click.echo()
    advice = [("advice", str(a)) for a in collect_advice(registry, loaded_spec, report.graph)]
    for name, sentence in [("network", loaded_spec.name or spec), *report.format_lines(), *advice]:
        click.echo(f"{name:<16} {sentence}")
    if out is not None:
        from unetgen.network.weights.checkpoint import save

        save(build(loaded_spec, seed=seed, registry=registry), out)
        click.echo(f"{'written':<16} {out}, seed {seed}")
