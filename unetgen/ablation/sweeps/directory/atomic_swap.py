"""Replace a directory by a finished one, atomically where the system supports it."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

# Constants of <fcntl.h> and <sys/stdio.h>: paths are relative to the working directory; exchange both.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def replace_directory(new: Path, target: Path) -> None:
    """Move a directory to a target path and delete the directory that was there.

    Args:
        new: The finished directory, on the same file system as ``target``.
        target: Where it goes.

    Raises:
        OSError: The system cannot move one of the directories; the old one stays.
    """
    if not target.exists():
        new.rename(target)
        return
    old = new if _try_swap(new, target) else _replace_in_two_steps(new, target)
    shutil.rmtree(old, ignore_errors=True)


def _replace_in_two_steps(new: Path, target: Path) -> Path:
    """Replace a directory by two renames; return the new path of the old one."""
    old = new.with_suffix(".old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    return old


def _try_swap(first: Path, second: Path) -> bool:
    """Exchange two directories with a system call, which Python does not offer; return whether it worked."""
    call = _find_swap_call()
    return call is not None and call(os.fsencode(first), os.fsencode(second)) == 0


@cache
def _find_swap_call() -> Callable[[bytes, bytes], int] | None:
    """Return the system call that exchanges two paths (renameat2 on Linux, renamex_np on macOS), or None."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = library.renamex_np
            return lambda first, second: int(swap(first, second, _RENAME_SWAP))
        rename = library.renameat2
    except (OSError, AttributeError, TypeError):
        return None
    return lambda first, second: int(rename(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE))
