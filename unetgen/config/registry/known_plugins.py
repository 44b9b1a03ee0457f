"""Known plugins: which distribution to install for a part that is not there."""

from __future__ import annotations

# By slot and name. Whoever publishes parts for others is welcome to a line.
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
    """The distribution that is known to have a part, by its bare name or with its vendor's before it."""
    vendor, slash, bare = name.rpartition("/")
    found = KNOWN_DISTRIBUTIONS.get(slot, {}).get(bare)
    return found if not slash or vendor == found else None
