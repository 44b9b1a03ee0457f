"""Explain why a trial's process exited without a result."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from unetgen.ablation.runs.execution import TIMEOUT_TRACEBACK_FILE
from unetgen.ablation.runs.trial import Trial

_FRAME_PATTERN = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+) in (?P<name>.+)$', re.MULTILINE)
_LIBRARY_PATTERN = re.compile(r"site-packages|/lib/python|unetgen/")


def describe_exit(trial: Trial, exit_code: int | None = None) -> str:
    """Return the reason in one line.

    Args:
        trial: The trial.
        exit_code: The exit status of its process: negative for a signal, None if unknown.
    """
    timeout = trial.limits.timeout
    if timeout is not None and (frame := _find_timeout_frame(trial.directory / TIMEOUT_TRACEBACK_FILE)) is not None:
        location = f", at {frame}" if frame else ""
        return f"timed out after {timeout:g} s{location}"
    if exit_code is None:
        return "its process exited without a result, possibly out of memory; see its log"
    if exit_code == -signal.SIGKILL:
        return "its process was killed, possibly out of memory; reduce its memory, or use fewer workers"
    if exit_code < 0:
        return f"its process was terminated by {signal.Signals(-exit_code).name}; see its log"
    return f"its process exited with code {exit_code}; raise an exception on errors instead"


def _find_timeout_frame(file: Path) -> str | None:
    """Return the innermost frame outside of libraries, or None if the trial did not time out."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return None
    if not text:
        return None
    # The main thread comes last, its innermost frame first.
    frames = list(_FRAME_PATTERN.finditer(text[text.rfind("hread 0x") :]))
    own_frames = [frame for frame in frames if not _LIBRARY_PATTERN.search(frame["file"])] or frames
    return f"{Path(own_frames[0]['file']).name}:{own_frames[0]['line']}, {own_frames[0]['name']}" if own_frames else ""
