"""Provide ready-made trials: ``unetgen run SWEEP --trial unetgen.trials:segmentation``, or ``:cost``."""

from unetgen.trials.cost_trial import cost
from unetgen.trials.segmentation_trial import segmentation

__all__ = ["cost", "segmentation"]
