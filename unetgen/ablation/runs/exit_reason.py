"""Death: why a trial did not come back, from what is left of it."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from unetgen.ablation.runs.execution import TIMEOUT_TRACEBACK_FILE
from unetgen.ablation.runs.trial import Trial

_FRAME_PATTERN = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>.+)$', re.MULTILINE)


def describe_exit(trial: Trial, exit_code: int | None = None) -> str:
    """One line. ``code`` is the exit status of its process, negative for a signal, None where nobody knows."""
    timeout = trial.limits.timeout
    if timeout is not None and (hung := _find_timeout_frame(trial.directory / TIMEOUT_TRACEBACK_FILE)) is not None:
        place = f"; it was in {hung}" if hung else ""
        return f"it took longer than {timeout:g} s and was ended{place}"
    if exit_code is None:
        return "its process ended without a word, as it does where memory runs out; look at its log"
    if exit_code == -signal.SIGKILL:
        return "its process was killed, as the system does where memory runs out; give it less to do, or fewer workers"
    if exit_code < 0:
        return f"its process was ended by {signal.Signals(-exit_code).name}; look at its log"
    return f"its process left with exit code {exit_code}; raise an exception where something is wrong"


def _find_timeout_frame(file: Path) -> str | None:
    """Where a trial stood when its time was over: its innermost frame outside of libraries; None where it was not."""
    try:
        said = file.read_text(errors="replace")
    except OSError:
        return None
    if not said:
        return None
    # The thread that was doing the work stands last, its innermost frame first.
    frames = list(_FRAME_PATTERN.finditer(said[said.rfind("hread 0x") :]))
    own = [frame for frame in frames if not re.search(r"site-packages|/lib/python|unetgen/", frame["file"])] or frames
    return f"{Path(own[0]['file']).name}:{own[0]['line']}, {own[0]['name']}" if own else ""
