"""Read plans files of nnU-Net, which define the network and the patch size of each configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode, from_data
from unetgen.errors import PlansError, did_you_mean


class _Architecture(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    network_class_name: str
    arch_kwargs: dict[str, Any]


class _ConfigurationEntry(BaseModel):
    """The fields of a configuration that unetgen reads."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    patch_size: Annotated[list[PositiveInt], Field(min_length=1, max_length=3)]
    architecture: _Architecture


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration of a plans file, for example ``2d`` or ``3d_fullres``, with inherited values."""

    path: Path
    name: str
    patch_size: tuple[int, ...]
    """The size of the training patches."""
    network_class: str
    """The name of the network's class, without its module."""
    arguments: YamlNode
    """The constructor arguments of the network."""


def read_plans(path: Path) -> dict[str, Any]:
    """Read a plans file. Raises PlansError."""
    try:
        plans = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlansError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except ValueError as error:
        raise PlansError(f"{path}: not valid JSON: {error}; give a plans file written by nnU-Net") from error
    if not isinstance(plans, dict) or not isinstance(plans.get("configurations"), dict):
        raise PlansError(f"{path}: 'configurations' is missing; give a plans file written by nnU-Net")
    return plans


def read_configuration(path: Path, plans: Mapping[str, Any], name: str) -> Configuration:
    """Read one configuration with its inherited values.

    Args:
        path: The plans file, for messages.
        plans: The content of the file.
        name: The name of the configuration.

    Returns:
        The configuration.

    Raises:
        PlansError: The configuration is missing, invalid, or written by nnU-Net before 2.5.
    """
    known = plans["configurations"]
    if name not in known:
        raise PlansError(f"{path}: unknown configuration {name!r}; {_suggest_configuration(name, known)}")
    node = resolve_inheritance(path, known, name)
    architecture = node.mapping.get("architecture", node)
    if not {"network_class_name", "arch_kwargs"} <= set(architecture.mapping):
        raise PlansError(
            f"{path}: configuration {name!r} has no 'architecture' with 'network_class_name' and 'arch_kwargs'; "
            "plan it again with nnU-Net 2.5 or later"
        )
    entry, problems = parse_model(_ConfigurationEntry, node)
    if entry is None:
        raise PlansError(problems)
    network = entry.architecture.network_class_name.rpartition(".")[2]
    return Configuration(path, name, tuple(entry.patch_size), network, architecture.mapping["arch_kwargs"])


def resolve_inheritance(path: Path, known: Mapping[str, Any], name: str) -> YamlNode:
    """Merge a configuration onto those it inherits from; each value keeps its position in the file."""
    node, lineage = _read_entry(path, known, name), [name]
    values = node.mapping
    while (parent_node := node.mapping.get("inherits_from")) is not None:
        parent = parent_node.to_data()
        if not isinstance(parent, str) or parent not in known:
            hint = _suggest_configuration(str(parent), known)
            raise PlansError(parent_node.problem("inherits_from", f"unknown configuration {parent!r}", hint))
        if parent in lineage:
            message = f"circular inheritance: {' inherits from '.join([*lineage, parent])}"
            raise PlansError(parent_node.problem("inherits_from", message, "delete it, or name another"))
        node = _read_entry(path, known, parent)
        lineage.append(parent)
        values = {**node.mapping, **values}
    return replace(node, value=values, path=f"configurations.{name}")


def _read_entry(path: Path, known: Mapping[str, Any], name: str) -> YamlNode:
    node = from_data(known[name], str(path), f"configurations.{name}")
    if not isinstance(node.value, dict):
        raise PlansError(node.problem("type", "must be a mapping", "give a plans file written by nnU-Net"))
    return node


def _suggest_configuration(name: str, known: Mapping[str, Any]) -> str:
    return did_you_mean(name, known) or f"available: {', '.join(known)}"


def write_file(path: Path, text: str) -> None:
    """Write a plans file, or a spec converted from one. Raises PlansError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlansError(f"{path}: cannot be written: {error.strerror}; choose another path") from error


@dataclass(frozen=True, slots=True)
class DatasetLabels:
    """The input channels and the outputs of a dataset.json, by name."""

    channels: tuple[str, ...]
    classes: tuple[str, ...]


def read_dataset_labels(dataset: Path) -> DatasetLabels:
    """Return the names of the input channels and classes in a dataset.json. Raises PlansError."""
    try:
        content = json.loads(dataset.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlansError(f"{dataset}: cannot be read: {error.strerror}; check the path") from error
    except ValueError:
        content = None
    fields = content if isinstance(content, dict) else {}
    channels, classes = fields.get("channel_names", fields.get("modality")), fields.get("labels")
    if not isinstance(channels, dict) or not isinstance(classes, dict):
        raise PlansError(f"{dataset}: 'channel_names' or 'labels' is missing; give the dataset.json of nnU-Net")
    labels = {str(name): value for name, value in classes.items() if name != "ignore"}
    # With regions a label is a list, and every region except the background has an output.
    has_regions = any(isinstance(value, list) for value in labels.values())
    names = [name for name, value in labels.items() if not has_regions or value != 0]
    if has_regions and len(names) == len(labels):
        names = names[1:]
    return DatasetLabels(tuple(map(str, channels.values())), tuple(names))
