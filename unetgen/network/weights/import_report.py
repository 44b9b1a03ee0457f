"""The report of an import: what went where, what stayed, and what is still to be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unetgen.errors import WeightsError
from unetgen.network.weights.state_layer import get_layer_path

ShapesByKey = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a foreign checkpoint."""

    source: str
    """The file."""
    key_map: str | None
    """The key map that named the layers, or None where structure told them."""
    pairs: Mapping[str, str]
    """Their keys with ours; several of theirs may be one of ours."""
    aliases: Mapping[str, str]
    """Their layers that are another one of theirs once more, by path."""
    ignored: tuple[str, ...]
    """Their entries that are no weights: no tensors, or mapped to null."""
    unmatched_source: ShapesByKey
    """Their tensors without one of ours."""
    missing: ShapesByKey
    """Our tensors without one of theirs."""
    matched_by_order: int
    """How many layers only their order tells from others of their kind."""
    unordered: bool
    """Whether layers stayed unmatched because the order of the file says nothing."""

    @property
    def is_complete(self) -> bool:
        """Whether every tensor of either side has its counterpart."""
        return not self.missing and not self.unmatched_source

    @property
    def notice(self) -> str | None:
        """What is still to be checked by the reader."""
        if not self.matched_by_order:
            return None
        are = "layer is" if self.matched_by_order == 1 else "layers are"
        return f"{self.matched_by_order} {are} of equal kind, matched by order only: check the outputs against the original's"

    @property
    def layer_pairs(self) -> dict[str, str]:
        """Their layers with ours, as a key map says it."""
        return {get_layer_path(theirs): get_layer_path(ours) for theirs, ours in self.pairs.items()}

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "source": self.source,
            "by": "structure" if self.key_map is None else "key map",
            "key_map": self.key_map,
            "tensors": len(set(self.pairs.values())),
            "layers": len(set(self.layer_pairs.values())),
            "pairs": [{"theirs": theirs, "ours": ours} for theirs, ours in self.pairs.items()],
            "aliases": dict(self.aliases),
            "left_out": list(self.ignored),
            "left_over": [{"key": key, "shape": list(shape)} for key, shape in self.unmatched_source.items()],
            "missing": [{"key": key, "shape": list(shape)} for key, shape in self.missing.items()],
            "by_order": self.matched_by_order,
            "notice": self.notice,
        }

    def format_lines(self) -> list[tuple[str, str]]:
        """What a person should know of it, named."""
        by = "structure" if self.key_map is None else f"the key map {self.key_map}"
        tensors, layers = len(set(self.pairs.values())), len(set(self.layer_pairs.values()))
        said = [("matched", f"{_format_count(tensors, 'tensor')} of {_format_count(layers, 'layer')} by {by}")]
        if self.aliases:
            said.append(("aliases", f"{_format_count(len(self.aliases), 'layer')} of theirs held once more, folded"))
        if self.ignored:
            said.append(("left out", ", ".join(self.ignored)))
        for name, shapes in (("missing", self.missing), ("left over", self.unmatched_source)):
            said += [(name, line) for line in _truncate_lines([f"{key} {shape}" for key, shape in shapes.items()])]
        return [*said, *([("notice", self.notice)] if self.notice else [])]

    def raise_if_incomplete(self) -> None:
        """Raises WeightsError where something has no counterpart, with the first dozen of it."""
        if self.is_complete:
            return
        missing = [f"{key} {shape} of this network is missing" for key, shape in self.missing.items()]
        over = [f"{key} {shape} of theirs is left over" for key, shape in self.unmatched_source.items()]
        # Of both sides something is shown, for the two together tell what went wrong.
        shown = [*missing[: max(6, 12 - len(over))], *over[: max(6, 12 - len(missing))]]
        rest = len(missing) + len(over) - len(shown)
        raise WeightsError("\n  ".join([self._error_message(), *shown, *([f"... and {rest} more"] if rest else [])]))

    def _error_message(self) -> str:
        counts = f"{_format_count(len(self.missing), 'tensor')} missing, {len(self.unmatched_source)} left over"
        partial = "take what matches with --partial (partial=True)"
        if self.key_map is not None:
            return f"{self.source}: the key map {self.key_map} leaves {counts}; correct the map, or {partial}"
        if self.unordered:
            way = "import a file of torch.save, give a key map"
            return f"{self.source}: sorted by name it does not tell layers of equal kind, {counts}; {way}, or {partial}"
        return f"{self.source}: by structure it is not this network, {counts}; give a key map, or {partial}"


def _truncate_lines(lines: list[str]) -> list[str]:
    return [*lines[:12], *([f"... and {len(lines) - 12} more"] if len(lines) > 12 else [])]


def _format_count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
