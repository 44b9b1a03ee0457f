"""Where specs come from: a file, a shipped spec's name, text, or Python data; and what they extend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unetgen.config.node import Node, from_data
from unetgen.config.overlay import NOT_INHERITED, merge, put
from unetgen.config.yaml_source import read, read_bytes, read_value
from unetgen.errors import Mark, Problem, SpecError, did_you_mean

MAX_EXTENDS = 16


def shipped_folder() -> Path:
    """The folder of the shipped specs: beside the code in a wheel, beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "specs"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "specs"


def shipped() -> dict[str, Path]:
    """The shipped specs by name."""
    folder = shipped_folder()
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def tree_of(spec: str | Path | Mapping[str, Any]) -> Node:
    """The tree of a spec with everything it extends laid under it.

    ``spec`` is a mapping, YAML text (told from a name by its line break or colon), a file, or the name of a
    shipped spec.
    """
    if isinstance(spec, Mapping):
        return _extended(from_data(spec, ""), Path(), ())
    if isinstance(spec, str) and ("\n" in spec or ": " in spec):
        return _extended(read(spec, "<text>"), Path(), ())
    return _from_file(str(spec), Path(), Mark(""), "", ())


def overridden(tree: Node, overrides: Mapping[str, Any], source: str) -> Node:
    """The tree with values put at dotted paths: ``{"decoder.block.repeats": 1}``."""
    for path, value in overrides.items():
        node = from_data(value, source, path)
        tree = put(tree, _location(path, source), node)
    return tree


def assigned(tree: Node, assignments: tuple[str, ...]) -> Node:
    """The tree with ``path=value`` texts put in, values read as YAML (``--set``)."""
    for text in assignments:
        path, separator, value = text.partition("=")
        source = f"--set {text}"
        if not separator:
            problem = Problem("set", "", f"{text!r} has no '='", "write --set path=value", Mark(source))
            raise SpecError([problem])
        tree = put(tree, _location(path.strip(), source), read_value(value, source, path.strip()))
    return tree


def _location(path: str, source: str) -> tuple[str, ...]:
    steps = tuple(path.replace("[", ".").replace("]", "").split("."))
    if not all(steps):
        problem = Problem("set", path, "a path is names joined by dots", "write decoder.block.norm", Mark(source))
        raise SpecError([problem])
    return steps


def _from_file(name: str, folder: Path, mark: Mark, path: str, chain: tuple[str, ...]) -> Node:
    known = shipped()
    file = folder / name
    if name in known and not file.is_file():
        file, source = known[name], f"{name}.yaml"
    else:
        source = str(file)
    try:
        raw = file.read_bytes()
    except (OSError, ValueError) as error:
        raise SpecError([_unreadable(name, error, mark, path)]) from None
    if len(raw) >= 2 and raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problem = Problem("encoding", "", "the file is UTF-16", "save the file as UTF-8", Mark(source, 1, 1))
        raise SpecError([problem])
    return _extended(read_bytes(raw, source), file.parent, (*chain, str(file.resolve())))


def _unreadable(name: str, error: Exception, mark: Mark, path: str) -> Problem:
    what = "it is a folder" if isinstance(error, IsADirectoryError) else f"{type(error).__name__}"
    if isinstance(error, FileNotFoundError):
        what = "there is no such file and no shipped spec of that name"
    names = did_you_mean(name, shipped()) or f"shipped specs are {', '.join(shipped())}"
    return Problem("not_found", path, f"cannot read {name!r}: {what}", names, mark if mark.source else None)


def _extended(tree: Node, folder: Path, chain: tuple[str, ...]) -> Node:
    node = tree.mapping.get("extends")
    if node is None:
        return tree
    if not isinstance(node.value, str):
        hint = "write extends: unet_paper"
        raise SpecError([node.problem("extends", "extends is the name of a spec or the path of a file", hint)])
    target = shipped().get(node.value, folder / node.value).resolve()
    if (folder / node.value).is_file():
        target = (folder / node.value).resolve()
    if str(target) in chain or len(chain) > MAX_EXTENDS:
        problem = node.problem("extends", f"{node.value!r} extends itself in the end", "break the circle")
        raise SpecError([problem])
    base = _from_file(node.value, folder, node.mark, node.path, chain)
    return merge(base.without(*NOT_INHERITED), tree.without("extends", "$schema"))
