"""Trials that need no code: ``unetgen run SWEEP --trial unetgen.trials:segmentation``, or ``:cost``."""

from unetgen.trials.costing import cost
from unetgen.trials.segmenting import segmentation

__all__ = ["cost", "segmentation"]
