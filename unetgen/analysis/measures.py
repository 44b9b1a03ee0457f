"""The cost metrics by which networks are compared, or matched to a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unetgen.analysis.report import NetworkReport


@dataclass(frozen=True, slots=True)
class CostMetric:
    """A cost of a network at its input size, for one float32 sample."""

    name: str
    """The name in sweeps, options and JSON."""
    title: str
    """The name in sentences."""
    column_title: str
    """The name as a column title."""
    unit: str
    """``bytes``, ``pixels``, or empty for a count."""
    compute: Callable[[NetworkReport], int]


COST_METRICS = {
    metric.name: metric
    for metric in (
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
