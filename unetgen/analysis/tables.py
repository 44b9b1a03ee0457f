"""Build tables of a network for the terminal: by level, and by node."""

from __future__ import annotations

from rich.table import Table

from unetgen.analysis.cost import level_costs, node_cost
from unetgen.analysis.report import NetworkReport, format_shape


def build_level_table(report: NetworkReport) -> Table:
    """Build a table with the output shape and cost of each level on each side."""
    table = _build_table("side", "level", "output", "parameters", "MACs")
    # The output of an encoder level is that of its block, not that of the downsampling after it.
    nodes = sorted(report.graph.nodes[1:], key=lambda node: node.path.split(".")[2:3] != ["down"])
    last = {(node.side, node.level): node for node in nodes}
    for (side, level), cost in level_costs(report.graph, report.sizes).items():
        node = last[side, level]
        shape = format_shape((node.channels, *report.sizes[node.index]))
        table.add_row(side, "" if side == "head" else str(level), shape, f"{cost.params:,}", f"{cost.macs:,}")
    table.add_section()
    table.add_row("total", "", format_shape(report.out_shape), f"{report.cost.params:,}", f"{report.cost.macs:,}")
    return table


def build_node_table(report: NetworkReport) -> Table:
    """Build a table with one row per op, in the order of execution."""
    table = _build_table("node", "op", "reads", "output", "parameters", "MACs")
    nodes = report.graph.nodes
    for node in nodes:
        cost = node_cost(node, report.sizes)
        inputs = ", ".join(nodes[source].path for source in node.inputs)
        shape = format_shape((node.channels, *report.sizes[node.index]))
        table.add_row(node.path, node.op.kind, inputs, shape, _format_nonzero(cost.params), _format_nonzero(cost.macs))
    return table


def build_text_table(
    headers: tuple[str, ...], rows: list[tuple[str, ...]], numeric_columns: tuple[str, ...] = ()
) -> Table:
    """Build a table of texts.

    Args:
        headers: The column titles.
        rows: One text per column and row.
        numeric_columns: The titles of columns that are aligned to the right.

    Returns:
        The table.
    """
    table = _build_table(*headers, numeric_columns=numeric_columns)
    for row in rows:
        table.add_row(*row)
    return table


def _build_table(*headers: str, numeric_columns: tuple[str, ...] = ("level", "parameters", "MACs")) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        is_numeric = header in numeric_columns
        # Only a text at the end of a row may wrap.
        may_wrap = header == headers[-1] and not is_numeric
        table.add_column(header, justify="right" if is_numeric else "left", no_wrap=not may_wrap, overflow="fold")
    return table


def _format_nonzero(count: int) -> str:
    return f"{count:,}" if count else ""
