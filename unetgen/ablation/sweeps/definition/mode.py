"""Parse the mode of a sweep file: a name, or a mapping with the options of a sample."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from unetgen.ablation.sweeps.mode import ModeName, SweepMode
from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem

_STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")


class SampleModeFields(BaseModel):
    """``{type: sample, n: 20, seed: 0}``: n combinations of the grid, sampled at random with the seed."""

    model_config = _STRICT

    type: Literal["sample"]
    n: Annotated[int, Field(ge=1, le=10_000_000)]
    seed: int = 0


class PlainModeFields(BaseModel):
    """Any other mode; it has no options."""

    model_config = _STRICT

    type: ModeName


def read_mode(node: YamlNode | None, default: ModeName) -> tuple[SweepMode, list[Problem]]:
    """Parse the mode of a sweep.

    Args:
        node: The value of ``mode``, or None if it is missing.
        default: The mode if none is set.

    Returns:
        The mode, and the problems found.
    """
    if node is None:
        return SweepMode(default), []
    if not isinstance(node.value, dict):
        node = YamlNode({"type": node}, node.path, node.mark, node.key_mark)
    type_node = node.mapping.get("type")
    if type_node is None:
        hint = "write mode: {type: sample, n: 20, seed: 0}"
        return SweepMode(default), [node.problem("mode", "the mode needs a 'type'", hint)]
    if type_node.value == "sample":
        sample, problems = parse_model(SampleModeFields, node)
        return SweepMode("sample", sample.n, sample.seed) if sample else SweepMode("sample"), problems
    plain, problems = parse_model(PlainModeFields, node)
    return SweepMode(plain.type if plain else default), problems
