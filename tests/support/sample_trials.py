"""Trials as people write them, well and badly; test_running gives them to ``unetgen run``."""

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


def drawn(
    model: Any, spec: Any, context: Any, epochs: int = 2, sleep: float = 0.0, beside: bool = False
) -> dict[str, Any]:
    """Metrics that follow from the seed, a curve, and a note of every time that it was carried out."""
    print("begun with", model.spec.name)
    if beside:
        left_behind(context)
    noted(context, "begun")
    for epoch in range(epochs):
        context.report(epoch, loss=1 / (1 + epoch))
        time.sleep(0 if (context.directory.parents[2] / "quick").exists() else sleep)
    noted(context, "done")
    return {
        "torch": torch.rand(()), "numpy": np.random.rand(), "python": random.random(),
        "weights": float(sum(p.detach().double().sum() for p in model.parameters())),
        "params": sum(p.numel() for p in model.parameters()),
    }  # fmt: skip


def noted(context: Any, what: str) -> None:
    with (context.directory.parents[2] / "notes.txt").open("a") as notes:
        notes.write(f"{what} {context.name} {context.seed}\n")


def left_behind(context: Any) -> None:
    """Starts a program that outlives the trial, and notes its number."""
    number = subprocess.Popen(["sleep", "1000"]).pid
    with (context.directory.parents[2] / "beside.txt").open("a") as notes:
        notes.write(f"{number}\n")


def wrong(model: Any, spec: Any, context: Any) -> Any:
    """Goes wrong in another way with each seed, unless somebody has put things right."""
    if (context.directory.parents[2] / "right").exists():
        return {"dice": 0.5}
    return list(_WRONG.values())[context.seed](context)


def _raises(context: Any) -> Any:
    raise ValueError("two\nlines")


_WRONG = {
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


def strange(model: Any, spec: Any, context: Any) -> Any:
    """Does with each seed what might spoil the run, or the trials that the worker carries out next."""
    return list(_STRANGE.values())[context.seed](context)


class _Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def _unwritable(context: Any) -> Any:
    print("\udcff")
    raise ValueError("file \udcff")


def _long(context: Any) -> Any:
    raise ValueError("x" * 200_000)


def _mute(context: Any) -> Any:
    raise _Mute


def _files_of_its_own(context: Any) -> Any:
    for name in ("result.json", "hung.txt"):
        (context.directory / name).write_text('"mine"')
    raise ValueError("late")


def _closes(context: Any) -> Any:
    sys.stdout.close()
    sys.stderr = None
    return {"fine": 1}


def _changes(context: Any) -> Any:
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


def _looks(context: Any) -> Any:
    print("all is well")
    found = [
        torch.is_grad_enabled(), torch.zeros(1).dtype == torch.float32, torch.zeros(1).device.type == "cpu",
        not torch.are_deterministic_algorithms_enabled(), torch.get_num_threads() != 3, np.geterr()["divide"] == "warn",
        "error" not in {kind[0] for kind in warnings.filters if kind[1] is None}, "LEFT" not in os.environ,
        Path.cwd() != Path("/"), "/left" not in sys.path, sys.stderr is not None,
    ]  # fmt: skip
    return {"fine": sum(found) / len(found)}


def _reports_late(context: Any) -> Any:
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


def _ends_late(context: Any) -> Any:
    threading.Thread(target=time.sleep, args=(1000,)).start()
    left_behind(context)
    return {"fine": 1}


_STRANGE = {
    "raises what cannot be written": _unwritable,
    "raises much": _long,
    "raises what has no words": _mute,
    "has files of its own": _files_of_its_own,
    "reports a long step": lambda context: context.report(2**70, loss=1.0),
    "reports nothing": lambda context: context.report(1),
    "says much": lambda context: {"m": 1e308},
    "says more": lambda context: {"m": -(10**400)},
    "says a name that cannot be written": lambda context: {"a\udcff": np.array([1]), "b": torch.ones(1, 1)},
    "closes its streams": _closes,
    "changes all": _changes,
    "looks": _looks,
    "reports late": _reports_late,
    "is silent": lambda context: time.sleep(0.3) or {"fine": 1},
    "reports from a fork": _reports_from_a_fork,
    "ends late": _ends_late,
}


def looking(model: Any, spec: Any, context: Any) -> dict[str, float]:
    """What a reader sees in the results while they are made."""
    folder = Path(context.directory.parents[2])
    with sqlite3.connect(folder / "results.sqlite") as seen:
        running = seen.execute("SELECT count(*) FROM trials WHERE state = 'running'").fetchone()[0]
        finished = seen.execute("SELECT count(*) FROM trials WHERE state = 'finished'").fetchone()[0]
    return {"running": running, "finished": finished, "attempt": context.attempt}


def checkpointed(model: Any, spec: Any, context: Any) -> dict[str, float]:
    """Fails the first time, and finds what it kept the second time."""
    if not context.checkpoint.exists():
        context.checkpoint.write_text("7")
        raise RuntimeError("half way")
    return {"step": int(context.checkpoint.read_text()), "attempt": context.attempt}


unfinished = 3
