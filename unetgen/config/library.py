"""Where specs come from: a file, a shipped spec's name, text, or Python data; and what they extend."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from unetgen.config.node import Node, from_data
from unetgen.config.overlay import NOT_INHERITED, merge, placed, together
from unetgen.config.paths import location_of
from unetgen.config.registry import Registry
from unetgen.config.yaml_source import MAX_BYTES, read, read_bytes, read_value
from unetgen.errors import Mark, Problem, SpecError, did_you_mean

MAX_EXTENDS = 16


def shipped_folder() -> Path:
    """The folder of the shipped specs: beside the code in a wheel, beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "specs"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "specs"


@cache
def shipped() -> dict[str, Path]:
    """The shipped specs by name: the first steps, then the zoo."""
    folder = shipped_folder()
    return {path.stem: path for place in (folder, folder / "zoo") for path in sorted(place.glob("*.yaml"))}


def tree_of(spec: str | Path | Mapping[str, Any], registry: Registry) -> Node:
    """The tree of a spec with everything it extends laid under it.

    ``spec`` is a mapping, YAML text (told from a name by its line break or colon), a file, or the name of a
    shipped spec: ours, or a plugin's as ``distribution/name``.
    """
    return _Library(registry).tree(spec)


def tree_named(node: Node, folder: Path, registry: Registry) -> Node:
    """The tree of a spec that another file names, by its path from there or its name, or that stands in that file."""
    return _Library(registry).named(node, folder)


def shipped_by(registry: Registry, distribution: str | None = None) -> dict[str, Path]:
    """The specs that plugins ship, as ``distribution/name``; of all of them, or of one."""
    return {
        f"{provider.name}/{path.stem}": path
        for provider, gifts in registry.gifts(distribution)
        for folder in gifts.specs
        for path in sorted(folder.glob("*.yaml"))
    }


def overridden(tree: Node, overrides: Mapping[str, Any], source: str) -> Node:
    """The tree with values put at dotted paths: ``{"decoder.block.repeats": 1}``."""
    said = (
        placed(location_of(path, Mark(source)), from_data(value, source, path)) for path, value in overrides.items()
    )
    return merge(tree, together(said))


def assigned(tree: Node, assignments: tuple[str, ...]) -> Node:
    """The tree with ``path=value`` texts put in, values read as YAML (``--set``)."""
    said = []
    for text in assignments:
        path, separator, value = text.partition("=")
        source = f"--set {text}"
        if not separator:
            problem = Problem("set", "", f"{text!r} has no '='", "write --set path=value", Mark(source))
            raise SpecError([problem])
        said.append(placed(location_of(path.strip(), Mark(source)), read_value(value, source, path.strip())))
    return merge(tree, together(said)) if said else tree


class _Library:
    """Finds specs by their names, with a plugin's help only where nobody else has one of that name."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def tree(self, spec: str | Path | Mapping[str, Any]) -> Node:
        if isinstance(spec, Mapping):
            return self._extended(from_data(spec, ""), Path(), ())
        if isinstance(spec, str) and ("\n" in spec or ": " in spec):
            return self._extended(read(spec, "<text>"), Path(), ())
        return self._from_file(str(spec), Path(), Mark(""), "", ())

    def named(self, node: Node, folder: Path) -> Node:
        if isinstance(node.value, str):
            return self._from_file(node.value, folder, node.mark, node.path, ())
        return self._extended(node.under(""), folder, ())

    def _from_file(self, name: str, folder: Path, mark: Mark, path: str, chain: tuple[str, ...]) -> Node:
        try:
            file, source = self._located(name, folder)
            with file.open("rb") as opened:
                # One byte more than a spec may have is enough to refuse it, and /dev/zero has no end.
                raw = opened.read(MAX_BYTES + 1)
            identity = str(file.resolve())
        except (OSError, ValueError) as error:
            raise SpecError([self._unreadable(name, error, mark, path)]) from None
        if identity in chain or len(chain) >= MAX_EXTENDS:
            problem = Problem("extends", path, f"{name!r} extends itself in the end", "break the circle", mark)
            raise SpecError([problem])
        return self._extended(read_bytes(raw, source), file.parent, (*chain, identity))

    def _located(self, name: str, folder: Path) -> tuple[Path, str]:
        """The file of a name, and what messages call it. A file at hand goes before a shipped spec."""
        file = folder / name
        if file.is_fifo() or file.is_char_device():
            raise ValueError("it is no regular file")
        if file.is_file():
            return file, str(file)
        if name in shipped():
            return shipped()[name], f"{name}.yaml"
        vendor, slash, rest = name.partition("/")
        if slash and "/" not in rest and not rest.endswith((".yaml", ".yml", ".json")):
            theirs = shipped_by(self.registry, vendor)
            if name in theirs:
                return theirs[name], f"{name}.yaml"
        return file, str(file)

    def _unreadable(self, name: str, error: Exception, mark: Mark, path: str) -> Problem:
        what = str(getattr(error, "strerror", None) or error).lower()
        if isinstance(error, FileNotFoundError):
            what = "there is no such file and no shipped spec of that name"
        theirs = shipped_by(self.registry, name.partition("/")[0]) if "/" in name else {}
        known = [*shipped(), *theirs]
        names = did_you_mean(name, known) or f"shipped specs are {', '.join(known)}"
        return Problem("not_found", path, f"cannot read {name!r}: {what}", names, mark if mark.source else None)

    def _extended(self, tree: Node, folder: Path, chain: tuple[str, ...]) -> Node:
        node = tree.mapping.get("extends")
        if node is None:
            return tree
        if not isinstance(node.value, str):
            hint = "write extends: unet_paper"
            raise SpecError([node.problem("extends", "extends is the name of a spec or the path of a file", hint)])
        base = self._from_file(node.value, folder, node.mark, node.path, chain)
        return merge(base.without(*NOT_INHERITED), tree.without("extends", "$schema"))
