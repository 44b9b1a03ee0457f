"""Build the Graph of a Spec: every part emits its operations; what cannot be built is reported where it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from unetgen.config.registry.attribution import attribute_plugin_errors
from unetgen.config.registry.part import Part
from unetgen.config.slot_locations import build_cannot_draw_problem, describe_locations
from unetgen.config.spec import AXIS_NAMES, NamedHead, SlotLocation, Spec
from unetgen.errors import Problem, SpecError
from unetgen.graph.build_problems import UnknownSizeError
from unetgen.graph.builder import Builder, BuildProblem, Value
from unetgen.graph.graph import Graph, NodeSizeError, Output
from unetgen.graph.ops.base import Size
from unetgen.graph.part_types import Block, Decoder, Encoder, Head, Input, Maps
from unetgen.graph.size_errors import check_sizes
from unetgen.graph.structure_checks import structural_problems


def build_graph(spec: Spec) -> Graph:
    """Build the graph of a spec. Sizes are not checked here.

    Args:
        spec: The resolved spec.

    Returns:
        The graph, which gives shapes and costs for every input size.

    Raises:
        SpecError: If parts cannot be combined as the spec says, with one problem for each.
        PluginError: If the code of a plugin's part fails.
    """
    graph = _build_once(spec)
    if spec.input.type != "none":
        graph = _build_once(spec, _padding_multiple(spec, graph))
    graph = replace(graph, checkpointing=spec.checkpointing) if spec.checkpointing else graph
    if problems := structural_problems(graph, spec):
        raise SpecError(problems)
    return graph


def _build_once(spec: Spec, multiple: Size = ()) -> Graph:
    """Build the graph once, with the input wrapper if ``multiple`` is set, to whose multiples it pads."""
    g = Builder(spec.dims, spec.in_channels, spec.input_size)
    g.providers = spec.providers
    try:
        with attribute_plugin_errors(lambda part: spec.providers.get(part, ""), lambda who: _describe_failure(g, who)):
            return _emit_network(g, spec, multiple)
    except UnknownSizeError as unknown:
        location = unknown.location.slot_location
        part = dict(spec.places()).get(location)
        part_name = f"{location[2]} {part.type!r}" if isinstance(part, Part) else location[2]
        message = f"{describe_locations([location])}: {part_name} needs to know the size of its feature map"
        hint = f"add 'input_size: [{', '.join(['256'] * spec.dims)}]', the only size that then fits"
        raise SpecError([spec.root.problem("missing", message, hint)]) from None
    except NodeSizeError:
        # A part asked for the size of a map that this input size does not reach.
        check_sizes(g.partial_graph(), spec.input_size or (), spec.root.mapping.get("input_size"))
        raise


def _emit_network(g: Builder, spec: Spec, multiple: Size) -> Graph:
    image, wrapper = g.input, cast(Input, spec.input)
    if multiple:
        with g.at("input", 0, "input"), g.scope("input", label=type(wrapper).__name__):
            g.input = wrapper.emit(g, image, multiple)
    maps = _emit_body(g, spec)
    with g.scope("head", label="Head"):
        outputs = [_emit_head(g, head, number, maps, spec.out_channels) for number, head in enumerate(spec.heads)]
    if multiple:
        with g.at("output", 0, "input"), g.scope("output", label=type(wrapper).__name__):
            outputs = [
                _undo_input(g, wrapper, image, head, values) for head, values in zip(spec.heads, outputs, strict=True)
            ]
    if problems := _merge_problems(spec, g.problems):
        raise SpecError(problems)
    graph_outputs = [
        Output(head.name, tuple(v.index for v in values), cast(Head, head.part).several)
        for head, values in zip(spec.heads, outputs, strict=True)
    ]
    graph = g.to_graph(graph_outputs, spec.name, keep_unused=not cast(Decoder, spec.decoder).leaves_out)
    return _omit_unread_levels(graph)


def _omit_unread_levels(graph: Graph) -> Graph:
    """Return the graph without the decoder levels that no head reads, such as level 0 for ``head.level: 1``."""
    unread = graph.find_unread_levels()
    if not unread:
        return graph
    skips = {level: index for level, index in graph.skips.items() if level not in unread}
    return replace(graph, skips=skips, omitted_levels=unread).prune()


def _describe_failure(g: Builder, part_label: str) -> str:
    """Describe in words where building the graph failed."""
    side, level, _ = g.failure_location.slot_location
    where = f"at level {level} of the {side}" if side in ("encoder", "decoder") else f"in the {side}"
    return f"{g.failure_location.path}: {part_label} failed {where}"


def _emit_head(g: Builder, head: NamedHead, number: int, maps: Maps, channels: int) -> list[Value]:
    part = cast(Head, head.part)
    with g.at("head", number, "head"), g.scope(head.name or "0", label=type(part).__name__):
        return part.emit_all(g, maps, part.out_channels or channels)


def _undo_input(g: Builder, wrapper: Input, image: Value, head: NamedHead, values: list[Value]) -> list[Value]:
    """Crop the outputs of one head to the size of the image; outputs without spatial axes stay as they are."""
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
    """Return for each axis the number whose multiples fit. Raise SpecError if other sizes fit."""
    node = spec.root.mapping.get("input", spec.root)
    periods, problems = [], []
    for name, fit in zip(AXIS_NAMES[spec.dims], graph.fits, strict=True):
        if not fit.are_multiples:
            message = f"padding needs multiples, but on axis {name} this network accepts {fit}"
            hint = "delete 'input', or use padded convolutions and exact divisions"
            problems.append(node.problem("input", message, hint))
        periods.append(fit.period)
    if not problems:
        input_size = tuple(fit.classes[0].first for fit in graph.fits)
        if resized := graph.resized_outputs(input_size):
            message = f"outputs are cropped to the image size, but {graph.nodes[resized[0]].path} has another size"
            problems.append(node.problem("input", message, "make every output the size of the image"))
    if problems:
        raise SpecError(problems)
    return tuple(periods)


def _merge_problems(spec: Spec, build_problems: list[BuildProblem]) -> list[Problem]:
    """Return one problem for each distinct message, however many places of the spec it applies to."""
    locations: dict[Problem, list[SlotLocation]] = {}
    for p in build_problems:
        problem = build_cannot_draw_problem(spec, p.slot_location, p.part, p.option, p.message, p.hint)
        locations.setdefault(problem, []).append(p.slot_location)
    return [
        replace(problem, message=f"{describe_locations(places)}: {problem.message}")
        for problem, places in locations.items()
    ]
