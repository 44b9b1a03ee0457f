"""A Spec to a Graph: every part draws itself, and what cannot be drawn is reported where it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from unetgen.config.registry.attribution import attribute_plugin_errors
from unetgen.config.registry.part import Part
from unetgen.config.registry.slots import SIDES, SKIP_KEYS
from unetgen.config.spec import AXIS_NAMES, NamedHead, Skip, SlotLocation, Spec
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem, SpecError
from unetgen.graph.base_builder import UnknownSizeError
from unetgen.graph.builder import Builder, BuildProblem, Value
from unetgen.graph.graph import Graph, NodeSizeError, Output
from unetgen.graph.ops.base import Size
from unetgen.graph.part_types import Block, Decoder, Encoder, Head, Input, Maps
from unetgen.graph.size_errors import check_sizes
from unetgen.graph.structure_checks import structural_problems


def build_graph(spec: Spec) -> Graph:
    """The graph of a spec. Raises SpecError where parts do not go together; sizes are not looked at here."""
    graph = _build_once(spec)
    if spec.input.type != "none":
        graph = _build_once(spec, _padding_multiple(spec, graph))
    graph = replace(graph, checkpointing=spec.checkpointing) if spec.checkpointing else graph
    if problems := structural_problems(graph, spec):
        raise SpecError(problems)
    return graph


def _build_once(spec: Spec, multiple: Size = ()) -> Graph:
    """The drawing, with its input wrapper where ``multiple`` says to what it pads."""
    g = Builder(spec.dims, spec.in_channels, spec.input_size)
    g.providers = spec.providers
    try:
        with attribute_plugin_errors(lambda part: spec.providers.get(part, ""), lambda who: _describe_failure(g, who)):
            return _emit_network(g, spec, multiple)
    except UnknownSizeError as unknown:
        place = unknown.location.slot_location
        part = dict(spec.places()).get(place)
        called = f"{place[2]} {part.type!r}" if isinstance(part, Part) else place[2]
        message = f"{_describe_locations([place])}: {called} needs to know the size of its map"
        hint = f"add 'input_size: [{', '.join(['256'] * spec.dims)}]', the only size that the network then takes"
        raise SpecError([spec.root.problem("missing", message, hint)]) from None
    except NodeSizeError:
        # A part asked for a size, of an input that does not come so far.
        check_sizes(g.partial_graph(), spec.input_size or (), spec.root.mapping.get("input_size"))
        raise


def _emit_network(g: Builder, spec: Spec, multiple: Size) -> Graph:
    image, wrapper = g.input, cast(Input, spec.input)
    if multiple:
        with g.at("input", 0, "input"), g.scope("input", label=type(wrapper).__name__):
            g.input = wrapper.emit(g, image, multiple)
    maps = _emit_body(g, spec)
    with g.scope("head", label="Head"):
        made = [_emit_head(g, head, number, maps, spec.out_channels) for number, head in enumerate(spec.heads)]
    if multiple:
        with g.at("output", 0, "input"), g.scope("output", label=type(wrapper).__name__):
            made = [_undo_input(g, wrapper, image, head, values) for head, values in zip(spec.heads, made, strict=True)]
    if problems := _merge_problems(spec, g.problems):
        raise SpecError(problems)
    outputs = [
        Output(head.name, tuple(v.index for v in values), cast(Head, head.part).several)
        for head, values in zip(spec.heads, made, strict=True)
    ]
    return g.to_graph(outputs, spec.name, keep_unused=not cast(Decoder, spec.decoder).leaves_out)


def _describe_failure(g: Builder, part_label: str) -> str:
    """Where the drawing broke off, in words."""
    side, level, _ = g.failure_location.slot_location
    where = f"at level {level} of the {side}" if side in ("encoder", "decoder") else f"in the {side}"
    return f"{g.failure_location.path}: {part_label} failed {where}"


def _emit_head(g: Builder, head: NamedHead, number: int, maps: Maps, channels: int) -> list[Value]:
    part = cast(Head, head.part)
    with g.at("head", number, "head"), g.scope(head.name or "0", label=type(part).__name__):
        return part.emit_all(g, maps, part.out_channels or channels)


def _undo_input(g: Builder, wrapper: Input, image: Value, head: NamedHead, values: list[Value]) -> list[Value]:
    """The outputs of one head in the size of the image, those that have a size."""
    with g.scope(head.name or "0"):
        return [v if g.has_no_spatial_axes(v) else wrapper.undo(g, v, image, str(n)) for n, v in enumerate(values)]


def _emit_body(g: Builder, spec: Spec) -> Maps:
    block, decoder = cast(Block, spec.bottleneck), cast(Decoder, spec.decoder)
    with g.scope("encoder", label="Encoder"), g.at("encoder", 0, "encoder"):
        features = cast(Encoder, spec.encoder).emit(g, g.input, spec.encoder_levels, spec.bottleneck_width)
    x = features.bottom
    with g.scope("bottleneck", label=type(block).__name__), g.at("bottleneck", spec.depth, "block"):
        x = block.emit_strided(g, x, spec.bottleneck_width or x.channels, features.stride)
    for index, level in enumerate(spec.decoder_levels):
        if level.skip is not None and not level.skip.is_dropped:
            tapped = features.lower if level.skip.tap == "after_downsample" else features.maps
            if (value := tapped[index]) is not None:
                g.skips[index] = value.index
    with g.scope("decoder", label="Decoder"), g.at("decoder", 0, "decoder"):
        return decoder.emit(g, x, features, spec.decoder_levels)


def _padding_multiple(spec: Spec, graph: Graph) -> Size:
    """What the sizes that fit are multiples of, for each axis. Raises SpecError where they are not multiples."""
    node = spec.root.mapping.get("input", spec.root)
    periods, problems = [], []
    for name, fit in zip(AXIS_NAMES[spec.dims], graph.fits, strict=True):
        regular = fit.is_complete and len(fit.classes) == 1 and fit.classes[0].last is None
        if not regular or fit.classes[0].first % fit.classes[0].period:
            message = f"it pads to a multiple, and on axis {name} this network takes {fit}"
            problems.append(node.problem("input", message, "leave 'input' out, or pad convolutions and divide exactly"))
        periods.append(fit.period)
    if not problems:
        given = tuple(fit.classes[0].first for fit in graph.fits)
        sizes = graph.sizes(given)
        others = [i for i in graph.output_nodes if sizes[i] != given and not graph.nodes[i].op.has_no_spatial_axes]
        if others:
            message = f"it crops outputs back to the image's size, and {graph.nodes[others[0]].path} has another"
            problems.append(node.problem("input", message, "let every output have the image's size"))
    if problems:
        raise SpecError(problems)
    return tuple(periods)


def _merge_problems(spec: Spec, build_problems: list[BuildProblem]) -> list[Problem]:
    """One problem for each thing refused, however many places it is refused in."""
    places: dict[Problem, list[SlotLocation]] = {}
    for finding in build_problems:
        places.setdefault(_to_problem(spec, finding), []).append(finding.slot_location)
    return [
        replace(problem, message=f"{_describe_locations(found)}: {problem.message}")
        for problem, found in places.items()
    ]


def _to_problem(spec: Spec, build_problem: BuildProblem) -> Problem:
    written, location = _locate_part(spec, build_problem.slot_location, build_problem.part)
    node = written.find((*location, build_problem.option))
    # An option that was written nowhere is named at the closest place that was.
    spelt = (
        node.path.split(".")[-1] in (build_problem.option, build_problem.slot_location[2])
        or build_problem.option == "type"
    )
    path = node.path if spelt else f"{node.path}.{build_problem.option}"
    return Problem("cannot_draw", path, build_problem.message, build_problem.hint, node.mark)


def _describe_locations(locations: list[SlotLocation]) -> str:
    """Sides and levels in words: ``in the encoder at levels 0, 1 and in the bottleneck``."""
    levels: dict[str, list[int]] = {}
    for side, level, slot in locations:
        if level not in levels.setdefault(side, []) and slot != side:
            levels[side].append(level)
    return " and ".join(_describe_side(side, sorted(found)) for side, found in levels.items())


def _describe_side(side: str, levels: list[int]) -> str:
    if side not in ("encoder", "decoder") or not levels:
        return f"in the {side}"
    return f"in the {side} at level{'s' * (len(levels) > 1)} {', '.join(map(str, levels))}"


def _locate_part(spec: Spec, slot_location: SlotLocation, part: Part) -> tuple[YamlNode, tuple[str | int, ...]]:
    """Where the part that stands at a place was written, and how deep inside the slot it sits."""
    side, level, slot = slot_location
    standing: Part | Skip
    if side in SIDES and slot not in SIDES:
        standing, written = dict(spec.places())[slot_location], spec.origins[slot_location]
    elif slot == "head":
        head = spec.heads[level]
        standing = head.part
        written = (
            spec.root.mapping.get("heads", spec.root).find((head.name,)) if head.name else _slot_node(spec, "head")
        )
    else:
        standing, written = getattr(spec, slot), _slot_node(spec, slot)
    if isinstance(standing, Part):
        return written, _path_to_part(standing, part) or ()
    for name in SKIP_KEYS:
        here = getattr(standing, name)
        if isinstance(here, Part) and (found := _path_to_part(here, part)) is not None:
            return written, (name, *found)
    return written, ()


def _slot_node(spec: Spec, slot: str) -> YamlNode:
    return spec.root.mapping.get(slot, spec.root)


def _path_to_part(root: Part, part: Part) -> tuple[str | int, ...] | None:
    """The steps that lead from a part to a part inside it; None where it is not inside."""
    if root is part:
        return ()
    for location, child in root.inside():
        if (found := _path_to_part(child, part)) is not None:
            return (*location, *found)
    return None
