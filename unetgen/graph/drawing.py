"""Drawing: nodes as they are added, and where the pen is. The Builder's ops stand on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from unetgen.config.part import Part
from unetgen.config.reserved import RESERVED
from unetgen.config.spec import Place
from unetgen.errors import UnetgenError
from unetgen.graph.graph import Graph, Output
from unetgen.graph.node import Node
from unetgen.graph.ops import Input, Normalization, Op
from unetgen.graph.ops.base import Size

Axes = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a part refuses while it is drawn: which option of which part, where, and why."""

    place: Place
    part: Part
    option: str
    message: str
    hint: str


class Stop(NamedTuple):
    """Where a drawing broke off: the path of the module, and its place in the network."""

    path: str
    place: Place


class SizeUnknown(UnetgenError):
    """A part asked for a size, and the spec names none."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(f"{stop.path} needs 'input_size'")
        self.stop = stop


class Value:
    """A map in the drawing: ``channels`` and, when asked for, ``size``."""

    __slots__ = ("_drawing", "channels", "index")

    def __init__(self, drawing: Drawing, index: int, channels: int) -> None:
        self._drawing = drawing
        self.index = index
        self.channels = channels

    @property
    def size(self) -> Size:
        """The spatial size for the spec's ``input_size``. Who asks is bound to that size."""
        return self._drawing.size_of(self)


class Drawing:
    """One network as far as it is drawn, for a spec's dimensions, channels and input size."""

    def __init__(self, dims: int, in_channels: int, input_size: Size | None = None) -> None:
        self.dims = dims
        self.findings: list[Finding] = []
        self.providers: Mapping[type[Part], str] = {}
        """Who provides the parts that are not built in, for errors."""
        self.skips: dict[int, int] = {}
        self._input_size = input_size
        self._bound = False
        self._alike = True
        self._nodes: list[Node] = []
        self._paths: set[str] = set()
        self._labels: dict[str, str] = {}
        self._scope = ""
        self._like = ("", "")
        self._place: Place = ("", 0, "")
        self._stopped: Stop | None = None
        self.input = self._add("input", Input(in_channels), ())

    @property
    def input(self) -> Value:
        """What the encoder gets: the image, or what was made of it."""
        return Value(self, *self._input)

    @input.setter
    def input(self, value: Value) -> None:
        # As numbers: a drawing that holds a value that holds the drawing is garbage that only a collector frees.
        self._input = value.index, value.channels

    # Where the pen is

    def scope(self, name: str, label: str = "", like: str = "") -> _Pen:
        """``with g.scope("conv"):`` draws into a module of that name; ``label`` is what printing calls it.

        ``like`` names a scope beside it that was drawn before in the same way: its weights are used again.
        """
        pen = _Pen(self, self._scope, self._place, self._like)
        _refuse_reserved(name)
        if like:
            self._like = (_join(self._scope, name), _join(self._scope, like))
        self._scope = _join(self._scope, name)
        if label:
            self._labels[self._scope] = label
        return pen

    def at(self, side: str, level: int, slot: str) -> _Pen:
        """``with g.at("encoder", 0, "block"):`` draws that part, so that what it refuses is reported there."""
        pen = _Pen(self, self._scope, self._place, self._like)
        self._place = (side, level, slot)
        return pen

    def path(self, name: str = "") -> str:
        """The path of what is drawn here under a name, or of the module that is being drawn."""
        return _join(self._scope, name)

    def move(self, scope: str, place: Place, like: tuple[str, str]) -> None:
        """Puts the pen where it was."""
        self._scope, self._place, self._like = scope, place, like

    @property
    def stopped(self) -> Stop:
        """Where the pen was when an exception first moved it."""
        return self._stopped or Stop(self._scope, self._place)

    def stop(self) -> None:
        """Remembers where the pen is, the first time."""
        self._stopped = self._stopped or Stop(self._scope, self._place)

    def refuse(self, part: Part, option: str, message: str, hint: str = "") -> None:
        """Reports an option that cannot be drawn here; the drawing goes on, to find the rest."""
        self.findings.append(Finding(self._place, part, option, message, hint))

    def per_axis(self, value: Axes) -> Size:
        """One number for each axis."""
        if not isinstance(value, tuple):
            return (value,) * self.dims
        self._alike = self._alike and len(set(value)) == 1
        return value

    # What is drawn

    def graph(self, output: Value | Sequence[Output], name: str = "", *, whole: bool = True) -> Graph:
        """The finished drawing; without what no output needs where it is not to be ``whole``."""
        outputs = (Output("", (output.index,)),) if isinstance(output, Value) else tuple(output)
        graph = Graph(
            name, self.dims, tuple(self._nodes), outputs, self._labels, self.skips, self._input_size,
            bound=self._bound, alike=self._alike,
        )  # fmt: skip
        return graph if whole else graph.needed()

    def sketch(self) -> Graph:
        """What is drawn so far, for any size: what it last drew is its output."""
        last = self._nodes[-1]
        return replace(self.graph(Value(self, last.index, last.channels)), bound=False)

    def is_flat(self, value: Value) -> bool:
        """Whether a value has no spatial axes."""
        return self._nodes[value.index].op.flat

    def size_of(self, value: Value) -> Size:
        """The size of a map for the spec's input size. Raises SizeMisfit, or SizeUnknown where it has none."""
        if self._input_size is None:
            raise SizeUnknown(Stop(self._scope, self._place))
        self._bound = True
        return self.graph(value).output_size(self._input_size)

    def _add(self, name: str, op: Op, inputs: Sequence[Value], layer: str = "") -> Value:
        path = _join(self._scope, name)
        _refuse_reserved(name)
        if path in self._paths:
            raise ValueError(f"two ops are drawn at {path!r}; give one of them another name")
        self._paths.add(path)
        channels = op.out_channels([value.channels for value in inputs])
        index = len(self._nodes)
        side, level, _ = self._place
        used = _join(self._scope, layer) if layer else self._first_of(path, op)
        node = Node(index, path, used, op, tuple([value.index for value in inputs]), channels, side, level)
        self._nodes.append(node)
        return Value(self, index, channels)

    def _first_of(self, path: str, op: Op) -> str:
        """The path of the layer that a node applies: its own, or the one at its place in the scope it is like."""
        here, first = self._like
        if not here or not (op.parameters() or isinstance(op, Normalization)):
            return path
        used = first + path.removeprefix(here)
        if used not in self._paths:
            raise ValueError(f"{path!r} is to share the weights of {used!r}, which is not drawn")
        return used


def _refuse_reserved(name: str) -> None:
    taken = RESERVED.intersection(name.split("."))
    if taken:
        raise ValueError(f"modules of torch have something called {min(taken)!r}; give it another name")


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope and name else scope or name


class _Pen:
    """Where the pen was before a ``with``, to go back there."""

    __slots__ = ("_before", "_drawing")

    def __init__(self, drawing: Drawing, *before: Any) -> None:
        self._drawing = drawing
        self._before = before

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._drawing.stop()
        self._drawing.move(*self._before)
