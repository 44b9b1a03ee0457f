"""Check, stage and replace the target directory of a sweep."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unetgen.ablation.sweeps.directory.atomic_swap import replace_directory
from unetgen.ablation.sweeps.directory.index import read_index
from unetgen.ablation.sweeps.directory.signals import exit_cleanly_on_signals
from unetgen.errors import Problem, SpecError


@dataclass(frozen=True, slots=True)
class TargetDirectory:
    """A directory that is created or replaced as a whole."""

    path: Path
    """The path as the user wrote it."""
    real_path: Path
    """The path with symbolic links resolved; a link stays, and its target is replaced."""

    @classmethod
    def from_path(cls, path: Path) -> TargetDirectory:
        """Return the target directory at a path, whether it exists or not."""
        return cls(path, Path(os.path.realpath(path)))

    def check(self) -> None:
        """Raise SpecError if the directory cannot be written, or has files that are not from a sweep."""
        with self.translate_os_errors():
            problem = self._find_problem()
            if self.real_path.is_dir() and not os.access(self.real_path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if problem:
            raise SpecError([Problem("directory", "", *problem)])

    @contextmanager
    def staging_directory(self) -> Iterator[Path]:
        """Create a temporary folder next to the target and yield it; it is deleted if not installed."""
        folder = self.real_path.parent / f".{self.real_path.name}.{os.getpid()}.partial"
        with exit_cleanly_on_signals():
            try:
                with self.translate_os_errors():
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir()
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def install(self, staging_directory: Path) -> None:
        """Replace the target by the staging directory. Raises SpecError if ``check`` no longer passes."""
        self.check()
        with self.translate_os_errors():
            replace_directory(staging_directory, self.real_path)

    @contextmanager
    def translate_os_errors(self) -> Iterator[None]:
        """Raise SpecError for an OSError within the context."""
        try:
            yield
        except OSError as error:
            message = f"cannot write {self.path}: {str(error.strerror or error).lower()}"
            raise SpecError([Problem("directory", "", message, "choose another directory")]) from None

    def _find_problem(self) -> tuple[str, str] | None:
        """Return a message and a hint if the target cannot be replaced, or None."""
        if not self.real_path.parent.is_dir():
            missing = self.real_path.parent if self.path.parent.is_dir() else self.path.parent
            return f"folder not found: {missing}", "create it first"
        if not self.real_path.exists():
            return None
        if not self.real_path.is_dir():
            return f"{self.path} is a file", "give a directory"
        if Path.cwd().is_relative_to(self.real_path):
            # The shell would remain in the deleted folder and not see the new one.
            message = f"{self.path} contains the working directory and cannot be replaced"
            return message, "choose another directory"
        if unlisted := self._list_unlisted_entries():
            more = f" and {len(unlisted) - 1} more" if len(unlisted) > 1 else ""
            message = f"{self.path} contains {unlisted[0]}{more}, which no sweep has written"
            return message, "choose another directory, or move it"
        return None

    def _list_unlisted_entries(self) -> list[str]:
        """List the entries that the index of the target does not list, and all folders."""
        try:
            index = read_index(self.real_path)
        except SpecError:
            index = None
        known = index["written"] if index else set()
        return sorted(entry.name for entry in self.real_path.iterdir() if entry.name not in known or entry.is_dir())
