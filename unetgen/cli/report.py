"""unetgen report: tabulate the results of trials, or write them as an HTML report."""

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
  unetgen report fusion                       the table, also while trials run
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
@click.option("-o", "--out", type=OutFile(), help="Output file: " + ", ".join(_FORMAT_BY_SUFFIX) + ".")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(list(_FORMAT_BY_SUFFIX.values())),
    callback=remember_format,
    help="Format (default: from the file's suffix).",
)
@click.option("--sort", metavar="COLUMN", help="Sort the rows by a column; -COLUMN sorts in descending order.")
@click.option("--base", metavar="NAME", help="Variant to compare the others with (default: the sweep's base).")
@plugin_option
def command(
    sweep: Path,
    out: Path | None,
    output_format: str | None,
    sort: str | None,
    base: str | None,
    plugins: tuple[str, ...],
) -> None:
    """Tabulate the results of the trials of SWEEP, a directory or a file.

    Shows means and standard deviations over the seeds, and for each variant whether it differs significantly from the
    base.
    """
    from unetgen.ablation.runs.run_directory import resolve_run_directory

    folder = resolve_run_directory(sweep, None)
    output_format = output_format or (_FORMAT_BY_SUFFIX.get(out.suffix.lower(), "") if out else "text")
    if not output_format:
        raise click.UsageError(f"unknown suffix of {out}; use one of {', '.join(_FORMAT_BY_SUFFIX)}")
    table = _load_results_table(folder, base)
    if output_format == "html":
        from unetgen.ablation.results.html_report.rendering import render_html

        text = render_html(folder, plugins, base, sort)
    else:
        text = getattr(table.sheet(sort), output_format)()
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
    if note := _describe_unfinished(table):
        click.echo(f"note: {note}; run them with: unetgen run {sweep} --resume", err=True)


def _load_results_table(folder: Path, base: str | None) -> ResultsTable:
    from unetgen.ablation.results.database import ResultsDatabase
    from unetgen.ablation.results.results_table import ResultsTable

    with ResultsDatabase.open(folder, writing=False) as database:
        return ResultsTable.of(database, base)


def _describe_unfinished(table: ResultsTable) -> str:
    """Return the number of unfinished trials by state; empty if all have finished."""
    counts = {state: count for state, count in table.counts().items() if state != "finished" and count}
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"of {len(table.trial_rows)} trials, {states}" if states else ""
