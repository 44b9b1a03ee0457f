"""unetgen specs: list the shipped specs."""

from __future__ import annotations

import json
from typing import Any

import click

from unetgen.cli.options import format_option, load_command_registry, plugin_option
from unetgen.config.registry.plugin import PluginFailure
from unetgen.config.registry.registry import Registry
from unetgen.errors import UnetgenError

_EPILOG = """\b
Examples:
  unetgen specs
  unetgen specs attention --dims 2 --sort params
  unetgen specs deep_supervision --max-params 10e6 --format json"""


@click.command(epilog=_EPILOG)
@click.argument("search_terms", nargs=-1, metavar="[WORD]...")
@click.option("--dims", type=click.IntRange(1, 3), metavar="N", help="List only networks with N spatial dimensions.")
@click.option("--max-params", type=float, metavar="N", help="List only networks with at most N parameters.")
@click.option("--sort", "order", type=click.Choice(["shipped", "name", "params", "macs"]), default="shipped")
@format_option
@plugin_option
def command(
    search_terms: tuple[str, ...],
    dims: int | None,
    max_params: float | None,
    order: str,
    output_format: str,
    plugins: tuple[str, ...],
) -> None:
    """List the specs of unetgen and of plugins, with their costs and their special features.

    With WORDs, list only specs that contain all of them in name, description, paper or parts. Each spec can be built,
    shown and extended by its name.
    """
    reports = _load_matching_reports(search_terms, dims, load_command_registry(plugins))
    rows = [(name, report) for name, report in reports if report.cost.params <= (max_params or float("inf"))]
    keys: dict[str, Any] = {
        "name": lambda row: row[0],
        "params": lambda row: row[1].cost.params,
        "macs": lambda row: row[1].cost.macs,
    }
    rows = sorted(rows, key=keys[order]) if order in keys else rows
    if output_format == "json":
        click.echo(json.dumps([_report_to_dict(name, report) for name, report in rows], indent=2))
        return
    from unetgen.analysis.tables import build_text_table
    from unetgen.cli.console import print_renderables

    head = ("name", "input", "parameters", "MACs", "what it adds")
    print_renderables(
        build_text_table(
            head, [_format_row(name, report) for name, report in rows], numeric_columns=("parameters", "MACs")
        )
    )


def _load_matching_reports(
    search_terms: tuple[str, ...], dims: int | None, registry: Registry
) -> list[tuple[str, Any]]:
    """Analyse the specs that match the search terms, without building graphs of the others."""
    from unetgen.config.spec_sources import list_plugin_specs, list_shipped_specs

    ours = [(name, _load_report(name, search_terms, dims, registry)) for name in list_shipped_specs()]
    theirs = []
    for name in list_plugin_specs(registry):
        try:
            theirs.append((name, _load_report(name, search_terms, dims, registry)))
        except UnetgenError as error:
            (provider, _), *_ = registry.iter_contributions(name.partition("/")[0])
            registry.record_failure(PluginFailure(provider, error, activity=f"to describe its spec {name!r}"))
    return [(name, report) for name, report in (*ours, *theirs) if report is not None]


def _load_report(name: str, search_terms: tuple[str, ...], dims: int | None, registry: Registry) -> Any:
    from unetgen.analysis.report import NetworkReport
    from unetgen.api import graph_of, load_spec

    spec = load_spec(name, registry=registry)
    text = json.dumps([name, spec.resolved()]).lower()
    if dims not in (None, spec.dims) or not all(word.lower() in text for word in search_terms):
        return None
    return NetworkReport.of(spec, graph_of(spec))


def _report_to_dict(name: str, report: Any) -> dict[str, Any]:
    return {"description": report.spec.description, **dict(report.spec.about), **report.to_dict(), "name": name}


def _format_row(name: str, report: Any) -> tuple[str, ...]:
    from unetgen.analysis.report import format_shape

    cost = report.cost
    return (
        name,
        format_shape(report.in_shape),
        f"{cost.params / 1e6:.2f} M",
        f"{cost.macs / 1e9:.1f} G",
        report.spec.about.get("adds", ""),
    )
