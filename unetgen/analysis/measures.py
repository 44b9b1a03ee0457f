"""Measure: one number that a network is compared by, or matched to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unetgen.analysis.report import NetworkReport


@dataclass(frozen=True, slots=True)
class CostMetric:
    """A number of a network at its input size, for one sample of float32."""

    name: str
    """What sweeps, options and programs call it."""
    title: str
    """What people call it."""
    column_title: str
    """The same over a column."""
    unit: str
    compute: Callable[[NetworkReport], int]


COST_METRICS = {
    measure.name: measure
    for measure in (
        CostMetric("params", "parameters", "params", "", lambda report: report.cost.params),
        CostMetric("macs", "MACs", "MACs", "", lambda report: report.cost.macs),
        CostMetric("memory", "training memory", "training", "bytes", lambda report: report.memory.training),
        CostMetric(
            "inference_memory", "inference memory", "inference", "bytes", lambda report: report.memory.inference
        ),
        CostMetric(
            "receptive_field",
            "receptive field",
            "field",
            "pixels",
            lambda r: max(field.largest for field in r.receptive_fields),
        ),
    )
}
