"""Provide non-convolutional blocks for unetgen: Swin layers, a vision transformer, a selective state space."""

from __future__ import annotations
