"""Place: where a sweep's directory is put, and what may be replaced there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unetgen.ablation.storage.exchange import exchange
from unetgen.ablation.storage.index import read_index
from unetgen.ablation.storage.interruption import ended_in_order
from unetgen.errors import Problem, SpecError


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that is written or replaced as a whole."""

    name: Path
    """What people call it."""
    folder: Path
    """Where that leads: a link stays, and what it names is written."""

    @classmethod
    def named(cls, name: Path) -> Place:
        """The place that a path leads to, whether anything is there or not."""
        return cls(name, Path(os.path.realpath(name)))

    def check(self) -> None:
        """Raises SpecError where nothing can be written, or where there is what no sweep has written."""
        with self.telling():
            wrong = self._wrong()
            if self.folder.is_dir() and not os.access(self.folder, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if wrong:
            raise SpecError([Problem("directory", "", *wrong)])

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A folder beside it, on the same file system; what is left in it at the end is deleted."""
        folder = self.folder.parent / f".{self.folder.name}.{os.getpid()}.partial"
        with ended_in_order():
            try:
                with self.telling():
                    shutil.rmtree(folder, ignore_errors=True)
                    folder.mkdir()
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def put(self, draft: Path) -> None:
        """Puts a draft here. Raises SpecError where something has turned up meanwhile that no sweep has written."""
        self.check()
        with self.telling():
            exchange(draft, self.folder)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Says in plain words what the system does not let be written."""
        try:
            yield
        except OSError as error:
            what = f"cannot write {self.name}: {str(error.strerror or error).lower()}"
            raise SpecError([Problem("directory", "", what, "choose another directory")]) from None

    def _wrong(self) -> tuple[str, str] | None:
        """What is wrong with it, and the way out."""
        if not self.folder.parent.is_dir():
            missing = self.folder.parent if self.name.parent.is_dir() else self.name.parent
            return f"there is no folder {missing}", "make it first"
        if not self.folder.exists():
            return None
        if not self.folder.is_dir():
            return f"{self.name} is a file", "give a directory"
        if Path.cwd().is_relative_to(self.folder):
            # Whoever called would stand in a folder that is deleted, and see nothing of the new one.
            what = f"{self.name} is where this command was called from, which cannot be replaced"
            return what, "give the name of a new directory"
        if strange := self._strange():
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            what = f"{self.name} holds {strange[0]}{more}, which no sweep has written"
            return what, "choose another directory, or move it"
        return None

    def _strange(self) -> list[str]:
        """What is in it that its index does not list as a file."""
        try:
            index = read_index(self.folder)
        except SpecError:
            index = None
        known = index["written"] if index else set()
        return sorted(entry.name for entry in self.folder.iterdir() if entry.name not in known or entry.is_dir())
