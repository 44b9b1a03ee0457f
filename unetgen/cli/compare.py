"""unetgen compare: tabulate networks side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unetgen.analysis.measures import COST_METRICS
from unetgen.atomic_files import is_disk_failure
from unetgen.cli.options import InputSize, OutFile, load_command_registry, plugin_option
from unetgen.cli.output_format import remember_format
from unetgen.errors import FileWriteError

if TYPE_CHECKING:
    from unetgen.ablation.comparison.comparison import Comparison
    from unetgen.config.registry.registry import Registry
    from unetgen.outputs.data_table import DataTable

_EPILOG = """\b
Examples:
  unetgen compare unet_paper unet_milesial
  unetgen compare variants --sort -params --pareto params macs
  unetgen compare variants --format latex -o table.tex
  unetgen compare unet_milesial mine.yaml --weights"""

_FORMATS = ("text", "csv", "markdown", "latex", "json")


@click.command(epilog=_EPILOG)
@click.argument("specs", nargs=-1, required=True)
@click.option("--base", metavar="NAME", help="Network to compare the others with (default: the first).")
@click.option("--input-size", type=InputSize(), help="Input size of all networks: 256x256, or one number.")
@click.option("--sort", metavar="COLUMN", help="Sort the rows by a column; -COLUMN sorts in descending order.")
@click.option(
    "--pareto",
    nargs=2,
    type=click.Choice(list(COST_METRICS)),
    metavar="METRIC METRIC",
    help="Keep only the Pareto-optimal networks for two of: " + ", ".join(COST_METRICS) + ".",
)
@click.option("--weights", is_flag=True, help="Show which modules have the same initial weights for equal seeds.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(_FORMATS),
    default="text",
    callback=remember_format,
    help="Format of the table.",
)
@click.option("-o", "--out", type=OutFile(), help="Output file (default: stdout).")
@plugin_option
def command(  # noqa: PLR0913  # one parameter per option
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
    """Tabulate how SPECS differ, and their costs. Each is a file, a shipped spec or a sweep directory."""
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
    """Print or write a table."""
    if output_format == "text":
        # Up to three networks are easier to read as columns.
        text = table.text(transposed=len(table.rows) <= 3 < len(table.columns))
    else:
        text = str(getattr(table, output_format)())
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot write {out}: {str(error.strerror or error).lower()}; choose another file"
        if is_disk_failure(error):
            raise FileWriteError(message) from None
        raise click.UsageError(message) from None


def _reject_options(options: dict[str, object]) -> None:
    """Reject options that have no effect on the table of initial weights."""
    for option, value in options.items():
        if value is not None:
            raise click.UsageError(f"{option} has no effect with --weights; remove one of them")


def _describe_pareto(comparison: Comparison, num_kept: int, pareto: tuple[str, str] | None) -> list[str]:
    if not pareto:
        return []
    titles = " and ".join(COST_METRICS[metric].title for metric in pareto)
    return [f"{num_kept} of {len(comparison.rows)} networks are Pareto-optimal in {titles}"]


def _build_weights_table(specs: tuple[str, ...], base: str | None, registry: Registry) -> DataTable:
    from unetgen.ablation.comparison.initial_weights import build_weights_table

    if len(specs) < 2 and not Path(specs[0]).is_dir():
        raise click.UsageError("--weights requires at least two networks")
    return build_weights_table(specs, registry, base)
