"""Use the backbones of timm as encoders of unetgen."""

from __future__ import annotations
