"""unetgen inspect: tabulate sizes and costs, without torch."""

from __future__ import annotations

import json
from pathlib import Path

import click

from unetgen.cli.options import (
    InputSize,
    expand_input_size,
    format_option,
    load_command_registry,
    load_spec,
    plugin_option,
    set_option,
    spec_argument,
)

_EPILOG = """\b
Examples:
  unetgen inspect
  unetgen inspect my.yaml --nodes --input-size 256
  unetgen inspect my.yaml --format json"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("--input-size", type=InputSize(), help="Input size: 572x572, or one number for all axes.")
@click.option("--nodes", is_flag=True, help="One row per operation, not per level.")
@format_option
@set_option
@plugin_option
def command(
    spec: str,
    input_size: tuple[int, ...] | None,
    output_format: str,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    *,
    nodes: bool,
) -> None:
    """Tabulate a network's sizes, parameters and MACs by level or by operation."""
    from unetgen.analysis.report import NetworkReport
    from unetgen.config.weights_file import is_weights_path, read_embedded_preprocessing
    from unetgen.graph.from_spec import build_graph
    from unetgen.plugins.advice import collect_advice

    registry = load_command_registry(plugins)
    loaded_spec = load_spec(spec, assignments, registry)
    report = NetworkReport.of(loaded_spec, build_graph(loaded_spec), expand_input_size(input_size, loaded_spec.dims))
    advice = collect_advice(registry, loaded_spec, report.graph)
    expected = read_embedded_preprocessing(Path(spec)) if is_weights_path(spec) else None
    if output_format == "json":
        known = {"preprocessing": json.loads(expected.to_json())} if expected else {}
        click.echo(json.dumps({**report.to_dict(), **known, "advice": [a._asdict() for a in advice]}, indent=2))
        return
    from unetgen.analysis.tables import build_level_table, build_node_table
    from unetgen.cli.console import print_renderables

    print_renderables(build_node_table(report) if nodes else build_level_table(report), "")
    known_lines = expected.format_lines() if expected else []
    for name, sentence in [*report.format_lines(), *known_lines, *(("advice", str(a)) for a in advice)]:
        click.echo(f"{name:<16} {sentence}")
