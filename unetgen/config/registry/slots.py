"""The slots of a spec: the places where a part can be named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """A kind of part: what one is called, and which one stands there when nothing is said.

    ``number`` names the part and the option that a bare number stands for (``dropout: 0.5``).
    """

    name: str
    plural: str
    default: str
    numeric_shorthand: tuple[str, str] | None = None


SLOTS = {
    slot.name: slot
    for slot in (
        Slot("encoder", "encoders", "plain"),
        Slot("decoder", "decoders", "plain"),
        Slot("block", "blocks", "conv"),
        Slot("downsample", "downsamplings", "max_pool"),
        Slot("upsample", "upsamplings", "transposed_conv"),
        Slot("align", "alignments", "crop"),
        Slot("gate", "gates", "none"),
        Slot("transform", "transforms", "none"),
        Slot("fusion", "fusions", "concat"),
        Slot("norm", "norms", "none"),
        Slot("activation", "activations", "relu"),
        Slot("dropout", "dropouts", "none", numeric_shorthand=("element", "rate")),
        Slot("shortcut", "shortcuts", "projection"),
        Slot("attention", "attentions", "none"),
        Slot("input", "inputs", "none"),
        Slot("head", "heads", "conv"),
        Slot("init", "inits", "he_normal"),
    )
}

# What each side of the network draws with; a key given for a side that does not use it is refused.
SIDES = {
    "encoder": ("block", "downsample"),
    "bottleneck": ("block",),
    "decoder": ("upsample", "skip", "block"),
}

LEVEL_KEYS = ("block", "downsample", "upsample", "skip")

# What a skip is told, in the order in which it happens; the first and the last are words, the others parts.
SKIP_KEYS = ("tap", "gate", "align", "transform", "fusion", "place")

# Options that hold parts and are not called by their slot; overlays need to know which words are parts' names.
SLOT_BY_KEY = {
    **{name: name for name in SLOTS},
    "heads": "head",
    "branch": "block",
    "branches": "block",
    "blocks": "block",
}
