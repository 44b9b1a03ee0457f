"""unetgen inspect: sizes and costs in tables, without torch."""

from __future__ import annotations

import json

import click

from unetgen.cli.options import (
    InputSize,
    format_option,
    loaded,
    plugin_option,
    registry_with,
    set_option,
    size_for,
    spec_argument,
)

_EPILOG = """\b
Examples:
  unetgen inspect
  unetgen inspect my.yaml --nodes --input-size 256
  unetgen inspect my.yaml --format json"""


@click.command(epilog=_EPILOG)
@spec_argument
@click.option("--input-size", type=InputSize(), help="For this size: 572x572, or one number for all axes.")
@click.option("--nodes", is_flag=True, help="One row for each op instead of each level.")
@format_option
@set_option
@plugin_option
def command(
    spec: str,
    input_size: tuple[int, ...] | None,
    form: str,
    assignments: tuple[str, ...],
    plugins: tuple[str, ...],
    *,
    nodes: bool,
) -> None:
    """Tabulate a network's sizes, parameters and MACs, level by level or node by node."""
    from unetgen.graph.from_spec import draw
    from unetgen.outputs.advice import advice
    from unetgen.outputs.report import Report

    registry = registry_with(plugins)
    checked = loaded(spec, assignments, registry)
    report = Report.of(checked, draw(checked), size_for(input_size, checked.dims))
    said = advice(registry, checked, report.graph)
    if form == "json":
        click.echo(json.dumps({**report.record(), "advice": [a._asdict() for a in said]}, indent=2))
        return
    from unetgen.cli.console import show
    from unetgen.outputs.table import level_table, node_table

    show(node_table(report) if nodes else level_table(report), "")
    for name, sentence in [*report.lines(), *(("advice", str(a)) for a in said)]:
        click.echo(f"{name:<16} {sentence}")
