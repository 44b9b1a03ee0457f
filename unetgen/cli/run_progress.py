"""Show the progress of ``unetgen run``: a bar on a terminal, and every failure when it happens. Not a command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unetgen.ablation.runs.engines.engine import Event, TrialFinished
from unetgen.ablation.runs.log import LOG_FILE
from unetgen.ablation.runs.run import RunListener
from unetgen.ablation.runs.run_directory import SkippedCombinations
from unetgen.ablation.runs.trial import Trial


class ProgressListener(RunListener):
    """Prints failures on stderr, advances the progress bar, and keeps the skipped combinations."""

    def __init__(self, progress: Progress, folder: Path) -> None:
        self.skipped = SkippedCombinations()
        self._progress, self._folder, self._num_failed = progress, folder, 0
        self._task = progress.add_task("trials", total=None)

    def on_skipped(self, skipped: SkippedCombinations) -> None:
        """Store the skipped combinations, which are printed after the table."""
        self.skipped = skipped

    def on_planned(self, trials_to_run: Sequence[Trial], num_finished_before: int) -> None:
        """Set the bar's length; print the number of trials if the run is resumed."""
        self._progress.update(self._task, total=len(trials_to_run))
        if num_finished_before:
            click.echo(f"{num_finished_before:,} finished before, {len(trials_to_run):,} to run", err=True)

    def on_event(self, event: Event) -> None:
        """Advance the bar when a trial has ended, and print its error."""
        if not isinstance(event, TrialFinished):
            return
        self._progress.advance(self._task)
        if event.result.error:
            self._num_failed += 1
            self._progress.update(self._task, description=f"trials, {self._num_failed:,} failed")
            log = self._folder / (event.trial.directory / LOG_FILE).relative_to(event.trial.run_directory)
            click.echo(f"failed: {event.trial.label}: {event.result.error}; see {log}", err=True)

    def on_inputs_changed_during_run(self, changes: str) -> None:
        """Warn that trials of this run may have used either state of an input."""
        message = f"{changes} while the trials ran, so their results may be of either state; check them"
        click.echo(f"warning: {message}", err=True)


@contextmanager
def open_progress_listener(folder: Path, *, has_bar: bool = True) -> Iterator[ProgressListener]:
    """Show a progress bar while the block runs.

    Args:
        folder: The results directory as it was given, for paths of logs.
        has_bar: Whether to show the bar on a terminal. It would overwrite the prompt of a debugger.

    Yields:
        A listener for the run.
    """
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not (has_bar and console.is_terminal)) as progress:
        yield ProgressListener(progress, folder)
