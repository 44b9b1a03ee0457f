"""SpecUNet: a network of ours as nnU-Net's trainer and predictor handle theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor, nn

from unetgen.api import build
from unetgen.graph.ops import Convolution, TransposedConvolution
from unetgen.nnunet.head_checks import check_head


class DeepSupervisionSwitch:
    """What nnU-Net sets on a network's decoder: whether every output is handed out, or the finest alone."""

    def __init__(self, deep_supervision: bool) -> None:
        self.deep_supervision = deep_supervision


class SpecUNet(nn.Module):
    """The network of a spec under nnU-Net's names.

    ``spec`` is what plans carry: a mapping, or a file's path or a shipped spec's name. With deep supervision it returns
    a list, the finest output first, else that one. Weights are the same either way, so what was trained with it is
    loaded without. ``strides`` are for nnU-Net's targets alone. Raises PlansError where the head is none for nnU-Net.
    """

    def __init__(
        self,
        input_channels: int,
        num_classes: int,
        spec: Mapping[str, Any] | str,
        deep_supervision: bool = True,
        strides: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        if isinstance(spec, Mapping):
            self.model = build({**spec, "in_channels": input_channels, "out_channels": num_classes})
        else:
            self.model = build(spec, in_channels=input_channels, out_channels=num_classes)
        check_head(self.model.spec, self.model.graph, "nnU-Net")
        self.decoder = DeepSupervisionSwitch(deep_supervision)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """(batch, input_channels, *patch) -> (batch, num_classes, *patch), or a list of such and smaller ones."""
        made = self.model(x)
        outputs = made if isinstance(made, list) else [made]
        return outputs if self.decoder.deep_supervision else outputs[0]

    def compute_conv_feature_map_size(self, input_size: Sequence[int]) -> int:
        """How many values the convolutions make of one patch: nnU-Net's estimate of memory."""
        graph = self.model.graph
        sizes = graph.sizes(tuple(input_size))
        made = [node for node in graph.nodes if isinstance(node.op, (Convolution, TransposedConvolution))]
        return sum(node.channels * prod(sizes[node.index]) for node in made)
