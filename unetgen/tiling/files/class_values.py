"""Write labels with the values that the classes have in the masks of the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unetgen.errors import ImageError

_LABEL_TYPES = (np.uint8, np.uint16, np.int32)


class ClassValueArray:
    """An array of labels that takes and returns classes, and stores the mask value of each."""

    def __init__(self, array: Any, values: Sequence[int]) -> None:
        self.array, self.values = array, np.array(values)
        self.shape = array.shape
        self._order = np.argsort(self.values)

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def __getitem__(self, region: Any) -> Any:
        stored = np.asarray(self.array[region])
        return self._order[np.searchsorted(self.values, stored, sorter=self._order).clip(max=len(self.values) - 1)]

    def __setitem__(self, region: Any, classes: Any) -> None:
        if (highest := int(np.max(classes, initial=0))) >= len(self.values):
            message = f"the network predicts class {highest}, but mask values are known for {len(self.values)} classes"
            raise ImageError(f"{message}; save it with one of class_values for each output")
        self.array[region] = self.values[classes].astype(self.array.dtype)


def get_class_value_dtype(values: Sequence[int], path: Path) -> Any:
    """Return the smallest data type of label images that holds the values.

    Args:
        values: The mask values of the classes.
        path: The file of the labels.

    Raises:
        ImageError: The file is a PNG, which stores at most two bytes, and a value needs more.
    """
    low, high = min(values), max(values)
    dtype = next(t for t in _LABEL_TYPES if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    if path.suffix == ".png" and dtype is np.int32:
        value = low if low < 0 else high
        raise ImageError(f"{path}: a PNG cannot hold the mask value {value}; save the image as TIFF, for a TIFF result")
    return np.dtype(dtype)
