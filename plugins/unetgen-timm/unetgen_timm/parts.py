"""Define the encoder ``timm``: any of timm's backbones with a pyramid of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator, model_validator
from unetgen.config.registry.part import Inert, Trial
from unetgen.config.spec import EncoderLevel
from unetgen.errors import UnetgenError
from unetgen.graph.builder import Builder, Value
from unetgen.graph.graph import NodeSizeError
from unetgen.graph.part_types import Encoder, Features

from unetgen_timm import library
from unetgen_timm.library import UnsupportedOptionError
from unetgen_timm.options import BoolOrName, FilePath, Levels, NonNegativeCount, Rate, translate_option_errors

if TYPE_CHECKING:
    from unetgen_timm.modules import Options, Stage
    from unetgen_timm.sizes import BackbonePlan


class Timm(Encoder):
    """A backbone of timm (Wightman 2019) by its name, (c, h, w) -> features at 1/2, 1/4 ... of the size.

    The feature at 1/2 is that of level 1, and so on; the deepest is the bottleneck's input. A level without a feature
    returns the image, average-pooled to the level's size. This is level 0 for most backbones, and levels 0 and 1 for
    those that start with patches of four pixels (ConvNeXt, Swin).
    """

    type: ClassVar[str] = "timm"
    uses: ClassVar[tuple[str, ...]] = ()
    trial: ClassVar[Trial] = Trial(
        options={"name": "convnext_atto"},
        others={"name": "convnext_femto", "frozen": 1, "levels": [2, 5], "output_stride": 16, "drop_path": 0.5},
        untried=("pretrained", "weights"),  # a download, and a file
    )

    name: str
    """The backbone's name in timm, without the name of its weights."""

    pretrained: BoolOrName = False
    """Whether to initialise with timm's weights: ``true`` for its default ones, or their name, such as ``a1_in1k``."""

    weights: FilePath | None = None
    """The path of a file of initial weights: safetensors, or a state dict saved by torch."""

    levels: Levels | None = None
    """The levels whose features are used (default: all)."""

    frozen: NonNegativeCount = 0
    """The number of first stages that are not trained; the statistics of their norms are not updated either."""

    output_stride: Literal[8, 16] | None = None
    """The maximum stride; later stages are dilated instead of downsampled, if the backbone supports it."""

    drop_path: Rate | None = None
    """The rate of stochastic depth of the last block, up to which it grows (default: the backbone's own)."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        with translate_option_errors():
            library.check_name(name)
        return name

    @model_validator(mode="after")
    def _check_options(self, info: ValidationInfo) -> Timm:
        dims = info.context.dims if info.context else 2
        with translate_option_errors():
            if dims != 2:
                message, hint = f"timm's backbones need dims: 2, not {dims}", "use encoder: plain or resnet"
                raise UnsupportedOptionError("type", message, hint)
            library.check_weights(self.name, self.pretrained)
            self._check_stages()
        return self

    def _check_stages(self) -> None:
        known = [stage.level for stage in self._list_stages()]
        for level in self.levels or ():
            if level not in known:
                message, hint = f"{self.name!r} has no feature at level {level}", f"choose from {_format_levels(known)}"
                raise UnsupportedOptionError("levels", message, hint)
        if self.frozen > len(known):
            message, hint = f"{self.name!r} has only {len(known)} stages", f"freeze at most {len(known)}"
            raise UnsupportedOptionError("frozen", message, hint)

    def inert(self) -> list[Inert]:
        return [Inert("pretrained", "weights", "the weights come from a file")] if self.weights else []

    @property
    def own_depth(self) -> int:
        return max(stage.level for stage in self._select_stages())

    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel], bottom_width: int | None) -> Features:
        depth = len(levels)
        try:
            stages = self._select_stages_for_depth(depth)
            features = self._emit_backbone(g, x, depth, stages)
        except UnsupportedOptionError as error:
            g.refuse(self, error.option, error.message, error.hint)
            return Features([x] * depth, [None] * depth, x)
        maps = {stage.level: value for stage, value in zip(stages, features, strict=True)}
        for level in range(depth):
            if level not in maps:
                maps[level] = self._emit_image(g, x, level)
        return Features([maps[level] for level in range(depth)], [None] * depth, maps[depth])

    def _emit_image(self, g: Builder, x: Value, level: int) -> Value:
        """Emit the output of a level without a feature: the image, pooled to the level's size."""
        if level == 0:
            return x
        with g.at("encoder", level, "encoder"), g.scope(str(level), label="Image"):
            return g.avg_pool(x, 2**level, 2**level, "ceil", name="pool")

    def _emit_backbone(self, g: Builder, x: Value, depth: int, stages: Sequence[Stage]) -> list[Value]:
        """Emit the backbone and return its features."""
        all_stages = self._list_stages()
        plan = self._plan_backbone(x, all_stages)
        indices = [all_stages.index(stage) for stage in stages]
        arguments = {
            "name": self.name,
            "in_chans": x.channels,
            "out_indices": [stage.out_index for stage in stages],
            "options": {key: list(value) if isinstance(value, tuple) else value for key, value in plan.options},
            "frozen": self.frozen,
        }
        with g.at("encoder", depth, "encoder"):
            return g.modules(
                self, "unetgen_timm.modules:Backbone", x, channels=[plan.channels[i] for i in indices],
                sizes=[plan.sizes[i] for i in indices], levels=[stage.level for stage in stages],
                multiple=plan.multiple, arguments=arguments, first=self._build_initial_arguments(), name="backbone",
            )  # fmt: skip

    def _build_initial_arguments(self) -> dict[str, Any]:
        """Return the arguments that the backbone gets only when it is initialised, not when it is loaded."""
        if self.weights is not None:
            return {"weights": self.weights}
        return {"pretrained": True} if self.pretrained else {}

    def _plan_backbone(self, x: Value, stages: Sequence[Stage]) -> BackbonePlan:
        """Plan the backbone's options and the shapes of its features; raise UnsupportedOptionError if it cannot."""
        from unetgen_timm.sizes import get_default_size, plan_for_all_sizes, plan_for_size

        if plan := plan_for_all_sizes(self.name, self._build_options(), [stage.stride for stage in stages]):
            return plan
        try:
            height, width = x.size
        except NodeSizeError:
            raise
        except (ValueError, UnetgenError):
            message = f"{self.name!r} needs a fixed image size, and the spec has no input_size"
            default_size = ", ".join(map(str, get_default_size(self.name)))
            hint = f"add 'input_size: [{default_size}]', or another size that it supports"
            raise UnsupportedOptionError("name", message, hint) from None
        return plan_for_size(self.name, self._build_options(), (height, width))

    def _build_options(self) -> Options:
        tag = self.pretrained if isinstance(self.pretrained, str) else None
        options = {"drop_path_rate": self.drop_path, "output_stride": self.output_stride, "pretrained_cfg": tag}
        return tuple((key, value) for key, value in options.items() if value is not None)

    def _list_stages(self) -> tuple[Stage, ...]:
        """Return all stages of the backbone."""
        library.import_timm()
        from unetgen_timm.modules import read_stages

        return read_stages(self.name, self.output_stride, self.drop_path)

    def _select_stages(self) -> list[Stage]:
        return [stage for stage in self._list_stages() if self.levels is None or stage.level in self.levels]

    def _select_stages_for_depth(self, depth: int) -> list[Stage]:
        """Return the stages that a network of a depth uses; raise UnsupportedOptionError if they do not match."""
        selected = self._select_stages()
        known = [stage.level for stage in selected]
        if depth not in known:
            message = f"{self.name!r} has no feature at the bottleneck, level {depth}, only at {_format_levels(known)}"
            raise UnsupportedOptionError("name", message, f"set depth to one of {', '.join(map(str, known))}")
        if self.levels is not None and max(known) > depth:
            message = f"level {max(known)} is deeper than the bottleneck, level {depth}"
            hint = f"list levels up to {depth}, or set depth: {max(known)}"
            raise UnsupportedOptionError("levels", message, hint)
        stages = [stage for stage in selected if stage.level <= depth]
        if self.frozen > (num_built := self._list_stages().index(stages[-1]) + 1):
            message, hint = f"depth {depth} builds {num_built} stages only", f"freeze at most {num_built}"
            raise UnsupportedOptionError("frozen", message, hint)
        return stages


def _format_levels(levels: Sequence[int]) -> str:
    return f"level{'s' * (len(levels) > 1)} {', '.join(map(str, levels))}"
