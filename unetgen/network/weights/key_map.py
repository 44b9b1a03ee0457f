"""Key maps: what a foreign network calls our layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from unetgen.config.spec_sources import get_shipped_folder
from unetgen.config.yaml.parser import parse_yaml_bytes
from unetgen.config.yaml.writer import dump_yaml_lines
from unetgen.errors import SpecError, WeightsError
from unetgen.network.weights.tensor_file import write_atomically

# A mapping of their layer paths to ours, the name of a shipped map, or a YAML file of one. What maps to null is
# something else that their files hold beside the weights, and is left out.
KeyMap = Mapping[str, str | None] | str | Path


class KeyTranslator:
    """The entries of a key map, read in both directions.

    A ``*`` stands for one or more characters of one step, never for a dot, and the i-th one on the right is what the
    i-th one on the left stood for. Entries without a star go first, then those with one, in the order written.
    """

    def __init__(self, key_map: KeyMap) -> None:
        self.name = "given" if isinstance(key_map, Mapping) else str(key_map)
        entries = key_map if isinstance(key_map, Mapping) else _read_key_map(key_map)
        for theirs, ours in entries.items():
            self._check_entry(theirs, ours)
        self._exact = {theirs: ours for theirs, ours in entries.items() if "*" not in theirs}
        self._patterns = [(theirs, ours) for theirs, ours in entries.items() if "*" in theirs]

    def translate(self, key: str) -> str | None:
        """Our key for theirs, or None where it is left out. Raises KeyError where the map has nothing for it."""
        layer, _, parameter = key.rpartition(".")
        if key in self._exact and self._exact[key] is None:
            return None
        target = self._exact[layer] if layer in self._exact else self._match_pattern(layer, key)
        return None if target is None else join_key(target, parameter)

    def find_source_keys(self, key: str) -> list[str]:
        """All their keys for one of ours."""
        layer, _, parameter = key.rpartition(".")
        exact = [theirs for theirs, ours in self._exact.items() if ours == layer]
        filled = [_substitute_wildcards(theirs, ours, layer) for theirs, ours in self._patterns if ours is not None]
        keys = [join_key(theirs, parameter) for theirs in [*exact, *filled] if theirs is not None]
        # A key that another entry takes elsewhere before the pattern is reached is none of this one's.
        return [theirs for theirs in dict.fromkeys(keys) if self.translate(theirs) == key]

    def _match_pattern(self, layer: str, key: str) -> str | None:
        for theirs, ours in self._patterns:
            if ours is None and (
                _match_wildcards(theirs, key) is not None or _match_wildcards(theirs, layer) is not None
            ):
                return None
            if ours is not None and (found := _substitute_wildcards(ours, theirs, layer)) is not None:
                return found
        raise KeyError(key)

    def _check_entry(self, source: str, target: Any) -> None:
        where = f"the key map {self.name}: the entry {source!r}"
        if target is not None and not isinstance(target, str):
            raise WeightsError(f"{where} maps to {target!r}, which is no layer; write 'their.layer: our.layer'")
        if target is not None and source.count("*") != target.count("*"):
            there, here = _format_wildcard_count(source), _format_wildcard_count(target)
            raise WeightsError(f"{where} has {there} and {target!r} has {here}; write as many on both sides")


def translate_keys(tensors: Mapping[str, Any], key_map: KeyMap, name: str) -> dict[str, Any]:
    """A foreign state dict under our keys. Several of their layers may be one of ours; then they must be equal."""
    names = KeyTranslator(key_map)
    ours: dict[str, Any] = {}
    for key, value in tensors.items():
        try:
            target = names.translate(key)
        except KeyError:
            layer = key.rpartition(".")[0] or key
            raise WeightsError(f"{name}: the key map has no layer {layer!r}; is it the map of this network?") from None
        if target is None:
            continue
        if target in ours:
            require_equal(ours[target], value, target, name)
        ours[target] = value
    return ours


def require_equal(first: Any, second: Any, target: str, name: str) -> None:
    """Raises WeightsError where two tensors that map to one of ours differ."""
    if not (isinstance(first, Tensor) and isinstance(second, Tensor) and first.equal(second)):
        raise WeightsError(f"{name}: two different tensors map to {target}; is it the map of this network?")


def write_key_map(entries: Mapping[str, str | None], heading: str, path: str | Path) -> None:
    """Writes a key map that a person can check and an import can use. Raises WeightsError."""
    text = f"# {heading}\n\n{dump_yaml_lines(entries)}"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def join_key(layer: str, parameter: str) -> str:
    """The state-dict key of a layer's parameter; the network itself may be the layer."""
    return f"{layer}.{parameter}" if layer else parameter


def find_shipped_key_map(spec_name: str) -> str | None:
    """The name of the shipped key map of a shipped spec, if there is one."""
    return spec_name if spec_name and (_key_map_directory() / f"{spec_name}.yaml").is_file() else None


def _substitute_wildcards(pattern: str, source: str, text: str) -> str | None:
    """A pattern, its stars filled with what those of another one stand for in a text; None where it is no match."""
    stars = _match_wildcards(source, text)
    if stars is None:
        return None
    pieces = pattern.split("*")
    return "".join(piece + star for piece, star in zip(pieces, [*stars, ""], strict=True))


def _match_wildcards(pattern: str, text: str) -> tuple[str, ...] | None:
    """What the stars of a pattern stand for in a text, or None where it is no match."""
    match = re.fullmatch("([^.]+)".join(map(re.escape, pattern.split("*"))), text)
    return None if match is None else match.groups()


def _format_wildcard_count(pattern: str) -> str:
    count = pattern.count("*")
    return f"{count or 'no'} star{'' if count == 1 else 's'}"


def _key_map_directory() -> Path:
    return get_shipped_folder() / "key_maps"


def _read_key_map(key_map: str | Path) -> dict[str, Any]:
    shipped = _key_map_directory() / f"{key_map}.yaml"
    path = shipped if shipped.is_file() else Path(key_map)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in shipped.parent.glob("*.yaml")))
        raise WeightsError(f"{key_map}: there is no such key map; shipped ones are {known}")
    try:
        entries: dict[str, Any] = parse_yaml_bytes(path.read_bytes(), str(path)).to_data()
    except SpecError as error:
        # The reader takes an empty text and a list for a spec; what else it says holds for any YAML.
        if {problem.code for problem in error.problems} & {"empty", "root"}:
            raise WeightsError(f"{path}: this is no key map; write lines of 'their.layer: our.layer'") from None
        raise
    return entries
