"""Read and apply key maps: layer paths of another implementation with those of a network."""

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

# A mapping of source layer paths to target ones, the name of a shipped map, or a YAML file of one. Entries that map to
# null are not weights, and are ignored.
KeyMapSource = Mapping[str, str | None] | str | Path


class KeyTranslator:
    """Translates keys by a key map, in both directions.

    A ``*`` matches one or more characters of one path component, never a dot; the i-th one on the right is replaced by
    the match of the i-th one on the left. Entries without a star take precedence, then those with one, in file order.
    """

    def __init__(self, key_map: KeyMapSource) -> None:
        self.name = "given" if isinstance(key_map, Mapping) else str(key_map)
        entries = key_map if isinstance(key_map, Mapping) else _read_key_map(key_map)
        for source, target in entries.items():
            self._check_entry(source, target)
        self._exact = {source: target for source, target in entries.items() if "*" not in source}
        self._patterns = [(source, target) for source, target in entries.items() if "*" in source]

    def translate(self, key: str) -> str | None:
        """Return the target key of a source key, or None if it is ignored.

        Raises:
            KeyError: No entry matches the key.
        """
        layer, _, parameter = key.rpartition(".")
        if key in self._exact and self._exact[key] is None:
            return None
        target = self._exact[layer] if layer in self._exact else self._match_pattern(layer, key)
        return None if target is None else join_key(target, parameter)

    def find_source_keys(self, key: str) -> list[str]:
        """Return all source keys of a target key."""
        layer, _, parameter = key.rpartition(".")
        exact = [source for source, target in self._exact.items() if target == layer]
        filled = [
            _substitute_wildcards(source, target, layer) for source, target in self._patterns if target is not None
        ]
        keys = [join_key(source, parameter) for source in [*exact, *filled] if source is not None]
        # An entry with precedence may translate such a key to another target.
        return [source for source in dict.fromkeys(keys) if self.translate(source) == key]

    def _match_pattern(self, layer: str, key: str) -> str | None:
        for source, target in self._patterns:
            if target is None and (
                _match_wildcards(source, key) is not None or _match_wildcards(source, layer) is not None
            ):
                return None
            if target is not None and (translated := _substitute_wildcards(target, source, layer)) is not None:
                return translated
        raise KeyError(key)

    def _check_entry(self, source: str, target: Any) -> None:
        entry = f"the key map {self.name}: the entry {source!r}"
        if target is not None and not isinstance(target, str):
            raise WeightsError(f"{entry} maps to {target!r}, which is not a layer; write 'source.layer: target.layer'")
        if target is not None and source.count("*") != target.count("*"):
            counts = _format_wildcard_count(source), _format_wildcard_count(target)
            raise WeightsError(
                f"{entry} has {counts[0]} and {target!r} has {counts[1]}; use the same number on both sides"
            )


def translate_state_dict(tensors: Mapping[str, Any], key_map: KeyMapSource, name: str) -> dict[str, Any]:
    """Translate the keys of a state dict.

    Args:
        tensors: The state dict of another implementation; keys with the same target must have equal tensors.
        key_map: The key map.
        name: The state dict's name in messages.

    Returns:
        The entries under the network's keys.

    Raises:
        WeightsError: A key has no entry in the map, or different tensors have the same target.
    """
    translator = KeyTranslator(key_map)
    translated: dict[str, Any] = {}
    for key, value in tensors.items():
        try:
            target = translator.translate(key)
        except KeyError:
            layer = key.rpartition(".")[0] or key
            raise WeightsError(
                f"{name}: the key map has no entry for layer {layer!r}; use the map of this network"
            ) from None
        if target is None:
            continue
        if target in translated:
            require_equal(translated[target], value, target, name)
        translated[target] = value
    return translated


def require_equal(first: Any, second: Any, target: str, name: str) -> None:
    """Raise WeightsError if two tensors with the same target key differ."""
    if not (isinstance(first, Tensor) and isinstance(second, Tensor) and first.equal(second)):
        raise WeightsError(f"{name}: two different tensors map to {target}; use the map of this network")


def write_key_map(entries: Mapping[str, str | None], heading: str, path: str | Path) -> None:
    """Write a key map as YAML, with a heading as comment. Raises WeightsError."""
    text = f"# {heading}\n\n{dump_yaml_lines(entries)}"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def join_key(layer: str, parameter: str) -> str:
    """Return the state-dict key of a layer's parameter; the path of the network itself is empty."""
    return f"{layer}.{parameter}" if layer else parameter


def find_shipped_key_map_name(spec_name: str) -> str | None:
    """Return the name of the shipped key map of a shipped spec, if any."""
    return spec_name if spec_name and (_key_map_directory() / f"{spec_name}.yaml").is_file() else None


def _substitute_wildcards(pattern: str, source: str, text: str) -> str | None:
    """Match ``source`` with a text and fill the stars of ``pattern`` with its matches; None without a match."""
    matches = _match_wildcards(source, text)
    if matches is None:
        return None
    pieces = pattern.split("*")
    return "".join(piece + match for piece, match in zip(pieces, [*matches, ""], strict=True))


def _match_wildcards(pattern: str, text: str) -> tuple[str, ...] | None:
    """Return what each star of a pattern matches in a text, or None without a match."""
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
        raise WeightsError(f"{key_map}: key map not found; shipped key maps: {known}")
    try:
        entries: dict[str, Any] = parse_yaml_bytes(path.read_bytes(), str(path)).to_data()
    except SpecError as error:
        # These two problems of the parser mention specs; all others apply to any YAML.
        if {problem.code for problem in error.problems} & {"empty", "root"}:
            raise WeightsError(f"{path}: not a key map; write lines of 'source.layer: target.layer'") from None
        raise
    return entries
