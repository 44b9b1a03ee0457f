"""unetgen specs: what is shipped."""

from __future__ import annotations

import json
from typing import Any

import click

from unetgen.cli.options import format_option


@click.command(epilog="\b\nExamples:\n  unetgen specs\n  unetgen specs --format json")
@format_option
def command(form: str) -> None:
    """List the shipped specs with their sizes and costs. Each can be built, shown and extended by its name."""
    from unetgen.api import graph_of, load_spec
    from unetgen.config.library import shipped
    from unetgen.outputs.report import Report

    reports = [Report.of(spec, graph_of(spec)) for spec in map(load_spec, shipped())]
    if form == "json":
        click.echo(json.dumps([_record(report) for report in reports], indent=2))
        return
    from unetgen.cli.console import show
    from unetgen.outputs.table import text_table

    rows = [_row(report) for report in reports]
    show(text_table(("name", "input", "output", "parameters", "MACs"), rows, right=("parameters", "MACs")))


def _record(report: Any) -> dict[str, Any]:
    return {"description": report.spec.description, **report.record()}


def _row(report: Any) -> tuple[str, ...]:
    from unetgen.outputs.report import times

    cost = report.cost
    shapes = times(report.in_shape), times(report.out_shape)
    return (report.spec.name, *shapes, f"{cost.params / 1e6:.2f} M", f"{cost.macs / 1e9:.1f} G")
