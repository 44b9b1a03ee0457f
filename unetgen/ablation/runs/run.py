"""Run the trials of a sweep that have no result yet, and record them in the results database."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unetgen.ablation.results.database import DATABASE_FILE, ResultsDatabase, TrialRow, VariantRow
from unetgen.ablation.results.results_table import ResultsTable
from unetgen.ablation.runs.change_policy import CHANGE_POLICIES, ChangePolicy, apply_change_policy
from unetgen.ablation.runs.device import check_device
from unetgen.ablation.runs.engines.engine import Engine, Event, MetricsReported, TrialFinished, TrialSubmitted
from unetgen.ablation.runs.engines.in_process import InProcessEngine
from unetgen.ablation.runs.engines.local import LocalEngine
from unetgen.ablation.runs.engines.worker_process import exit_if_spawn_reimport
from unetgen.ablation.runs.inputs.run_input import (
    PluginUsage,
    RunInput,
    collect_inputs,
    describe_changes,
    find_changes,
)
from unetgen.ablation.runs.result import read_result
from unetgen.ablation.runs.run_directory import (
    SkippedCombinations,
    check_same_run,
    ensure_variants_written,
    load_variants,
    lock_run_directory,
    resolve_run_directory,
)
from unetgen.ablation.runs.trial import Trial, TrialLimits
from unetgen.ablation.runs.trial_function import (
    check_options,
    get_baselines,
    get_metric_directions,
    load_trial_function,
)
from unetgen.errors import RunEnvironmentError, RunError
from unetgen.plugins import load_registry

# The seeds of numpy's global generator are 32-bit integers.
_SEED_LIMIT = 2**32


class RunListener:
    """Receives the progress of a run. Each method does nothing unless it is overridden."""

    def on_skipped(self, skipped: SkippedCombinations) -> None:
        """Receive the combinations of the sweep that have no trials."""

    def on_planned(self, trials_to_run: Sequence[Trial], num_finished_before: int) -> None:
        """Receive the trials to run, and the number of those that finished before."""

    def on_event(self, event: Event) -> None:
        """Receive the start of a trial, its reported metrics, or its end."""

    def on_inputs_changed_during_run(self, changes: str) -> None:
        """Receive which code, data or distributions changed while the trials ran: ``"train.py changed"``."""


def run(  # noqa: PLR0913  # one parameter per command-line option
    sweep: str | Path,
    trial: str | None = None,
    *,
    out: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    repeat: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    changes: ChangePolicy = "refuse",
    fail_fast: bool = False,
    workers: int | None = None,
    engine: Engine | None = None,
    conditions: TrialLimits = TrialLimits(),  # noqa: B008  # it is frozen
    plugins: Sequence[str] = (),
    listener: RunListener | None = None,
) -> ResultsTable:
    """Run ``trial(model, spec, context, **options) -> metrics`` for every variant and seed of a sweep.

    A failed trial does not stop the others, unless ``fail_fast``.

    Args:
        sweep: A sweep file, or a directory that ``unetgen sweep --out`` wrote.
        trial: The function, ``module:function`` or ``file.py:function``. Optional with ``resume``.
        out: The directory for results (default: named after the sweep file).
        options: Keyword arguments for the trial. Optional with ``resume``.
        repeat: The number of seeds per variant (default: 1).
        seed: The first seed (default: 0). With ``resume``, new seeds are added.
        resume: Run only missing and failed trials of the results in ``out``.
        changes: With ``resume``, what to do if the trial's code, a plugin, the data, or the version of unetgen or torch
            changed since: ``refuse``; ``rerun`` the trials that depend on it; or ``accept`` their results, which the
            table then counts as outdated.
        fail_fast: Stop at the first trial that fails.
        workers: The number of parallel worker processes (default: 1). With 0, trials run in this process.
        engine: The engine that runs the trials, in place of ``workers``.
        conditions: The device, the number of threads and the timeout of each trial.
        plugins: Files or modules with parts, in addition to the installed plugins.
        listener: Receives the progress.

    Returns:
        The results of all trials. They are stored in ``results.sqlite`` in the results directory.

    Raises:
        RunError: The run cannot start or continue.
        SpecError: The sweep is invalid.
        KeyboardInterrupt: On Ctrl-C; ``resume`` continues the run.

    Examples:
        >>> import pathlib, tempfile
        >>> directory = pathlib.Path(tempfile.mkdtemp())
        >>> text = "{base: {extends: unet_milesial, widths: [4, 8]}, axes: {skip.fusion: [add]}}"
        >>> _ = (directory / "sweep.yaml").write_text(text)
        >>> options = {"input_size": 16, "runs": 1}
        >>> results = directory / "results"
        >>> table = run(directory / "sweep.yaml", "unetgen.trials:cost", out=results, options=options, workers=0)
        >>> table.counts()["finished"]
        1
    """
    exit_if_spawn_reimport()
    folder, listener, engine = resolve_run_directory(sweep, out), listener or RunListener(), _engine_of(engine, workers)
    request = _RunRequest(sweep, folder, trial, dict(options or {}), tuple(plugins), repeat, seed, changes)
    _check_change_policy(changes, resume=resume)
    _check_limits(conditions, engine)
    with lock_run_directory(folder), _resume_run(request) if resume else _create_run(request) as database:
        database.reset_running()
        listener.on_skipped(SkippedCombinations(**database.read_settings()["absent"]))
        pending = _list_pending_trials(database, folder, conditions)
        listener.on_planned(pending, sum(record.state == "finished" for record in database.read_trials()))
        try:
            _execute(engine, pending, database, listener, fail_fast=fail_fast)
        finally:
            database.reset_running()
            _report_changes(database, folder, listener)
        return ResultsTable.of(database)


def _engine_of(engine: Engine | None, workers: int | None) -> Engine:
    """Return the engine that a run's arguments choose."""
    if engine is not None:
        if workers is not None:
            raise RunError(f"workers={workers} has no effect with an engine; omit one of them")
        return engine
    if workers is not None and workers < 0:
        raise RunError(f"workers={workers} must be 0 or more")
    return InProcessEngine() if workers == 0 else LocalEngine(workers or 1)


