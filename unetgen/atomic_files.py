"""Write files so that their final path only ever holds a complete one."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK_ERRNOS = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EIO", "ESTALE", "ENODEV", "ENXIO") if hasattr(errno, name)
)


def is_disk_failure(error: OSError) -> bool:
    """Return whether the disk failed (full, over quota, broken), as opposed to a path that cannot be written."""
    return error.errno in _DISK_ERRNOS


@contextmanager
def replace_when_complete(path: Path, *, is_durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and move what the block writes there to ``path`` at its end.

    If the block raises, ``path`` stays as it was and the temporary file or folder is deleted. A process that is killed
    may leave the temporary file behind; it is overwritten the next time.

    Args:
        path: The final path. An existing file is replaced; an existing folder is deleted first if a folder replaces it.
        is_durable: Flush the file to the disk before it is moved, so that a power failure cannot leave it empty.

    Yields:
        The temporary path, with the same suffix and in the same folder, so that the move is atomic.

    Raises:
        OSError: If the file cannot be written or moved.
    """
    partial = partial_path(path)
    _delete(partial)
    try:
        yield partial
        if is_durable:
            _flush_to_disk(partial)
        if path.is_dir() and partial.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        _delete(partial)


def partial_path(path: Path) -> Path:
    """Return the temporary path that a file or folder is written to before it is moved to ``path``."""
    return path.with_name(f".partial-{path.name}")


def _delete(path: Path) -> None:
    """Delete a file or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
