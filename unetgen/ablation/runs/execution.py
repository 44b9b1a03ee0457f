"""Conducting one trial in this process: seeds, network, log, clock; nothing that it does wrong gets out."""

from __future__ import annotations

import faulthandler
import os
import random
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from unetgen.ablation.runs.context import ReportCallback, TrialContext
from unetgen.ablation.runs.device import resolve_device
from unetgen.ablation.runs.error_text import format_exception_with_location
from unetgen.ablation.runs.log import LOG_FILE, redirect_output
from unetgen.ablation.runs.metrics import validate_metrics
from unetgen.ablation.runs.process_state import preserve_process_state
from unetgen.ablation.runs.result import TrialResult
from unetgen.ablation.runs.trial import Trial
from unetgen.ablation.runs.trial_function import get_baselines, load_trial_function
from unetgen.api import build, load_spec
from unetgen.plugins import load_registry

# Where a trial stood when its time was over.
TIMEOUT_TRACEBACK_FILE = ".hung.txt"


def execute_trial(
    trial: Trial, on_report: ReportCallback = lambda step, metrics: None, worker_index: int = 0
) -> TrialResult:
    """Carries a trial out; what it raises is in the result. ``number`` is the worker's, which its GPU follows from.

    Only a trial that leaves the process, is killed or runs out of time does not come back: see ``death``.
    """
    import torch  # noqa: F401  # before the clock runs

    began, curve, device = perf_counter(), _CurveRecorder(on_report), ""
    try:
        os.chdir(trial.cwd)
        with preserve_process_state():
            trial.directory.mkdir(parents=True, exist_ok=True)
            with (
                _log_traceback(trial.directory / LOG_FILE),
                redirect_output(trial.directory / LOG_FILE),
                _enforce_timeout(trial),
            ):
                device = resolve_device(trial.limits.device, worker_index)
                context = TrialContext(trial.name, trial.seed, device, trial.directory, trial.attempt, curve.add)
                metrics = validate_metrics(_call_trial(trial, context))
        result = TrialResult(metrics, curve.close(), perf_counter() - began, device=device)
        result.write(trial.directory)
        return result
    except BaseException as error:  # a trial may raise anything, SystemExit too
        return TrialResult({}, curve.close(), perf_counter() - began, format_exception_with_location(error), device)


class _CurveRecorder:
    """What a trial tells on its way, from any thread, until it is over: one that it leaves behind tells nobody."""

    def __init__(self, on_report: ReportCallback) -> None:
        self._points: list[tuple[int, dict[str, float]]] = []
        self._on_report, self._is_open, self._lock = on_report, True, threading.Lock()
        self._pid = os.getpid()

    def add(self, step: int, metrics: dict[str, float]) -> None:
        if os.getpid() != self._pid:  # a fork does not know when the trial is over
            raise RuntimeError("context.report is for the trial's own process; hand the numbers to it")
        with self._lock:
            if self._is_open:
                self._points.append((step, metrics))
                self._on_report(step, metrics)

    def close(self) -> tuple[tuple[int, dict[str, float]], ...]:
        """All of it; nothing is added any more."""
        with self._lock:
            self._is_open = False
        return tuple(self._points)


def _call_trial(trial: Trial, context: TrialContext) -> Any:
    import numpy as np
    import torch

    if trial.limits.threads:
        torch.set_num_threads(trial.limits.threads)
    random.seed(trial.seed)
    np.random.seed(trial.seed)  # what other people's code draws from
    torch.manual_seed(trial.seed)
    function = load_trial_function(trial.function_name)
    registry = load_registry(trial.plugins)
    if trial.is_baseline:
        return get_baselines(function)[trial.name](load_spec(trial.spec, registry=registry), context, **trial.options)
    model = build(trial.spec, seed=trial.seed, device=context.device, registry=registry)
    # So that what is built cannot change what is drawn after it.
    torch.manual_seed(trial.seed)
    return function(model, model.spec, context, **trial.options)


@contextmanager
def _log_traceback(log: Path) -> Iterator[None]:
    """Writes the traceback of what is raised behind what was printed, whatever has become of the streams."""
    try:
        yield
    except BaseException:
        with suppress(Exception), log.open("a", encoding="utf-8", errors="backslashreplace") as opened:
            traceback.print_exc(file=opened)
        raise


@contextmanager
def _enforce_timeout(trial: Trial) -> Iterator[None]:
    """Ends the process when a trial's time is over, and notes where it stood; nothing in Python can hold that up."""
    file = trial.directory / TIMEOUT_TRACEBACK_FILE
    file.unlink(missing_ok=True)
    if trial.limits.timeout is None:
        yield
        return
    with file.open("w") as hung:
        faulthandler.dump_traceback_later(trial.limits.timeout, exit=True, file=hung)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    file.unlink(missing_ok=True)
