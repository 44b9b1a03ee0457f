"""Place: where a sweep's directory is put, and what may be replaced there."""

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
    """A directory that is written or replaced as a whole."""

    path: Path
    """What people call it."""
    real_path: Path
    """Where that leads: a link stays, and what it names is written."""

    @classmethod
    def from_path(cls, path: Path) -> TargetDirectory:
        """The place that a path leads to, whether anything is there or not."""
        return cls(path, Path(os.path.realpath(path)))

    def check(self) -> None:
        """Raises SpecError where nothing can be written, or where there is what no sweep has written."""
        with self.translate_os_errors():
            wrong = self._find_problem()
            if self.real_path.is_dir() and not os.access(self.real_path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if wrong:
            raise SpecError([Problem("directory", "", *wrong)])

    @contextmanager
    def staging_directory(self) -> Iterator[Path]:
        """A folder beside it, on the same file system; what is left in it at the end is deleted."""
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
        """Puts a draft here. Raises SpecError where something has turned up meanwhile that no sweep has written."""
        self.check()
        with self.translate_os_errors():
            replace_directory(staging_directory, self.real_path)

    @contextmanager
    def translate_os_errors(self) -> Iterator[None]:
        """Says in plain words what the system does not let be written."""
        try:
            yield
        except OSError as error:
            what = f"cannot write {self.path}: {str(error.strerror or error).lower()}"
            raise SpecError([Problem("directory", "", what, "choose another directory")]) from None

    def _find_problem(self) -> tuple[str, str] | None:
        """What is wrong with it, and the way out."""
        if not self.real_path.parent.is_dir():
            missing = self.real_path.parent if self.path.parent.is_dir() else self.path.parent
            return f"there is no folder {missing}", "make it first"
        if not self.real_path.exists():
            return None
        if not self.real_path.is_dir():
            return f"{self.path} is a file", "give a directory"
        if Path.cwd().is_relative_to(self.real_path):
            # Whoever called would stand in a folder that is deleted, and see nothing of the new one.
            what = f"{self.path} is where this command was called from, which cannot be replaced"
            return what, "give the name of a new directory"
        if strange := self._list_unlisted_entries():
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            what = f"{self.path} holds {strange[0]}{more}, which no sweep has written"
            return what, "choose another directory, or move it"
        return None

    def _list_unlisted_entries(self) -> list[str]:
        """What is in it that its index does not list as a file."""
        try:
            index = read_index(self.real_path)
        except SpecError:
            index = None
        known = index["written"] if index else set()
        return sorted(entry.name for entry in self.real_path.iterdir() if entry.name not in known or entry.is_dir())
