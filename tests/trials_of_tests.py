"""Trials as people write them, well and badly; test_running gives them to ``unetgen run``."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch


def drawn(model: Any, spec: Any, context: Any, epochs: int = 2, sleep: float = 0.0) -> dict[str, Any]:
    """Metrics that follow from the seed, a curve, and a note of every time that it was carried out."""
    print("begun with", model.spec.name)
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
