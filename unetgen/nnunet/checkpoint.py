"""Sort the weights of nnU-Net's own networks by execution order, for ``unetgen.import_weights``.

nnU-Net registers decoder layers by kind, and most of them under two names; unetgen registers them in execution order.
Layers of equal shape are matched by order, so both sides must use the same one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Parts of the second name of a layer that is registered twice.
_DUPLICATE_MARKERS = (".all_modules.", "decoder.encoder.")


def in_order(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state dict with each layer once, in execution order.

    Args:
        state: The state dict of a ``PlainConvUNet`` or a ``ResidualEncoderUNet``.

    Returns:
        The entries for ``unetgen.import_weights``.
    """
    unique = [key for key in state if not any(marker in key for marker in _DUPLICATE_MARKERS)]
    return {key: state[key] for key in sorted(unique, key=_execution_rank)}


def _execution_rank(key: str) -> tuple[int, ...]:
    """Return the sort key of a layer: encoder in file order, then upsampling and block of each level, then outputs."""
    if match := re.match(r"decoder\.(transpconvs|stages)\.(\d+)\.", key):
        return 1, int(match[2]), match[1] == "stages"
    if match := re.match(r"decoder\.seg_layers\.(\d+)\.", key):
        return 2, -int(match[1])
    return (0,)
