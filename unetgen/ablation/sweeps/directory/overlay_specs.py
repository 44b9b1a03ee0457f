"""Write each variant of a sweep as a spec that extends the base."""

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
    """Build a spec that extends the base, without choices that only repeat it.

    Args:
        variant: The variant.
        sweep: Its sweep.
        base_reference: The value of ``extends``.

    Returns:
        The spec as plain data; it resolves to the variant's spec.
    """
    needed = variant.combination
    for pair in variant.combination:
        fewer = tuple(other for other in needed if other is not pair)
        if (
            sweep.choice_effects.equals_base(pair[1])
            and _compute_hash(sweep, _build_combination_overlay(variant, fewer)) == variant.report.spec.hash
        ):
            needed = fewer
    head = {"schema_version": SCHEMA_VERSION, "extends": base_reference, "name": variant.name}
    return {**head, **sweep.base_overrides, **_build_combination_overlay(variant, needed).to_data()}


def resolve_base_reference(folder: Path, sweep: Sweep) -> str | dict[str, Any]:
    """Return a sweep's base as specs in a folder refer to it.

    Args:
        folder: The folder of the specs.
        sweep: The sweep.

    Returns:
        A name or path relative to the folder, or the base itself as plain data if it is in the sweep file.
    """
    definition = sweep.definition
    if definition.base_reference:
        return _rebase_reference(definition.base_reference, definition.folder, folder)
    base: dict[str, Any] = definition.root.mapping["base"].to_data()
    if "extends" in base:
        base["extends"] = _rebase_reference(base["extends"], definition.folder, folder)
    return base


def _compute_hash(sweep: Sweep, overlay: YamlNode) -> str:
    try:
        return sweep.resolve_overlay(overlay).hash
    except SpecError:
        return ""


def _build_combination_overlay(variant: Variant, combination: Combination) -> YamlNode:
    """Return the overlay of some choices of a variant, with the settings that the sweep chose."""
    return apply_overrides(build_overlay(combination), variant.derived_settings, "sweep")


def _rebase_reference(name: str, source: Path, target: Path) -> str:
    """Make a path relative to another folder; names of shipped specs stay as they are."""
    file = source / name
    if not file.is_file():
        return name
    # ``..`` starts at the target of a symbolic link, so folders are resolved. The file itself is not resolved, since
    # its own ``extends`` is relative to where it is named.
    return os.path.relpath(os.path.join(os.path.realpath(file.parent), file.name), os.path.realpath(target))
