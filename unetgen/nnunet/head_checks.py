"""Head: what nnU-Net asks of a network's outputs, on whichever patches it is trained."""

from __future__ import annotations

from unetgen.config.spec import Spec
from unetgen.errors import PlansError
from unetgen.graph.graph import Graph
from unetgen.graph.ops import Activation


def check_head(spec: Spec, graph: Graph, context: str) -> None:
    """Raises PlansError unless the outputs are those of one head, unnamed, with a logit for each of nnU-Net's classes.

    ``where`` is who asks.
    """
    if len(spec.heads) > 1:
        raise PlansError(f"{context} takes one head, the spec has {len(spec.heads)}; leave one")
    (head,) = spec.heads
    if head.name:
        raise PlansError(f"{context} takes a head without a name, the spec has {head.name!r}; write head: for heads:")
    own = getattr(head.part, "out_channels", None)
    if own is not None:
        raise PlansError(f"{context} says the classes itself, the head has out_channels: {own}; delete out_channels")
    if any(isinstance(graph.nodes[index].op, Activation) for index in graph.output_nodes):
        raise PlansError(f"{context} takes logits, the head has an activation; write activation: none")
