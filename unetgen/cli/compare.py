"""unetgen compare: networks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unetgen.cli.options import InputSize, OutFile, plugin_option, registry_with
from unetgen.outputs.measures import MEASURES

if TYPE_CHECKING:
    from unetgen.ablation.comparison.comparison import Comparison
    from unetgen.config.registry import Registry
    from unetgen.outputs.sheet import Sheet

_EPILOG = """\b
Examples:
  unetgen compare unet_paper unet_milesial
  unetgen compare variants --sort -params --pareto params macs
  unetgen compare variants --format latex -o table.tex
  unetgen compare unet_milesial mine.yaml --weights"""

_FORMATS = ("text", "csv", "markdown", "latex", "json")


@click.command(epilog=_EPILOG)
@click.argument("specs", nargs=-1, required=True)
@click.option("--base", metavar="NAME", help="The network that the others are measured by; else the first.")
@click.option("--input-size", type=InputSize(), help="Measure all at this size: 256x256, or one number for all axes.")
@click.option("--sort", metavar="COLUMN", help="Order the rows by a column; with - before its name the other way.")
@click.option(
    "--pareto",
    nargs=2,
    type=click.Choice(list(MEASURES)),
    metavar="MEASURE MEASURE",
    help="Keep the networks that no other beats in both: " + ", ".join(MEASURES) + ".",
)
@click.option("--weights", is_flag=True, help="Tell which modules start from the same weights under equal seeds.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", help="How the table is written.")
@click.option("-o", "--out", type=OutFile(), help="Write to a file, not to stdout.")
@plugin_option
def command(  # noqa: PLR0913  # as many as there are options
    specs: tuple[str, ...],
    base: str | None,
    input_size: tuple[int, ...] | None,
    sort: str | None,
    pareto: tuple[str, str] | None,
    form: str,
    out: Path | None,
    plugins: tuple[str, ...],
    *,
    weights: bool,
) -> None:
    """Tabulate what differs between SPECS, and what it costs: files, shipped specs' names, or a sweep's directory."""
    from unetgen.ablation.comparison.comparison import Comparison

    registry = registry_with(plugins)
    if weights:
        _refuse({"--sort": sort, "--pareto": pareto, "--input-size": input_size})
        _put(_weights(specs, base, registry), form, out)
        return
    comparison = Comparison.of(specs, registry, input_size, base)
    names = comparison.ordered(sort) if sort is not None else list(comparison.rows)
    if pareto:
        names = comparison.front(pareto, names)
    _put(comparison.sheet(names), form, out)
    for note in [*_left_out(comparison, len(names), pareto), *comparison.notes()]:
        click.echo(f"note: {note}", err=True)


def _put(sheet: Sheet, form: str, out: Path | None) -> None:
    """Prints or writes a sheet."""
    if form == "text":
        # Two or three networks are read side by side, down their differences.
        text = sheet.text(turned=len(sheet.rows) <= 3 < len(sheet.columns))
    else:
        text = str(getattr(sheet, form)())
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        what = str(error.strerror or error).lower()
        raise click.UsageError(f"cannot write {out}: {what}; choose another file") from None


def _refuse(given: dict[str, object]) -> None:
    """Refuses options that say nothing of first weights."""
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(f"{option} has no effect with --weights; leave one of the two out")


def _left_out(comparison: Comparison, kept: int, pareto: tuple[str, str] | None) -> list[str]:
    if not pareto:
        return []
    titles = " and ".join(MEASURES[measure].title for measure in pareto)
    return [f"{kept} of {len(comparison.rows)} networks are beaten by no other in both {titles}"]


def _weights(specs: tuple[str, ...], base: str | None, registry: Registry) -> Sheet:
    from unetgen.ablation.comparison.first_weights import compared

    if len(specs) < 2 and not Path(specs[0]).is_dir():
        raise click.UsageError("--weights compares networks; give two")
    return compared(specs, registry, base)
