"""unetgen sweep: the variants of an ablation, checked, measured, and written one by one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import InputSize, format_option, load_command_registry, plugin_option
from unetgen.errors import ExitCode

if TYPE_CHECKING:
    from unetgen.ablation.sweeps.summary import Summary
    from unetgen.ablation.sweeps.sweep import Outcome, Sweep

_EPILOG = """\b
Examples:
  unetgen sweep fusion.yaml                   check and list the variants
  unetgen sweep fusion.yaml --out variants    write a spec for each, and an index
  unetgen compare variants                    tabulate what differs, and what it costs

\b
A sweep's file:
  base: unet_paper
  axes:
    skip.fusion: [concat, add, none]
    depth: [3, 4]
  match: {params: base, tolerance: 1%}"""

# More than a person reads; a directory has all of them.
MAX_ROWS, MAX_LINES = 40, 20


@click.command(epilog=_EPILOG)
@click.argument("file")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write a spec for each variant.")
@click.option(
    "--as",
    "written_as",
    type=click.Choice(["resolved", "overlay"]),
    default="resolved",
    help="Write every default out, or only what is laid over the base.",
)
@click.option("--on-invalid", type=click.Choice(["report", "error", "skip"]), help="In place of the file's on_invalid.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first variant that is invalid or fails; write nothing.")
@click.option("--input-size", type=InputSize(), help="The base's input size: 256x256, or one number for all axes.")
@format_option
@plugin_option
def command(
    file: str,
    out: Path | None,
    written_as: Any,
    on_invalid: Any,
    input_size: tuple[int, ...] | None,
    output_format: str,
    plugins: tuple[str, ...],
    *,
    fail_fast: bool,
) -> int:
    """Make, check and measure the variants of a sweep's FILE.

    Exits with 1 if a combination is invalid or cannot be matched, unless on_invalid is skip; with 3 if a plugin fails.
    """
    from unetgen.ablation.sweeps.directory.writer import is_written, write_sweep
    from unetgen.ablation.sweeps.summary import process_outcomes
    from unetgen.ablation.sweeps.sweep import sweep

    opened = sweep(file, registry=load_command_registry(plugins), input_size=input_size)
    if on_invalid:
        opened.definition = replace(opened.definition, on_invalid=on_invalid)
    listing = _JsonListing(opened) if output_format == "json" else _TableListing(opened)
    with _show_progress(opened) as step:
        hear = (step, listing.add)
        if out is None:
            summary = process_outcomes(opened, *hear, fail_fast=fail_fast)
        else:
            summary = write_sweep(opened, out, written_as, *hear, fail_fast=fail_fast)
    listing.close(summary)
    _print_messages(summary)
    if output_format == "text":
        where = f"written to {out}" if is_written(opened, summary) else "nothing is written"
        click.echo(_format_summary(opened, summary) + (f"; {where}" if out else ""))
    return _choose_exit_code(opened, summary)


class _TableListing:
    """The first variants for people."""

    def __init__(self, sweep: Sweep) -> None:
        self.is_matched = sweep.definition.budget is not None
        self.rows: list[tuple[Any, ...]] = []
        self.num_variants = 0

    def add(self, outcome: Outcome) -> None:
        from unetgen.ablation.sweeps.variant import Variant

        if not isinstance(outcome, Variant):
            return
        self.num_variants += 1
        if self.num_variants <= MAX_ROWS:
            cost, match = outcome.report.cost, outcome.match
            scaled = ", ".join(f"{path} {value}" for path, value in match.settings.items()) if match else ""
            self.rows.append((outcome.name, cost.params, cost.macs, match.deviation if match else None, scaled))

    def close(self, summary: Summary) -> None:
        if not self.rows:
            return
        from unetgen.outputs.table import Column, DataTable

        columns = [
            Column("name", "variant"),
            Column("params", "parameters", "{:,}".format, is_numeric=True),
            Column("macs", "MACs", "{:,}".format, is_numeric=True),
            Column("deviation", "off budget", "{:+.2%}".format, is_numeric=True),
            Column("scaled", "matched by"),
        ]
        shown = columns if self.is_matched else columns[:3]
        click.echo(DataTable(tuple(shown), tuple(row[: len(shown)] for row in self.rows)).text())
        if self.num_variants > MAX_ROWS:
            click.echo(f"and {self.num_variants - MAX_ROWS:,} more\n")


class _JsonListing:
    """All variants for programs."""

    def __init__(self, sweep: Sweep) -> None:
        from unetgen.ablation.sweeps.directory.index import JsonIndexWriter

        self.index = JsonIndexWriter(sys.stdout, sweep)

    def add(self, outcome: Outcome) -> None:
        from unetgen.ablation.sweeps.directory.index import variant_to_dict
        from unetgen.ablation.sweeps.variant import Variant

        if isinstance(outcome, Variant):
            self.index.add(variant_to_dict(outcome))

    def close(self, summary: Summary) -> None:
        self.index.finish(summary)


@contextmanager
def _show_progress(sweep: Sweep) -> Iterator[Any]:
    """A bar on a terminal that is told every outcome; a plugin's failure is told at once."""
    from rich.console import Console
    from rich.progress import Progress

    from unetgen.ablation.sweeps.outcome import PluginFailed

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(sweep.definition.name, total=sweep.count)

        def step(outcome: Outcome) -> None:
            bar.advance(task)
            if isinstance(outcome, PluginFailed):
                click.echo(f"{outcome.error} (in {outcome.label})", err=True)

        yield step


def _print_messages(summary: Summary) -> None:
    """What is wrong, then what should be known, on stderr."""
    notes = [f"note: {note}" for note in summary.format_notes()]
    for lines in (summary.format_errors(), summary.format_failures(), notes):
        for line in lines[:MAX_LINES]:
            click.echo(line, err=True)
        if len(lines) > MAX_LINES:
            click.echo(f"and {len(lines) - MAX_LINES:,} more of this kind; --format json has all of them", err=True)


def _format_summary(sweep: Sweep, summary: Summary) -> str:
    """What became of the combinations, in one line."""
    parts = {
        "left out by 'where'": summary.num_excluded,
        "refused": summary.num_rejected,
        "the same as others": len(summary.duplicates),
        "failed": sum(mention.count for mention in summary.failures.values()),
    }
    rest = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
    base = f" of {sweep.definition.base_name}" if sweep.definition.base_name else ""
    return f"{sweep.definition.name}: {summary.num_variants:,} variant{'s' * (summary.num_variants != 1)}{base}{rest}"


def _choose_exit_code(sweep: Sweep, summary: Summary) -> ExitCode:
    if summary.failures:
        return ExitCode.PLUGIN
    refused = summary.num_rejected and sweep.definition.on_invalid != "skip"
    return ExitCode.INVALID if refused or not summary.num_variants else ExitCode.OK
