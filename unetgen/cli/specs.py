"""unetgen specs: what is shipped."""

from __future__ import annotations

import json
from typing import Any

import click

from unetgen.cli.options import format_option, plugin_option, registry_with
from unetgen.config.plugin import Failure
from unetgen.config.registry import Registry
from unetgen.errors import UnetgenError

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
@plugin_option
def command(
    words: tuple[str, ...],
    dims: int | None,
    max_params: float | None,
    order: str,
    form: str,
    plugins: tuple[str, ...],
) -> None:
    """List the shipped specs, ours and plugins', with their costs and what they add.

    Only those with every WORD in their name, their description, their paper or the parts they use. Each can be
    built, shown and extended by its name.
    """
    found = _reports(words, dims, registry_with(plugins))
    rows = [(name, report) for name, report in found if report.cost.params <= (max_params or float("inf"))]
    keys: dict[str, Any] = {
        "name": lambda row: row[0],
        "params": lambda row: row[1].cost.params,
        "macs": lambda row: row[1].cost.macs,
    }
    rows = sorted(rows, key=keys[order]) if order in keys else rows
    if form == "json":
        click.echo(json.dumps([_record(name, report) for name, report in rows], indent=2))
        return
    from unetgen.cli.console import show
    from unetgen.outputs.table import text_table

    head = ("name", "input", "parameters", "MACs", "what it adds")
    show(text_table(head, [_row(name, report) for name, report in rows], right=("parameters", "MACs")))


def _reports(words: tuple[str, ...], dims: int | None, registry: Registry) -> list[tuple[str, Any]]:
    """The reports of the shipped specs that have all words, ours and plugins', without drawing the others."""
    from unetgen.config.library import shipped, shipped_by

    ours = [(name, _report(name, words, dims, registry)) for name in shipped()]
    theirs = []
    for name in shipped_by(registry):
        try:
            theirs.append((name, _report(name, words, dims, registry)))
        except UnetgenError as error:
            (provider, _), *_ = registry.gifts(name.partition("/")[0])
            registry.note(Failure(provider, error, doing=f"to describe its spec {name!r}"))
    return [(name, report) for name, report in (*ours, *theirs) if report is not None]


def _report(name: str, words: tuple[str, ...], dims: int | None, registry: Registry) -> Any:
    from unetgen.api import graph_of, load_spec
    from unetgen.outputs.report import Report

    spec = load_spec(name, registry=registry)
    text = json.dumps([name, spec.resolved()]).lower()
    if dims not in (None, spec.dims) or not all(word.lower() in text for word in words):
        return None
    return Report.of(spec, graph_of(spec))


def _record(name: str, report: Any) -> dict[str, Any]:
    return {"description": report.spec.description, **dict(report.spec.about), **report.record(), "name": name}


def _row(name: str, report: Any) -> tuple[str, ...]:
    from unetgen.outputs.report import times

    cost = report.cost
    return (
        name,
        times(report.in_shape),
        f"{cost.params / 1e6:.2f} M",
        f"{cost.macs / 1e9:.1f} G",
        report.spec.about.get("adds", ""),
    )
