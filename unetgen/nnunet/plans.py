"""Plans: the file in which nnU-Net says which network it trains, and on which patches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unetgen.errors import PlansError, did_you_mean


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration of a plans file: ``2d``, ``3d_fullres``, with what it inherits."""

    path: Path
    name: str
    values: Mapping[str, Any]

    @property
    def patch_size(self) -> tuple[int, ...]:
        """What the network is trained on."""
        return tuple(self.values["patch_size"])

    @property
    def network(self) -> str:
        """The name of the network's class, without its module."""
        return str(self.values["architecture"]["network_class_name"]).rpartition(".")[2]

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What the network is made with."""
        found: Mapping[str, Any] = self.values["architecture"]["arch_kwargs"]
        return found


def read(path: Path) -> dict[str, Any]:
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


def configuration(path: Path, plans: Mapping[str, Any], name: str) -> Configuration:
    """A configuration by its name. Raises PlansError where there is none, or none of nnU-Net 2.5 and later."""
    known = plans["configurations"]
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
        raise PlansError(f"{path}: there is no configuration {name!r}; {hint}")
    values: dict[str, Any] = {}
    follows: str | None = name
    while follows:
        entry = known[follows]
        values = {**entry, **values}
        follows = entry.get("inherits_from")
    architecture = values.get("architecture")
    if not isinstance(architecture, dict) or not {"network_class_name", "arch_kwargs"} <= set(architecture):
        raise PlansError(
            f"{path}: configuration {name!r} has no 'architecture' with a class and its arguments, as nnU-Net writes "
            "since 2.5; plan it again with a newer nnU-Net"
        )
    return Configuration(path, name, values)


def classes_of(dataset: Path) -> tuple[int, int]:
    """The input channels and the classes that a dataset.json names. Raises PlansError."""
    try:
        said = json.loads(dataset.read_text(encoding="utf-8"))
        channels = said.get("channel_names", said.get("modality"))
        labels = [value for name, value in said["labels"].items() if name != "ignore"]
    except OSError as error:
        raise PlansError(f"{dataset}: cannot be read: {error.strerror}; check the path") from error
    except (ValueError, KeyError, AttributeError) as error:
        raise PlansError(f"{dataset}: is no dataset.json of nnU-Net; it has 'channel_names' and 'labels'") from error
    # With regions a label is a list, and there is an output for each but the background.
    regions = any(isinstance(value, list) for value in labels)
    return len(channels), len(labels) - 1 if regions else len(labels)
