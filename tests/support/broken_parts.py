"""Parts that are each wrong in one way, as a hurried author would write them; a plugin module of its own."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unetgen.authoring import Block, Builder, Count, Value, hookimpl

CONVS: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Wrapped(Block):
    """A block that wraps the module of its own name; it is right where that is."""

    module: ClassVar[str]

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        arguments = {"dims": g.dims, "inputs": x.channels, "outputs": channels, **self.model_dump()}
        return g.module(self, self.module, x, channels=channels, arguments=arguments)


class Right(nn.Module):
    def __init__(self, dims: int, inputs: int, outputs: int, padding: int = 1) -> None:
        super().__init__()
        self.conv = CONVS[dims](inputs, outputs, 3, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Fine(Wrapped):
    """Nothing is wrong with it."""

    type: ClassVar[str] = "fine"
    module: ClassVar[str] = "Right"


class ShrinkingIn3D(Right):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs, padding=0 if dims == 3 else 1)


class WrongShape(Wrapped):
    """Forgets its padding in three dimensions."""

    type: ClassVar[str] = "wrong_shape"
    module: ClassVar[str] = "ShrinkingIn3D"


class Growing(Right):
    """Gets a parameter when it first runs, which nobody could know of."""

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.scale = nn.Parameter(x.new_ones(1))
        return self.conv(x) * self.scale


class WrongParams(Wrapped):
    """Has a parameter more than it says."""

    type: ClassVar[str] = "wrong_params"
    module: ClassVar[str] = "Growing"


SHARED: dict[int, nn.Parameter] = {}


class Sharing(Right):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        with torch.device("cpu"):
            self.scale = SHARED.setdefault(outputs, nn.Parameter(torch.ones(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale.to(x.device)


class SharedState(Wrapped):
    """Its instances have one tensor together."""

    type: ClassVar[str] = "shared_state"
    module: ClassVar[str] = "Sharing"


class Remembering(Right):
    seen: ClassVar[list[float]] = [0.0]

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not x.is_meta:
            self.seen[0] += 1.0
        return self.conv(x) + self.seen[0]


class SharedMemory(Wrapped):
    """Its class remembers what each instance has seen."""

    type: ClassVar[str] = "shared_memory"
    module: ClassVar[str] = "Remembering"


class Deaf(Right):
    def __init__(self, dims: int, inputs: int, outputs: int, depth: int) -> None:
        super().__init__(dims, inputs, outputs)
        self.depth = depth


class InertOption(Wrapped):
    """Hands an option on to a module that does nothing with it."""

    type: ClassVar[str] = "inert_option"
    module: ClassVar[str] = "Deaf"

    depth: Count = 2


class Idle(Right):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        self.unused = nn.Linear(3, 3)


class UnusedParameter(Wrapped):
    """Has a layer that it never runs."""

    type: ClassVar[str] = "unused_parameter"
    module: ClassVar[str] = "Idle"


class Random(Right):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        if not self.conv.weight.is_meta:
            generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(4), "big"))
            nn.init.normal_(self.conv.weight, generator=generator)


class RandomInit(Wrapped):
    """Starts otherwise each time, whatever the seed."""

    type: ClassVar[str] = "random_init"
    module: ClassVar[str] = "Random"


class Deciding(Right):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if x.is_meta or y.mean().item() < 1e9 else -y


class ExportBreaker(Wrapped):
    """Decides by the values in a tensor."""

    type: ClassVar[str] = "export_breaker"
    module: ClassVar[str] = "Deciding"


class Sparing(Right):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if x.is_meta else 0.5 * (y + self.conv(x))


class LyingMacs(Wrapped):
    """Works twice as much as it does where it is measured."""

    type: ClassVar[str] = "lying_macs"
    module: ClassVar[str] = "Sparing"


class EvenOnly(Right):
    def forward(self, x: Tensor) -> Tensor:
        first, second = x[..., ::2], x[..., 1::2]
        return self.conv(torch.stack((first, second), -1).flatten(-2))


class OddSizes(Wrapped):
    """Can do with even sizes only, and says nothing of that."""

    type: ClassVar[str] = "odd_sizes"
    module: ClassVar[str] = "EvenOnly"


class Writing(Right):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.mul_(2.0))


class MutatedInput(Wrapped):
    """Writes on the map that it is given, which others read too."""

    type: ClassVar[str] = "mutated_input"
    module: ClassVar[str] = "Writing"


class FourChannels(Right):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        self.norm = nn.GroupNorm(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class FewChannels(Wrapped):
    """Needs a multiple of four channels, and leaves it to torch to say so."""

    type: ClassVar[str] = "few_channels"
    module: ClassVar[str] = "FourChannels"


class Silent(Wrapped):
    type: ClassVar[str] = "Silent Block"
    module: ClassVar[str] = "Right"


@hookimpl
def unetgen_parts() -> list[type[Block]]:
    return [
        Fine, WrongShape, WrongParams, SharedState, SharedMemory, InertOption, UnusedParameter, RandomInit,
        ExportBreaker, LyingMacs, OddSizes, MutatedInput, FewChannels, Silent,
    ]  # fmt: skip
