"""Conducting one trial in this process: seeds, network, log, clock; nothing that it does wrong gets out."""

from __future__ import annotations

import faulthandler
import os
import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from unetgen.ablation.running.context import Context, Report
from unetgen.ablation.running.metrics import checked
from unetgen.ablation.running.result import Result
from unetgen.ablation.running.target import baselines_of, read_target
from unetgen.ablation.running.trial import Trial
from unetgen.api import build, load_spec
from unetgen.errors import one_line
from unetgen.plugins import load_registry

# What a trial prints, and where it stood when its time was over.
LOG, HUNG = "log.txt", "hung.txt"


def conduct(trial: Trial, hear: Report = lambda step, metrics: None, number: int = 0) -> Result:
    """Carries a trial out; what it raises is in the result. ``number`` is the worker's, which its GPU follows from.

    Only a trial that leaves the process, is killed or runs out of time does not come back: see ``death``.
    """
    import torch  # noqa: F401  # before the clock runs

    began = perf_counter()
    curves: list[tuple[int, dict[str, float]]] = []

    def heard(step: int, metrics: dict[str, float]) -> None:
        curves.append((step, metrics))
        hear(step, metrics)

    device = ""
    try:
        os.chdir(trial.cwd)
        trial.directory.mkdir(parents=True, exist_ok=True)
        with _logged(trial.directory / LOG), _on_time(trial):
            try:
                device = _device(trial.conditions.device, number)
                metrics = checked(_run(trial, Context(
                    trial.name, trial.seed, device, trial.directory, trial.attempt, heard
                )))  # fmt: skip
            except BaseException:
                traceback.print_exc()
                raise
        result = Result(metrics, tuple(curves), perf_counter() - began, device=device)
        result.leave(trial.directory)
        return result
    except BaseException as error:  # a trial may raise anything, SystemExit too
        return Result({}, tuple(curves), perf_counter() - began, _told(error), device)


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


def _device(wanted: str, number: int) -> str:
    """``auto`` is the GPU of a worker's number where there is one."""
    import torch

    if wanted != "auto":
        return wanted
    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    """Sends what is printed to a file, from compiled code too."""
    streams = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.flush()
    kept = [os.dup(number) for number in (1, 2)]
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for number in (1, 2):
            os.dup2(opened, number)
        yield
    finally:
        for stream in streams:
            stream.flush()
        for number, old in zip((1, 2), kept, strict=True):
            os.dup2(old, number)
            os.close(old)
        os.close(opened)


@contextmanager
def _on_time(trial: Trial) -> Iterator[None]:
    """Ends the process when a trial's time is over, and notes where it stood; nothing in Python can hold that up."""
    (trial.directory / HUNG).unlink(missing_ok=True)
    if trial.conditions.timeout is None:
        yield
        return
    with (trial.directory / HUNG).open("w") as hung:
        faulthandler.dump_traceback_later(trial.conditions.timeout, exit=True, file=hung)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
    (trial.directory / HUNG).unlink()


def _told(error: BaseException) -> str:
    """An exception in one line, with the place in the trial's own code."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _ours(f.filename)]
    own = [f for f in frames if "site-packages" not in f.filename] or frames
    return f"{one_line(error)} ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else one_line(error)


def _ours(filename: str) -> bool:
    return Path(filename).parent == Path(__file__).parent
