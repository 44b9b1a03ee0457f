"""Known plugins: which distribution to install for a part that is not there."""

from __future__ import annotations

# By slot and name. Whoever publishes parts for others is welcome to a line.
KNOWN: dict[str, dict[str, str]] = {
    "encoder": {"timm": "unetgen-timm"},
    "block": {
        "swin": "unetgen-swin",
        "vit": "unetgen-swin",
        "state_space": "unetgen-swin",
    },
}


def distribution_of(slot: str, name: str) -> str | None:
    """The distribution that is known to have a part, by its bare name or with its vendor's before it."""
    vendor, slash, bare = name.rpartition("/")
    found = KNOWN.get(slot, {}).get(bare)
    return found if not slash or vendor == found else None
