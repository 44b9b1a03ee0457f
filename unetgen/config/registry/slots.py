"""The slots of a spec, each of which holds a part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot: its name, the plural of its parts, and the default part.

    ``numeric_shorthand`` is the part and the option that a number sets (``dropout: 0.5``).
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

# The slots of each side of the network; other slots in a side are an error.
SIDES = {
    "encoder": ("block", "downsample"),
    "bottleneck": ("block",),
    "decoder": ("upsample", "skip", "block"),
}

LEVEL_KEYS = ("block", "downsample", "upsample", "skip")

# The keys of a skip in the order of execution; the first and the last are words, the others parts.
SKIP_KEYS = ("tap", "gate", "align", "transform", "fusion", "place")

# The slot of each key that holds parts; with it overlays recognise the names of parts.
SLOT_BY_KEY = {
    **{name: name for name in SLOTS},
    "heads": "head",
    "branch": "block",
    "branches": "block",
    "blocks": "block",
}