def _check_change_policy(changes: ChangePolicy, *, resume: bool) -> None:
    """Check that a policy is known and has an effect. Raise RunError."""
    if changes not in CHANGE_POLICIES:
        raise RunError(f"changes={changes!r} is unknown; use one of {', '.join(CHANGE_POLICIES)}")
    if changes != "refuse" and not resume:
        raise RunError(f"changes={changes!r} has no effect on a new run; add resume")


def _check_limits(limits: TrialLimits, engine: Engine) -> None:
    """Check that an engine can apply the limits. Raise RunError."""
    if isinstance(engine, InProcessEngine) and limits.timeout is not None:
        raise RunError("a trial in this process cannot be stopped after a timeout; omit --timeout, or use --workers 1")
    check_device(limits.device, is_local=isinstance(engine, (InProcessEngine, LocalEngine)))


@dataclass(frozen=True, slots=True)
class _RunRequest:
    """The arguments of a run."""

    sweep: str | Path
    folder: Path
    trial: str | None
    options: dict[str, Any]
    plugins: tuple[str, ...]
    repeat: int | None
    seed: int | None
    changes: ChangePolicy

    def resolve_seeds(self, default_start: int = 0) -> range:
        """Return the requested seeds. Raise RunError if numpy does not accept one."""
        start = default_start if self.seed is None else self.seed
        seeds = range(start, start + (1 if self.repeat is None else self.repeat))
        if not seeds or seeds[0] < 0 or seeds[-1] >= _SEED_LIMIT:
            raise RunError(
                f"seeds from {seeds.start} to {seeds.stop - 1} are invalid; use seeds from 0 to {_SEED_LIMIT - 1:,}"
            )
        return seeds


@contextmanager
def _resume_run(request: _RunRequest) -> Iterator[ResultsDatabase]:
    """Open the existing results database. Raise RunError if it is missing or of another run."""
    if not (request.folder / DATABASE_FILE).is_file():
        raise RunError(f"{request.folder} has no results to resume; omit --resume")
    with ResultsDatabase.open(request.folder) as database:
        settings = database.read_settings()
        with _enter_original_directory(request.folder, settings["cwd"]):
            registry = load_registry(settings["plugins"])
            function = load_trial_function(settings["trial"], reload_changed=True)
            check_options(settings["trial"], function, settings["options"])
        plugins = list(request.plugins) or None
        requested = {"trial": request.trial, "options": request.options or None, "plugins": plugins}
        check_same_run(request.sweep, request.folder, settings, requested, registry)
        folder = request.folder.absolute()
        with _enter_original_directory(request.folder, settings["cwd"]):
            apply_change_policy(database, folder, function, request.changes, str(request.folder))
        if request.repeat is not None or request.seed is not None:
            database.add_trials(request.resolve_seeds(min(record.seed for record in database.read_trials())))
        yield database


