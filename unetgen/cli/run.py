"""unetgen run: the trials of a sweep, from variants to a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import format_option, plugin_option
from unetgen.errors import ExitCode

if TYPE_CHECKING:
    from unetgen.ablation.results.results_table import ResultsTable
    from unetgen.ablation.runs.engines.engine import Engine
    from unetgen.ablation.runs.run_directory import SkippedCombinations

_EPILOG = """\b
Examples:
  unetgen run fusion.yaml --trial unetgen.trials:cost
  unetgen run fusion.yaml --trial unetgen.trials:segmentation --with images=data/image --with masks=data/label
  unetgen run fusion.yaml --trial train.py:fit --with epochs=20 --repeat 5 --workers 2
  unetgen run fusion.yaml --resume            what is missing or failed, nothing else
  unetgen report fusion -o fusion.html        the table, plots and figures in one file

\b
A trial is a function, in a module or a file:
  def fit(model, spec, context, epochs=10):
      ...                                     # context: seed, device, directory, checkpoint, report(step, loss=...)
      return {"dice": 0.91}

Results are in results.sqlite in the sweep's directory. A trial that is finished is never lost, and never run again."""


# What shells take for a process that Ctrl-C has ended.
INTERRUPTED_EXIT_CODE = 130


@click.command(epilog=_EPILOG)
@click.argument("sweep")
@click.option("--trial", metavar="MODULE:FUNCTION", help="What is carried out: module:function, or file.py:function.")
@click.option("--with", "options", multiple=True, metavar="NAME=VALUE", help="An option of the trial. May be repeated.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), metavar="DIR", help="Where results lie; else by the file's name."
)
@click.option("--repeat", type=click.IntRange(1), metavar="N", help="So many seeds for each variant, else one.")
@click.option(
    "--seed", type=click.IntRange(0), metavar="N", help="The first seed, else 0; with --resume they are added."
)
@click.option("--resume", is_flag=True, help="Go on with what is missing or failed.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first trial that fails.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="End a trial that takes longer."
)
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", help="What carries trials out.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, metavar="N", help="So many trials at a time on this machine."
)
@click.option(
    "--cpus", type=click.IntRange(1), metavar="N", help="Threads for one trial; else the cores by the workers."
)
@click.option("--gpus", type=click.FloatRange(0), default=0, metavar="N", help="GPUs for one trial, with --engine ray.")
@click.option(
    "--address",
    metavar="ADDRESS",
    help="The cluster, with --engine ray, or local; else one that runs here, else local.",
)
@click.option("--device", default="auto", help="cpu, cuda, cuda:1; else a GPU where there is one.")
@format_option
@plugin_option
def command(
    sweep: str, *, out: Path | None, options: tuple[str, ...], engine: str, timeout: float | None, device: str,
    output_format: str, **run_options: Any,
) -> int:  # fmt: skip
    """Carry out a trial for every variant of SWEEP, a file or a directory, and tabulate what they found.

    Exits with 1 if a combination is invalid, unless on_invalid is skip; with 3 if a trial failed, with 5 if the disk or
    the cluster failed, with 130 if it was interrupted.
    """
    from unetgen.ablation.runs.run import run
    from unetgen.ablation.runs.run_directory import resolve_run_directory
    from unetgen.ablation.runs.trial import TrialLimits
    from unetgen.cli.run_progress import open_progress_listener

    machines = {name: run_options.pop(name) for name in ("workers", "cpus", "gpus", "address")}
    machines["cpus"] = machines["cpus"] or _choose_threads(engine, machines["workers"])
    conditions = TrialLimits(device, machines["cpus"], timeout)
    folder, chosen = resolve_run_directory(sweep, out), _build_engine(engine, **machines)
    try:
        with open_progress_listener(folder) as listener:
            standings = run(
                sweep, out=out, options=_parse_options(options), engine=chosen, conditions=conditions, listener=listener,
                **run_options,
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(f"interrupted; what is finished is in {folder}, --resume goes on", err=True)
        return INTERRUPTED_EXIT_CODE
    return _print_summary(standings, listener.skipped, folder, as_json=output_format == "json")


def _choose_threads(engine: str, workers: int) -> int:
    """The threads of one trial where nobody says."""
    return 1 if engine == "ray" else max(1, (os.cpu_count() or 1) // workers)


def _parse_options(assignments: Sequence[str]) -> dict[str, Any]:
    """The trial's options; values are read as those of ``--set`` are."""
    from unetgen.config.yaml.parser import parse_yaml_value

    found: dict[str, Any] = {}
    for option in assignments:
        name, equals, value = option.partition("=")
        if not equals or not name.isidentifier():
            raise click.UsageError(f"--with {option!r} says nothing; write --with NAME=VALUE")
        if name in found:
            raise click.UsageError(f"--with {name} is given more than once; give it once")
        found[name] = parse_yaml_value(value, f"--with {option}", name).to_data()
    return found


def _build_engine(name: str, *, workers: int, cpus: int, gpus: float, address: str | None) -> Engine:
    if name == "ray":
        from unetgen.ablation.runs.engines.ray import RayEngine

        return RayEngine(cpus, gpus, address)
    if gpus or address:
        raise click.UsageError("--gpus and --address are for --engine ray; here --device chooses")
    from unetgen.ablation.runs.engines.local import LocalEngine

    return LocalEngine(workers)


def _print_summary(table: ResultsTable, skipped: SkippedCombinations, folder: Path, *, as_json: bool) -> int:
    """Print the table, then errors, then the final counts; with ``as_json`` stdout gets the table alone."""
    click.echo(table.sheet().json() if as_json else f"{table.sheet().text()}\n", nl=False)
    for line in [*skipped.refused, *skipped.failed]:
        click.echo(line, err=True)
    counts = table.counts()
    rest = "".join(f", {counts[state]:,} {state}" for state in ("failed", "waiting") if counts[state])
    finished = f"{counts['finished']:,} trial{'s' * (counts['finished'] != 1)} finished"
    click.echo(f"{finished}{rest}; results are in {folder}", err=as_json)
    if counts["failed"] or skipped.failed:
        return ExitCode.PLUGIN
    return ExitCode.INVALID if skipped.invalid else ExitCode.OK
