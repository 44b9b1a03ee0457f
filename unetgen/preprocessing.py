"""Describe what a network expects of its input, so that images are prepared as they were in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from unetgen.errors import WeightsError

# The key of a network's preprocessing in the metadata of every file that unetgen writes.
PREPROCESSING_KEY = "unetgen.preprocessing"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
MaskValue = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Standardization(BaseModel):
    """Fixed numbers per channel: ``(clip(x) - mean) / std``, as for computed tomography in nnU-Net."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[Finite, ...] = Field(min_length=1)
    std: tuple[Positive, ...] = Field(min_length=1)
    clip: tuple[Finite, Finite] | None = None

    def __str__(self) -> str:
        text = f"mean {_join_numbers(self.mean)}, standard deviation {_join_numbers(self.std)}"
        return text + (f", clipped to {_join_numbers(self.clip)}" if self.clip else "")


class Preprocessing(BaseModel):
    """The preprocessing of a network's images, and the meaning of its classes.

    It is stored beside the spec in the files that ``save`` writes, and is no part of the spec's hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    normalization: Literal["unit", "zscore", "none"] | Standardization = "none"
    """``unit``: integers divided by the maximum of their type. ``zscore``: mean 0 and standard deviation 1 of each
    channel of an image. ``none``: as they are. Or fixed numbers."""
    axes: Literal["xyz", "zyx"] | None = None
    """The order of spatial axes that the network takes, for formats that name them; None if images have no names."""
    channels: tuple[str, ...] = ()
    """The names of the input channels, in order."""
    spacing: tuple[Positive, ...] = ()
    """The size of a pixel in millimetres, in the order of ``axes``; empty if unknown."""
    downsampling: Annotated[int, Field(ge=1)] = 1
    """The factor by which images were downsampled."""
    class_values: tuple[MaskValue, ...] = ()
    """The values in the masks for the classes 0, 1, ...; empty if they are the classes themselves."""
    class_names: tuple[str, ...] = ()

    @field_validator("class_values")
    @classmethod
    def _check_distinct(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(values)) < len(values):
            raise ValueError("two classes have the same mask value")
        return values

    def check_network(self, in_channels: int, out_channels: int, dims: int, source: str) -> None:
        """Raise WeightsError if this cannot be the preprocessing of a network."""
        num_classes = max(out_channels, 2)  # a single channel distinguishes two classes
        fixed = self.normalization if isinstance(self.normalization, Standardization) else None
        counts = [
            ("channels", len(self.channels), (in_channels,), "input channels"),
            ("normalization", len(fixed.mean) if fixed else 0, (1, in_channels), "input channels"),
            ("normalization", len(fixed.std) if fixed else 0, (1, in_channels), "input channels"),
            ("spacing", len(self.spacing), (dims,), "dimensions"),
            ("class_values", len(self.class_values), range(num_classes + 1), "classes"),
            ("class_names", len(self.class_names), (num_classes, out_channels), "classes"),
        ]
        for field, count, allowed, unit in counts:
            if count and count not in allowed:
                what = f"{field} has {count} entries for a network of {max(allowed)} {unit}"
                raise WeightsError(f"{source}: invalid preprocessing: {what}; give one for each")

    @classmethod
    def parse(cls, data: Preprocessing | Mapping[str, Any] | str, source: str) -> Preprocessing:
        """Return the preprocessing of plain data or JSON.

        Args:
            data: A mapping of the fields, or JSON text of one.
            source: The name of the data in messages.

        Raises:
            WeightsError: The data are no preprocessing.
        """
        if isinstance(data, Preprocessing):
            return data
        try:
            return cls.model_validate_json(data) if isinstance(data, str) else cls.model_validate(dict(data))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in detail["loc"][:1])
            what = f"{field}: {detail['msg']}" if field else detail["msg"]
            fields = ", ".join(cls.model_fields)
            raise WeightsError(f"{source}: invalid preprocessing: {what}; its fields are {fields}") from None

    def to_json(self) -> str:
        """Return the fields as JSON, which ``parse`` reads."""
        return self.model_dump_json(exclude_none=True)

    def format_lines(self) -> list[tuple[str, str]]:
        """Return a line for each thing that is known, as name and text."""
        lines = [("normalization", str(self.normalization))]
        if self.axes:
            lines.append(("axes", ", ".join(self.axes)))
        if self.channels:
            lines.append(("channels", ", ".join(self.channels)))
        if self.spacing:
            lines.append(("spacing", f"{' x '.join(f'{length:g}' for length in self.spacing)} mm"))
        if self.downsampling > 1:
            lines.append(("downsampling", f"by {self.downsampling}"))
        if self.class_values or self.class_names:
            lines.append(("classes", self._describe_classes()))
        return lines

    def _describe_classes(self) -> str:
        count = max(len(self.class_values), len(self.class_names))
        names = self.class_names or [str(number) for number in range(count)]
        if not self.class_values:
            return ", ".join(names)
        return ", ".join(f"{name} (mask value {value})" for name, value in zip(names, self.class_values, strict=False))


def _join_numbers(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
