"""Putting a finished folder in the place of an old one, so that either the one or the other is there at any moment."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

# <fcntl.h> and <sys/stdio.h>: paths relative to the working directory; exchange the two.
_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2


def replace_directory(new: Path, target: Path) -> None:
    """Moves the folder ``new`` to ``place``; what was there is then deleted. Both are on one file system."""
    if not target.exists():
        new.rename(target)
        return
    old = new if _try_swap(new, target) else _replace_in_two_steps(new, target)
    shutil.rmtree(old, ignore_errors=True)


def _replace_in_two_steps(new: Path, target: Path) -> Path:
    """Replaces one folder by another in two steps, and gives where the old one is then."""
    old = new.with_suffix(".old")
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    return old


def _try_swap(first: Path, second: Path) -> bool:
    """Whether the system has exchanged two folders in one step; Python itself knows no way to ask for that."""
    call = _find_swap_call()
    return call is not None and call(os.fsencode(first), os.fsencode(second)) == 0


@cache
def _find_swap_call() -> Callable[[bytes, bytes], int] | None:
    """The kernel's exchange of two names: renameat2 on Linux, renamex_np on macOS."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            swap = library.renamex_np
            return lambda first, second: int(swap(first, second, _RENAME_SWAP))
        rename = library.renameat2
    except (OSError, AttributeError, TypeError):
        return None
    return lambda first, second: int(rename(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE))
