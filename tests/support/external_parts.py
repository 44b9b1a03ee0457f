"""Parts that wrap ordinary modules, each to show one thing; a plugin module of its own."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from unetgen.authoring import Block, Builder, Count, Downsample, Encoder, Features, Rule, Value, Window, hookimpl

CONVS: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS: Any = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class ShiftedConv(nn.Module):
    """A convolution with a start of its own, and a buffer that no state dict holds."""

    def __init__(self, dims: int, inputs: int, outputs: int, start: float = 0.0) -> None:
        super().__init__()
        self.conv = CONVS[dims](inputs, outputs, 3, padding=1)
        self.gain = nn.Parameter(torch.full((1,), 1.0 + start))
        shape = (outputs, *((1,) * dims))
        self.register_buffer("shift", torch.arange(outputs, dtype=torch.float32).reshape(shape), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * self.conv(x) + self.shift


class Shift(Block):
    """Wraps a module and says nothing of what it makes."""

    type: ClassVar[str] = "shift"

    start: float = 0.0

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        arguments = {"dims": g.dims, "inputs": x.channels, "outputs": channels}
        return g.module(self, "ShiftedConv", x, arguments=arguments, first={"start": self.start})


class Declared(Block):
    """Wraps the same module by its class, and says all of it."""

    type: ClassVar[str] = "declared"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        arguments = {"dims": g.dims, "inputs": x.channels, "outputs": channels}
        return g.module(self, ShiftedConv, x, channels=channels, pixels=1, arguments=arguments, name="body")


class Windowed(Block):
    """Takes multiples of four pixels."""

    type: ClassVar[str] = "windowed"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        arguments = {"dims": g.dims, "inputs": x.channels, "outputs": channels}
        return g.module(self, ShiftedConv, x, channels=channels, multiple=4, arguments=arguments)


class PositionEmbedding(nn.Module):
    """A learned number for each pixel, and a size that only torch knows."""

    def __init__(self, channels: int, size: list[int]) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(channels, *size))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.embedding


class FixedSize(Block):
    """Asks for the size."""

    type: ClassVar[str] = "bound"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, 1, name="conv")
        return g.module(self, "PositionEmbedding", x, arguments={"channels": channels, "size": list(x.size)})


def pool(dims: int) -> nn.Module:
    """A function that returns a module."""
    return POOLS[dims](3, 2, 1)


class Pooled(Downsample):
    """Halves, and says how."""

    type: ClassVar[str] = "pooled"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        halved = Rule(divisor=2, up=True)
        return g.module(self, "pool", x, channels=x.channels, size=halved, pixels=1, arguments={"dims": g.dims})


class Measured(Downsample):
    """Halves, and leaves it to torch to find out."""

    type: ClassVar[str] = "measured"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return g.module(self, pool, x, size="measured", arguments={"dims": g.dims})


class Pyramid(nn.Module):
    """A backbone that returns three maps."""

    def __init__(self, inputs: int, depth: int = 3) -> None:
        super().__init__()
        widths = [inputs, 4, 6, 8]
        self.stages = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 3, 2, 1) for i in range(depth))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = torch.relu(stage(x))
            maps.append(x)
        return maps


class FailsOnMeta(nn.Module):
    """Runs where there is data only."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_meta:
            raise RuntimeError("unsupported here")
        return self.conv(x)


class NeedsRealData(Block):
    """Cannot be measured on the meta device."""

    type: ClassVar[str] = "earthly"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        return g.module(self, FailsOnMeta, x, arguments={"inputs": x.channels, "outputs": channels})


class StridedNorm(nn.Module):
    """Strides, and then has a norm that knows no single pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 5, 2, 2)
        self.norm = nn.InstanceNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class StridedNormDownsample(Downsample):
    """Says how it strides, and what its norm needs."""

    type: ClassVar[str] = "starves"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        windows = (Window(5, 2, 2),) * g.dims
        arguments = {"inputs": x.channels, "outputs": channels}
        size = Rule(divisor=2, residue=0)
        return g.module(
            self, StridedNorm, x, channels=channels, size=size, pixels=windows, elements=2, arguments=arguments
        )


class Backbone(Encoder):
    """A backbone with widths of its own."""

    type: ClassVar[str] = "backbone"
    uses: ClassVar[tuple[str, ...]] = ()

    claims: Literal[2, 3] = 3

    @property
    def own_depth(self) -> int:
        return self.claims

    def emit(self, g: Builder, x: Value, levels: Any, bottom_width: int | None) -> Features:
        halvings = [Rule(divisor=2 ** (i + 1), up=True) for i in range(self.claims)]
        maps = g.modules(
            self,
            "Pyramid",
            x,
            channels=[4, 6, 8][: self.claims],
            sizes=halvings,
            levels=range(1, self.claims + 1),
            arguments={"inputs": x.channels},
        )
        return Features([x, *maps[:-1]], [None] * len(levels), maps[-1])


class Failing(nn.Module):
    """Cannot be made, cannot be run, or is no module at all."""

    def __init__(self, how: str, channels: int) -> None:
        super().__init__()
        if how == "init":
            raise ValueError("no\nway")
        self.how = how
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "forward":
            raise ValueError("not today")
        return x[:, :1].expand(-1, self.channels, *x.shape[2:]) if self.how != "channels" else x


def not_a_module(how: str, channels: int) -> int:
    """What is no module."""
    return 3


class Fails(Block):
    """Fails in one way or another from so many channels on."""

    type: ClassVar[str] = "fails"

    how: Literal["init", "forward", "channels", "nothing", "emit", "lost"] = "init"
    channels: Count = 1

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        how = self.how if channels >= self.channels else "fine"
        if how == "emit":
            raise ZeroDivisionError("division by zero")
        target = {"nothing": "not_a_module", "lost": "support.external_parts:Lost"}.get(how, "Failing")
        return g.module(self, target, x, channels=channels, arguments={"how": how, "channels": channels})


class ReadsValuesInInit(nn.Module):
    """Asks a tensor for its value while it is made, as lists of drop rates do."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        rates = [float(rate.item()) for rate in torch.linspace(0, 0.5, 2)]
        self.drop = nn.Dropout(rates[1])
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.norm(x))


class NotBuildableOnMeta(Block):
    """Cannot be made on the meta device."""

    type: ClassVar[str] = "reckons"

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        x = g.conv(x, channels, 1, name="conv")
        return g.module(self, ReadsValuesInInit, x, channels=channels, arguments={"channels": channels})


@hookimpl
def unetgen_parts() -> list[type]:
    return [
        Shift,
        Declared,
        Windowed,
        FixedSize,
        Pooled,
        Measured,
        StridedNormDownsample,
        NeedsRealData,
        Backbone,
        Fails,
        NotBuildableOnMeta,
    ]
