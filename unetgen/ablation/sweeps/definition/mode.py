"""A sweep's mode from its node: a word, or a mapping with the options of a sample."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from unetgen.ablation.sweeps.mode import ModeName, SweepMode
from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem

_STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")


class SampleModeFields(BaseModel):
    """``{type: sample, n: 20, seed: 0}``: so many combinations of the grid, drawn by the seed."""

    model_config = _STRICT

    type: Literal["sample"]
    n: Annotated[int, Field(ge=1, le=10_000_000)]
    seed: int = 0


class PlainModeFields(BaseModel):
    """Every other mode, which has no options."""

    model_config = _STRICT

    type: ModeName


def read_mode(node: YamlNode | None, default: ModeName) -> tuple[SweepMode, list[Problem]]:
    """The mode that a node names, or what is wrong with it; the usual one where there is none."""
    if node is None:
        return SweepMode(default), []
    if not isinstance(node.value, dict):
        node = YamlNode({"type": node}, node.path, node.mark, node.key_mark)
    named = node.mapping.get("type")
    if named is None:
        return SweepMode(default), [
            node.problem("mode", "a mode has a type", "write mode: {type: sample, n: 20, seed: 0}")
        ]
    if named.value == "sample":
        sample, problems = parse_model(SampleModeFields, node)
        return SweepMode("sample", sample.n, sample.seed) if sample else SweepMode("sample"), problems
    plain, problems = parse_model(PlainModeFields, node)
    return SweepMode(plain.type if plain else default), problems
