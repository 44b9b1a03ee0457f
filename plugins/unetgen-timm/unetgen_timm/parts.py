"""The part that a spec names: any of timm's backbones with a pyramid of features as an encoder."""

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
    from unetgen_timm.sizes import BackbonePlan
    from unetgen_timm.stages import Options, Stage


class Timm(Encoder):
    """A backbone of timm (Wightman 2019) by its name, (c, h, w) -> features at 1/2, 1/4 ... of the size.

    The feature at 1/2 is that of level 1, and so on; the deepest is the bottleneck's input. A level without a
    feature hands over the image: level 0 of nearly all, levels 0 and 1 of those that begin with patches of four
    pixels (ConvNeXt, Swin); from level 1 on it is the mean of each of its pixels' squares.
    """

    type: ClassVar[str] = "timm"
    uses: ClassVar[tuple[str, ...]] = ()
    trial: ClassVar[Trial] = Trial(
        options={"name": "convnext_atto"},
        others={"name": "convnext_femto", "frozen": 1, "levels": [2, 5], "output_stride": 16, "drop_path": 0.5},
        untried=("pretrained", "weights"),  # a download, and a file
    )

    name: str
    """As timm has it, without the name of its weights."""

    pretrained: BoolOrName = False
    """Whether the first weights are timm's own; the name of some, ``a1_in1k``, where its usual ones are not meant."""

    weights: FilePath | None = None
    """The path of a file with the first weights: safetensors, or a state dict saved by torch."""

    levels: Levels | None = None
    """The levels whose features are handed over; all unless they are named."""

    frozen: NonNegativeCount = 0
    """How many of the first stages learn nothing, and keep the statistics of their norms."""

    output_stride: Literal[8, 16] | None = None
    """The stride from which on stages keep their size and dilate instead, where the backbone can."""

    drop_path: Rate | None = None
    """The last block's rate of stochastic depth, up to which it grows; the backbone's own unless it is said."""

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
                hint = "use encoder: plain or resnet, which have as many axes as the spec"
                raise UnsupportedOptionError(
                    "type", f"timm's backbones look at images of 2 axes, and dims is {dims}", hint
                )
            library.check_weights(self.name, self.pretrained)
            self._check_stages()
        return self

    def _check_stages(self) -> None:
        known = [stage.level for stage in self._list_stages()]
        for level in self.levels or ():
            if level not in known:
                what = f"{self.name!r} has no feature at level {level}"
                raise UnsupportedOptionError("levels", what, f"it has them at {_format_levels(known)}")
        if self.frozen > len(known):
            raise UnsupportedOptionError(
                "frozen", f"{self.name!r} has {len(known)} stages", f"freeze at most {len(known)}"
            )

    def inert(self) -> list[Inert]:
        return [Inert("pretrained", "weights", "the weights are those of a file")] if self.weights else []

    @property
    def own_depth(self) -> int:
        return max(stage.level for stage in self._select_stages())

    def emit(self, g: Builder, x: Value, levels: Sequence[EncoderLevel], bottom_width: int | None) -> Features:
        depth = len(levels)
        try:
            stages = self._select_stages_for_depth(depth)
            made = self._emit_backbone(g, x, depth, stages)
        except UnsupportedOptionError as unfit:
            g.refuse(self, unfit.option, unfit.message, unfit.hint)
            return Features([x] * depth, [None] * depth, x)
        maps = {stage.level: value for stage, value in zip(stages, made, strict=True)}
        for level in range(depth):
            if level not in maps:
                maps[level] = self._emit_image(g, x, level)
        return Features([maps[level] for level in range(depth)], [None] * depth, maps[depth])

    def _emit_image(self, g: Builder, x: Value, level: int) -> Value:
        """The image as a level without a feature hands it over."""
        if level == 0:
            return x
        with g.at("encoder", level, "encoder"), g.scope(str(level), label="Image"):
            return g.avg_pool(x, 2**level, 2**level, "ceil", name="pool")

    def _emit_backbone(self, g: Builder, x: Value, depth: int, stages: Sequence[Stage]) -> list[Value]:
        """Draws the backbone."""
        everything = self._list_stages()
        made = self._plan_backbone(x, everything)
        places = [everything.index(stage) for stage in stages]
        arguments = {
            "name": self.name,
            "in_chans": x.channels,
            "out_indices": [stage.out_index for stage in stages],
            "options": {key: list(value) if isinstance(value, tuple) else value for key, value in made.options},
            "frozen": self.frozen,
        }
        with g.at("encoder", depth, "encoder"):
            return g.modules(
                self, "unetgen_timm.modules:Backbone", x, channels=[made.channels[i] for i in places],
                sizes=[made.sizes[i] for i in places], levels=[stage.level for stage in stages],
                multiple=made.multiple, arguments=arguments, first=self._build_initial_arguments(), name="backbone",
            )  # fmt: skip

    def _build_initial_arguments(self) -> dict[str, Any]:
        """What the backbone is told only when it gets its first weights."""
        if self.weights is not None:
            return {"weights": self.weights}
        return {"pretrained": True} if self.pretrained else {}

    def _plan_backbone(self, x: Value, stages: Sequence[Stage]) -> BackbonePlan:
        """How the backbone is made, and what it makes of the image. Raises Unfit."""
        from unetgen_timm.sizes import get_default_size, plan_for_all_sizes, plan_for_size

        if made := plan_for_all_sizes(self.name, self._build_options(), [stage.stride for stage in stages]):
            return made
        try:
            height, width = x.size
        except NodeSizeError:
            raise
        except (ValueError, UnetgenError):
            what = f"{self.name!r} is made for one size of image, and the spec names none"
            own = ", ".join(map(str, get_default_size(self.name)))
            raise UnsupportedOptionError(
                "name", what, f"add 'input_size: [{own}]', or another that it can be made for"
            ) from None
        return plan_for_size(self.name, self._build_options(), (height, width))

    def _build_options(self) -> Options:
        tag = self.pretrained if isinstance(self.pretrained, str) else None
        asked = {"drop_path_rate": self.drop_path, "output_stride": self.output_stride, "pretrained_cfg": tag}
        return tuple((key, value) for key, value in asked.items() if value is not None)

    def _list_stages(self) -> tuple[Stage, ...]:
        """Every feature of the backbone."""
        library.import_timm()
        from unetgen_timm.stages import read_stages

        return read_stages(self.name, self.output_stride, self.drop_path)

    def _select_stages(self) -> list[Stage]:
        return [stage for stage in self._list_stages() if self.levels is None or stage.level in self.levels]

    def _select_stages_for_depth(self, depth: int) -> list[Stage]:
        """The features that a network of that depth has a use for. Raises Unfit."""
        wanted = self._select_stages()
        known = [stage.level for stage in wanted]
        if depth not in known:
            what = f"level {depth}, the bottleneck, gets no feature: {self.name!r} hands them over at {_format_levels(known)}"
            raise UnsupportedOptionError("name", what, f"give a depth of {', '.join(map(str, known))}")
        if self.levels is not None and max(known) > depth:
            what = f"level {max(known)} lies below the bottleneck, level {depth}"
            raise UnsupportedOptionError("levels", what, f"name levels up to {depth}, or give a depth of {max(known)}")
        stages = [stage for stage in wanted if stage.level <= depth]
        if self.frozen > (number := self._list_stages().index(stages[-1]) + 1):
            raise UnsupportedOptionError(
                "frozen", f"a depth of {depth} builds {number} stages", f"freeze at most {number}"
            )
        return stages


def _format_levels(levels: Sequence[int]) -> str:
    return f"level{'s' * (len(levels) > 1)} {', '.join(map(str, levels))}"
