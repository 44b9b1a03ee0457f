"""Trials for tests of ``unetgen run``: correct, failing and misbehaving ones."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch


def seeded_metrics(
    model: Any, spec: Any, context: Any, epochs: int = 2, sleep: float = 0.0, beside: bool = False
) -> dict[str, Any]:
    """Return metrics that depend on the seed; report a curve, and note each start and end."""
    print("started with", model.spec.name)
    if beside:
        start_background_program(context)
    append_note(context, "started")
    for epoch in range(epochs):
        context.report(epoch, loss=1 / (1 + epoch))
        time.sleep(0 if (context.directory.parents[2] / "quick").exists() else sleep)
    append_note(context, "done")
    return {
        "torch": torch.rand(()), "numpy": np.random.rand(), "python": random.random(),
        "weights": float(sum(p.detach().double().sum() for p in model.parameters())),
        "params": sum(p.numel() for p in model.parameters()),
    }  # fmt: skip


def append_note(context: Any, what: str) -> None:
    with (context.directory.parents[2] / "notes.txt").open("a") as notes:
        notes.write(f"{what} {context.name} {context.seed}\n")


def start_background_program(context: Any) -> None:
    """Start a program that outlives the trial, and note its process id."""
    pid = subprocess.Popen(["sleep", "1000"]).pid
    with (context.directory.parents[2] / "beside.txt").open("a") as notes:
        notes.write(f"{pid}\n")


def failing(model: Any, spec: Any, context: Any) -> Any:
    """Fail in another way with each seed, until the file ``right`` exists."""
    if (context.directory.parents[2] / "right").exists():
        return {"dice": 0.5}
    return list(_FAILURES.values())[context.seed](context)


def _raises(context: Any) -> Any:
    raise ValueError("two\nlines")


_FAILURES = {
    "raises": _raises,
    "exits": lambda context: sys.exit(3),
    "leaves": lambda context: os._exit(3),
    "is killed": lambda context: os.kill(os.getpid(), signal.SIGKILL),
    "is ended": lambda context: os.kill(os.getpid(), signal.SIGSEGV),
    "hangs": lambda context: time.sleep(1000),
    "takes all memory": lambda context: bytearray(2**62),
    "cannot be sent": lambda context: {"dice": lambda: None},
    "says nan": lambda context: {"dice": float("nan"), "loss": 1.0},
    "says nothing": lambda context: None,
    "says a list": lambda context: [1],
    "says none": lambda context: {},
    "reports a word": lambda context: context.report(1, loss="low"),
}


def misbehaving(model: Any, spec: Any, context: Any) -> Any:
    """Do something with each seed that could affect the run or the next trials of the worker."""
    return list(_MISBEHAVIOURS.values())[context.seed](context)


class _UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def _raise_unencodable(context: Any) -> Any:
    print("\udcff")
    raise ValueError("file \udcff")


def _raise_long_message(context: Any) -> Any:
    raise ValueError("x" * 200_000)


def _raise_unprintable(context: Any) -> Any:
    raise _UnprintableError


def _writes_colliding_files(context: Any) -> Any:
    for name in ("result.json", "hung.txt"):
        (context.directory / name).write_text('"mine"')
    raise ValueError("late")


def _closes_streams(context: Any) -> Any:
    sys.stdout.close()
    sys.stderr = None
    return {"fine": 1}


def _changes_process_state(context: Any) -> Any:
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(3)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    os.environ["LEFT"] = "1"
    os.chdir("/")
    sys.path.insert(0, "/left")
    return {"fine": 1}


def _checks_process_state(context: Any) -> Any:
    print("all is well")
    checks = [
        torch.is_grad_enabled(), torch.zeros(1).dtype == torch.float32, torch.zeros(1).device.type == "cpu",
        not torch.are_deterministic_algorithms_enabled(), torch.get_num_threads() != 3, np.geterr()["divide"] == "warn",
        "error" not in {kind[0] for kind in warnings.filters if kind[1] is None}, "LEFT" not in os.environ,
        Path.cwd() != Path("/"), "/left" not in sys.path, sys.stderr is not None,
    ]  # fmt: skip
    return {"fine": sum(checks) / len(checks)}


def _reports_after_return(context: Any) -> Any:
    def on_and_on() -> None:
        step = 0
        while True:
            context.report(step := step + 1, late=1)

    threading.Thread(target=on_and_on, daemon=True).start()
    time.sleep(0.2)
    return {"fine": 1}


def _reports_from_a_fork(context: Any) -> Any:
    if not os.fork():
        try:
            context.report(1, loss=1)
        except RuntimeError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
    return {"fine": 1}


def _leaves_thread_running(context: Any) -> Any:
    threading.Thread(target=time.sleep, args=(1000,)).start()
    start_background_program(context)
    return {"fine": 1}


_MISBEHAVIOURS = {
    "raises what cannot be written": _raise_unencodable,
    "raises much": _raise_long_message,
    "raises what has no words": _raise_unprintable,
    "has files of its own": _writes_colliding_files,
    "reports a long step": lambda context: context.report(2**70, loss=1.0),
    "reports nothing": lambda context: context.report(1),
    "says much": lambda context: {"m": 1e308},
    "says more": lambda context: {"m": -(10**400)},
    "says a name that cannot be written": lambda context: {"a\udcff": np.array([1]), "b": torch.ones(1, 1)},
    "closes its streams": _closes_streams,
    "changes all": _changes_process_state,
    "looks": _checks_process_state,
    "reports late": _reports_after_return,
    "is silent": lambda context: time.sleep(0.3) or {"fine": 1},
    "reports from a fork": _reports_from_a_fork,
    "ends late": _leaves_thread_running,
}


def reads_results(model: Any, spec: Any, context: Any) -> dict[str, float]:
    """Return what the results database contains during the run."""
    folder = Path(context.directory.parents[2])
    with sqlite3.connect(folder / "results.sqlite") as seen:
        running = seen.execute("SELECT count(*) FROM trials WHERE state = 'running'").fetchone()[0]
        finished = seen.execute("SELECT count(*) FROM trials WHERE state = 'finished'").fetchone()[0]
    return {"running": running, "finished": finished, "attempt": context.attempt}


def fails_then_resumes(model: Any, spec: Any, context: Any) -> dict[str, float]:
    """Fail at the first attempt, and continue from its checkpoint at the second."""
    if not context.checkpoint.exists():
        context.checkpoint.write_text("7")
        raise RuntimeError("half way")
    return {"step": int(context.checkpoint.read_text()), "attempt": context.attempt}


not_a_function = 3
