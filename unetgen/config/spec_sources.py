"""Load specs from files, names, text or Python data, and merge in the specs they extend."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from unetgen.config.key_path import parse_key_path
from unetgen.config.overlay import NOT_INHERITED, combine_overlays, merge, nest_at
from unetgen.config.registry.registry import Registry
from unetgen.config.weights_file import read_embedded_spec
from unetgen.config.yaml.file_kinds import is_safetensors
from unetgen.config.yaml.parser import MAX_BYTES, parse_yaml, parse_yaml_bytes, parse_yaml_value
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import Problem, SourceLocation, SpecError, did_you_mean

MAX_EXTENDS = 16


def get_shipped_folder() -> Path:
    """Return the folder of the shipped specs: inside the package in a wheel, beside it in a checkout."""
    inside = Path(__file__).parent.parent / "specs"
    return inside if inside.is_dir() else Path(__file__).parent.parent.parent / "specs"


@cache
def list_shipped_specs() -> dict[str, Path]:
    """Return the files of the shipped specs by name: the basic specs, then the zoo."""
    folder = get_shipped_folder()
    return {path.stem: path for place in (folder, folder / "zoo") for path in sorted(place.glob("*.yaml"))}


def load_tree(spec: str | Path | Mapping[str, Any], registry: Registry) -> YamlNode:
    """Return the tree of a spec, merged onto the specs that it extends.

    Args:
        spec: A mapping, YAML text (recognised by a line break or ``": "``), a file, or the name of a shipped spec;
            a plugin's spec is named ``distribution/name``. A weights file of unetgen gives the spec inside it.
        registry: The registry whose plugins may ship the spec.

    Raises:
        SpecError: The spec cannot be read or parsed.
    """
    return _TreeLoader(registry).load(spec)


def load_named_tree(node: YamlNode, folder: Path, registry: Registry) -> YamlNode:
    """Return the tree of a spec that another file in ``folder`` names or contains."""
    return _TreeLoader(registry).load_named(node, folder)


def list_plugin_specs(registry: Registry, distribution: str | None = None) -> dict[str, Path]:
    """Return the files of the specs that all plugins or one distribution ship, as ``distribution/name``."""
    return {
        f"{provider.name}/{path.stem}": path
        for provider, contributions in registry.iter_contributions(distribution)
        for folder in contributions.spec_folders
        for path in sorted(folder.glob("*.yaml"))
    }


def apply_overrides(tree: YamlNode, overrides: Mapping[str, Any], source: str) -> YamlNode:
    """Return the tree with values set at dotted paths: ``{"decoder.block.repeats": 1}``."""
    overlays = (
        nest_at(parse_key_path(path, SourceLocation(source)), from_data(value, source, path))
        for path, value in overrides.items()
    )
    return merge(tree, combine_overlays(overlays))


def apply_assignments(tree: YamlNode, assignments: tuple[str, ...]) -> YamlNode:
    """Return the tree with ``path=value`` assignments applied (``--set``); values are read as YAML."""
    overlays = []
    for text in assignments:
        path, separator, value = text.partition("=")
        source = f"--set {text}"
        if not separator:
            problem = Problem("set", "", f"{text!r} has no '='", "write --set path=value", SourceLocation(source))
            raise SpecError([problem])
        overlays.append(
            nest_at(parse_key_path(path.strip(), SourceLocation(source)), parse_yaml_value(value, source, path.strip()))
        )
    return merge(tree, combine_overlays(overlays)) if overlays else tree


class _TreeLoader:
    """Loader of trees; plugins are asked for a spec only if no file and no shipped spec has its name."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def load(self, spec: str | Path | Mapping[str, Any]) -> YamlNode:
        if isinstance(spec, Mapping):
            return self._apply_extends(from_data(spec, ""), Path(), ())
        if isinstance(spec, str) and ("\n" in spec or ": " in spec):
            return self._apply_extends(parse_yaml(spec, "<text>"), Path(), ())
        return self._load_file(str(spec), Path(), SourceLocation(""), "", ())

    def load_named(self, node: YamlNode, folder: Path) -> YamlNode:
        if isinstance(node.value, str):
            return self._load_file(node.value, folder, node.mark, node.path, ())
        return self._apply_extends(node.rebase(""), folder, ())

    def _load_file(self, name: str, folder: Path, mark: SourceLocation, path: str, chain: tuple[str, ...]) -> YamlNode:
        try:
            file, source = self._locate_file(name, folder)
            with file.open("rb") as opened:
                # Reading one byte more than the limit is enough to reject a file, and /dev/zero never ends.
                raw = opened.read(MAX_BYTES + 1)
            if is_safetensors(raw):
                return read_embedded_spec(file, source)
            identity = str(file.resolve())
        except (OSError, ValueError) as error:
            raise SpecError([self._make_unreadable_problem(name, error, mark, path)]) from None
        if identity in chain or len(chain) >= MAX_EXTENDS:
            problem = Problem("extends", path, f"{name!r} extends itself, directly or not", "break the cycle", mark)
            raise SpecError([problem])
        return self._apply_extends(parse_yaml_bytes(raw, source), file.parent, (*chain, identity))

    def _locate_file(self, name: str, folder: Path) -> tuple[Path, str]:
        """Return the file of a name, and its name in messages. An existing file precedes a shipped spec."""
        file = folder / name
        if file.is_fifo() or file.is_char_device():
            raise ValueError("not a regular file")
        if file.is_file():
            return file, str(file)
        if name in list_shipped_specs():
            return list_shipped_specs()[name], f"{name}.yaml"
        vendor, slash, rest = name.partition("/")
        if slash and "/" not in rest and not rest.endswith((".yaml", ".yml", ".json")):
            plugin_specs = list_plugin_specs(self.registry, vendor)
            if name in plugin_specs:
                return plugin_specs[name], f"{name}.yaml"
        return file, str(file)

    def _make_unreadable_problem(self, name: str, error: Exception, mark: SourceLocation, path: str) -> Problem:
        what = str(getattr(error, "strerror", None) or error).lower()
        if isinstance(error, FileNotFoundError):
            what = "no such file, and no shipped spec of that name"
        plugin_specs = list_plugin_specs(self.registry, name.partition("/")[0]) if "/" in name else {}
        known = [*list_shipped_specs(), *plugin_specs]
        hint = did_you_mean(name, known) or f"shipped specs are {', '.join(known)}"
        return Problem("not_found", path, f"cannot read {name!r}: {what}", hint, mark if mark.source else None)

    def _apply_extends(self, tree: YamlNode, folder: Path, chain: tuple[str, ...]) -> YamlNode:
        node = tree.mapping.get("extends")
        if node is None:
            return tree
        if not isinstance(node.value, str):
            hint = "write extends: unet_paper"
            raise SpecError([node.problem("extends", "extends must be the name of a spec or the path of a file", hint)])
        base = self._load_file(node.value, folder, node.mark, node.path, chain)
        return merge(base.without(*NOT_INHERITED), tree.without("extends", "$schema"))
