"""unetgen specs: what is shipped."""

from __future__ import annotations

import json
from typing import Any

import click

from unetgen.cli.options import format_option

_EPILOG = """\b
Examples:
  unetgen specs
  unetgen specs attention --dims 2 --sort params
  unetgen specs deep_supervision --max-params 10e6 --format json"""


@click.command(epilog=_EPILOG)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.option("--dims", type=click.IntRange(1, 3), help="Only networks of so many axes.")
@click.option("--max-params", type=float, metavar="N", help="Only networks of at most so many parameters.")
@click.option("--sort", "order", type=click.Choice(["shipped", "name", "params", "macs"]), default="shipped")
@format_option
def command(words: tuple[str, ...], dims: int | None, max_params: float | None, order: str, form: str) -> None:
    """List the shipped specs with their costs and what they add.

    Only those with every WORD in their name, their description, their paper or the parts they use. Each can be
    built, shown and extended by its name.
    """
    reports = [report for report in _reports(words, dims) if report.cost.params <= (max_params or float("inf"))]
    keys: dict[str, Any] = {
        "name": lambda report: report.spec.name,
        "params": lambda report: report.cost.params,
        "macs": lambda report: report.cost.macs,
    }
    reports = sorted(reports, key=keys[order]) if order in keys else reports
    if form == "json":
        click.echo(json.dumps([_record(report) for report in reports], indent=2))
        return
    from unetgen.cli.console import show
    from unetgen.outputs.table import text_table

    head = ("name", "input", "parameters", "MACs", "what it adds")
    show(text_table(head, [_row(report) for report in reports], right=("parameters", "MACs")))


def _reports(words: tuple[str, ...], dims: int | None) -> list[Any]:
    """The reports of the shipped specs that have all words, without drawing the others."""
    from unetgen.api import graph_of, load_spec
    from unetgen.config.library import shipped
    from unetgen.outputs.report import Report

    chosen = (load_spec(name) for name in shipped())
    return [
        Report.of(spec, graph_of(spec))
        for spec in chosen
        if dims in (None, spec.dims) and all(word.lower() in json.dumps(spec.resolved()).lower() for word in words)
    ]


def _record(report: Any) -> dict[str, Any]:
    return {"description": report.spec.description, **dict(report.spec.about), **report.record()}


def _row(report: Any) -> tuple[str, ...]:
    from unetgen.outputs.report import times

    cost = report.cost
    return (
        report.spec.name,
        times(report.in_shape),
        f"{cost.params / 1e6:.2f} M",
        f"{cost.macs / 1e9:.1f} G",
        report.spec.about.get("adds", ""),
    )
