"""A Spec to a Graph: every part draws itself, and what cannot be drawn is reported where it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from unetgen.config.node import Node as Written
from unetgen.config.part import Part
from unetgen.config.spec import Place, Spec
from unetgen.errors import Problem, SpecError
from unetgen.graph.builder import Builder, Finding
from unetgen.graph.checks import structural_problems
from unetgen.graph.graph import Graph
from unetgen.graph.kinds import Block, Decoder, Encoder, Head


def draw(spec: Spec) -> Graph:
    """The graph of a spec. Raises SpecError where parts do not go together; sizes are not looked at here."""
    g = Builder(spec.dims, spec.in_channels, spec.input_size)
    block = cast(Block, spec.bottleneck)
    with g.scope("encoder", label="Encoder"), g.at("encoder", 0, "encoder"):
        features, x = cast(Encoder, spec.encoder).emit(g, g.input, spec.encoder_levels)
    with g.scope("bottleneck", label=type(block).__name__), g.at("bottleneck", spec.depth, "block"):
        x = block.emit(g, x, spec.bottleneck_width)
    g.skips.update({i: features[i].index for i, stage in enumerate(spec.decoder_levels) if not stage.skip.dropped})
    with g.scope("decoder", label="Decoder"), g.at("decoder", 0, "decoder"):
        x = cast(Decoder, spec.decoder).emit(g, x, features, spec.decoder_levels)
    with g.scope("head", label="Head"), g.at("head", 0, "head"), g.scope("0", label=type(spec.head).__name__):
        x = cast(Head, spec.head).emit(g, x, spec.out_channels)
    graph = g.graph(x, spec.name)
    problems = _problems(spec, g.findings)
    problems += structural_problems(graph, spec) if not problems else []
    if problems:
        raise SpecError(problems)
    return graph


def _problems(spec: Spec, findings: list[Finding]) -> list[Problem]:
    """One problem for each thing refused, however many places it is refused in."""
    places: dict[Problem, list[Place]] = {}
    for finding in findings:
        places.setdefault(_problem(spec, finding), []).append(finding.place)
    return [replace(problem, message=f"{_where(found)}: {problem.message}") for problem, found in places.items()]


def _problem(spec: Spec, finding: Finding) -> Problem:
    written, location = _written(spec, finding.place, finding.part)
    node = written.find((*location, finding.option))
    # An option that was written nowhere is named at the closest place that was.
    spelt = node.path.split(".")[-1] in (finding.option, finding.place[2]) or finding.option == "type"
    path = node.path if spelt else f"{node.path}.{finding.option}"
    return Problem("cannot_draw", path, finding.message, finding.hint, node.mark)


def _where(places: list[Place]) -> str:
    """Sides and levels in words: ``in the encoder at levels 0, 1 and in the bottleneck``."""
    levels: dict[str, list[int]] = {}
    for side, level, _ in places:
        if level not in levels.setdefault(side, []):
            levels[side].append(level)
    return " and ".join(_side(side, sorted(found)) for side, found in levels.items())


def _side(side: str, levels: list[int]) -> str:
    if side not in ("encoder", "decoder"):
        return f"in the {side}"
    return f"in the {side} at level{'s' * (len(levels) > 1)} {', '.join(map(str, levels))}"


def _written(spec: Spec, place: Place, part: Part) -> tuple[Written, tuple[str, ...]]:
    """Where the part that stands at a place was written, and how deep inside the slot it sits."""
    side, _, slot = place
    if side in ("encoder", "decoder", "bottleneck") and slot not in ("encoder", "decoder"):
        standing = dict(spec.places())[place]
        written = spec.origins[place]
    else:
        standing = getattr(spec, slot)
        written = spec.root.mapping.get(slot, spec.root)
    if isinstance(standing, Part):
        return written, _inside(standing, part) or ()
    for name in ("align", "fusion"):
        found = _inside(getattr(standing, name), part)
        if found is not None:
            return written, (name, *found)
    return written, ()


def _inside(whole: Part, part: Part) -> tuple[str, ...] | None:
    """The names that lead from a part to a part inside it; None where it is not inside."""
    if whole is part:
        return ()
    for name in type(whole).model_fields:
        child = getattr(whole, name)
        if isinstance(child, Part) and (found := _inside(child, part)) is not None:
            return (name, *found)
    return None
