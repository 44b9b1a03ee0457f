"""unetgen run: run the trials of a sweep, and print the table of their results."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unetgen.cli.options import format_option, plugin_option
from unetgen.errors import ExitCode

if TYPE_CHECKING:
    from unetgen.ablation.results.results_table import ResultsTable
    from unetgen.ablation.runs.change_policy import ChangePolicy
    from unetgen.ablation.runs.engines.engine import Engine
    from unetgen.ablation.runs.run_directory import SkippedCombinations

_EPILOG = """\b
Examples:
  unetgen run fusion.yaml --trial unetgen.trials:cost
  unetgen run fusion.yaml --trial unetgen.trials:segmentation --with images=data/image --with masks=data/label
  unetgen run fusion.yaml --trial train.py:fit --with epochs=20 --repeat 5 --workers 2
  unetgen run fusion.yaml --resume            only missing and failed trials
  unetgen run fusion.yaml --trial train.py:fit --workers 0    in this process, for a debugger
  unetgen report fusion -o fusion.html        the table, plots and figures in one file

\b
A trial is a function, in a module or a file:
  def fit(model, spec, context, epochs=10):
      ...                                     # context: seed, device, directory, checkpoint, report(step, loss=...)
      return {"dice": 0.91}

Results are stored in results.sqlite in the results directory. A finished trial is never lost and never repeated."""


# The shells' exit code for a process that Ctrl-C ended.
INTERRUPTED_EXIT_CODE = 130


@click.command(epilog=_EPILOG)
@click.argument("sweep")
@click.option("--trial", metavar="MODULE:FUNCTION", help="The trial function: module:function, or file.py:function.")
@click.option("--with", "options", multiple=True, metavar="NAME=VALUE", help="Set an option of the trial. Repeatable.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Results directory (default: named after the sweep file).",
)
@click.option("--repeat", type=click.IntRange(1), metavar="N", help="Number of seeds per variant (default: 1).")
@click.option(
    "--seed", type=click.IntRange(0), metavar="N", help="First seed (default: 0); with --resume, seeds are added."
)
@click.option("--resume", is_flag=True, help="Run only missing and failed trials.")
@click.option("--rerun-changed", is_flag=True, help="With --resume: repeat trials whose code, data or plugins changed.")
@click.option("--accept-changes", is_flag=True, help="With --resume: keep their results, marked as outdated.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first trial that fails.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="Stop a trial that takes longer."
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Run trials in processes of this machine, or on Ray.",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=1,
    metavar="N",
    help="Number of parallel trials (default: 1); 0 runs them in this process, for debuggers.",
)
@click.option(
    "--cpus", type=click.IntRange(1), metavar="N", help="Threads per trial (default: the cores divided by the workers)."
)
@click.option("--gpus", type=click.FloatRange(0), default=0, metavar="N", help="GPUs per trial, with --engine ray.")
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Ray cluster, or local to start one (default: a running one, else local).",
)
@click.option("--device", default="auto", help="Device: cpu, cuda, cuda:1 (default: a GPU if available).")
@format_option
@plugin_option
def command(
    sweep: str, *, out: Path | None, options: tuple[str, ...], engine: str, timeout: float | None, device: str,
    output_format: str, **run_options: Any,
) -> int:  # fmt: skip
    """Run a trial for every variant of SWEEP, a file or a directory, and tabulate the results.

    Exits with 1 if a combination is invalid, unless on_invalid is skip; with 3 if a trial failed, with 5 if the disk or
    the cluster failed, with 130 if it was interrupted.
    """
    from unetgen.ablation.runs.run import run
    from unetgen.ablation.runs.run_directory import resolve_run_directory
    from unetgen.ablation.runs.trial import TrialLimits
    from unetgen.cli.run_progress import open_progress_listener

    run_options["changes"] = _choose_change_policy(
        rerun=run_options.pop("rerun_changed"), accept=run_options.pop("accept_changes"), resume=run_options["resume"]
    )
    resources = {name: run_options.pop(name) for name in ("workers", "cpus", "gpus", "address")}
    workers, as_json = resources["workers"], output_format == "json"
    resources["cpus"] = resources["cpus"] or _choose_threads(engine, workers)
    folder, chosen = resolve_run_directory(sweep, out), _build_engine(engine, **resources)
    try:
        with _stdout_for_trials(as_json=as_json), open_progress_listener(folder, has_bar=workers > 0) as listener:
            table = run(
                sweep, out=out, options=_parse_options(options), engine=chosen, workers=None if chosen else workers,
                conditions=TrialLimits(device, resources["cpus"], timeout), listener=listener, **run_options,
            )  # fmt: skip
    except KeyboardInterrupt:
        click.echo(f"interrupted; finished trials are in {folder}; use --resume to continue", err=True)
        return INTERRUPTED_EXIT_CODE
    return _print_summary(table, listener.skipped, folder, as_json=as_json)


def _choose_change_policy(*, rerun: bool, accept: bool, resume: bool) -> ChangePolicy:
    if rerun and accept:
        raise click.UsageError("--rerun-changed and --accept-changes exclude each other; remove one of them")
    if (rerun or accept) and not resume:
        raise click.UsageError(
            f"--{'rerun-changed' if rerun else 'accept-changes'} has no effect without --resume; add it"
        )
    return "rerun" if rerun else "accept" if accept else "refuse"


def _stdout_for_trials(*, as_json: bool) -> AbstractContextManager[Any]:
    """Keep what trials print in this process out of the JSON on stdout."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def _choose_threads(engine: str, workers: int) -> int:
    """Return the default number of threads of a trial."""
    return 1 if engine == "ray" else max(1, (os.cpu_count() or 1) // max(1, workers))


def _parse_options(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse the trial's options; values are YAML, as those of ``--set``."""
    from unetgen.config.yaml.parser import parse_yaml_value

    parsed: dict[str, Any] = {}
    for option in assignments:
        name, equals, value = option.partition("=")
        if not equals or not name.isidentifier():
            raise click.UsageError(f"--with {option!r} is not an assignment; use --with NAME=VALUE")
        if name in parsed:
            raise click.UsageError(f"--with {name} is set more than once; set it once")
        parsed[name] = parse_yaml_value(value, f"--with {option}", name).to_data()
    return parsed


def _build_engine(name: str, *, workers: int, cpus: int, gpus: float, address: str | None) -> Engine | None:
    """Return the engine that the options choose, or None if the number of workers determines it."""
    if name == "ray":
        if workers == 0:
            raise click.UsageError("--workers 0 runs trials in this process, not on Ray; remove --engine ray")
        from unetgen.ablation.runs.engines.ray import RayEngine

        return RayEngine(cpus, gpus, address)
    if gpus or address:
        raise click.UsageError("--gpus and --address require --engine ray; use --device instead")
    return None


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
