"""Running: what a person sees of a run, a bar on a terminal, and every failure when it happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unetgen.ablation.running.engine import Ended, Event
from unetgen.ablation.running.folder import Absent
from unetgen.ablation.running.log import LOG
from unetgen.ablation.running.run import Listener
from unetgen.ablation.running.trial import Trial


class Terminal(Listener):
    """Tells on stderr; a bar with the time that is left stands below while it is a terminal."""

    def __init__(self, progress: Progress, folder: Path) -> None:
        self.missing = Absent()
        self._progress, self._folder, self._failed = progress, folder, 0
        self._task = progress.add_task("trials", total=None)

    def absent(self, absent: Absent) -> None:
        self.missing = absent

    def planned(self, trials: Sequence[Trial], done: int) -> None:
        self._progress.update(self._task, total=len(trials))
        if done:
            click.echo(f"{done:,} finished before, {len(trials):,} to do", err=True)

    def hear(self, event: Event) -> None:
        if not isinstance(event, Ended):
            return
        self._progress.advance(self._task)
        if event.result.error:
            self._failed += 1
            self._progress.update(self._task, description=f"trials, {self._failed:,} failed")
            log = self._folder / (event.trial.directory / LOG).relative_to(event.trial.folder)
            click.echo(f"failed: {event.trial.title}: {event.result.error}; its log is {log}", err=True)


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """A listener with its bar."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Terminal(progress, folder)
