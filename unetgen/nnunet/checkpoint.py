"""Checkpoint: weights that nnU-Net's own networks were trained to, in the order in which our layers run.

nnU-Net registers the layers of a decoder by their kind, and most under two names; ours stand where they run. In one
order layers that look alike cannot be taken for each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Names under which a layer is registered a second time.
_DUPLICATE_MARKERS = (".all_modules.", "decoder.encoder.")


def in_order(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict of ``PlainConvUNet`` or ``ResidualEncoderUNet``, each layer once, for ``unetgen.import_weights``."""
    once = [key for key in state if not any(again in key for again in _DUPLICATE_MARKERS)]
    return {key: state[key] for key in sorted(once, key=_execution_rank)}


def _execution_rank(key: str) -> tuple[int, ...]:
    """When a layer runs: the encoder as it stands, then each level's upsampling and block, then the outputs."""
    if found := re.match(r"decoder\.(transpconvs|stages)\.(\d+)\.", key):
        return 1, int(found[2]), found[1] == "stages"
    if found := re.match(r"decoder\.seg_layers\.(\d+)\.", key):
        return 2, -int(found[1])
    return (0,)
