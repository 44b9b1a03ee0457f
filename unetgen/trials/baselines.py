"""Baselines: what intensities alone say of pixels. A network that does no better has learnt nothing."""

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

# Every choice of thresholds is tried: of four in 128 bins there are ten million, half a second; of five 250 million.
_NUM_BINS, _MAX_THRESHOLD_CLASSES = 128, 5

# From images to be learnt from to what is then said of one.
FitClassifier = Callable[[Dataset], Callable[[Sample], NDArray[Any]]]


def fit_majority(dataset: Dataset) -> Callable[[Sample], NDArray[Any]]:
    """The most frequent class, everywhere."""
    most = int(np.argmax(_count_classes(dataset.train, dataset.num_classes)))
    return lambda sample: np.full_like(sample.mask, most)


def fit_otsu(dataset: Dataset) -> Callable[[Sample], NDArray[Any]]:
    """Each class between two thresholds (Otsu 1979; Liao et al. 2001), in the order that agrees best with the masks.

    There are at most five parts, and no more than the images have intensities; classes beyond them are never said.
    """
    try:
        from scipy.optimize import linear_sum_assignment
        from skimage.filters import threshold_multiotsu
    except ImportError:
        raise MissingDependencyError("Otsu's threshold", "scikit-image", "trials") from None
    pixels = np.concatenate([sample.image.mean(0).ravel() for sample in dataset.train])
    truth = np.concatenate([sample.mask.ravel() for sample in dataset.train])
    counts, edges = np.histogram(pixels, _NUM_BINS)
    parts = min(dataset.num_classes, _MAX_THRESHOLD_CLASSES, int(np.count_nonzero(counts)))
    # The upper edge of a part's last bin is where it ends; from the middle on its own pixels would be the next part's.
    thresholds = threshold_multiotsu(hist=(counts, edges[1:]), classes=parts) if parts > 1 else np.empty(0)
    agree = np.zeros((parts, dataset.num_classes), np.int64)
    np.add.at(agree, (np.digitize(pixels, thresholds), truth), 1)
    _, classes = linear_sum_assignment(agree, maximize=True)
    return lambda sample: classes[np.digitize(sample.image.mean(0), thresholds)]


def make_baseline(fit: FitClassifier) -> Callable[..., dict[str, float]]:
    """A rule as something that stands in the table of ``segmentation``, with its options."""

    @validate_options
    def scored(
        spec: Spec, context: TrialContext, *, images: str, masks: str, validation: Proportion = 0.2, reduce: PositiveInt = 1,
        objects: int | None = None, **_: Any,
    ) -> dict[str, float]:  # fmt: skip
        samples = Dataset.read(Path(images), Path(masks), spec.dims, validation, reduce)
        say = fit(samples)
        scores = SegmentationMetrics(samples.find_object_class(objects))
        for sample in samples.validation:
            scores.update(say(sample), sample.mask)
        return scores.compute()

    return scored


def _count_classes(samples: tuple[Sample, ...], num_classes: int) -> NDArray[Any]:
    return np.bincount(np.concatenate([sample.mask.ravel() for sample in samples]), minlength=num_classes)
