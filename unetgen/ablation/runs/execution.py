"""Execute one trial: seed it, build its network, call its function, and record what it returns or raises."""

from __future__ import annotations

import faulthandler
import os
import random
import threading
import traceback
from bdb import BdbQuit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from unetgen.ablation.runs.context import ReportCallback, TrialContext, ignore_report
from unetgen.ablation.runs.device import resolve_device
from unetgen.ablation.runs.error_text import format_exception_with_location
from unetgen.ablation.runs.log import LOG_FILE, redirect_output, tee_output
from unetgen.ablation.runs.metrics import validate_metrics
from unetgen.ablation.runs.process_state import preserve_caller_state, preserve_process_state
from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.trial import Trial
from unetgen.ablation.runs.trial_function import get_baselines, load_trial_function
from unetgen.api import build, load_spec
from unetgen.plugins import load_registry

# The traceback of a trial that ran out of time.
TIMEOUT_TRACEBACK_FILE = ".hung.txt"


def execute_trial(trial: Trial, on_report: ReportCallback = ignore_report, worker_index: int = 0) -> TrialResult:
    """Execute a trial in a worker process. An exception that it raises becomes the result's error.

    A trial that exits the process, is killed or times out does not return: see ``exit_reason``.

    Args:
        trial: The trial.
        on_report: Called with the step and the metrics of each ``context.report``.
        worker_index: The worker's number; with device ``auto`` it selects the GPU.
    """
    attempt = _Attempt(trial, on_report)
    try:
        os.chdir(trial.cwd)
        return attempt.execute(redirect_output, worker_index)
    except BaseException as error:  # a trial may raise anything, SystemExit too
        return attempt.failure(error)


def execute_trial_in_process(trial: Trial, on_report: ReportCallback = ignore_report) -> TrialResult:
    """Execute a trial in the caller's process and restore the process's state.

    Its output is both shown and logged.

    Args:
        trial: The trial.
        on_report: Called with the step and the metrics of each ``context.report``.

    Raises:
        KeyboardInterrupt: On Ctrl-C, or if a debugger is quit. Any other exception becomes the result's error.
    """
    with preserve_caller_state():
        attempt = _Attempt(trial, on_report)
        try:
            os.chdir(trial.cwd)
            return attempt.execute(tee_output, worker_index=0)
        except KeyboardInterrupt:
            attempt.curve.close()
            raise
        except BaseException as error:
            result = attempt.failure(error)
            if _is_debugger_quit(error):
                raise KeyboardInterrupt from error
            return result


class _Attempt:
    """One execution of a trial, with its clock, its learning curve and its device."""

    def __init__(self, trial: Trial, on_report: ReportCallback) -> None:
        import torch  # noqa: F401  # before the clock starts

        self.curve = _CurveRecorder(on_report)
        self._trial, self._start, self._device = trial, perf_counter(), ""

    def execute(self, capture_output: Callable[[Path], AbstractContextManager[None]], worker_index: int) -> TrialResult:
        """Execute the trial and write its result file; raise what it raises."""
        trial = self._trial
        with preserve_process_state():
            trial.directory.mkdir(parents=True, exist_ok=True)
            log = trial.directory / LOG_FILE
            with _log_traceback(log), capture_output(log), _enforce_timeout(trial):
                device = self._device = resolve_device(trial.limits.device, worker_index)
                context = TrialContext(trial.name, trial.seed, device, trial.directory, trial.attempt, self.curve.add)
                metrics = validate_metrics(_call_trial(trial, context))
        result = TrialResult(metrics, self.curve.close(), perf_counter() - self._start, device=self._device)
        result.write(trial.directory)
        return result

    def failure(self, error: BaseException) -> TrialResult:
        """Return the result of an execution that raised ``error``."""
        seconds = perf_counter() - self._start
        return TrialResult({}, self.curve.close(), seconds, format_exception_with_location(error), self._device)


class _CurveRecorder:
    """The metrics that a trial reports, from any thread, until it ends; later reports are ignored."""

    def __init__(self, on_report: ReportCallback) -> None:
        self._points: list[tuple[int, dict[str, float]]] = []
        self._on_report, self._is_open, self._lock = on_report, True, threading.Lock()
        self._pid = os.getpid()

    def add(self, step: int, metrics: dict[str, float]) -> None:
        if os.getpid() != self._pid:  # a forked child cannot know when the trial ends
            raise RuntimeError("context.report was called in a forked process; send the metrics to the trial's process")
        with self._lock:
            if self._is_open:
                self._points.append((step, metrics))
                self._on_report(step, metrics)

    def close(self) -> tuple[tuple[int, dict[str, float]], ...]:
        """Stop recording and return all points."""
        with self._lock:
            self._is_open = False
        return tuple(self._points)


def _call_trial(trial: Trial, context: TrialContext) -> Any:
    import numpy as np
    import torch

    if trial.limits.threads:
        torch.set_num_threads(trial.limits.threads)
    random.seed(trial.seed)
    np.random.seed(trial.seed)  # third-party code uses numpy's global generator
    torch.manual_seed(trial.seed)
    function = load_trial_function(trial.function_name)
    registry = load_registry(trial.plugins)
    if trial.is_baseline:
        return get_baselines(function)[trial.name](load_spec(trial.spec, registry=registry), context, **trial.options)
    model = build(trial.spec, seed=trial.seed, device=context.device, registry=registry)
    # The random numbers of a trial must not depend on its network.
    torch.manual_seed(trial.seed)
    return function(model, model.spec, context, **trial.options)


def _is_debugger_quit(error: BaseException) -> bool:
    """Return whether ``quit`` in pdb raised ``error``: BdbQuit, or from Python 3.14 on SystemExit."""
    if not isinstance(error, SystemExit):
        return isinstance(error, BdbQuit)
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and Path(frames[-1].filename).name == "pdb.py"


@contextmanager
def _log_traceback(log: Path) -> Iterator[None]:
    """Append the traceback of an exception to the log, even if the streams are closed or replaced."""
    try:
        yield
    except BaseException:
        with suppress(Exception), log.open("a", encoding="utf-8", errors="backslashreplace") as opened:
            traceback.print_exc(file=opened)
        raise


@contextmanager
def _enforce_timeout(trial: Trial) -> Iterator[None]:
    """Exit the process when a trial times out, and write its traceback. Python code cannot prevent it."""
    file = trial.directory / TIMEOUT_TRACEBACK_FILE
    file.unlink(missing_ok=True)
    if trial.limits.timeout is None:
        yield
        return
    with file.open("w") as opened:
        faulthandler.dump_traceback_later(trial.limits.timeout, exit=True, file=opened)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    file.unlink(missing_ok=True)
