"""Blocks for unetgen that are no convolutions: Swin layers, a vision transformer, a selective state space."""

from __future__ import annotations
