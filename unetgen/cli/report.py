"""unetgen report: what trials found, as a table or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unetgen.cli.options import OutFile, plugin_option

if TYPE_CHECKING:
    from unetgen.ablation.results.standings import Standings

_EPILOG = """\b
Examples:
  unetgen report fusion                       the table, while trials still run too
  unetgen report fusion -o report.html        with plots, learning curves and figures, in one file
  unetgen report fusion -o table.tex --sort -dice
  unetgen report fusion --format csv"""

_SUFFIXES = {".html": "html", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".json": "json", ".txt": "text"}


@click.command(epilog=_EPILOG)
@click.argument("sweep", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=OutFile(), help="Write to a file: " + ", ".join(_SUFFIXES) + ".")
@click.option("--format", "form", type=click.Choice(list(_SUFFIXES.values())), help="Else by the file's suffix.")
@click.option("--sort", metavar="COLUMN", help="Order the rows by a column; with - before its name the other way.")
@click.option("--base", metavar="NAME", help="The variant that the others are measured by; else the sweep's base.")
@plugin_option
def command(
    sweep: Path, out: Path | None, form: str | None, sort: str | None, base: str | None, plugins: tuple[str, ...]
) -> None:
    """Tabulate what the trials of SWEEP found, its directory or its file.

    Means and deviations over the seeds, and for each variant whether it differs from the base by more than they do.
    """
    from unetgen.ablation.running.folder import place_of

    folder = place_of(sweep, None)
    form = form or (_SUFFIXES.get(out.suffix.lower(), "") if out else "text")
    if not form:
        raise click.UsageError(f"{out} has no suffix of a table or page; use one of {', '.join(_SUFFIXES)}")
    standings = _standings(folder, base)
    if form == "html":
        from unetgen.ablation.page.page import page

        text = page(folder, plugins, base, sort)
    else:
        text = getattr(standings.sheet(sort), form)()
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
    if note := _unfinished(standings):
        click.echo(f"note: {note}; unetgen run {sweep} --resume carries them out", err=True)


def _standings(folder: Path, base: str | None) -> Standings:
    from unetgen.ablation.results.ledger import Ledger
    from unetgen.ablation.results.standings import Standings

    with Ledger.open(folder, writing=False) as ledger:
        return Standings.of(ledger, base)


def _unfinished(standings: Standings) -> str:
    """How many trials there are no results of; nothing where there are none."""
    counts = {state: count for state, count in standings.counts().items() if state != "finished" and count}
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"of {len(standings.records)} trials {told}" if told else ""
