"""Classify pixels by intensity alone, as baselines. A network that is not better has not learned anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from unetgen.ablation.runs.context import TrialContext
from unetgen.config.spec import Spec
from unetgen.errors import MissingDependencyError
from unetgen.trials.dataset import Dataset, Sample
from unetgen.trials.metrics import SegmentationMetrics
from unetgen.trials.options import Proportion, validate_options

# Otsu's method tries all thresholds: four in 128 bins are ten million combinations (half a second), five 250 million.
_NUM_BINS, _MAX_THRESHOLD_CLASSES = 128, 5

# Fits a rule to a dataset and returns a function that classifies the pixels of a sample.
FitClassifier = Callable[[Dataset], Callable[[Sample], NDArray[Any]]]


def fit_majority(dataset: Dataset) -> Callable[[Sample], NDArray[Any]]:
    """Return a classifier that predicts the most frequent training class for every pixel."""
    majority = int(np.argmax(_count_classes(dataset.train, dataset.num_classes)))
    return lambda sample: np.full_like(sample.mask, majority)


def fit_otsu(dataset: Dataset) -> Callable[[Sample], NDArray[Any]]:
    """Return a classifier by intensity thresholds (Otsu 1979; Liao et al. 2001).

    Each range of intensities gets the class by which the ranges agree best with the masks. There are at most five
    ranges, and no more than the images have different intensities; other classes are never predicted.

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
        from skimage.filters import threshold_multiotsu
    except ImportError:
        raise MissingDependencyError("Otsu's threshold", "scikit-image", "trials") from None
    pixels = np.concatenate([sample.image.mean(0).ravel() for sample in dataset.train])
    truth = np.concatenate([sample.mask.ravel() for sample in dataset.train])
    counts, edges = np.histogram(pixels, _NUM_BINS)
    num_ranges = min(dataset.num_classes, _MAX_THRESHOLD_CLASSES, int(np.count_nonzero(counts)))
    # A range ends at the upper edge of its last bin; by default a threshold is the bin's centre, which splits the bin.
    thresholds = threshold_multiotsu(hist=(counts, edges[1:]), classes=num_ranges) if num_ranges > 1 else np.empty(0)
    agreement = np.zeros((num_ranges, dataset.num_classes), np.int64)
    np.add.at(agreement, (np.digitize(pixels, thresholds), truth), 1)
    _, classes = linear_sum_assignment(agreement, maximize=True)
    return lambda sample: classes[np.digitize(sample.image.mean(0), thresholds)]


def make_baseline(fit: FitClassifier) -> Callable[..., dict[str, float]]:
    """Turn a rule into a baseline of ``segmentation``, which takes the trial's options and returns its metrics."""

    @validate_options
    def score_baseline(
        spec: Spec,
        context: TrialContext,
        *,
        images: str,
        masks: str,
        validation: Proportion = 0.2,
        reduce: PositiveInt = 1,
        objects: int | None = None,
        **_: Any,
    ) -> dict[str, float]:
        dataset = Dataset.read(Path(images), Path(masks), spec.dims, validation, reduce)
        classify = fit(dataset)
        metrics = SegmentationMetrics(dataset.find_object_class(objects))
        for sample in dataset.validation:
            metrics.update(classify(sample), sample.mask)
        return metrics.compute()

    return score_baseline


def _count_classes(samples: tuple[Sample, ...], num_classes: int) -> NDArray[Any]:
    return np.bincount(np.concatenate([sample.mask.ravel() for sample in samples]), minlength=num_classes)
