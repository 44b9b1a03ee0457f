"""Scores: how well classes of pixels were told, over all images together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetgen.errors import MissingExtra

BETTER: dict[str, Any] = {"dice": "higher", "iou": "higher", "loss": "lower", "rand_error": "lower"}


class Scores:
    """Takes one image after the other.

    ``dice`` is the mean over the classes of 2 |A and B| / (|A| + |B|), ``iou`` that of |A and B| / |A or B|, both over
    the pixels of all images. ``rand_error`` is one less the adapted Rand F score of the connected pixels of one class,
    ``objects``, the mean over the images (Arganda-Carreras et al. 2015).
    """

    def __init__(self, classes: int, objects: int | None = None) -> None:
        self.classes, self.objects = classes, objects
        self._pairs: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def add(self, said: NDArray[Any], truth: NDArray[Any]) -> None:
        """Enters an image: the classes (*size) that were said, and the true ones."""
        if said.shape != truth.shape:
            raise ValueError(f"{said.shape} was said of {truth.shape}")
        self._pairs.append((said, truth))

    def found(self) -> dict[str, float]:
        """The scores of what was entered."""
        try:
            from sklearn.metrics import f1_score, jaccard_score
        except ImportError:
            raise MissingExtra("scores", "scikit-learn", "trials") from None
        said, truth = (np.concatenate([array.ravel() for array in side]) for side in zip(*self._pairs, strict=True))
        ways = {"labels": list(range(self.classes)), "average": "macro", "zero_division": 0}
        scores = {"dice": float(f1_score(truth, said, **ways)), "iou": float(jaccard_score(truth, said, **ways))}
        if self.objects is not None:
            scores["rand_error"] = float(np.mean([self._rand_error(*pair) for pair in self._pairs]))
        return scores

    def _rand_error(self, said: NDArray[Any], truth: NDArray[Any]) -> float:
        try:
            from skimage.measure import label
            from skimage.metrics import adapted_rand_error
        except ImportError:
            raise MissingExtra("rand_error", "scikit-image", "trials") from None
        pieces = [label(side == self.objects, connectivity=1) for side in (truth, said)]
        return float(adapted_rand_error(*pieces)[0])
