"""unetgen report: what trials found, as a table or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unetgen.cli.options import OutFile, plugin_option
from unetgen.cli.output_format import remember_format

if TYPE_CHECKING:
    from unetgen.ablation.results.results_table import ResultsTable

_EPILOG = """\b
Examples:
  unetgen report fusion                       the table, while trials still run too
  unetgen report fusion -o report.html        with plots, learning curves and figures, in one file
  unetgen report fusion -o table.tex --sort -dice
  unetgen report fusion --format csv"""

_FORMAT_BY_SUFFIX = {
    ".html": "html",
    ".csv": "csv",
    ".md": "markdown",
    ".tex": "latex",
    ".json": "json",
    ".txt": "text",
}


@click.command(epilog=_EPILOG)
@click.argument("sweep", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=OutFile(), help="Write to a file: " + ", ".join(_FORMAT_BY_SUFFIX) + ".")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(_FORMAT_BY_SUFFIX.values())),
    callback=remember_format,
    help="Else by the file's suffix.",
)
@click.option("--sort", metavar="COLUMN", help="Order the rows by a column; with - before its name the other way.")
@click.option("--base", metavar="NAME", help="The variant that the others are measured by; else the sweep's base.")
@plugin_option
def command(
    sweep: Path,
    out: Path | None,
    output_format: str | None,
    sort: str | None,
    base: str | None,
    plugins: tuple[str, ...],
) -> None:
    """Tabulate what the trials of SWEEP found, its directory or its file.

    Means and deviations over the seeds, and for each variant whether it differs from the base by more than they do.
    """
    from unetgen.ablation.runs.run_directory import resolve_run_directory

    folder = resolve_run_directory(sweep, None)
    output_format = output_format or (_FORMAT_BY_SUFFIX.get(out.suffix.lower(), "") if out else "text")
    if not output_format:
        raise click.UsageError(f"{out} has no suffix of a table or page; use one of {', '.join(_FORMAT_BY_SUFFIX)}")
    standings = _load_results_table(folder, base)
    if output_format == "html":
        from unetgen.ablation.results.html_report.rendering import render_html

        text = render_html(folder, plugins, base, sort)
    else:
        text = getattr(standings.sheet(sort), output_format)()
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
    if note := _describe_unfinished(standings):
        click.echo(f"note: {note}; unetgen run {sweep} --resume carries them out", err=True)


def _load_results_table(folder: Path, base: str | None) -> ResultsTable:
    from unetgen.ablation.results.database import ResultsDatabase
    from unetgen.ablation.results.results_table import ResultsTable

    with ResultsDatabase.open(folder, writing=False) as ledger:
        return ResultsTable.of(ledger, base)


def _describe_unfinished(table: ResultsTable) -> str:
    """How many trials there are no results of; nothing where there are none."""
    counts = {state: count for state, count in table.counts().items() if state != "finished" and count}
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"of {len(table.trial_rows)} trials {told}" if told else ""
