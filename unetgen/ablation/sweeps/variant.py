"""Variant: one network of a sweep, with what it says differently from the base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from unetgen.ablation.sweeps.axis import Combination
from unetgen.ablation.sweeps.matching.search import Match
from unetgen.analysis.report import NetworkReport
from unetgen.config.spec import Spec
from unetgen.graph.graph import Graph

# Longer names are cut; the hash behind them keeps them apart. File systems count bytes, and take 255 of them.
MAX_LABEL_BYTES = 100


@dataclass(frozen=True)
class Variant:
    """A valid variant. ``report`` has its sizes and costs."""

    label: str
    """What it says differently from the base: ``depth=3,skip.fusion=add``; ``base`` where nothing."""
    combination: Combination
    report: NetworkReport
    match: Match | None = None
    """How it was matched to the sweep's budget, if there is one."""

    @cached_property
    def name(self) -> str:
        """Its words and the beginning of its hash: the same on every machine, in whatever order axes are written."""
        # No hidden files, and none that a shell takes for an option.
        words = self.label.lstrip(".-") or "variant"
        cut = words.encode()[:MAX_LABEL_BYTES].decode(errors="ignore")  # what is left of a letter at the end is none
        return f"{cut}-{self.report.spec.hash[:8]}"

    @property
    def filename(self) -> str:
        """The file of its spec in a sweep's directory."""
        return f"{self.name}.yaml"

    @cached_property
    def spec(self) -> Spec:
        """Its complete spec, under its name."""
        return replace(self.report.spec, name=self.name, description="", about={})

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return self.report.graph

    @property
    def choices(self) -> dict[str, str]:
        """What it takes from each axis that there is for it."""
        return {axis.name: choice.label for axis, choice in self.combination}

    @property
    def settings(self) -> dict[str, Any]:
        """Everything it lays over the base, values by path; what matching sets goes last."""
        said = {s.path: s.value.to_data() for _, choice in self.combination for s in choice.settings}
        return said | (self.match.settings if self.match else {})
