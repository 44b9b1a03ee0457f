"""Predict images larger than memory, tile by tile: the overlap-tile strategy of the U-Net paper (Fig. 2)."""

from unetgen.tiling.predict import InexactTiling, predict

__all__ = ["InexactTiling", "predict"]
