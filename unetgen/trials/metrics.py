"""Compute segmentation metrics over all images together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import MissingDependencyError

METRIC_DIRECTIONS: dict[str, Any] = {"dice": "higher", "iou": "higher", "loss": "lower", "rand_error": "lower"}


class SegmentationMetrics:
    """Accumulates predictions image by image and computes the metrics of all of them.

    ``dice`` is the mean over classes of 2 |A and B| / (|A| + |B|), and ``iou`` that of |A and B| / |A or B|, over the
    pixels of all images; classes that occur neither in the truth nor in a prediction do not count. ``rand_error``
    is 1 minus the Rand F-score of the connected components of one class, averaged over the images that contain it
    (Arganda-Carreras et al. 2015, restricted to the foreground and without thinning).

    Args:
        object_class: The class whose connected components are objects, or None to omit ``rand_error``.

    Examples:
        >>> metrics = SegmentationMetrics()
        >>> metrics.update(np.array([[0, 1]]), np.array([[0, 1]]))
        >>> metrics.compute()
        {'dice': 1.0, 'iou': 1.0}
    """

    def __init__(self, object_class: int | None = None) -> None:
        self.object_class = object_class
        self._pairs: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def update(self, predicted: NDArray[Any], truth: NDArray[Any]) -> None:
        """Add an image: the predicted classes (*size) and the true ones (*size); raise ValueError if they differ."""
        if predicted.shape != truth.shape:
            raise ValueError(f"predicted shape must be {truth.shape}, not {predicted.shape}")
        self._pairs.append((predicted, truth))

    def compute(self) -> dict[str, float]:
        """Return the metrics of all images by name; raise MissingDependencyError without scikit-learn."""
        try:
            from sklearn.metrics import f1_score, jaccard_score
        except ImportError:
            raise MissingDependencyError("scoring", "scikit-learn", "trials") from None
        predicted, truth = (
            np.concatenate([array.ravel() for array in side]) for side in zip(*self._pairs, strict=True)
        )
        # scikit-learn averages over the labels that occur in the truth or the prediction.
        metrics = {"dice": float(f1_score(truth, predicted, average="macro"))}
        metrics["iou"] = float(jaccard_score(truth, predicted, average="macro"))
        if self.object_class is not None:
            errors = [
                self._compute_rand_error(image_predicted, image_truth)
                for image_predicted, image_truth in self._pairs
                if (image_truth == self.object_class).any()
            ]
            metrics["rand_error"] = float(np.mean(errors))
        return metrics

    def _compute_rand_error(self, predicted: NDArray[Any], truth: NDArray[Any]) -> float:
        """Return 1 minus the F-score of whether two pixels of true objects are in the same component."""
        try:
            from skimage.measure import label
            from skimage.metrics import adapted_rand_error
        except ImportError:
            raise MissingDependencyError("rand_error", "scikit-image", "trials") from None
        objects, components = (label(side == self.object_class, connectivity=1) for side in (truth, predicted))
        # Each background pixel of the prediction is its own component; otherwise they would all be one.
        is_background = components == 0
        components[is_background] = components.max() + 1 + np.arange(np.count_nonzero(is_background))
        with np.errstate(invalid="ignore"):
            error = adapted_rand_error(objects, components)[0]
        # The error is NaN if no two pixels share a component in either, so that no pair can be wrong.
        return float(np.nan_to_num(error))
