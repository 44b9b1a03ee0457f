"""Overlays: what each variant of a sweep lays over the base, as specs that extend it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from unetgen.ablation.axis import Combination, overlay_of
from unetgen.ablation.sweep import Sweep
from unetgen.ablation.variant import Variant
from unetgen.config.library import overridden
from unetgen.config.node import Node
from unetgen.config.spec import SCHEMA_VERSION
from unetgen.errors import SpecError


def overlaid(variant: Variant, sweep: Sweep, base: str) -> dict[str, Any]:
    """What a variant says, as a spec that extends the base: without what the base says anyway, as far as that goes."""
    needed = variant.combination
    for pick in variant.combination:
        fewer = tuple(other for other in needed if other is not pick)
        if sweep.choices.says_nothing(pick[1]) and _hash(sweep, _said(variant, fewer)) == variant.report.spec.hash:
            needed = fewer
    head = {"schema_version": SCHEMA_VERSION, "extends": base, "name": variant.name}
    return {**head, **sweep.laid_over_base, **_said(variant, needed).plain()}


def base_seen_from(folder: Path, sweep: Sweep) -> str | dict[str, Any]:
    """A sweep's base as specs in a folder extend it: its name there, or itself where it stands in the sweep's file."""
    file = sweep.file
    if file.base_name:
        return _moved(file.base_name, file.folder, folder)
    said: dict[str, Any] = file.root.mapping["base"].plain()
    return said | {"extends": _moved(said["extends"], file.folder, folder)} if "extends" in said else said


def _hash(sweep: Sweep, overlay: Node) -> str:
    try:
        return sweep.resolved(overlay).hash
    except SpecError:
        return ""


def _said(variant: Variant, combination: Combination) -> Node:
    """What some choices of a variant lay over the base, with what matching adds."""
    overlay = overlay_of(combination)
    return overridden(overlay, variant.match.settings, "match") if variant.match else overlay


def _moved(name: str, source: Path, target: Path) -> str:
    """The name of a spec that is read in one folder, as it is read in another: paths change, shipped names do not."""
    file = source / name
    if not file.is_file():
        return name
    # The system takes ``..`` from where links lead, not from where they stand. The file's own name stays: what it
    # extends itself is found from there.
    return os.path.relpath(os.path.join(os.path.realpath(file.parent), file.name), os.path.realpath(target))
