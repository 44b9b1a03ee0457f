"""Scores: how well classes of pixels were told, over all images together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import MissingDependencyError

METRIC_DIRECTIONS: dict[str, Any] = {"dice": "higher", "iou": "higher", "loss": "lower", "rand_error": "lower"}


class SegmentationMetrics:
    """Takes one image after the other.

    ``dice`` is the mean over the classes that are true or said somewhere of 2 |A and B| / (|A| + |B|), ``iou`` that of
    |A and B| / |A or B|, both over the pixels of all images. ``rand_error`` is one less the Rand F score of the
    connected pixels of one class, ``objects``, the mean over the images that have some (Arganda-Carreras et al. 2015,
    restricted to the foreground and without thinning).
    """

    def __init__(self, object_class: int | None = None) -> None:
        self.object_class = object_class
        self._pairs: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def update(self, predicted: NDArray[Any], truth: NDArray[Any]) -> None:
        """Enters an image: the classes (*size) that were said, and the true ones."""
        if predicted.shape != truth.shape:
            raise ValueError(f"{predicted.shape} was said of {truth.shape}")
        self._pairs.append((predicted, truth))

    def compute(self) -> dict[str, float]:
        """The scores of what was entered."""
        try:
            from sklearn.metrics import f1_score, jaccard_score
        except ImportError:
            raise MissingDependencyError("scores", "scikit-learn", "trials") from None
        said, truth = (np.concatenate([array.ravel() for array in side]) for side in zip(*self._pairs, strict=True))
        # Of the labels that are there: a class that nobody has and nobody said is neither right nor wrong.
        scores = {"dice": float(f1_score(truth, said, average="macro"))}
        scores["iou"] = float(jaccard_score(truth, said, average="macro"))
        if self.object_class is not None:
            errors = [
                self._compute_rand_error(said, truth)
                for said, truth in self._pairs
                if (truth == self.object_class).any()
            ]
            scores["rand_error"] = float(np.mean(errors))
        return scores

    def _compute_rand_error(self, predicted: NDArray[Any], truth: NDArray[Any]) -> float:
        """One less the F score of telling which two pixels of true objects are in one piece."""
        try:
            from skimage.measure import label
            from skimage.metrics import adapted_rand_error
        except ImportError:
            raise MissingDependencyError("rand_error", "scikit-image", "trials") from None
        objects, pieces = (label(side == self.object_class, connectivity=1) for side in (truth, predicted))
        # A pixel that is said to be no object is a piece of its own; with one number they would all be one piece.
        alone = pieces == 0
        pieces[alone] = pieces.max() + 1 + np.arange(np.count_nonzero(alone))
        with np.errstate(invalid="ignore"):
            error = adapted_rand_error(objects, pieces)[0]
        # Where no two pixels are in one piece, truly or as was said, there is no pair that could be wrong.
        return float(np.nan_to_num(error))
