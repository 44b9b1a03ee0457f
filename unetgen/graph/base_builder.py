"""Drawing: nodes as they are added, and where the pen is. The Builder's ops stand on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from unetgen.config.registry.part import Part
from unetgen.config.reserved_names import RESERVED_NAMES
from unetgen.config.spec import SlotLocation
from unetgen.errors import UnetgenError
from unetgen.graph.graph import Graph, Output
from unetgen.graph.node import Node
from unetgen.graph.ops import Input, Normalization, Op
from unetgen.graph.ops.base import Size

Axes = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BuildProblem:
    """Something a part refuses while it is drawn: which option of which part, where, and why."""

    slot_location: SlotLocation
    part: Part
    option: str
    message: str
    hint: str


class FailureLocation(NamedTuple):
    """Where a drawing broke off: the path of the module, and its place in the network."""

    path: str
    slot_location: SlotLocation


class UnknownSizeError(UnetgenError):
    """A part asked for a size, and the spec names none."""

    def __init__(self, location: FailureLocation) -> None:
        super().__init__(f"{location.path} needs 'input_size'")
        self.location = location


class Value:
    """A map in the drawing: ``channels`` and, when asked for, ``size``."""

    __slots__ = ("_builder", "channels", "index")

    def __init__(self, builder: BaseBuilder, index: int, channels: int) -> None:
        self._builder = builder
        self.index = index
        self.channels = channels

    @property
    def size(self) -> Size:
        """The spatial size for the spec's ``input_size``. Who asks is bound to that size."""
        return self._builder.size_of(self)


