"""Read the top-level keys of a spec that have simple values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from unetgen.config.registry.part import Channels
from unetgen.config.registry.slots import LEVEL_KEYS, SIDES, SKIP_KEYS, SLOTS
from unetgen.config.spec import SCHEMA_VERSION
from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, did_you_mean

TOP_KEYS = (
    "$schema", "schema_version", "extends", "name", "description", "about", "dims", "in_channels", "out_channels",
    "input_size", "depth", "widths", *LEVEL_KEYS, *SIDES, "levels", "head", "heads", "init", "input",
    "checkpointing", "model_built", "plugins",
)  # fmt: skip


class Citation(BaseModel):
    """The origin of a network: paper, reference implementation, and what it adds (the key ``about``)."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    paper: str = ""
    reference: str = ""
    adds: str = ""


class TopLevelFields(BaseModel):
    """The values of the simple keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    name: str = ""
    description: str = ""
    about: Citation = Citation()
    dims: Literal[1, 2, 3] = 2
    in_channels: Channels
    out_channels: Channels


_Size = Annotated[int, Field(ge=1, le=1_000_000)]


class InputSizeField(BaseModel):
    """The key ``input_size``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    # The key dims determines the length; a schema can only state its range.
    input_size: Annotated[list[_Size], Field(json_schema_extra={"minItems": 1, "maxItems": 3})] | None = None


class CheckpointingField(BaseModel):
    """The key ``checkpointing``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    checkpointing: list[str] = []


def read_top_level(root: YamlNode) -> tuple[TopLevelFields | None, list[str], list[Problem]]:
    """Return the values of the simple keys, notices, and problems."""
    fields, problems = parse_model(TopLevelFields, root)
    notices = []
    version = root.mapping.get("schema_version")
    if version is None:
        notices.append(f"schema_version is missing; read as version {SCHEMA_VERSION}")
    elif version.value != SCHEMA_VERSION or type(version.value) is not int:
        message = f"this unetgen reads version {SCHEMA_VERSION} of the spec language"
        hint = f"write {SCHEMA_VERSION}, or upgrade unetgen for a newer version"
        problems.append(version.problem("schema_version", message, hint))
    return fields, notices, problems


def find_unknown_keys(root: YamlNode) -> list[Problem]:
    """Report unknown top-level keys."""
    problems = []
    for key, node in root.mapping.items():
        if key in TOP_KEYS:
            continue
        hint = did_you_mean(key, TOP_KEYS)
        if key in SLOTS:
            container = "'skip'" if key in SKIP_KEYS else "a block"
            hint = f"move it into {container}"
        problems.append(node.key_problem("unknown_key", "unknown key", hint or "see: unetgen new"))
    return problems


def read_input_size(root: YamlNode, dims: int) -> tuple[tuple[int, ...] | None, list[Problem]]:
    """Return the input size that shapes and costs are reported for, or None."""
    node = root.mapping.get("input_size")
    if node is None:
        return None, []
    model, problems = parse_model(InputSizeField, root)
    if model is None or model.input_size is None:
        return None, problems
    if len(model.input_size) != dims:
        example = f"[{', '.join(['572'] * dims)}]"
        message = f"dims {dims} needs {dims} numbers, not {len(model.input_size)}"
        problems.append(node.problem("input_size", message, f"write one for each axis: {example}"))
    return tuple(model.input_size), problems


def read_checkpointing(root: YamlNode) -> tuple[tuple[str, ...], list[Problem]]:
    """Return the paths whose feature maps are recomputed in the backward pass."""
    if "checkpointing" not in root.mapping:
        return (), []
    model, problems = parse_model(CheckpointingField, root)
    return tuple(dict.fromkeys(model.checkpointing)) if model else (), problems


def read_plugins(root: YamlNode) -> tuple[list[str], list[Problem]]:
    """Return the distributions that a resolved spec requires: ``acme-unet 1.2``."""
    return _read_distributions(root, "plugins", "write [acme-unet 1.2]")


def read_model_built(root: YamlNode) -> tuple[list[str], list[Problem]]:
    """Return the distributions that transform the network, in order."""
    return _read_distributions(root, "model_built", "write [acme-lora]")


def _read_distributions(root: YamlNode, key: str, hint: str) -> tuple[list[str], list[Problem]]:
    node = root.mapping.get(key)
    if node is None:
        return [], []
    names = node.to_data()
    if not isinstance(names, list) or not all(isinstance(n, str) and n.strip() for n in names):
        return [], [node.problem(key, f"{key} must be a list of distributions", hint)]
    return names, []
