"""Tables of a network for the terminal: by level, and node by node."""

from __future__ import annotations

from rich.table import Table

from unetgen.analysis.cost import level_costs, node_cost
from unetgen.analysis.report import NetworkReport, format_shape


def build_level_table(report: NetworkReport) -> Table:
    """One row for each level on each side: what goes out of it, and what it costs."""
    table = _build_table("side", "level", "output", "parameters", "MACs")
    # The end of an encoder level is its block; the downsampling behind it makes the next level's input.
    inside = sorted(report.graph.nodes[1:], key=lambda node: node.path.split(".")[2:3] != ["down"])
    last = {(node.side, node.level): node for node in inside}
    for (side, level), cost in level_costs(report.graph, report.sizes).items():
        node = last[side, level]
        shape = format_shape((node.channels, *report.sizes[node.index]))
        table.add_row(side, "" if side == "head" else str(level), shape, f"{cost.params:,}", f"{cost.macs:,}")
    table.add_section()
    table.add_row("total", "", format_shape(report.out_shape), f"{report.cost.params:,}", f"{report.cost.macs:,}")
    return table


def build_node_table(report: NetworkReport) -> Table:
    """One row for each op, in the order in which they run."""
    table = _build_table("node", "op", "reads", "output", "parameters", "MACs")
    nodes = report.graph.nodes
    for node in nodes:
        cost = node_cost(node, report.sizes)
        reads = ", ".join(nodes[source].path for source in node.inputs)
        shape = format_shape((node.channels, *report.sizes[node.index]))
        table.add_row(node.path, node.op.kind, reads, shape, _format_nonzero(cost.params), _format_nonzero(cost.macs))
    return table


def build_text_table(
    headers: tuple[str, ...], rows: list[tuple[str, ...]], numeric_columns: tuple[str, ...] = ()
) -> Table:
    """A plain table; the columns named in ``right`` are numbers."""
    table = _build_table(*headers, numeric_columns=numeric_columns)
    for row in rows:
        table.add_row(*row)
    return table


def _build_table(*headers: str, numeric_columns: tuple[str, ...] = ("level", "parameters", "MACs")) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        numeric = header in numeric_columns
        # A sentence at the end of a row may take several lines, numbers and names may not.
        last = header == headers[-1] and not numeric
        table.add_column(header, justify="right" if numeric else "left", no_wrap=not last, overflow="fold")
    return table


def _format_nonzero(count: int) -> str:
    return f"{count:,}" if count else ""
