"""Read the constructor arguments of nnU-Net's own network classes from plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from unetgen.config.registry.part import Channels
from unetgen.config.validation import parse_model
from unetgen.config.yaml.tree import YamlNode
from unetgen.errors import PlansError, Problem

# Arguments whose single number may apply to every stage, and those whose single number may apply to every axis.
_PER_STAGE = ("features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage")
_DECODER_COUNTS = "n_conv_per_stage_decoder"
_PER_AXIS = ("kernel_sizes", "strides")


class _StageCount(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    # Fewer than two leave nothing to decode; each further stage halves the size, so 16 is generous.
    n_stages: Annotated[int, Field(ge=2, le=16)]


class ArchitectureArgs(_StageCount):
    """Arguments of both network classes, with one value per stage and axis."""

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
        """The number of spatial dimensions."""
        return len(self.strides[0])

    @property
    def repeats_per_stage(self) -> list[int]:
        """The number of blocks in each encoder stage."""
        raise NotImplementedError


class PlainConvArgs(ArchitectureArgs):
    """Arguments of ``PlainConvUNet``."""

    n_conv_per_stage: list[PositiveInt]

    @property
    def repeats_per_stage(self) -> list[int]:
        return self.n_conv_per_stage


class ResidualEncoderArgs(ArchitectureArgs):
    """Arguments of ``ResidualEncoderUNet``."""

    n_blocks_per_stage: list[PositiveInt]

    @property
    def repeats_per_stage(self) -> list[int]:
        return self.n_blocks_per_stage


def read_architecture_args(args_class: type[ArchitectureArgs], node: YamlNode, dims: int) -> ArchitectureArgs:
    """Read and validate the arguments of a network class.

    Args:
        args_class: The arguments of the class that the plans name.
        node: The ``arch_kwargs`` of the plans.
        dims: The number of spatial dimensions of the patches.

    Returns:
        The arguments, with one value per stage and axis.

    Raises:
        PlansError: One line for each invalid value.
    """
    stages, problems = parse_model(_StageCount, node)
    if stages is None:
        raise _plans_error(problems)
    node = _expand_shorthand(node, stages.n_stages, dims)
    arguments, problems = parse_model(args_class, node)
    if arguments is None:
        raise _plans_error(problems)
    if problems := [*_check_lengths(arguments, node), *_check_geometry(arguments, node, dims)]:
        raise _plans_error(problems)
    return arguments


def _plans_error(problems: list[Problem]) -> PlansError:
    # An invalid number that applies to every stage is reported once.
    return PlansError(problems)


def _expand_shorthand(node: YamlNode, num_stages: int, dims: int) -> YamlNode:
    """Return the arguments with one value per stage and axis, each with its position in the plans."""
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
    """Yield a problem for each list whose length differs from the number of stages."""
    for name in (*_PER_STAGE, _DECODER_COUNTS):
        is_decoder = name == _DECODER_COUNTS
        expected, actual = arguments.n_stages - is_decoder, len(getattr(arguments, name, ()))
        if hasattr(arguments, name) and actual != expected:
            stage = "decoder stage" if is_decoder else "stage"
            yield node.mapping[name].problem(
                "stages", f"expected {expected} values, one per {stage}, not {actual}", f"give one value per {stage}"
            )


def _check_geometry(arguments: ArchitectureArgs, node: YamlNode, dims: int) -> Iterator[Problem]:
    """Yield a problem for each kernel or stride that does not match the patches or that specs do not support."""
    if (conv_class := arguments.conv_op.rpartition(".")[2]) != f"Conv{dims}d":
        message = f"{conv_class!r} does not match {dims}-dimensional patches"
        yield node.mapping["conv_op"].problem("axes", message, f"use torch.nn.modules.conv.Conv{dims}d")
    for name in _PER_AXIS:
        for entry in _list_items(node.mapping[name]):
            numbers = entry.to_data()
            if len(numbers) != dims:
                message = f"expected {dims} values, one per spatial axis, not {len(numbers)}"
                yield entry.problem("axes", message, "give one value per axis")
            elif name == "kernel_sizes" and any(number % 2 == 0 for number in numbers):
                message = f"{numbers} is even, which nnU-Net's own networks do not support"
                yield entry.problem("kernel", message, "use odd kernel sizes")
    first = _list_items(node.mapping["strides"])[:1]
    if first and set(first[0].to_data()) - {1}:
        message = (
            f"a first stride of {first[0].to_data()} makes outputs smaller than patches, which specs do not support"
        )
        yield first[0].problem("stride", message, f"use {[1] * dims}")
