"""Parts that are each wrong in one way, as a hurried author would write them; a plugin module of its own."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unetgen.authoring import Block, Builder, Count, Value, hookimpl

CONVS: Any = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class ModuleBlock(Block):
    """A block that wraps the module of its own name; it is right where that is."""

    module: ClassVar[str]

    def emit(self, g: Builder, x: Value, channels: int) -> Value:
        arguments = {"dims": g.dims, "inputs": x.channels, "outputs": channels, **self.model_dump()}
        return g.module(self, self.module, x, channels=channels, arguments=arguments)


class CorrectModule(nn.Module):
    def __init__(self, dims: int, inputs: int, outputs: int, padding: int = 1) -> None:
        super().__init__()
        self.conv = CONVS[dims](inputs, outputs, 3, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Fine(ModuleBlock):
    """Nothing is wrong with it."""

    type: ClassVar[str] = "fine"
    module: ClassVar[str] = "CorrectModule"


class ShrinkingIn3D(CorrectModule):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs, padding=0 if dims == 3 else 1)


class WrongShape(ModuleBlock):
    """Forgets its padding in three dimensions."""

    type: ClassVar[str] = "wrong_shape"
    module: ClassVar[str] = "ShrinkingIn3D"


class LateParameter(CorrectModule):
    """Gets a parameter when it first runs, which nobody could know of."""

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.scale = nn.Parameter(x.new_ones(1))
        return self.conv(x) * self.scale


class WrongParams(ModuleBlock):
    """Has a parameter more than it says."""

    type: ClassVar[str] = "wrong_params"
    module: ClassVar[str] = "LateParameter"


SHARED_PARAMETERS: dict[int, nn.Parameter] = {}


class SharedParameter(CorrectModule):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        with torch.device("cpu"):
            self.scale = SHARED_PARAMETERS.setdefault(outputs, nn.Parameter(torch.ones(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale.to(x.device)


class SharedState(ModuleBlock):
    """Its instances have one tensor together."""

    type: ClassVar[str] = "shared_state"
    module: ClassVar[str] = "SharedParameter"


class ClassLevelState(CorrectModule):
    seen: ClassVar[list[float]] = [0.0]

    def forward(self, x: Tensor) -> Tensor:
        if self.training and not x.is_meta:
            self.seen[0] += 1.0
        return self.conv(x) + self.seen[0]


class SharedMemory(ModuleBlock):
    """Its class remembers what each instance has seen."""

    type: ClassVar[str] = "shared_memory"
    module: ClassVar[str] = "ClassLevelState"


class IgnoresOption(CorrectModule):
    def __init__(self, dims: int, inputs: int, outputs: int, depth: int) -> None:
        super().__init__(dims, inputs, outputs)
        self.depth = depth


class InertOption(ModuleBlock):
    """Hands an option on to a module that does nothing with it."""

    type: ClassVar[str] = "inert_option"
    module: ClassVar[str] = "IgnoresOption"

    depth: Count = 2


class UnusedLayer(CorrectModule):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        self.unused = nn.Linear(3, 3)


class UnusedParameter(ModuleBlock):
    """Has a layer that it never runs."""

    type: ClassVar[str] = "unused_parameter"
    module: ClassVar[str] = "UnusedLayer"


class UnseededInit(CorrectModule):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        if not self.conv.weight.is_meta:
            generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(4), "big"))
            nn.init.normal_(self.conv.weight, generator=generator)


class RandomInit(ModuleBlock):
    """Starts otherwise each time, whatever the seed."""

    type: ClassVar[str] = "random_init"
    module: ClassVar[str] = "UnseededInit"


class DataDependentBranch(CorrectModule):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if x.is_meta or y.mean().item() < 1e9 else -y


class ExportBreaker(ModuleBlock):
    """Decides by the values in a tensor."""

    type: ClassVar[str] = "export_breaker"
    module: ClassVar[str] = "DataDependentBranch"


class SkipsWorkOnMeta(CorrectModule):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if x.is_meta else 0.5 * (y + self.conv(x))


class WrongMacs(ModuleBlock):
    """Works twice as much as it does where it is measured."""

    type: ClassVar[str] = "lying_macs"
    module: ClassVar[str] = "SkipsWorkOnMeta"


class EvenOnly(CorrectModule):
    def forward(self, x: Tensor) -> Tensor:
        first, second = x[..., ::2], x[..., 1::2]
        return self.conv(torch.stack((first, second), -1).flatten(-2))


class OddSizes(ModuleBlock):
    """Can do with even sizes only, and says nothing of that."""

    type: ClassVar[str] = "odd_sizes"
    module: ClassVar[str] = "EvenOnly"


class InPlaceOnInput(CorrectModule):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.mul_(2.0))


class MutatedInput(ModuleBlock):
    """Writes on the map that it is given, which others read too."""

    type: ClassVar[str] = "mutated_input"
    module: ClassVar[str] = "InPlaceOnInput"


class FourChannels(CorrectModule):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__(dims, inputs, outputs)
        self.norm = nn.GroupNorm(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class FewChannels(ModuleBlock):
    """Needs a multiple of four channels, and leaves it to torch to say so."""

    type: ClassVar[str] = "few_channels"
    module: ClassVar[str] = "FourChannels"


class Silent(ModuleBlock):
    type: ClassVar[str] = "Silent Block"
    module: ClassVar[str] = "CorrectModule"


@hookimpl
def unetgen_parts() -> list[type[Block]]:
    return [
        Fine, WrongShape, WrongParams, SharedState, SharedMemory, InertOption, UnusedParameter, RandomInit,
        ExportBreaker, WrongMacs, OddSizes, MutatedInput, FewChannels, Silent,
    ]  # fmt: skip
