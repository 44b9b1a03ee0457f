"""Node: one op in its place in the network."""

from __future__ import annotations

from dataclasses import dataclass

from unetgen.graph.ops import Op


# Never changed once it is drawn; not frozen, since a frozen one takes twice as long to make, and sweeps make millions.
@dataclass(slots=True, eq=False)
class Node:
    """One op in its place. ``path`` is its module's path, and so the prefix of its state-dict keys.

    ``layer`` is the path of the layer it applies: its own, or an earlier node's whose weights it shares.
    """

    index: int
    path: str
    layer_path: str
    op: Op
    inputs: tuple[int, ...]
    channels: int
    side: str
    level: int