class BaseBuilder:
    """One network as far as it is drawn, for a spec's dimensions, channels and input size."""

    def __init__(self, dims: int, in_channels: int, input_size: Size | None = None) -> None:
        self.dims = dims
        self.problems: list[BuildProblem] = []
        self.providers: Mapping[type[Part], str] = {}
        """Who provides the parts that are not built in, for errors."""
        self.skips: dict[int, int] = {}
        self._input_size = input_size
        self._has_fixed_size = False
        self._is_isotropic = True
        self._nodes: list[Node] = []
        self._paths: set[str] = set()
        self._labels: dict[str, str] = {}
        self._scope = ""
        self._shared_scope = ("", "")
        self._slot_location: SlotLocation = ("", 0, "")
        self._failure_location: FailureLocation | None = None
        self.input = self._add_node("input", Input(in_channels), ())

    @property
    def input(self) -> Value:
        """What the encoder gets: the image, or what was made of it."""
        return Value(self, *self._input)

    @input.setter
    def input(self, value: Value) -> None:
        # As numbers: a drawing that holds a value that holds the drawing is garbage that only a collector frees.
        self._input = value.index, value.channels

    # Where the pen is

    def scope(self, name: str, label: str = "", like: str = "") -> _PositionGuard:
        """``with g.scope("conv"):`` draws into a module of that name; ``label`` is what printing calls it.

        ``like`` names a scope beside it that was drawn before in the same way: its weights are used again.
        """
        pen = _PositionGuard(self, self._scope, self._slot_location, self._shared_scope)
        _refuse_reserved(name)
        if like:
            self._shared_scope = (_join_path(self._scope, name), _join_path(self._scope, like))
        self._scope = _join_path(self._scope, name)
        if label:
            self._labels[self._scope] = label
        return pen

    def at(self, side: str, level: int, slot: str) -> _PositionGuard:
        """``with g.at("encoder", 0, "block"):`` draws that part, so that what it refuses is reported there."""
        pen = _PositionGuard(self, self._scope, self._slot_location, self._shared_scope)
        self._slot_location = (side, level, slot)
        return pen

    def path(self, name: str = "") -> str:
        """The path of what is drawn here under a name, or of the module that is being drawn."""
        return _join_path(self._scope, name)

    def restore_position(self, scope: str, slot_location: SlotLocation, shared_scope: tuple[str, str]) -> None:
        """Puts the pen where it was."""
        self._scope, self._slot_location, self._shared_scope = scope, slot_location, shared_scope

    @property
    def failure_location(self) -> FailureLocation:
        """Where the pen was when an exception first moved it."""
        return self._failure_location or FailureLocation(self._scope, self._slot_location)

    def record_failure(self) -> None:
        """Remembers where the pen is, the first time."""
        self._failure_location = self._failure_location or FailureLocation(self._scope, self._slot_location)

    def refuse(self, part: Part, option: str, message: str, hint: str = "") -> None:
        """Reports an option that cannot be drawn here; the drawing goes on, to find the rest."""
        self.problems.append(BuildProblem(self._slot_location, part, option, message, hint))

    def per_axis(self, value: Axes) -> Size:
        """One number for each axis."""
        if not isinstance(value, tuple):
            return (value,) * self.dims
        self._is_isotropic = self._is_isotropic and len(set(value)) == 1
        return value

    # What is drawn

    def to_graph(self, output: Value | Sequence[Output], name: str = "", *, keep_unused: bool = True) -> Graph:
        """The finished drawing; without what no output needs where it is not to be ``whole``."""
        outputs = (Output("", (output.index,)),) if isinstance(output, Value) else tuple(output)
        graph = Graph(
            name, self.dims, tuple(self._nodes), outputs, self._labels, self.skips, self._input_size,
            has_fixed_size=self._has_fixed_size, is_isotropic=self._is_isotropic,
        )  # fmt: skip
        return graph if keep_unused else graph.prune()

    def partial_graph(self) -> Graph:
        """What is drawn so far, for any size: what it last drew is its output."""
        last = self._nodes[-1]
        return replace(self.to_graph(Value(self, last.index, last.channels)), has_fixed_size=False)

    def has_no_spatial_axes(self, value: Value) -> bool:
        """Whether a value has no spatial axes."""
        return self._nodes[value.index].op.has_no_spatial_axes

    def size_of(self, value: Value) -> Size:
        """The size of a map for the spec's input size. Raises SizeMisfit, or SizeUnknown where it has none."""
        if self._input_size is None:
            raise UnknownSizeError(FailureLocation(self._scope, self._slot_location))
        self._has_fixed_size = True
        return self.to_graph(value).output_size(self._input_size)

    def _add_node(self, name: str, op: Op, inputs: Sequence[Value], shared_layer: str = "") -> Value:
        path = _join_path(self._scope, name)
        _refuse_reserved(name)
        if path in self._paths:
            raise ValueError(f"two ops are drawn at {path!r}; give one of them another name")
        self._paths.add(path)
        channels = op.out_channels([value.channels for value in inputs])
        index = len(self._nodes)
        side, level, _ = self._slot_location
        used = _join_path(self._scope, shared_layer) if shared_layer else self._layer_path(path, op)
        node = Node(index, path, used, op, tuple([value.index for value in inputs]), channels, side, level)
        self._nodes.append(node)
        return Value(self, index, channels)

    def _layer_path(self, path: str, op: Op) -> str:
        """The path of the layer that a node applies: its own, or the one at its place in the scope it is like."""
        here, first = self._shared_scope
        if not here or not (op.parameters() or isinstance(op, Normalization)):
            return path
        used = first + path.removeprefix(here)
        if used not in self._paths:
            raise ValueError(f"{path!r} is to share the weights of {used!r}, which is not drawn")
        return used


def _refuse_reserved(name: str) -> None:
    taken = RESERVED_NAMES.intersection(name.split("."))
    if taken:
        raise ValueError(f"modules of torch have something called {min(taken)!r}; give it another name")


def _join_path(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope and name else scope or name


class _PositionGuard:
    """Where the pen was before a ``with``, to go back there."""

    __slots__ = ("_builder", "_position")

    def __init__(self, builder: BaseBuilder, *position: Any) -> None:
        self._builder = builder
        self._position = position

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._builder.record_failure()
        self._builder.restore_position(*self._position)
