"""Arguments: what the classes of nnU-Net's own networks are called with, as plans have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from unetgen.config.registry.part import Channels
from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import PlansError, Problem

# Where one number may stand for every stage, and where one may stand for every axis of a stage.
_PER_STAGE = ("features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage")
_DECODER_COUNTS = "n_conv_per_stage_decoder"
_PER_AXIS = ("kernel_sizes", "strides")


class _StageCount(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    # Two, or there is nothing to decode; each but one halves something, so few are many.
    n_stages: Annotated[int, Field(ge=2, le=16)]


class ArchitectureArgs(_StageCount):
    """What both networks have, with a value for each stage and axis."""

    features_per_stage: list[Channels]
    conv_op: str
    kernel_sizes: list[list[PositiveInt]]
    strides: list[list[PositiveInt]]
    n_conv_per_stage_decoder: list[PositiveInt]
    conv_bias: bool = False
    norm_op: str | None = None
    norm_op_kwargs: dict[str, Any] | None = None
    dropout_op: str | None = None
    dropout_op_kwargs: dict[str, Any] | None = None
    nonlin: str | None = None
    nonlin_kwargs: dict[str, Any] | None = None

    @property
    def dims(self) -> int:
        """The axes of the patches."""
        return len(self.strides[0])

    @property
    def repeats_per_stage(self) -> list[int]:
        """How often each stage of the encoder has its block."""
        raise NotImplementedError


class PlainConvArgs(ArchitectureArgs):
    """Of ``PlainConvUNet``."""

    n_conv_per_stage: list[PositiveInt]

    @property
    def repeats_per_stage(self) -> list[int]:
        return self.n_conv_per_stage


class ResidualEncoderArgs(ArchitectureArgs):
    """Of ``ResidualEncoderUNet``."""

    n_blocks_per_stage: list[PositiveInt]

    @property
    def repeats_per_stage(self) -> list[int]:
        return self.n_blocks_per_stage


def read_architecture_args(args_class: type[ArchitectureArgs], node: YamlNode, dims: int) -> ArchitectureArgs:
    """The arguments at a place of the plans, for patches of so many axes. Raises PlansError with all that is wrong."""
    stages, problems = parse_model(_StageCount, node)
    if stages is None:
        raise _plans_error(problems)
    node = _expand_shorthand(node, stages.n_stages, dims)
    arguments, problems = parse_model(args_class, node)
    if arguments is None:
        raise _plans_error(problems)
    if misfits := [*_check_lengths(arguments, node), *_check_geometry(arguments, node, dims)]:
        raise _plans_error(misfits)
    return arguments


def _plans_error(problems: list[Problem]) -> PlansError:
    # A number that stands for many is wrong once.
    return PlansError("\n".join(dict.fromkeys(map(str, problems))))


def _expand_shorthand(node: YamlNode, num_stages: int, dims: int) -> YamlNode:
    """The same arguments with a value for each stage and axis, each still at the place where it is written."""
    entries = dict(node.mapping)
    for name in (*_PER_STAGE, _DECODER_COUNTS):
        if name not in entries:
            continue
        listed = _repeat(entries[name], num_stages - 1 if name == _DECODER_COUNTS else num_stages)
        if name in _PER_AXIS:
            listed = replace(listed, value=[_repeat(entry, dims) for entry in _list_items(listed)])
        entries[name] = listed
    return replace(node, value=entries)


def _repeat(node: YamlNode, count: int) -> YamlNode:
    return node if isinstance(node.value, list) else replace(node, value=[node] * count)


def _list_items(node: YamlNode) -> list[YamlNode]:
    return node.value if isinstance(node.value, list) else []


def _check_lengths(arguments: ArchitectureArgs, node: YamlNode) -> Iterator[Problem]:
    """Lists that are not as long as the stages are many."""
    for name in (*_PER_STAGE, _DECODER_COUNTS):
        wanted, given = arguments.n_stages - (name == _DECODER_COUNTS), len(getattr(arguments, name, ()))
        if hasattr(arguments, name) and given != wanted:
            stages = f"{wanted} stages of the decoder" if name == _DECODER_COUNTS else f"{wanted} stages"
            yield node.mapping[name].problem("stages", f"for {stages} this has {given}", "give one for each")


def _check_geometry(arguments: ArchitectureArgs, node: YamlNode, dims: int) -> Iterator[Problem]:
    """Kernels and strides that are not for these patches, or whose maps no spec has."""
    if (named := arguments.conv_op.rpartition(".")[2]) != f"Conv{dims}d":
        message = f"{named!r} is not for patches of {dims} axes"
        yield node.mapping["conv_op"].problem("axes", message, f"write torch.nn.modules.conv.Conv{dims}d")
    for name in _PER_AXIS:
        for entry in _list_items(node.mapping[name]):
            numbers = entry.to_data()
            if len(numbers) != dims:
                yield entry.problem("axes", f"the patch has {dims} axes, this has {len(numbers)}", "give one for each")
            elif name == "kernel_sizes" and any(number % 2 == 0 for number in numbers):
                message = f"{numbers} is even, so sizes change and nnU-Net's own network fails"
                yield entry.problem("kernel", message, "use odd kernels")
    first = _list_items(node.mapping["strides"])[:1]
    if first and set(first[0].to_data()) - {1}:
        message = f"with {first[0].to_data()} outputs are smaller than patches, which no spec can say"
        yield first[0].problem("stride", message, f"start with {[1] * dims}")
