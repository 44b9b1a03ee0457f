"""The report of an import: what went where, what stayed, and what is still to be checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unetgen.errors import WeightsError
from unetgen.network.weights.state_layer import layer_of

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Import:
    """What became of a foreign checkpoint."""

    source: str
    """The file."""
    key_map: str | None
    """The key map that named the layers, or None where structure told them."""
    pairs: Mapping[str, str]
    """Their keys with ours; several of theirs may be one of ours."""
    aliases: Mapping[str, str]
    """Their layers that are another one of theirs once more, by path."""
    left_out: tuple[str, ...]
    """Their entries that are no weights: no tensors, or mapped to null."""
    left_over: Shapes
    """Their tensors without one of ours."""
    missing: Shapes
    """Our tensors without one of theirs."""
    by_order: int
    """How many layers only their order tells from others of their kind."""
    orderless: bool
    """Whether layers stayed unmatched because the order of the file says nothing."""

    @property
    def is_whole(self) -> bool:
        """Whether every tensor of either side has its counterpart."""
        return not self.missing and not self.left_over

    @property
    def notice(self) -> str | None:
        """What is still to be checked by the reader."""
        if not self.by_order:
            return None
        are = "layer is" if self.by_order == 1 else "layers are"
        return f"{self.by_order} {are} of equal kind, matched by order only: check the outputs against the original's"

    @property
    def layers(self) -> dict[str, str]:
        """Their layers with ours, as a key map says it."""
        return {layer_of(theirs): layer_of(ours) for theirs, ours in self.pairs.items()}

    def record(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "source": self.source,
            "by": "structure" if self.key_map is None else "key map",
            "key_map": self.key_map,
            "tensors": len(set(self.pairs.values())),
            "layers": len(set(self.layers.values())),
            "pairs": [{"theirs": theirs, "ours": ours} for theirs, ours in self.pairs.items()],
            "aliases": dict(self.aliases),
            "left_out": list(self.left_out),
            "left_over": [{"key": key, "shape": list(shape)} for key, shape in self.left_over.items()],
            "missing": [{"key": key, "shape": list(shape)} for key, shape in self.missing.items()],
            "by_order": self.by_order,
            "notice": self.notice,
        }

    def lines(self) -> list[tuple[str, str]]:
        """What a person should know of it, named."""
        by = "structure" if self.key_map is None else f"the key map {self.key_map}"
        tensors, layers = len(set(self.pairs.values())), len(set(self.layers.values()))
        said = [("matched", f"{_count(tensors, 'tensor')} of {_count(layers, 'layer')} by {by}")]
        if self.aliases:
            said.append(("aliases", f"{_count(len(self.aliases), 'layer')} of theirs held once more, folded"))
        if self.left_out:
            said.append(("left out", ", ".join(self.left_out)))
        for name, shapes in (("missing", self.missing), ("left over", self.left_over)):
            said += [(name, line) for line in _first_dozen([f"{key} {shape}" for key, shape in shapes.items()])]
        return [*said, *([("notice", self.notice)] if self.notice else [])]

    def demand_whole(self) -> None:
        """Raises WeightsError where something has no counterpart, with the first dozen of it."""
        if self.is_whole:
            return
        missing = [f"{key} {shape} of this network is missing" for key, shape in self.missing.items()]
        over = [f"{key} {shape} of theirs is left over" for key, shape in self.left_over.items()]
        # Of both sides something is shown, for the two together tell what went wrong.
        shown = [*missing[: max(6, 12 - len(over))], *over[: max(6, 12 - len(missing))]]
        rest = len(missing) + len(over) - len(shown)
        raise WeightsError("\n  ".join([self._refusal(), *shown, *([f"... and {rest} more"] if rest else [])]))

    def _refusal(self) -> str:
        counts = f"{_count(len(self.missing), 'tensor')} missing, {len(self.left_over)} left over"
        partial = "take what matches with --partial (partial=True)"
        if self.key_map is not None:
            return f"{self.source}: the key map {self.key_map} leaves {counts}; correct the map, or {partial}"
        if self.orderless:
            way = "import a file of torch.save, give a key map"
            return f"{self.source}: sorted by name it does not tell layers of equal kind, {counts}; {way}, or {partial}"
        return f"{self.source}: by structure it is not this network, {counts}; give a key map, or {partial}"


def _first_dozen(lines: list[str]) -> list[str]:
    return [*lines[:12], *([f"... and {len(lines) - 12} more"] if len(lines) > 12 else [])]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
