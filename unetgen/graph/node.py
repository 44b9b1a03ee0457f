"""The nodes of a graph: each is one op at its position in the network."""

from __future__ import annotations

from dataclasses import dataclass

from unetgen.graph.ops import Op


# Never changed after creation; not frozen, since creating a frozen one is twice as slow, and sweeps create millions.
@dataclass(slots=True, eq=False)
class Node:
    """One op at its position in the network.

    Attributes:
        index: The position in the order of execution; node 0 is the input.
        path: The path of the op's module, which is the prefix of its state-dict keys.
        layer_path: The path of the layer that it applies: its own, or an earlier node's whose weights it shares.
        op: The op.
        inputs: The indices of the nodes that it reads.
        channels: The number of output channels.
        side: ``encoder``, ``bottleneck``, ``decoder``, ``head``, ``input`` or ``output``.
        level: The level on that side, 0 is the finest.
    """

    index: int
    path: str
    layer_path: str
    op: Op
    inputs: tuple[int, ...]
    channels: int
    side: str
    level: int
