"""unetgen sweep: the variants of an ablation, checked, measured, and written one by one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import InputSize, format_option, plugin_option, registry_with
from unetgen.errors import ExitCode

if TYPE_CHECKING:
    from unetgen.ablation.summary import Summary
    from unetgen.ablation.sweep import Outcome, Sweep

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
ROWS, LINES = 40, 20


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
    form: str,
    plugins: tuple[str, ...],
    *,
    fail_fast: bool,
) -> int:
    """Make, check and measure the variants of a sweep's FILE.

    Exits with 1 if a combination is invalid or cannot be matched, unless on_invalid is skip; with 3 if a plugin fails.
    """
    from unetgen.ablation.storage.directory import keeps, write_sweep
    from unetgen.ablation.summary import walk
    from unetgen.ablation.sweep import sweep

    opened = sweep(file, registry=registry_with(plugins), input_size=input_size)
    if on_invalid:
        opened.file = replace(opened.file, on_invalid=on_invalid)
    listing = _Json(opened) if form == "json" else _Table(opened)
    with _progress(opened) as step:
        hear = (step, listing.add)
        if out is None:
            summary = walk(opened, *hear, fail_fast=fail_fast)
        else:
            summary = write_sweep(opened, out, written_as, *hear, fail_fast=fail_fast)
    listing.close(summary)
    _tell(summary)
    if form == "text":
        where = f"written to {out}" if keeps(opened, summary) else "nothing is written"
        click.echo(_result(opened, summary) + (f"; {where}" if out else ""))
    return _code(opened, summary)


class _Table:
    """The first variants for people."""

    def __init__(self, sweep: Sweep) -> None:
        self.matched = sweep.file.budget is not None
        self.rows: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, outcome: Outcome) -> None:
        from unetgen.ablation.variant import Variant

        if not isinstance(outcome, Variant):
            return
        self.count += 1
        if self.count <= ROWS:
            cost, match = outcome.report.cost, outcome.match
            scaled = ", ".join(f"{path} {value}" for path, value in match.settings.items()) if match else ""
            self.rows.append((outcome.name, cost.params, cost.macs, match.deviation if match else None, scaled))

    def close(self, summary: Summary) -> None:
        if not self.rows:
            return
        from unetgen.outputs.sheet import Column, Sheet

        columns = [
            Column("name", "variant"),
            Column("params", "parameters", "{:,}".format, number=True),
            Column("macs", "MACs", "{:,}".format, number=True),
            Column("deviation", "off budget", "{:+.2%}".format, number=True),
            Column("scaled", "matched by"),
        ]
        shown = columns if self.matched else columns[:3]
        click.echo(Sheet(tuple(shown), tuple(row[: len(shown)] for row in self.rows)).text())
        if self.count > ROWS:
            click.echo(f"and {self.count - ROWS:,} more\n")


class _Json:
    """All variants for programs."""

    def __init__(self, sweep: Sweep) -> None:
        from unetgen.ablation.storage.index import JsonIndex

        self.index = JsonIndex(sys.stdout, sweep)

    def add(self, outcome: Outcome) -> None:
        from unetgen.ablation.storage.index import record_of
        from unetgen.ablation.variant import Variant

        if isinstance(outcome, Variant):
            self.index.add(record_of(outcome))

    def close(self, summary: Summary) -> None:
        self.index.close(summary)


@contextmanager
def _progress(sweep: Sweep) -> Iterator[Any]:
    """A bar on a terminal that is told every outcome; a plugin's failure is told at once."""
    from rich.console import Console
    from rich.progress import Progress

    from unetgen.ablation.outcome import Failed

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(sweep.file.name, total=sweep.count)

        def step(outcome: Outcome) -> None:
            bar.advance(task)
            if isinstance(outcome, Failed):
                click.echo(f"{outcome.error} (in {outcome.words})", err=True)

        yield step


def _tell(summary: Summary) -> None:
    """What is wrong, then what should be known, on stderr."""
    notes = [f"note: {note}" for note in summary.notes()]
    for lines in (summary.complaints(), summary.failed(), notes):
        for line in lines[:LINES]:
            click.echo(line, err=True)
        if len(lines) > LINES:
            click.echo(f"and {len(lines) - LINES:,} more of this kind; --format json has all of them", err=True)


def _result(sweep: Sweep, summary: Summary) -> str:
    """What became of the combinations, in one line."""
    parts = {
        "left out by 'where'": summary.left_out,
        "refused": summary.refused,
        "the same as others": len(summary.duplicates),
        "failed": sum(mention.count for mention in summary.failures.values()),
    }
    rest = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
    base = f" of {sweep.file.base_name}" if sweep.file.base_name else ""
    return f"{sweep.file.name}: {summary.variants:,} variant{'s' * (summary.variants != 1)}{base}{rest}"


def _code(sweep: Sweep, summary: Summary) -> ExitCode:
    if summary.failures:
        return ExitCode.PLUGIN
    refused = summary.refused and sweep.file.on_invalid != "skip"
    return ExitCode.INVALID if refused or not summary.variants else ExitCode.OK
