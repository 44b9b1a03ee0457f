"""Read the depth and the widths: the number of levels, and the channels of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from unetgen.config.registry.part import Channels, format_yaml_value
from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import Problem

MAX_DEPTH = 12

_CHANNELS_ADAPTER = TypeAdapter(Channels)


class Growth(BaseModel):
    """Channels that grow with the level: ``{base: 64, growth: 2, max: 1024}``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    base: Channels
    growth: Annotated[float, Field(gt=0, le=16)] = 2
    max: Channels | None = None

    def channels_at(self, level: int) -> float:
        """Return the channels of a level, which may not be an integer."""
        return min(self.base * self.growth**level, self.max or float("inf"))


@dataclass(frozen=True, slots=True)
class Widths:
    """The channels of every level, finest first; the bottleneck's are the encoder's last.

    An encoder that has its own widths has None for each level.
    """

    encoder: tuple[int | None, ...]
    decoder: tuple[int, ...]

    @property
    def depth(self) -> int:
        """The number of resolution changes."""
        return len(self.encoder) - 1


def read_widths(root: YamlNode, own_depth: int | None = None) -> tuple[Widths | None, list[Problem]]:
    """Return the widths of a spec, or None and the problems.

    Args:
        root: The spec.
        own_depth: The maximum depth of an encoder that has its own widths; None for other encoders.
    """
    depth, problems = _read_depth(root, own_depth or MAX_DEPTH)
    encoder, width_problems = (
        _omit_encoder_widths(root, depth, own_depth) if own_depth else _read_encoder_widths(root, depth)
    )
    problems += width_problems
    if not encoder or problems:
        return None, problems
    decoder, problems = _read_decoder_widths(root, encoder)
    return Widths(tuple(encoder), tuple(decoder)), problems


def _omit_encoder_widths(root: YamlNode, depth: int | None, own_depth: int) -> tuple[list[int | None], list[Problem]]:
    """Return no widths for an encoder that has its own; inherited widths are ignored."""
    widths, encoder = root.mapping.get("widths"), root.mapping.get("encoder")
    if widths is not None and encoder is not None and widths.precedence >= encoder.precedence:
        message = "'widths' has no effect: the encoder has its own widths"
        return [], [widths.key_problem("no_effect", message, "delete 'widths' and set decoder.widths")]
    return [None] * ((depth or own_depth) + 1), []


def _read_depth(root: YamlNode, maximum: int) -> tuple[int | None, list[Problem]]:
    node = root.mapping.get("depth")
    if node is None:
        return None, []
    if type(node.value) is not int:
        hint = "write the number without quotes" if isinstance(node.value, str) and node.value.isdigit() else ""
        value = format_yaml_value(node.value) if not isinstance(node.value, (list, dict)) else "this"
        return None, [node.problem("int_type", f"{value} is not a whole number", hint)]
    if not 1 <= node.value <= maximum:
        return None, [node.problem("depth", f"{node.value} is not between 1 and {maximum}")]
    return node.value, []


def _read_encoder_widths(root: YamlNode, depth: int | None) -> tuple[list[int | None], list[Problem]]:
    node = root.mapping.get("widths")
    if node is None:
        hint = "add 'widths: [64, 128, 256, 512, 1024]', finest level first"
        return [], [root.problem("missing", "'widths' is missing", hint)]
    return (
        _compute_grown_widths(node, depth)
        if isinstance(node.value, dict)
        else _read_listed_widths(node, root.mapping.get("depth"), depth)
    )


def _read_listed_widths(
    node: YamlNode, depth_node: YamlNode | None, depth: int | None
) -> tuple[list[int | None], list[Problem]]:
    """Read a list of widths; of the list and a depth, the one of higher precedence decides if possible."""
    widths, problems = _read_channels(node)
    if problems:
        return [], problems
    if not 2 <= len(widths) <= MAX_DEPTH + 1:
        hint = "write one number for each level, the bottleneck last"
        message = f"a network has 2 to {MAX_DEPTH + 1} widths, not {len(widths)}"
        return [], [node.problem("widths", message, hint)]
    if depth_node is None or depth is None or depth == len(widths) - 1 or depth_node.precedence < node.precedence:
        return list(widths), []
    if _is_cut_by_depth(depth_node, node, depth, len(widths) - 1):
        return list(widths[: depth + 1]), []
    line = f" (line {depth_node.mark.line})" if depth_node.mark.line else ""
    message = f"depth {depth}{line} needs {depth + 1} widths, not {len(widths)}"
    return [], [node.problem("widths", message, "delete one of the two, or make them agree")]


def _is_cut_by_depth(depth_node: YamlNode, widths_node: YamlNode, depth: int, num_levels: int) -> bool:
    """Return whether a depth overrides widths for more levels, of which the finest are then used."""
    return depth_node.precedence > widths_node.precedence and depth < num_levels


def _compute_grown_widths(node: YamlNode, depth: int | None) -> tuple[list[int | None], list[Problem]]:
    growth, problems = parse_model(Growth, node)
    if growth is None:
        return [], problems
    if depth is None:
        return [], [node.problem("depth", "widths with a growth need a depth", "add 'depth: 4'")]
    widths = [growth.channels_at(level) for level in range(depth + 1)]
    for level, width in enumerate(widths):
        if width != int(width) or not 1 <= width <= 65_536:
            message = f"level {level} would have {width:g} channels, but channels are whole numbers up to 65536"
            return [], [node.problem("widths", message, "write the widths as a list")]
    return [int(width) for width in widths], []


def _read_decoder_widths(root: YamlNode, encoder: list[int | None]) -> tuple[list[int], list[Problem]]:
    side = root.mapping.get("decoder")
    node = side.mapping.get("widths") if side else None
    depth = len(encoder) - 1
    mirrored = [width for width in encoder[:-1] if width is not None]
    if node is None:
        if len(mirrored) == depth:
            return mirrored, []
        hint = "add decoder: {widths: [...]}, finest level first"
        return [], [(side or root).problem("missing", "the encoder has its own widths, but the decoder has none", hint)]
    widths, problems = _read_channels(node)
    depth_node = root.mapping.get("depth")
    if depth_node is not None and _is_cut_by_depth(depth_node, node, depth, len(widths)):
        widths = widths[:depth]
    if not problems and len(widths) != depth:
        message = f"depth {depth} needs {depth} decoder widths, not {len(widths)}"
        problems = [node.problem("widths", message, "list them finest level first, without the bottleneck")]
    return (widths if not problems else mirrored), problems


def _read_channels(node: YamlNode) -> tuple[list[int], list[Problem]]:
    if not isinstance(node.value, list):
        hint = "write a list such as [64, 128, 256], or {base: 64, growth: 2} with a depth"
        return [], [node.problem("widths", "widths must be a list or a mapping", hint)]
    problems = []
    for item in node.value:
        try:
            _CHANNELS_ADAPTER.validate_python(item.to_data(), strict=True)
        except ValidationError:
            problems.append(
                item.problem(
                    "widths",
                    f"{_format_value(item)} is not a number of channels",
                    "write a whole number from 1 to 65536",
                )
            )
    return ([] if problems else [item.to_data() for item in node.value]), problems


def _format_value(node: YamlNode) -> str:
    return "this" if isinstance(node.value, (list, dict)) else format_yaml_value(node.value)
