"""Map part names to the distributions that provide them, for install hints."""

from __future__ import annotations

# By slot and part name. Authors of published parts can add theirs.
KNOWN_DISTRIBUTIONS: dict[str, dict[str, str]] = {
    "encoder": {"timm": "unetgen-timm"},
    "block": {
        **dict.fromkeys(("swin", "vit", "state_space"), "unetgen-swin"),
        "monai_unet_basic": "unetgen-monai",
        "monai_unet_res": "unetgen-monai",
        "monai_residual_unit": "unetgen-monai",
        "monai_convolution": "unetgen-monai",
        "monai_two_conv": "unetgen-monai",
        "monai_mednext": "unetgen-monai",
    },
    "upsample": dict.fromkeys(("monai_upsample", "monai_convolution", "monai_mednext"), "unetgen-monai"),
    "attention": {"monai_se": "unetgen-monai"},
    "transform": {"monai_attention_gate": "unetgen-monai"},
}


def find_distribution(slot: str, name: str) -> str | None:
    """Return the distribution of a part, named alone or as ``distribution/name``; None if unknown."""
    vendor, slash, bare = name.rpartition("/")
    distribution = KNOWN_DISTRIBUTIONS.get(slot, {}).get(bare)
    return distribution if not slash or vendor == distribution else None
