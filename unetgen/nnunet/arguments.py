"""Arguments: what the classes of nnU-Net's own networks are called with, as plans have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from unetgen.config.node import Node
from unetgen.config.part import Channels
from unetgen.config.validation import model_at
from unetgen.errors import PlansError, Problem

# Where one number may stand for every stage, and where one may stand for every axis of a stage.
_BY_STAGE = ("features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage")
_ABOVE = "n_conv_per_stage_decoder"
_BY_AXIS = ("kernel_sizes", "strides")


class _Stages(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    # Two, or there is nothing to decode; each but one halves something, so few are many.
    n_stages: Annotated[int, Field(ge=2, le=16)]


class Arguments(_Stages):
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
    def counts(self) -> list[int]:
        """How often each stage of the encoder has its block."""
        raise NotImplementedError


class PlainArguments(Arguments):
    """Of ``PlainConvUNet``."""

    n_conv_per_stage: list[PositiveInt]

    @property
    def counts(self) -> list[int]:
        return self.n_conv_per_stage


class ResidualArguments(Arguments):
    """Of ``ResidualEncoderUNet``."""

    n_blocks_per_stage: list[PositiveInt]

    @property
    def counts(self) -> list[int]:
        return self.n_blocks_per_stage


def arguments_of(kind: type[Arguments], node: Node, dims: int) -> Arguments:
    """The arguments at a place of the plans, for patches of so many axes. Raises PlansError with all that is wrong."""
    stages, problems = model_at(_Stages, node)
    if stages is None:
        raise _refusal(problems)
    node = _spread(node, stages.n_stages, dims)
    arguments, problems = model_at(kind, node)
    if arguments is None:
        raise _refusal(problems)
    if misfits := [*_lengths(arguments, node), *_geometry(arguments, node, dims)]:
        raise _refusal(misfits)
    return arguments


def _refusal(problems: list[Problem]) -> PlansError:
    # A number that stands for many is wrong once.
    return PlansError("\n".join(dict.fromkeys(map(str, problems))))


def _spread(node: Node, stages: int, dims: int) -> Node:
    """The same arguments with a value for each stage and axis, each still at the place where it is written."""
    entries = dict(node.mapping)
    for name in (*_BY_STAGE, _ABOVE):
        if name not in entries:
            continue
        listed = _each(entries[name], stages - 1 if name == _ABOVE else stages)
        if name in _BY_AXIS:
            listed = replace(listed, value=[_each(entry, dims) for entry in _entries(listed)])
        entries[name] = listed
    return replace(node, value=entries)


def _each(node: Node, count: int) -> Node:
    return node if isinstance(node.value, list) else replace(node, value=[node] * count)


def _entries(node: Node) -> list[Node]:
    return node.value if isinstance(node.value, list) else []


def _lengths(arguments: Arguments, node: Node) -> Iterator[Problem]:
    """Lists that are not as long as the stages are many."""
    for name in (*_BY_STAGE, _ABOVE):
        wanted, given = arguments.n_stages - (name == _ABOVE), len(getattr(arguments, name, ()))
        if hasattr(arguments, name) and given != wanted:
            stages = f"{wanted} stages of the decoder" if name == _ABOVE else f"{wanted} stages"
            yield node.mapping[name].problem("stages", f"for {stages} this has {given}", "give one for each")


def _geometry(arguments: Arguments, node: Node, dims: int) -> Iterator[Problem]:
    """Kernels and strides that are not for these patches, or whose maps no spec has."""
    if (named := arguments.conv_op.rpartition(".")[2]) != f"Conv{dims}d":
        message = f"{named!r} is not for patches of {dims} axes"
        yield node.mapping["conv_op"].problem("axes", message, f"write torch.nn.modules.conv.Conv{dims}d")
    for name in _BY_AXIS:
        for entry in _entries(node.mapping[name]):
            numbers = entry.plain()
            if len(numbers) != dims:
                yield entry.problem("axes", f"the patch has {dims} axes, this has {len(numbers)}", "give one for each")
            elif name == "kernel_sizes" and any(number % 2 == 0 for number in numbers):
                message = f"{numbers} is even, so sizes change and nnU-Net's own network fails"
                yield entry.problem("kernel", message, "use odd kernels")
    first = _entries(node.mapping["strides"])[:1]
    if first and set(first[0].plain()) - {1}:
        message = f"with {first[0].plain()} outputs are smaller than patches, which no spec can say"
        yield first[0].problem("stride", message, f"start with {[1] * dims}")
