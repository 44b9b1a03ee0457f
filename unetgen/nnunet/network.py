"""Wrap the network of a spec in the interface that nnU-Net's trainer and predictor use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor, nn

from unetgen.api import build
from unetgen.graph.ops import Convolution, TransposedConvolution
from unetgen.nnunet.head_checks import check_head


class DeepSupervisionSwitch:
    """The switch that nnU-Net sets on a decoder: whether to return every output or only the finest."""

    def __init__(self, deep_supervision: bool) -> None:
        self.deep_supervision = deep_supervision


class SpecUNet(nn.Module):
    """The network of a spec with nnU-Net's interface.

    With deep supervision it returns a list of outputs, finest first, otherwise the finest alone. The weights are the
    same, so a network trained with deep supervision can be loaded without it.

    Args:
        input_channels: The channels of the image.
        num_classes: The channels of each output.
        spec: The spec in the plans: a mapping, the path of a file, or the name of a shipped spec.
        deep_supervision: Whether to return every output.
        strides: Not used by the network; nnU-Net scales its targets by them.

    Raises:
        PlansError: nnU-Net cannot use the head of the network.
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
        """(batch, input_channels, *patch) -> (batch, num_classes, *patch), or a list of these at decreasing sizes."""
        result = self.model(x)
        outputs = result if isinstance(result, list) else [result]
        return outputs if self.decoder.deep_supervision else outputs[0]

    def compute_conv_feature_map_size(self, input_size: Sequence[int]) -> int:
        """Return the number of values in all convolution outputs for one patch: nnU-Net's memory estimate.

        Args:
            input_size: The patch size without batch and channels.
        """
        graph = self.model.graph
        sizes = graph.sizes(tuple(input_size))
        convolutions = [node for node in graph.nodes if isinstance(node.op, (Convolution, TransposedConvolution))]
        return sum(node.channels * prod(sizes[node.index]) for node in convolutions)
