"""Convert the preprocessing in a plans file of nnU-Net to that of a network of unetgen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import PlansError
from unetgen.nnunet.plans import resolve_inheritance
from unetgen.preprocessing import Preprocessing, Standardization

# nnU-Net's schemes that are the same for every image. It divides RGB images of bytes by 255.
_SCHEMES: dict[str, Literal["zscore", "none", "unit"]] = {
    "ZScoreNormalization": "zscore",
    "NoNormalization": "none",
    "RGBTo01Normalization": "unit",
}
_CT_SCHEME = "CTNormalization"


class _Entry(BaseModel):
    """The fields of a configuration that concern the images."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    normalization_schemes: Annotated[list[str], Field(min_length=1)]
    use_mask_for_norm: list[bool] = []
    spacing: list[float] = []


class _Intensities(BaseModel):
    """The statistics of a channel over the foreground of all training images."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mean: float
    std: float
    percentile_00_5: float
    percentile_99_5: float


def has_preprocessing(path: Path, plans: Mapping[str, Any], name: str) -> bool:
    """Return whether a configuration of a plans file says how images are normalized. Raises PlansError."""
    return "normalization_schemes" in resolve_inheritance(path, plans["configurations"], name).mapping


def convert_to_preprocessing(
    path: Path, plans: Mapping[str, Any], name: str, channels: tuple[str, ...] = (), class_names: tuple[str, ...] = ()
) -> Preprocessing:
    """Return what a network that nnU-Net trained expects of its images.

    Args:
        path: The plans file, for messages.
        plans: The content of the file.
        name: The name of the configuration.
        channels: The names of the input channels, if known.
        class_names: The names of the classes, if known.

    Returns:
        The preprocessing; its axes are z, y, x, as in nnU-Net's arrays.

    Raises:
        PlansError: The preprocessing is missing, invalid, or cannot be applied by unetgen.
    """
    node = resolve_inheritance(path, plans["configurations"], name)
    entry, problems = parse_model(_Entry, node)
    if entry is None:
        raise PlansError(problems)
    transpose = plans.get("transpose_forward", [0, 1, 2])
    if transpose != sorted(transpose):
        message = f"transposes axes by {transpose}, which unetgen predict does not; transpose the images yourself"
        raise PlansError(f"{path}: 'transpose_forward' {message}")
    if any(entry.use_mask_for_norm):
        message = "normalizes within a mask of the nonzero pixels ('use_mask_for_norm'), which unetgen predict does not"
        raise PlansError(f"{path}: configuration {name!r} {message}; normalize the images yourself")
    return Preprocessing(
        normalization=_convert_schemes(path, plans, name, entry.normalization_schemes),
        axes="zyx", channels=channels, spacing=tuple(entry.spacing), class_names=class_names,
    )  # fmt: skip


def _convert_schemes(
    path: Path, plans: Mapping[str, Any], name: str, schemes: list[str]
) -> Literal["zscore", "none", "unit"] | Standardization:
    kinds = set(schemes)
    if kinds <= {_CT_SCHEME}:
        return _read_standardization(path, plans, len(schemes))
    if len(kinds) == 1 and schemes[0] in _SCHEMES:
        return _SCHEMES[schemes[0]]
    what = f"configuration {name!r} normalizes by {', '.join(schemes)}"
    known = f"one of {', '.join([_CT_SCHEME, *_SCHEMES])} for all channels"
    raise PlansError(f"{path}: {what}, but unetgen predict knows {known}; normalize the images yourself")


def _read_standardization(path: Path, plans: Mapping[str, Any], num_channels: int) -> Standardization:
    """Return the fixed numbers of CT images."""
    properties = plans.get("foreground_intensity_properties_per_channel", {})
    root: YamlNode = from_data(properties, str(path), "foreground_intensity_properties_per_channel")
    channels = []
    for number in range(num_channels):
        node = root.mapping.get(str(number)) if isinstance(root.value, dict) else None
        if node is None:
            message = f"no intensities of channel {number} for {_CT_SCHEME}"
            raise PlansError(root.problem("missing", message, "plan it again with nnU-Net"))
        intensities, problems = parse_model(_Intensities, node)
        if intensities is None:
            raise PlansError(problems)
        channels.append(intensities)
    clips = {(channel.percentile_00_5, channel.percentile_99_5) for channel in channels}
    if len(clips) > 1:
        message = "channels are clipped to different ranges, but unetgen predict knows one range for all"
        raise PlansError(root.problem("clip", message, "normalize the images yourself"))
    return Standardization(
        mean=tuple(channel.mean for channel in channels),
        std=tuple(max(channel.std, 1e-8) for channel in channels),
        clip=clips.pop(),
    )
