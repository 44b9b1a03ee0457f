"""Report a weight import: matched, missing and unmatched tensors, and what remains to be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unetgen.errors import WeightsError
from unetgen.network.weights.state_layer import get_layer_path

ShapesByKey = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of importing a checkpoint of another implementation.

    Source keys and layers are those of the checkpoint, target ones those of the network.
    """

    source: str
    """The checkpoint file."""
    key_map: str | None
    """The key map that matched the layers, or None if they were matched by structure."""
    pairs: Mapping[str, str]
    """Target keys by source key; several source keys may have the same target."""
    aliases: Mapping[str, str]
    """Source layers that duplicate another source layer, with its path."""
    ignored: tuple[str, ...]
    """Source entries that are not weights: not tensors, or mapped to null."""
    unmatched_source: ShapesByKey
    """Source tensors without a target."""
    missing: ShapesByKey
    """Target tensors without a source."""
    matched_by_order: int
    """The number of layers that were matched only by their order among layers of equal kind."""
    unordered: bool
    """Whether layers stayed unmatched because the file is sorted by name."""
    has_own_names: bool = False
    """Whether the checkpoint has the names of this network, so that these matched the tensors."""

    @property
    def method(self) -> str:
        """What matched the tensors: ``name``, ``structure`` or ``key map``."""
        return "key map" if self.key_map is not None else "name" if self.has_own_names else "structure"

    @property
    def is_complete(self) -> bool:
        """Whether every tensor on both sides is matched."""
        return not self.missing and not self.unmatched_source

    @property
    def notice(self) -> str | None:
        """What the user should check, if anything."""
        if not self.matched_by_order:
            return None
        layers = _format_count(self.matched_by_order, "layer")
        return f"{layers} of equal kind matched by order only; compare the outputs with the original's"

    @property
    def layer_pairs(self) -> dict[str, str]:
        """Target layers by source layer, as in a key map."""
        return {get_layer_path(source): get_layer_path(target) for source, target in self.pairs.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        return {
            "source": self.source,
            "by": self.method,
            "key_map": self.key_map,
            "tensors": len(set(self.pairs.values())),
            "layers": len(set(self.layer_pairs.values())),
            "pairs": [{"theirs": source, "ours": target} for source, target in self.pairs.items()],
            "aliases": dict(self.aliases),
            "left_out": list(self.ignored),
            "left_over": [{"key": key, "shape": list(shape)} for key, shape in self.unmatched_source.items()],
            "missing": [{"key": key, "shape": list(shape)} for key, shape in self.missing.items()],
            "by_order": self.matched_by_order,
            "notice": self.notice,
        }

    def format_lines(self) -> list[tuple[str, str]]:
        """Return labelled lines for a terminal."""
        by = self.method if self.key_map is None else f"the key map {self.key_map}"
        tensors, layers = len(set(self.pairs.values())), len(set(self.layer_pairs.values()))
        of_all = f" of {tensors + len(self.missing)}" if self.missing else ""
        counts = f"{tensors}{of_all} tensor{'s' * (of_all != '' or tensors != 1)} of {_format_count(layers, 'layer')}"
        lines = [("matched", f"{counts} by {by}")]
        if self.aliases:
            lines.append(
                ("aliases", f"{_format_count(len(self.aliases), 'duplicate layer')} in the checkpoint, merged")
            )
        if self.ignored:
            lines.append(("ignored", ", ".join(self.ignored)))
        for name, shapes in (("missing", self.missing), ("unmatched", self.unmatched_source)):
            lines += [(name, line) for line in _truncate_lines([f"{key} {shape}" for key, shape in shapes.items()])]
        return [*lines, *([("notice", self.notice)] if self.notice else [])]

    def raise_if_incomplete(self) -> None:
        """Raise WeightsError unless every tensor is matched; the message lists the first dozen others."""
        if self.is_complete:
            return
        missing = [f"{key} {shape} of this network is missing" for key, shape in self.missing.items()]
        unmatched = [f"{key} {shape} of the checkpoint is unmatched" for key, shape in self.unmatched_source.items()]
        # Lines of both sides are shown, since the cause is often visible only in the pair.
        lines = [*missing[: max(6, 12 - len(unmatched))], *unmatched[: max(6, 12 - len(missing))]]
        rest = len(missing) + len(unmatched) - len(lines)
        raise WeightsError("\n  ".join([self._error_message(), *lines, *([f"... and {rest} more"] if rest else [])]))

    def _error_message(self) -> str:
        counts = f"{_format_count(len(self.missing), 'tensor')} missing, {len(self.unmatched_source)} unmatched"
        partial = "import what matches with --partial (partial=True)"
        if self.key_map is not None:
            return f"{self.source}: the key map {self.key_map} leaves {counts}; correct the map, or {partial}"
        if self.has_own_names:
            problem = f"has the names of this network, but another architecture: {counts}"
            return f"{self.source}: {problem}; build the network of the file, or {partial}"
        if self.unordered:
            problem = f"sorted by name, so layers of equal kind cannot be distinguished: {counts}"
            return f"{self.source}: {problem}; import a file of torch.save, give a key map, or {partial}"
        return f"{self.source}: does not match this network by structure: {counts}; give a key map, or {partial}"


def _truncate_lines(lines: list[str]) -> list[str]:
    return [*lines[:12], *([f"... and {len(lines) - 12} more"] if len(lines) > 12 else [])]


def _format_count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
