"""Define a variant: one network of a sweep, with its differences from the base."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from unetgen.ablation.sweeps.axis import Combination
from unetgen.ablation.sweeps.confounders import Confounder
from unetgen.ablation.sweeps.matching.match import Match
from unetgen.analysis.report import NetworkReport
from unetgen.config.spec import Spec
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size

# Longer labels are cut in names; the hash keeps them unique. File systems limit names to 255 bytes.
MAX_LABEL_BYTES = 100


@dataclass(frozen=True)
class Variant:
    """A valid variant; ``report`` has its sizes and costs."""

    label: str
    """Its differences from the base, such as ``depth=3,skip.fusion=add``; ``base`` without any."""
    combination: Combination
    report: NetworkReport
    match: Match | None = None
    """How it was matched to the sweep's budget, or None without one."""
    resized_to: Size | None = None
    """Its input size, if the sweep chose another than the base's to hold what is compared fixed."""
    confounders: tuple[Confounder, ...] = ()
    """What it changes beyond its settings, since another type of a part starts from that type's defaults."""

    @cached_property
    def name(self) -> str:
        """The label and the first 8 digits of the hash; the same on every machine, for any order of axes."""
        # The file must not be hidden, and its name must not look like an option.
        label = self.label.lstrip(".-") or "variant"
        label = label.encode()[:MAX_LABEL_BYTES].decode(errors="ignore")  # drops a character that was cut in two
        return f"{label}-{self.report.spec.hash[:8]}"

    @property
    def filename(self) -> str:
        """The name of its spec's file in a sweep directory."""
        return f"{self.name}.yaml"

    @cached_property
    def spec(self) -> Spec:
        """Its resolved spec, named after the variant."""
        return replace(self.report.spec, name=self.name, description="", about={})

    @property
    def graph(self) -> Graph:
        """Its graph of operations."""
        return self.report.graph

    @property
    def choices(self) -> dict[str, str]:
        """The label of its choice on each axis that applies to it."""
        return {axis.name: choice.label for axis, choice in self.combination}

    @property
    def settings(self) -> dict[str, Any]:
        """The values that override the base, by path; those that the sweep chose come last."""
        settings = {s.path: s.value.to_data() for _, choice in self.combination for s in choice.settings}
        return settings | self.derived_settings

    @property
    def derived_settings(self) -> dict[str, Any]:
        """The values that the sweep chose: the input size, and those set by matching."""
        size = {"input_size": list(self.resized_to)} if self.resized_to else {}
        return size | (self.match.settings if self.match else {})
