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

from unetgen.ablation.running.context import Context, Report
from unetgen.ablation.running.device import chosen
from unetgen.ablation.running.log import LOG, logged
from unetgen.ablation.running.metrics import checked
from unetgen.ablation.running.mishap import told_with_place
from unetgen.ablation.running.result import Result
from unetgen.ablation.running.surroundings import restored
from unetgen.ablation.running.target import baselines_of, read_target
from unetgen.ablation.running.trial import Trial
from unetgen.api import build, load_spec
from unetgen.plugins import load_registry

# Where a trial stood when its time was over.
HUNG = ".hung.txt"


def conduct(trial: Trial, hear: Report = lambda step, metrics: None, number: int = 0) -> Result:
    """Carries a trial out; what it raises is in the result. ``number`` is the worker's, which its GPU follows from.

    Only a trial that leaves the process, is killed or runs out of time does not come back: see ``death``.
    """
    import torch  # noqa: F401  # before the clock runs

    began, curve, device = perf_counter(), _Curve(hear), ""
    try:
        os.chdir(trial.cwd)
        with restored():
            trial.directory.mkdir(parents=True, exist_ok=True)
            with _traced(trial.directory / LOG), logged(trial.directory / LOG), _on_time(trial):
                device = chosen(trial.conditions.device, number)
                context = Context(trial.name, trial.seed, device, trial.directory, trial.attempt, curve.add)
                metrics = checked(_run(trial, context))
        result = Result(metrics, curve.closed(), perf_counter() - began, device=device)
        result.leave(trial.directory)
        return result
    except BaseException as error:  # a trial may raise anything, SystemExit too
        return Result({}, curve.closed(), perf_counter() - began, told_with_place(error), device)


class _Curve:
    """What a trial tells on its way, from any thread, until it is over: one that it leaves behind tells nobody."""

    def __init__(self, hear: Report) -> None:
        self._told: list[tuple[int, dict[str, float]]] = []
        self._hear, self._open, self._lock = hear, True, threading.Lock()
        self._process = os.getpid()

    def add(self, step: int, metrics: dict[str, float]) -> None:
        if os.getpid() != self._process:  # a fork does not know when the trial is over
            raise RuntimeError("context.report is for the trial's own process; hand the numbers to it")
        with self._lock:
            if self._open:
                self._told.append((step, metrics))
                self._hear(step, metrics)

    def closed(self) -> tuple[tuple[int, dict[str, float]], ...]:
        """All of it; nothing is added any more."""
        with self._lock:
            self._open = False
        return tuple(self._told)


def _run(trial: Trial, context: Context) -> Any:
    import numpy as np
    import torch

    if trial.conditions.threads:
        torch.set_num_threads(trial.conditions.threads)
    random.seed(trial.seed)
    np.random.seed(trial.seed)  # what other people's code draws from
    torch.manual_seed(trial.seed)
    function = read_target(trial.target)
    registry = load_registry(trial.plugins)
    if trial.baseline:
        return baselines_of(function)[trial.name](load_spec(trial.spec, registry=registry), context, **trial.options)
    model = build(trial.spec, seed=trial.seed, device=context.device, registry=registry)
    # So that what is built cannot change what is drawn after it.
    torch.manual_seed(trial.seed)
    return function(model, model.spec, context, **trial.options)


@contextmanager
def _traced(log: Path) -> Iterator[None]:
    """Writes the traceback of what is raised behind what was printed, whatever has become of the streams."""
    try:
        yield
    except BaseException:
        with suppress(Exception), log.open("a", encoding="utf-8", errors="backslashreplace") as opened:
            traceback.print_exc(file=opened)
        raise


@contextmanager
def _on_time(trial: Trial) -> Iterator[None]:
    """Ends the process when a trial's time is over, and notes where it stood; nothing in Python can hold that up."""
    file = trial.directory / HUNG
    file.unlink(missing_ok=True)
    if trial.conditions.timeout is None:
        yield
        return
    with file.open("w") as hung:
        faulthandler.dump_traceback_later(trial.conditions.timeout, exit=True, file=hung)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    file.unlink(missing_ok=True)
