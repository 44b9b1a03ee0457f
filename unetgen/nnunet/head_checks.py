"""Check that the head of a network is one that nnU-Net can train."""

from __future__ import annotations

from unetgen.config.spec import Spec
from unetgen.errors import PlansError
from unetgen.graph.graph import Graph
from unetgen.graph.ops import Activation


def check_head(spec: Spec, graph: Graph, context: str) -> None:
    """Raise PlansError unless the network has one unnamed head that returns one logit per class of nnU-Net.

    Args:
        spec: The spec of the network.
        graph: The graph of the spec.
        context: The subject of the message, for example the plans file and its configuration.

    Raises:
        PlansError: nnU-Net cannot use the head.
    """
    if len(spec.heads) > 1:
        raise PlansError(f"{context} needs exactly one head, the spec has {len(spec.heads)}; keep one")
    (head,) = spec.heads
    if head.name:
        raise PlansError(f"{context} needs an unnamed head, the spec has {head.name!r}; use head: instead of heads:")
    channels = getattr(head.part, "out_channels", None)
    if channels is not None:
        raise PlansError(f"{context} sets the number of classes, the head has out_channels: {channels}; delete it")
    if any(isinstance(graph.nodes[index].op, Activation) for index in graph.output_nodes):
        raise PlansError(f"{context} needs logits, the head has an activation; use activation: none")
