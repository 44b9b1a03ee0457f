"""unetgen build: the layer table, then what is known of the network."""

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

_EPILOG = """\b
Examples:
  unetgen build
  unetgen build specs/unet_3d.yaml --input-size 92
  unetgen build my.yaml --set block.norm=batch --out my.safetensors"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("--input-size", type=InputSize(), help="Show shapes and costs for this size: 572x572, or one number.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write initial weights and spec here.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the weights that --out writes.")
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
    """Check a spec, measure its network, and build it. SPEC is a file or a shipped spec's name (unet_paper)."""
    from unetgen.analysis.report import NetworkReport
    from unetgen.graph.from_spec import build_graph
    from unetgen.plugins.advice import collect_advice

    registry = load_command_registry(plugins)
    checked = load_spec(spec, assignments, registry)
    report = NetworkReport.of(checked, build_graph(checked), expand_input_size(input_size, checked.dims))

    # From here on the spec is right, so torch is worth its second.
    from unetgen.api import build
    from unetgen.network.layer_table import format_layer_table

    click.echo(format_layer_table(build(checked, device="meta", registry=registry), report.input_size))
    click.echo()
    said = [("advice", str(a)) for a in collect_advice(registry, checked, report.graph)]
    for name, sentence in [("network", checked.name or spec), *report.format_lines(), *said]:
        click.echo(f"{name:<16} {sentence}")
    if out is not None:
        from unetgen.network.weights.checkpoint import save

        save(build(checked, seed=seed, registry=registry), out)
        click.echo(f"{'written':<16} {out}, seed {seed}")
