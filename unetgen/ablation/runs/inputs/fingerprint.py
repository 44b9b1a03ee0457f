"""Compute fingerprints of files, of directories of data, and of installed distributions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from unetgen.ablation.sweeps.directory.index import CSV_FILE, INDEX_FILE

# Larger files of data are identified by size and modification time, since reading all of them takes minutes.
MAX_HASHED_BYTES = 16 * 1024 * 1024

# The fingerprint of what is not there.
MISSING = "missing"


def fingerprint_file(path: Path) -> str:
    """Return a hash of a file's content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return MISSING


def fingerprint_data(path: Path) -> str:
    """Return a hash of a file or of all files in a directory, by relative path.

    Hidden files and directories of sweeps do not count. Files up to 16 MiB count by their content, larger ones by size
    and modification time.
    """
    if not path.exists():
        return MISSING
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else _iter_files(path):
        name = file.relative_to(path).as_posix() if file != path else ""
        digest.update(f"{name}\0{_fingerprint_data_file(file)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def fingerprint_distribution(name: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _fingerprint_data_file(file: Path) -> str:
    try:
        status = file.stat()
    except OSError:
        return MISSING
    if status.st_size <= MAX_HASHED_BYTES:
        return fingerprint_file(file)
    return f"{status.st_size} {status.st_mtime_ns}"


def _iter_files(directory: Path) -> Iterator[Path]:
    """Yield the files in a directory and its subdirectories by path, without hidden ones and those of sweeps."""
    for folder, subfolders, files in os.walk(directory, followlinks=True):
        subfolders[:] = sorted(name for name in subfolders if not _is_ignored(Path(folder) / name))
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))


def _is_ignored(folder: Path) -> bool:
    return folder.name.startswith(".") or all((folder / name).is_file() for name in (INDEX_FILE, CSV_FILE))
