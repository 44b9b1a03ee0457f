"""Plans: the file in which nnU-Net says which network it trains, and on which patches."""

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
    """What is read of a configuration."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    patch_size: Annotated[list[PositiveInt], Field(min_length=1, max_length=3)]
    architecture: _Architecture


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration of a plans file: ``2d``, ``3d_fullres``, with what it inherits."""

    path: Path
    name: str
    patch_size: tuple[int, ...]
    """What the network is trained on."""
    network_class: str
    """The name of the network's class, without its module."""
    arguments: YamlNode
    """What the network is made with."""


def read_plans(path: Path) -> dict[str, Any]:
    """A plans file as it stands. Raises PlansError."""
    try:
        plans = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlansError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except ValueError as error:
        raise PlansError(f"{path}: is no JSON: {error}; give the plans file that nnU-Net wrote") from error
    if not isinstance(plans, dict) or not isinstance(plans.get("configurations"), dict):
        raise PlansError(f"{path}: has no 'configurations'; give the plans file that nnU-Net wrote")
    return plans


def read_configuration(path: Path, plans: Mapping[str, Any], name: str) -> Configuration:
    """A configuration by its name. Raises PlansError where there is none, or none of nnU-Net 2.5 and later."""
    known = plans["configurations"]
    if name not in known:
        raise PlansError(f"{path}: there is no configuration {name!r}; {_suggest_configuration(name, known)}")
    node = _resolve_inheritance(path, known, name)
    architecture = node.mapping.get("architecture", node)
    if not {"network_class_name", "arch_kwargs"} <= set(architecture.mapping):
        raise PlansError(
            f"{path}: configuration {name!r} has no 'architecture' with a class and its arguments, as nnU-Net writes "
            "since 2.5; plan it again with a newer nnU-Net"
        )
    entry, problems = parse_model(_ConfigurationEntry, node)
    if entry is None:
        raise PlansError("\n".join(map(str, problems)))
    network = entry.architecture.network_class_name.rpartition(".")[2]
    return Configuration(path, name, tuple(entry.patch_size), network, architecture.mapping["arch_kwargs"])


def _resolve_inheritance(path: Path, known: Mapping[str, Any], name: str) -> YamlNode:
    """A configuration over those that it inherits from, each value at the place where it is written."""
    node, passed = _read_entry(path, known, name), [name]
    values = node.mapping
    while (said := node.mapping.get("inherits_from")) is not None:
        parent = said.to_data()
        if not isinstance(parent, str) or parent not in known:
            hint = _suggest_configuration(str(parent), known)
            raise PlansError(str(said.problem("inherits_from", f"there is no configuration {parent!r}", hint)))
        if parent in passed:
            message = f"{' inherits from '.join([*passed, parent])}, which has no end"
            raise PlansError(str(said.problem("inherits_from", message, "delete it, or name another")))
        node = _read_entry(path, known, parent)
        passed.append(parent)
        values = {**node.mapping, **values}
    return replace(node, value=values, path=f"configurations.{name}")


def _read_entry(path: Path, known: Mapping[str, Any], name: str) -> YamlNode:
    node = from_data(known[name], str(path), f"configurations.{name}")
    if not isinstance(node.value, dict):
        raise PlansError(str(node.problem("type", "this is not a mapping", "give the plans file that nnU-Net wrote")))
    return node


def _suggest_configuration(name: str, known: Mapping[str, Any]) -> str:
    return did_you_mean(name, known) or f"there are {', '.join(known)}"


def write_file(path: Path, text: str) -> None:
    """Writes a plans file, or a spec that was made of one. Raises PlansError."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PlansError(f"{path}: cannot be written: {error.strerror}; choose another place") from error


def read_dataset_counts(dataset: Path) -> tuple[int, int]:
    """The input channels and the classes that a dataset.json names. Raises PlansError."""
    try:
        said = json.loads(dataset.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlansError(f"{dataset}: cannot be read: {error.strerror}; check the path") from error
    except ValueError:
        said = None
    named = said if isinstance(said, dict) else {}
    channels, classes = named.get("channel_names", named.get("modality")), named.get("labels")
    if not isinstance(channels, dict) or not isinstance(classes, dict):
        raise PlansError(f"{dataset}: is no dataset.json of nnU-Net; it has 'channel_names' and 'labels'")
    labels = [value for name, value in classes.items() if name != "ignore"]
    # With regions a label is a list, and there is an output for each but the background.
    regions = any(isinstance(value, list) for value in labels)
    return len(channels), len(labels) - 1 if regions else len(labels)
