"""unetgen sweep: build the variants of a sweep, validate and analyse them, and write their specs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import SpooledTemporaryFile
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
  unetgen compare variants                    tabulate differences and costs

\b
A sweep file:
  base: unet_paper
  axes:
    skip.fusion: [concat, add, none]
    depth: [3, 4]
  match: {params: base, tolerance: 1%}"""

# The limits of the text output. A directory or --format json has everything.
MAX_ROWS, MAX_LINES = 24, 8


@click.command(epilog=_EPILOG)
@click.argument("file")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write a spec for each variant.")
@click.option(
    "--as",
    "written_as",
    type=click.Choice(["resolved", "overlay"]),
    default="resolved",
    help="Write complete specs, or only the overrides of the base.",
)
@click.option("--on-invalid", type=click.Choice(["report", "error", "skip"]), help="Override on_invalid of FILE.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first variant that is invalid or fails; write nothing.")
@click.option("--input-size", type=InputSize(), help="Input size of the base: 256x256, or one number for all axes.")
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
    """Build, validate and analyse the variants of the sweep FILE.

    Exits with 1 if a combination is invalid or cannot match the budget, unless on_invalid is skip; with 3 if a plugin
    fails.
    """
    from unetgen.ablation.sweeps.directory.writer import should_install, write_sweep
    from unetgen.ablation.sweeps.summary import process_outcomes
    from unetgen.ablation.sweeps.sweep import sweep

    loaded = sweep(file, registry=load_command_registry(plugins), input_size=input_size)
    if on_invalid:
        loaded.definition = replace(loaded.definition, on_invalid=on_invalid)
    with _open_listing(loaded, output_format) as listing:
        with _show_progress(loaded) as on_outcome:
            observers = (on_outcome, listing.add)
            if out is None:
                summary = process_outcomes(loaded, *observers, fail_fast=fail_fast)
            else:
                summary = write_sweep(loaded, out, written_as, *observers, fail_fast=fail_fast)
        listing.close(summary)
    _print_messages(summary)
    if output_format == "text":
        destination = f"written to {out}" if should_install(loaded, summary) else "nothing written"
        click.echo(_format_summary(loaded, summary) + (f"; {destination}" if out else ""))
    return _choose_exit_code(loaded, summary)


class _TableListing:
    """Collects the first variants and prints them as a table."""

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
            size = "x".join(map(str, outcome.report.input_size))
            deviation = match.deviation if match else None
            self.rows.append((outcome.name, size, cost.params, cost.macs, deviation, scaled))

    def close(self, summary: Summary) -> None:
        if not self.rows:
            return
        from unetgen.outputs.data_table import Column, DataTable

        columns = [
            Column("name", "variant"),
            Column("input", "input"),
            Column("params", "parameters", "{:,}".format, is_numeric=True),
            Column("macs", "MACs", "{:,}".format, is_numeric=True),
            Column("deviation", "off budget", "{:+.2%}".format, is_numeric=True),
            Column("scaled", "matched by"),
        ]
        hidden = set() if summary.num_resized else {"input"}
        hidden |= set() if self.is_matched else {"deviation", "scaled"}
        indices = [index for index, column in enumerate(columns) if column.name not in hidden]
        rows = tuple(tuple(row[index] for index in indices) for row in self.rows)
        click.echo(DataTable(tuple(columns[index] for index in indices), rows).text())
        if self.num_variants > MAX_ROWS:
            click.echo(f"and {self.num_variants - MAX_ROWS:,} more\n")


class _JsonListing:
    """Writes all variants as JSON. Nothing is printed before the end, so that an error is the only JSON on stdout."""

    def __init__(self, sweep: Sweep, buffer: Any) -> None:
        from unetgen.ablation.sweeps.directory.index import JsonIndexWriter

        self.buffer, self.index = buffer, JsonIndexWriter(buffer, sweep)

    def add(self, outcome: Outcome) -> None:
        from unetgen.ablation.sweeps.directory.index import variant_to_dict
        from unetgen.ablation.sweeps.variant import Variant

        if isinstance(outcome, Variant):
            self.index.add(variant_to_dict(outcome))

    def close(self, summary: Summary) -> None:
        self.index.finish(summary)
        self.buffer.seek(0)
        shutil.copyfileobj(self.buffer, sys.stdout)


@contextmanager
def _open_listing(sweep: Sweep, output_format: str) -> Iterator[_TableListing | _JsonListing]:
    """Yield the listing of variants in a format."""
    if output_format == "text":
        yield _TableListing(sweep)
        return
    with SpooledTemporaryFile(2**20, "w+", encoding="utf-8") as buffer:
        yield _JsonListing(sweep, buffer)


@contextmanager
def _show_progress(sweep: Sweep) -> Iterator[Any]:
    """Show a progress bar on a terminal; yield a function that receives every outcome.

    The function prints failures of plugins at once.
    """
    from rich.console import Console
    from rich.progress import Progress

    from unetgen.ablation.sweeps.outcome import PluginFailed

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(sweep.definition.name, total=sweep.count)

        def on_outcome(outcome: Outcome) -> None:
            bar.advance(task)
            if isinstance(outcome, PluginFailed):
                click.echo(f"{outcome.error} (in {outcome.label})", err=True)

        yield on_outcome


def _print_messages(summary: Summary) -> None:
    """Print errors, then failures, then notes on stderr."""
    notes = [f"note: {note}" for note in summary.format_notes()]
    for lines in (summary.format_errors(), summary.format_failures(), notes):
        for line in lines[:MAX_LINES]:
            click.echo(line, err=True)
        if len(lines) > MAX_LINES:
            click.echo(f"and {len(lines) - MAX_LINES:,} more of this kind; use --format json to list all", err=True)


def _format_summary(sweep: Sweep, summary: Summary) -> str:
    """Return the number of combinations by outcome, in one line."""
    parts = {
        "excluded by 'where'": summary.num_excluded,
        "invalid": summary.num_rejected,
        "duplicates": len(summary.duplicates),
        "failed": sum(occurrences.count for occurrences in summary.failures.values()),
    }
    rest = "".join(f", {count:,} {outcome}" for outcome, count in parts.items() if count)
    base = f" of {sweep.definition.base_reference}" if sweep.definition.base_reference else ""
    return f"{sweep.definition.name}: {summary.num_variants:,} variant{'s' * (summary.num_variants != 1)}{base}{rest}"


def _choose_exit_code(sweep: Sweep, summary: Summary) -> ExitCode:
    if summary.failures:
        return ExitCode.PLUGIN
    is_invalid = summary.num_rejected and sweep.definition.on_invalid != "skip"
    return ExitCode.INVALID if is_invalid or not summary.num_variants else ExitCode.OK
