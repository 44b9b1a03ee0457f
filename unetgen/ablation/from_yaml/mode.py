"""A sweep's mode from its node: a word, or a mapping with the options of a sample."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from unetgen.ablation.mode import Mode, ModeName
from unetgen.config.node import Node
from unetgen.config.validation import model_at
from unetgen.errors import Problem

_STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")


class Sample(BaseModel):
    """``{type: sample, n: 20, seed: 0}``: so many combinations of the grid, drawn by the seed."""

    model_config = _STRICT

    type: Literal["sample"]
    n: Annotated[int, Field(ge=1, le=10_000_000)]
    seed: int = 0


class Plain(BaseModel):
    """Every other mode, which has no options."""

    model_config = _STRICT

    type: ModeName


def mode_of(node: Node | None, usual: ModeName) -> tuple[Mode, list[Problem]]:
    """The mode that a node names, or what is wrong with it; the usual one where there is none."""
    if node is None:
        return Mode(usual), []
    if not isinstance(node.value, dict):
        node = Node({"type": node}, node.path, node.mark, node.key)
    named = node.mapping.get("type")
    if named is None:
        return Mode(usual), [node.problem("mode", "a mode has a type", "write mode: {type: sample, n: 20, seed: 0}")]
    if named.value == "sample":
        sample, problems = model_at(Sample, node)
        return Mode("sample", sample.n, sample.seed) if sample else Mode("sample"), problems
    plain, problems = model_at(Plain, node)
    return Mode(plain.type if plain else usual), problems
