"""unetgen compare: networks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unetgen.analysis.measures import COST_METRICS
from unetgen.cli.options import InputSize, OutFile, load_command_registry, plugin_option
from unetgen.cli.output_format import remember_format
from unetgen.errors import FileWriteError, is_disk_failure

if TYPE_CHECKING:
    from unetgen.ablation.comparison.comparison import Comparison
    from unetgen.config.registry.registry import Registry
    from unetgen.outputs.table import DataTable

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
    type=click.Choice(list(COST_METRICS)),
    metavar="MEASURE MEASURE",
    help="Keep the networks that no other beats in both: " + ", ".join(COST_METRICS) + ".",
)
@click.option("--weights", is_flag=True, help="Tell which modules start from the same weights under equal seeds.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(_FORMATS),
    default="text",
    callback=remember_format,
    help="How the table is written.",
)
@click.option("-o", "--out", type=OutFile(), help="Write to a file, not to stdout.")
@plugin_option
def command(  # noqa: PLR0913  # as many as there are options
    specs: tuple[str, ...],
    base: str | None,
    input_size: tuple[int, ...] | None,
    sort: str | None,
    pareto: tuple[str, str] | None,
    output_format: str,
    out: Path | None,
    plugins: tuple[str, ...],
    *,
    weights: bool,
) -> None:
    """Tabulate what differs between SPECS, and what it costs: files, shipped specs' names, or a sweep's directory."""
    from unetgen.ablation.comparison.comparison import Comparison

    registry = load_command_registry(plugins)
    if weights:
        _reject_options({"--sort": sort, "--pareto": pareto, "--input-size": input_size})
        _write_table(_build_weights_table(specs, base, registry), output_format, out)
        return
    comparison = Comparison.of(specs, registry, input_size, base)
    names = comparison.sort_names(sort) if sort is not None else list(comparison.rows)
    if pareto:
        names = comparison.find_pareto_front(pareto, names)
    _write_table(comparison.to_table(names), output_format, out)
    for note in [*_describe_pareto(comparison, len(names), pareto), *comparison.format_notes()]:
        click.echo(f"note: {note}", err=True)


def _write_table(table: DataTable, output_format: str, out: Path | None) -> None:
    """Prints or writes a sheet."""
    if output_format == "text":
        # Two or three networks are read side by side, down their differences.
        text = table.text(transposed=len(table.rows) <= 3 < len(table.columns))
    else:
        text = str(getattr(table, output_format)())
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        what = str(error.strerror or error).lower()
        if is_disk_failure(error):
            raise FileWriteError(f"cannot write {out}: {what}; choose another file") from None
        raise click.UsageError(f"cannot write {out}: {what}; choose another file") from None


def _reject_options(options: dict[str, object]) -> None:
    """Refuses options that say nothing of first weights."""
    for option, value in options.items():
        if value is not None:
            raise click.UsageError(f"{option} has no effect with --weights; leave one of the two out")


def _describe_pareto(comparison: Comparison, num_kept: int, pareto: tuple[str, str] | None) -> list[str]:
    if not pareto:
        return []
    titles = " and ".join(COST_METRICS[measure].title for measure in pareto)
    return [f"{num_kept} of {len(comparison.rows)} networks are beaten by no other in both {titles}"]


def _build_weights_table(specs: tuple[str, ...], base: str | None, registry: Registry) -> DataTable:
    from unetgen.ablation.comparison.initial_weights import build_weights_table

    if len(specs) < 2 and not Path(specs[0]).is_dir():
        raise click.UsageError("--weights compares networks; give two")
    return build_weights_table(specs, registry, base)
