"""Provide the base spec of most tests: a narrow decoder that resizes every map to its skip's size."""

from __future__ import annotations

from typing import Any

SPEC: dict[str, Any] = {
    "schema_version": 1,
    "in_channels": 3,
    "out_channels": 2,
    "bottleneck": {"block": "none"},
    "block": {"padding": "zeros", "norm": "batch", "repeats": 1},
    "upsample": "none",
    "skip": {"align": {"type": "resize", "mode": "nearest"}},
}


def spec(name: str = "resnet18", levels: int = 5, **options: Any) -> dict[str, Any]:
    """Return the spec with a backbone of timm and its options."""
    return {**SPEC, "decoder": {"widths": [4] * levels}, "encoder": {"type": "timm", "name": name, **options}}
