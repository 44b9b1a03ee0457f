"""Baselines: what intensities alone say of pixels. A network that does no better has learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from unetgen.ablation.running.context import Context
from unetgen.config.spec import Spec
from unetgen.errors import MissingExtra
from unetgen.trials.options import Share, checked
from unetgen.trials.samples import Sample, Samples
from unetgen.trials.scores import Scores

# Every choice of thresholds is tried: of four in 128 bins there are ten million, half a second; of five 250 million.
_BINS, _MOST_PARTS = 128, 5

# From images to be learnt from to what is then said of one.
Rule = Callable[[Samples], Callable[[Sample], NDArray[Any]]]


def majority(samples: Samples) -> Callable[[Sample], NDArray[Any]]:
    """The most frequent class, everywhere."""
    most = int(np.argmax(_frequency(samples.learnt, samples.classes)))
    return lambda sample: np.full_like(sample.mask, most)


def otsu(samples: Samples) -> Callable[[Sample], NDArray[Any]]:
    """Each class between two thresholds (Otsu 1979; Liao et al. 2001), in the order that agrees best with the masks.

    There are at most five parts, and no more than the images have intensities; classes beyond them are never said.
    """
    try:
        from scipy.optimize import linear_sum_assignment
        from skimage.filters import threshold_multiotsu
    except ImportError:
        raise MissingExtra("Otsu's threshold", "scikit-image", "trials") from None
    pixels = np.concatenate([sample.image.mean(0).ravel() for sample in samples.learnt])
    truth = np.concatenate([sample.mask.ravel() for sample in samples.learnt])
    counts, edges = np.histogram(pixels, _BINS)
    parts = min(samples.classes, _MOST_PARTS, int(np.count_nonzero(counts)))
    # The upper edge of a part's last bin is where it ends; from the middle on its own pixels would be the next part's.
    thresholds = threshold_multiotsu(hist=(counts, edges[1:]), classes=parts) if parts > 1 else np.empty(0)
    agree = np.zeros((parts, samples.classes), np.int64)
    np.add.at(agree, (np.digitize(pixels, thresholds), truth), 1)
    _, classes = linear_sum_assignment(agree, maximize=True)
    return lambda sample: classes[np.digitize(sample.image.mean(0), thresholds)]


def baseline(rule: Rule) -> Callable[..., dict[str, float]]:
    """A rule as something that stands in the table of ``segmentation``, with its options."""

    @checked
    def scored(
        spec: Spec, context: Context, *, images: str, masks: str, validation: Share = 0.2, reduce: PositiveInt = 1,
        objects: int | None = None, **_: Any,
    ) -> dict[str, float]:  # fmt: skip
        samples = Samples.read(Path(images), Path(masks), spec.dims, validation, reduce)
        say = rule(samples)
        scores = Scores(samples.objects(objects))
        for sample in samples.scored:
            scores.add(say(sample), sample.mask)
        return scores.found()

    return scored


def _frequency(samples: tuple[Sample, ...], classes: int) -> NDArray[Any]:
    return np.bincount(np.concatenate([sample.mask.ravel() for sample in samples]), minlength=classes)
