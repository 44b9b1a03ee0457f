"""Find the source files that a module's results depend on: its own, and those of the local modules that it imports."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


def find_source_files(module: ModuleType) -> list[Path]:
    """Return the source files of a module and of the local modules that it imports, directly or not.

    Import statements are read, also those within functions; modules that are imported by a name computed at run time
    are not found. Local are modules in the working directory and in the folder of the module, not installed ones and
    not unetgen.

    Args:
        module: An imported module.

    Returns:
        The files, sorted; none for a module without a source file.
    """
    if (file := getattr(module, "__file__", None)) is None:
        return []
    path = Path(file).resolve()
    if is_installed(path):
        return [path]
    depth = module.__name__.count(".") + (path.name == "__init__.py")
    finder = _ImportFinder([str(path.parents[depth]), str(Path.cwd())])
    finder.add_file(path, module.__name__, is_package=path.name == "__init__.py")
    return sorted(finder.files)


def is_installed(path: Path) -> bool:
    """Return whether a file belongs to an installed distribution or to Python itself."""
    folders = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib")}
    return any(path.is_relative_to(folder) for folder in folders)


class _ImportFinder:
    """Follows import statements through the modules in some folders, without importing them.

    The standard library's ``modulefinder`` fails at packages without an ``__init__.py``.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.files: set[Path] = set()
        self._folders = list(dict.fromkeys(folders))
        self._names: set[str] = set()

    def add_file(self, path: Path, name: str, *, is_package: bool) -> None:
        """Add a source file, and the local modules that it imports."""
        self.files.add(path)
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            return  # a compiled module, or one that cannot be imported
        package = name if is_package else name.rpartition(".")[0]
        for imported in _iter_imported_names(tree, package):
            self._add_module(imported)

    def _add_module(self, name: str) -> None:
        """Add a module and the packages that contain it, if they are local."""
        locations: Sequence[str] | None = self._folders
        parts = name.split(".") if name.partition(".")[0] != "unetgen" else []
        for number in range(1, len(parts) + 1):
            if locations is None:
                return
            partial_name = ".".join(parts[:number])
            spec = PathFinder.find_spec(partial_name, locations)
            if spec is None:
                return
            locations = spec.submodule_search_locations
            if partial_name not in self._names:
                self._names.add(partial_name)
                self._add_spec(spec)

    def _add_spec(self, spec: ModuleSpec) -> None:
        if spec.has_location and spec.origin and not is_installed(path := Path(spec.origin).resolve()):
            self.add_file(path, spec.name, is_package=spec.submodule_search_locations is not None)


def _iter_imported_names(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the absolute names of the modules that a module imports; names of other objects may be among them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            if source:
                yield source
            yield from (f"{source}.{alias.name}".lstrip(".") for alias in node.names if alias.name != "*")
