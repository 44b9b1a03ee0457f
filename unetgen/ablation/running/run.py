"""Run: the trials of a sweep that are missing, carried out by an engine and kept in a ledger."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unetgen.ablation.results.ledger import FILE, Entry, Ledger, Record
from unetgen.ablation.results.standings import Standings
from unetgen.ablation.running.device import check_device
from unetgen.ablation.running.engine import Ended, Engine, Event, Reported, Started
from unetgen.ablation.running.folder import Absent, alone, check_same, listed, place_of, written
from unetgen.ablation.running.local import Local
from unetgen.ablation.running.process import leave_if_read_again
from unetgen.ablation.running.result import receipt
from unetgen.ablation.running.target import baselines_of, better_of, check_options, read_target
from unetgen.ablation.running.trial import Conditions, Trial
from unetgen.errors import RunError
from unetgen.plugins import load_registry

# numpy's generators take as many.
_SEEDS = 2**32


class Listener:
    """Hears how a run is going; each method does nothing unless it is overridden."""

    def absent(self, absent: Absent) -> None:
        """These combinations of the sweep have no trials."""

    def planned(self, trials: Sequence[Trial], done: int) -> None:
        """These are to be carried out, and so many were before."""

    def hear(self, event: Event) -> None:
        """A trial has started, told something, or ended."""


def run(  # noqa: PLR0913  # as many as there is to choose
    sweep: str | Path,
    trial: str | None = None,
    *,
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    repeat: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    fail_fast: bool = False,
    engine: Engine | None = None,
    conditions: Conditions = Conditions(),  # noqa: B008  # it is frozen
    plugins: Sequence[str] = (),
    listener: Listener | None = None,
) -> Standings:
    """Carries out ``trial(model, spec, context, **options) -> metrics`` for every variant and seed of a sweep.

    ``sweep`` is a file or a directory that ``unetgen sweep --out`` wrote; results lie in ``out``, or a folder of the
    file's name, in ``results.sqlite``. ``repeat`` seeds from ``seed`` on, else seed 0 alone. With ``resume`` what is
    missing or failed there is carried out, and nothing else; ``trial`` and ``options`` are then as they were, and seeds
    that are given are added. A trial that fails stops no other, unless ``fail_fast``. ``engine`` has one worker of this
    machine unless given. Raises RunError where it cannot begin or go on, and SpecError where the sweep is wrong.
    """
    leave_if_read_again()
    folder, listener, engine = place_of(sweep, out), listener or Listener(), engine or Local()
    asked = _Asked(sweep, folder, trial, dict(options or {}), tuple(plugins), repeat, seed)
    check_device(conditions.device, here=isinstance(engine, Local))
    with alone(folder), _opened(asked) if resume else _created(asked) as ledger:
        ledger.forget_running()
        listener.absent(Absent(**ledger.settings()["absent"]))
        waiting = _waiting(ledger, folder, conditions)
        listener.planned(waiting, sum(record.state == "finished" for record in ledger.records()))
        try:
            _carry_out(engine, waiting, ledger, listener, fail_fast=fail_fast)
        finally:
            ledger.forget_running()
        return Standings.of(ledger)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a run is to be about."""

    sweep: str | Path
    folder: Path
    trial: str | None
    options: dict[str, Any]
    plugins: tuple[str, ...]
    repeat: int | None
    seed: int | None

    def seeds(self, first: int = 0) -> range:
        """Those that are given, from ``first`` on where no other is. Raises RunError where numpy takes none."""
        start = first if self.seed is None else self.seed
        found = range(start, start + (1 if self.repeat is None else self.repeat))
        if not found or found[0] < 0 or found[-1] >= _SEEDS:
            raise RunError(
                f"there are no seeds from {found.start} to {found.stop - 1}; take some from 0 to {_SEEDS - 1:,}"
            )
        return found


