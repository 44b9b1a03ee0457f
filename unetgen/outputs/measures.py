"""Measure: one number that a network is compared by, or matched to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unetgen.outputs.report import Report


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a network at its input size, for one sample of float32."""

    name: str
    """What sweeps, options and programs call it."""
    title: str
    """What people call it."""
    head: str
    """The same over a column."""
    unit: str
    of: Callable[[Report], int]


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("params", "parameters", "params", "", lambda report: report.cost.params),
        Measure("macs", "MACs", "MACs", "", lambda report: report.cost.macs),
        Measure("memory", "training memory", "training", "bytes", lambda report: report.memory.training),
        Measure("inference_memory", "inference memory", "inference", "bytes", lambda report: report.memory.inference),
        Measure(
            "receptive_field", "receptive field", "field", "pixels", lambda r: max(field.largest for field in r.fields)
        ),
    )
}