@contextmanager
def _enter_original_directory(folder: Path, cwd: str) -> Iterator[None]:
    """Change to the directory where the run was started: its trial, options and plugins may be relative to it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(chdir(cwd))
        except OSError:
            what = f"{folder} has results of a run that was started in {cwd}, which is missing"
            raise RunEnvironmentError(f"{what}; restore it with the files that the trial needs") from None
        yield


@contextmanager
def _create_run(request: _RunRequest) -> Iterator[ResultsDatabase]:
    """Create a results database in the directory of the sweep's variants."""
    if (request.folder / DATABASE_FILE).is_file():
        raise RunError(f"{request.folder} already has results; use --resume to run what is missing")
    if request.trial is None:
        raise RunError("a run needs a trial; add --trial module:function")
    seeds, function = request.resolve_seeds(), load_trial_function(request.trial, reload_changed=True)
    check_options(request.trial, function, request.options)
    registry = load_registry(request.plugins)
    skipped = asdict(ensure_variants_written(request.sweep, request.folder, registry))
    usage = PluginUsage()
    variants, sweep_settings = load_variants(request.folder, registry, usage)
    inputs = [run_input.to_dict() for run_input in collect_inputs(function, request.options, usage)]
    settings = {
        **sweep_settings, "trial": request.trial, "options": request.options, "plugins": list(request.plugins),
        "cwd": str(Path.cwd()), "absent": skipped, "better": get_metric_directions(function), **_collect_versions(),
        "inputs": inputs, "outdated": [],
    }  # fmt: skip
    baselines = [VariantRow(name) for name in get_baselines(function)]
    with ResultsDatabase.create(request.folder, settings, [*variants, *baselines], seeds) as database:
        yield database


def _collect_versions() -> dict[str, str]:
    return {
        "unetgen": version("unetgen"), "torch": version("torch"), "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip


def _list_pending_trials(database: ResultsDatabase, folder: Path, limits: TrialLimits) -> list[Trial]:
    """Return the planned trials that have not finished, after recovering results that were not recorded."""
    settings, variants = database.read_settings(), {variant.name: variant for variant in database.read_variants()}
    base = next((v for v in variants.values() if v.hash == settings["base"]), next(iter(variants.values())))

    def trial_of(record: TrialRow) -> Trial:
        variant = variants[record.variant]
        return Trial(
            variant.name, record.seed, record.attempts + 1, settings["trial"], folder.resolve(), Path(settings["cwd"]),
            settings["options"], variant.spec or base.spec, not variant.spec, tuple(settings["plugins"]), limits,
        )  # fmt: skip

    unfinished = [trial_of(record) for record in database.read_trials() if record.state != "finished"]
    return [trial for trial in unfinished if not _recover_result(trial, database)]


def _recover_result(trial: Trial, database: ResultsDatabase) -> bool:
    """Record the result file of a trial that finished after its run was killed; return whether it has one."""
    result = read_result(trial.directory)
    if result is None:
        return False
    database.finish_trial(trial.name, trial.seed, result.metrics, result.curves, result.seconds, result.device, "")
    return True


def _report_changes(database: ResultsDatabase, folder: Path, listener: RunListener) -> None:
    """Tell the listener which inputs changed while the trials ran."""
    settings = database.read_settings()
    with _enter_original_directory(folder, settings["cwd"]):
        if changes := find_changes([RunInput.from_dict(data) for data in settings["inputs"]]):
            listener.on_inputs_changed_during_run(describe_changes(changes))


def _execute(
    engine: Engine, trials: Sequence[Trial], database: ResultsDatabase, listener: RunListener, *, fail_fast: bool
) -> None:
    # However the loop ends, closing the iterator stops the trials that still run.
    with closing(engine.run_trials(trials)) as events:  # type: ignore[type-var]  # a generator, whatever the engine
        for event in events:
            _record(event, database)
            listener.on_event(event)
            if fail_fast and isinstance(event, TrialFinished) and event.result.error:
                return


def _record(event: Event, database: ResultsDatabase) -> None:
    name, seed = event.trial.name, event.trial.seed
    match event:
        case TrialSubmitted():
            database.start_trial(name, seed)
        case MetricsReported(step=step, metrics=metrics):
            database.record_metrics(name, seed, step, metrics)
        case TrialFinished(result=result):
            database.finish_trial(
                name, seed, result.metrics, result.curves, result.seconds, result.device, result.error
            )