@contextmanager
def _opened(asked: _Asked) -> Iterator[Ledger]:
    """The folder's ledger as it was left. Raises RunError where there is none, or where it is of something else."""
    if not (asked.folder / FILE).is_file():
        raise RunError(f"{asked.folder} has no results to go on from; leave --resume out")
    with Ledger.open(asked.folder) as ledger:
        known = ledger.settings()
        with _where_it_began(asked.folder, known["cwd"]):
            registry = load_registry(known["plugins"])
            check_options(known["trial"], read_target(known["trial"]), known["options"])
        again = {"trial": asked.trial, "options": asked.options or None, "plugins": list(asked.plugins) or None}
        check_same(asked.sweep, asked.folder, known, again, registry)
        if asked.repeat is not None or asked.seed is not None:
            ledger.plan(asked.seeds(min(record.seed for record in ledger.records())))
        yield ledger


@contextmanager
def _where_it_began(folder: Path, cwd: str) -> Iterator[None]:
    """In the folder where the run was begun, which its trial, its options and its plugins may be relative to."""
    with ExitStack() as back:
        try:
            back.enter_context(chdir(cwd))
        except OSError:
            way = "put it back, with what the trial needs there"
            raise RunError(f"{folder} has results of a run that was begun in {cwd}, which is gone; {way}") from None
        yield


@contextmanager
def _created(asked: _Asked) -> Iterator[Ledger]:
    """A new ledger, in the directory of the sweep's variants."""
    if (asked.folder / FILE).is_file():
        raise RunError(f"{asked.folder} has results already; --resume goes on with what is missing there")
    if asked.trial is None:
        raise RunError("there is nothing to carry out; add --trial module:function")
    seeds, function = asked.seeds(), read_target(asked.trial)
    check_options(asked.trial, function, asked.options)
    registry = load_registry(asked.plugins)
    absent = asdict(written(asked.sweep, asked.folder, registry))
    entries, about = listed(asked.folder, registry)
    said = {"trial": asked.trial, "options": asked.options, "plugins": list(asked.plugins), "cwd": str(Path.cwd())}
    settings = {**about, **said, "absent": absent, "better": better_of(function), **_versions()}
    baselines = [Entry(name) for name in baselines_of(function)]
    with Ledger.create(asked.folder, settings, [*entries, *baselines], seeds) as ledger:
        yield ledger


def _versions() -> dict[str, str]:
    return {
        "unetgen": version("unetgen"), "torch": version("torch"), "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip


def _waiting(ledger: Ledger, folder: Path, conditions: Conditions) -> list[Trial]:
    """What is planned and not finished."""
    settings, entries = ledger.settings(), {entry.name: entry for entry in ledger.entries()}
    base = next((e for e in entries.values() if e.hash == settings["base"]), next(iter(entries.values())))

    def of(record: Record) -> Trial:
        entry = entries[record.variant]
        return Trial(
            entry.name, record.seed, record.attempts + 1, settings["trial"], folder.resolve(), Path(settings["cwd"]),
            settings["options"], entry.spec or base.spec, not entry.spec, tuple(settings["plugins"]), conditions,
        )  # fmt: skip

    unfinished = [of(record) for record in ledger.records() if record.state != "finished"]
    return [trial for trial in unfinished if not _collected(trial, ledger)]


def _collected(trial: Trial, ledger: Ledger) -> bool:
    """Whether a trial had finished when nobody was there any more to hear of it; then it is entered."""
    left = receipt(trial.directory)
    if left is None:
        return False
    ledger.end(trial.name, trial.seed, left.metrics, left.curves, left.seconds, left.device, "")
    return True


def _carry_out(engine: Engine, trials: Sequence[Trial], ledger: Ledger, listener: Listener, *, fail_fast: bool) -> None:
    # Closing the events, whatever the reason, ends the trials that still run.
    with closing(engine.events(trials)) as events:  # type: ignore[type-var]  # a generator, whatever the engine
        for event in events:
            _enter(event, ledger)
            listener.hear(event)
            if fail_fast and isinstance(event, Ended) and event.result.error:
                return


def _enter(event: Event, ledger: Ledger) -> None:
    name, seed = event.trial.name, event.trial.seed
    match event:
        case Started():
            ledger.begin(name, seed)
        case Reported(step=step, metrics=metrics):
            ledger.report(name, seed, step, metrics)
        case Ended(result=r):
            ledger.end(name, seed, r.metrics, r.curves, r.seconds, r.device, r.error)
