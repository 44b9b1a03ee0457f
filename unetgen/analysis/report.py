"""The report on a network at one input size: shapes, fitting sizes, costs and receptive field. It needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unetgen.analysis.cost import Cost, level_costs, total_cost
from unetgen.analysis.memory import Memory, estimate_memory
from unetgen.analysis.receptive_field import ReceptiveField, receptive_fields
from unetgen.config.spec import AXIS_NAMES, Spec
from unetgen.graph.external.module_op import ExternalModule, SelectOutput
from unetgen.graph.fitting_sizes import FittingSizes
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes, smallest_fitting_size

# If a spec has no input size, the smallest that fits and is at least this is assumed.
DEFAULT_MIN_SIZE = 64


def format_shape(shape: tuple[int, ...]) -> str:
    """Format a shape, such as ``2 x 388 x 388``."""
    return " x ".join(map(str, shape))


@dataclass(frozen=True)
class NetworkReport:
    """A network at an input size. All costs are for one float32 sample."""

    spec: Spec
    graph: Graph
    input_size: Size
    sizes: tuple[Size, ...]
    """The size of every node's output."""
    is_size_assumed: bool = False
    """Whether neither the spec nor the caller set the size."""

    @classmethod
    def of(
        cls, spec: Spec, graph: Graph, input_size: Size | None = None, *, is_size_assumed: bool = False
    ) -> NetworkReport:
        """Create the report for a size.

        Args:
            spec: The resolved spec.
            graph: Its graph.
            input_size: The spatial size (default: the spec's, or else a small one that fits).
            is_size_assumed: Whether ``input_size`` was not set by the user.

        Returns:
            The report.

        Raises:
            SizeError: If the size does not fit.
        """
        size = input_size or spec.input_size or smallest_fitting_size(graph, DEFAULT_MIN_SIZE) or (1,) * spec.dims
        sizes = check_sizes(graph, size, None if input_size else spec.root.mapping.get("input_size"))
        return cls(spec, graph, size, sizes, is_size_assumed=is_size_assumed or not (input_size or spec.input_size))

    @cached_property
    def cost(self) -> Cost:
        """The parameters and MACs."""
        return total_cost(self.graph, self.sizes)

    @cached_property
    def memory(self) -> Memory:
        """The memory of feature maps, in bytes."""
        return estimate_memory(self.graph, self.sizes)

    @cached_property
    def receptive_fields(self) -> tuple[ReceptiveField, ...]:
        """The receptive field along each axis."""
        return receptive_fields(self.graph, self.sizes)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of the image, ``(channels, *size)``."""
        return (self.graph.in_channels, *self.input_size)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the first output, ``(channels, *size)``."""
        return self._compute_shape(self.graph.output)

    @property
    def out_shapes(self) -> dict[str, list[tuple[int, ...]]]:
        """The shapes of all outputs by name; a single output may have the empty name."""
        return {output.name: [self._compute_shape(index) for index in output.nodes] for output in self.graph.outputs}

    def _compute_shape(self, index: int) -> tuple[int, ...]:
        node = self.graph.nodes[index]
        return (node.channels,) if node.op.has_no_spatial_axes else (node.channels, *self.sizes[index])

    def _format_outputs(self) -> str:
        """Format the shapes of all outputs."""
        texts = {name: ", ".join(map(format_shape, shapes)) for name, shapes in self.out_shapes.items()}
        texts = {o.name: f"[{texts[o.name]}]" if o.is_list else texts[o.name] for o in self.graph.outputs}
        return "; ".join(f"{name} {text}" if name else text for name, text in texts.items())

    def _describe_receptive_field(self) -> str:
        """Describe the receptive field, and name global ops and modules of unknown extent."""
        local_field = f"{self._join_by_axis([str(field) for field in self.receptive_fields])} pixels"
        nodes = [node for node in self.graph.nodes if node.op.is_global]
        unknown = [node.path for node in nodes if isinstance(node.op, (ExternalModule, SelectOutput))]
        global_ops = [node.path for node in nodes if node.path not in unknown]
        notes = [
            _format_location(", plus the whole map at", global_ops),
            _format_location(", plus an unknown extent at", unknown),
        ]
        return "".join((local_field, *notes))

    def _describe_mac_coverage(self) -> str:
        has_external = any(isinstance(node.op, ExternalModule) for node in self.graph.nodes)
        return "convolutions and matrix products" if has_external else "convolutions only"

    def format_lines(self) -> list[tuple[str, str]]:
        """Return the report as pairs of a name and a text."""
        assumed = " (assumed size; the spec has no input_size)" if self.is_size_assumed else ""
        weights = 4 * self.cost.params
        return [
            ("sizes", f"{format_shape(self.in_shape)} -> {self._format_outputs()}{assumed}"),
            ("fits", self._describe_fitting_sizes()),
            ("receptive field", self._describe_receptive_field()),
            ("parameters", f"{self.cost.params:,}"),
            ("MACs", f"{self.cost.macs:,} ({self.cost.flops:,} FLOPs), {self._describe_mac_coverage()}"),
            (
                "memory",
                f"about {_format_megabytes(self.memory.inference)} of feature maps in inference, "
                f"{_format_megabytes(self.memory.training)} kept in training, and {_format_megabytes(weights)} "
                "of weights (estimate, one sample, float32)",
            ),
            *self._describe_omitted_levels(),
            ("hash", self.spec.hash[:16]),
        ]

    def _describe_omitted_levels(self) -> list[tuple[str, str]]:
        levels = self.graph.omitted_levels
        if not levels:
            return []
        return [
            ("not built", f"decoder level{'s' * (len(levels) > 1)} {', '.join(map(str, levels))}, not read by a head")
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for ``--format json``."""
        rows = level_costs(self.graph, self.sizes)
        return {
            "name": self.spec.name,
            "hash": self.spec.hash,
            "input": list(self.in_shape),
            "output": list(self.out_shape),
            "outputs": {name: [list(shape) for shape in shapes] for name, shapes in self.out_shapes.items()},
            "omitted_levels": list(self.graph.omitted_levels),
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
    """Describe the output size as a function of the input size n, if it is n minus a constant."""
    differences = {c.first - c.first_output for c in fit.classes if c.output_step == c.period}
    if len(differences) != 1 or any(c.output_step != c.period for c in fit.classes):
        return ""
    (margin,) = differences
    return f", output n{f' - {margin}' if margin > 0 else f' + {-margin}' if margin else ''}"


def _format_location(prefix: str, paths: list[str]) -> str:
    """Format the first of several paths and the number of others; nothing for no paths."""
    if not paths:
        return ""
    return f"{prefix} {paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}"


def _format_megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
