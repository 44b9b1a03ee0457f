"""Overlays: what each variant of a sweep lays over the base, as specs that extend it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from unetgen.ablation.sweeps.axis import Combination, build_overlay
from unetgen.ablation.sweeps.sweep import Sweep
from unetgen.ablation.sweeps.variant import Variant
from unetgen.config.spec import SCHEMA_VERSION
from unetgen.config.spec_sources import apply_overrides
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import SpecError


def build_overlay_spec(variant: Variant, sweep: Sweep, base_reference: str) -> dict[str, Any]:
    """What a variant says, as a spec that extends the base: without what the base says anyway, as far as that goes."""
    needed = variant.combination
    for pick in variant.combination:
        fewer = tuple(other for other in needed if other is not pick)
        if (
            sweep.choice_effects.equals_base(pick[1])
            and _compute_hash(sweep, _build_combination_overlay(variant, fewer)) == variant.report.spec.hash
        ):
            needed = fewer
    head = {"schema_version": SCHEMA_VERSION, "extends": base_reference, "name": variant.name}
    return {**head, **sweep.base_overrides, **_build_combination_overlay(variant, needed).to_data()}


def resolve_base_reference(folder: Path, sweep: Sweep) -> str | dict[str, Any]:
    """A sweep's base as specs in a folder extend it: its name there, or itself where it stands in the sweep's file."""
    file = sweep.definition
    if file.base_name:
        return _rebase_reference(file.base_name, file.folder, folder)
    said: dict[str, Any] = file.root.mapping["base"].to_data()
    return said | {"extends": _rebase_reference(said["extends"], file.folder, folder)} if "extends" in said else said


def _compute_hash(sweep: Sweep, overlay: YamlNode) -> str:
    try:
        return sweep.resolve_overlay(overlay).hash
    except SpecError:
        return ""


def _build_combination_overlay(variant: Variant, combination: Combination) -> YamlNode:
    """What some choices of a variant lay over the base, with what matching adds."""
    overlay = build_overlay(combination)
    return apply_overrides(overlay, variant.match.settings, "match") if variant.match else overlay


def _rebase_reference(name: str, source: Path, target: Path) -> str:
    """The name of a spec that is read in one folder, as it is read in another: paths change, shipped names do not."""
    file = source / name
    if not file.is_file():
        return name
    # The system takes ``..`` from where links lead, not from where they stand. The file's own name stays: what it
    # extends itself is found from there.
    return os.path.relpath(os.path.join(os.path.realpath(file.parent), file.name), os.path.realpath(target))
