"""Report: everything that is known about a network at one input size, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unetgen.analysis.cost import Cost, level_costs, total_cost
from unetgen.analysis.memory import Memory, estimate_memory
from unetgen.analysis.receptive_field import ReceptiveField, receptive_fields
from unetgen.config.spec import AXIS_NAMES, Spec
from unetgen.graph.fitting_sizes import FittingSizes
from unetgen.graph.graph import Graph
from unetgen.graph.external.module_op import ExternalModule, SelectOutput
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes, smallest_fitting_size

# Where a spec names no size, the smallest that fits and is no smaller than this stands in.
DEFAULT_MIN_SIZE = 64


def format_shape(shape: tuple[int, ...]) -> str:
    """A shape as people write it: 2 x 388 x 388."""
    return " x ".join(map(str, shape))


@dataclass(frozen=True)
class NetworkReport:
    """A network at an input size. All sums are for one sample of float32."""

    spec: Spec
    graph: Graph
    input_size: Size
    sizes: tuple[Size, ...]
    """The size of every node's output."""
    is_size_assumed: bool = False
    """Whether nobody named the size."""

    @classmethod
    def of(
        cls, spec: Spec, graph: Graph, input_size: Size | None = None, *, is_size_assumed: bool = False
    ) -> NetworkReport:
        """The report for a size, else for the spec's, else for a small one that fits. Raises SizeError.

        ``assumed`` says of a size that is given that nobody named it.
        """
        size = input_size or spec.input_size or smallest_fitting_size(graph, DEFAULT_MIN_SIZE) or (1,) * spec.dims
        sizes = check_sizes(graph, size, None if input_size else spec.root.mapping.get("input_size"))
        return cls(spec, graph, size, sizes, is_size_assumed=is_size_assumed or not (input_size or spec.input_size))

    @cached_property
    def cost(self) -> Cost:
        """Parameters and MACs."""
        return total_cost(self.graph, self.sizes)

    @cached_property
    def memory(self) -> Memory:
        """Bytes of maps."""
        return estimate_memory(self.graph, self.sizes)

    @cached_property
    def receptive_fields(self) -> tuple[ReceptiveField, ...]:
        """The receptive field along each axis."""
        return receptive_fields(self.graph, self.sizes)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """(channels, *size) of the image."""
        return (self.graph.in_channels, *self.input_size)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """(channels, *size) of the first output."""
        return self._compute_shape(self.graph.output)

    @property
    def out_shapes(self) -> dict[str, list[tuple[int, ...]]]:
        """The shapes of every output by its name; one without a name where there is only one."""
        return {output.name: [self._compute_shape(index) for index in output.nodes] for output in self.graph.outputs}

    def _compute_shape(self, index: int) -> tuple[int, ...]:
        node = self.graph.nodes[index]
        return (node.channels,) if node.op.has_no_spatial_axes else (node.channels, *self.sizes[index])

    def _format_outputs(self) -> str:
        """Every output's shape, as people write it."""
        lists = {name: ", ".join(map(format_shape, shapes)) for name, shapes in self.out_shapes.items()}
        lists = {o.name: f"[{lists[o.name]}]" if o.is_list else lists[o.name] for o in self.graph.outputs}
        return "; ".join(f"{name} {text}" if name else text for name, text in lists.items())

    def _describe_receptive_field(self) -> str:
        """The receptive field, and where the whole map is looked at beside it, or nobody knows what is."""
        local = f"{self._join_by_axis([str(field) for field in self.receptive_fields])} pixels"
        far = [node for node in self.graph.nodes if node.op.is_global]
        unknown = [node.path for node in far if isinstance(node.op, (ExternalModule, SelectOutput))]
        whole = [node.path for node in far if node.path not in unknown]
        notes = [
            _format_location(", and whole maps at", whole),
            _format_location(", and an unknown part of it at", unknown),
        ]
        return "".join((local, *notes))

    def _describe_mac_coverage(self) -> str:
        strange = any(isinstance(node.op, ExternalModule) for node in self.graph.nodes)
        return "convolutions and matrix products" if strange else "convolutions only"

    def format_lines(self) -> list[tuple[str, str]]:
        """What is known, as a name and a sentence each."""
        assumed = " (a size that fits; the spec names none)" if self.is_size_assumed else ""
        weights = 4 * self.cost.params
        return [
            ("sizes", f"{format_shape(self.in_shape)} -> {self._format_outputs()}{assumed}"),
            ("fits", self._describe_fitting_sizes()),
            ("receptive field", self._describe_receptive_field()),
            ("parameters", f"{self.cost.params:,}"),
            ("MACs", f"{self.cost.macs:,} ({self.cost.flops:,} FLOPs), {self._describe_mac_coverage()}"),
            (
                "memory",
                f"about {_format_megabytes(self.memory.inference)} of maps in inference, "
                f"{_format_megabytes(self.memory.training)} kept in training, and {_format_megabytes(weights)} of weights "
                "(estimate, one sample, float32)",
            ),
            ("hash", self.spec.hash[:16]),
        ]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        rows = level_costs(self.graph, self.sizes)
        return {
            "name": self.spec.name,
            "hash": self.spec.hash,
            "input": list(self.in_shape),
            "output": list(self.out_shape),
            "outputs": {name: [list(shape) for shape in shapes] for name, shapes in self.out_shapes.items()},
            "fits": [str(fit) for fit in self.graph.fits],
            "receptive_field": [[field.smallest, field.largest] for field in self.receptive_fields],
            "params": {"total": self.cost.params},
            "macs": self.cost.macs,
            "flops": self.cost.flops,
            "memory_bytes": {"inference": self.memory.inference, "training": self.memory.training},
            "levels": [
                {"side": side, "level": level, "params": cost.params, "macs": cost.macs}
                for (side, level), cost in rows.items()
            ],
        }

    def _describe_fitting_sizes(self) -> str:
        return self._join_by_axis([f"{fit}{_describe_output_size(fit)}" for fit in self.graph.fits])

    def _join_by_axis(self, texts: list[str]) -> str:
        if len(set(texts)) == 1:
            return texts[0]
        return "; ".join(f"{axis}: {text}" for axis, text in zip(AXIS_NAMES[self.graph.dims], texts, strict=True))


def _describe_output_size(fit: FittingSizes) -> str:
    """How the output follows from the input, where that is one sentence."""
    lost = {c.first - c.first_output for c in fit.classes if c.output_step == c.period}
    if len(lost) != 1 or any(c.output_step != c.period for c in fit.classes):
        return ""
    (less,) = lost
    return f", output n{f' - {less}' if less > 0 else f' + {-less}' if less else ''}"


def _format_location(prefix: str, paths: list[str]) -> str:
    """Where something is, by its first place."""
    if not paths:
        return ""
    return f"{prefix} {paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}"


def _format_megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
