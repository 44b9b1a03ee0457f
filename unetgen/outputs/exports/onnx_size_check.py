"""Refusal: ONNX has no op that fails in words, so a node that fails has them as its name, and onnxruntime tells it."""

from __future__ import annotations

from typing import Any

from unetgen.outputs.exports.sizes import ExportSizes

# What ours are called by, beside the exporter's own.
_NAME_PREFIX = "fit."


def add_size_check(model_proto: Any, sizes: ExportSizes) -> None:
    """Has a model of ONNX fail on sizes that do not fit: one that fits reads the first of one row, others beyond it.

    The row gives the image the shape that it has, so the network needs it and it costs nothing.
    """
    if not sizes.residue_classes:
        return  # a fixed axis is refused by the runtime itself
    from onnx import helper, numpy_helper

    graph, axes = model_proto.graph, len(sizes.residue_classes)
    least, step = ([entry[of] for entry in sizes.residue_classes] for of in (0, 1))
    rest = [first % apart for first, apart in sizes.residue_classes]
    tables = {"least": least, "step": step, "rest": rest, "none": 0, "as it is": [[0] * (axes + 2)]}
    for node in graph.node:
        node.input[:] = [_NAME_PREFIX + "image" if name == "image" else name for name in node.input]
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Shape", ["image"], "size", {"start": 2}),
        ("Mod", ["size", "step"], "over", {}),
        ("Sub", ["over", "rest"], "past", {}),
        ("Abs", ["past"], "off", {}),
        ("Sub", ["least", "size"], "lacking", {}),
        ("Max", ["off", "lacking"], "wrong", {}),
        ("ReduceMax", ["wrong"], "most wrong", {"keepdims": 0}),
        ("Max", ["most wrong", "none"], "row", {}),
        ("Gather", ["as it is", "row"], "shape", {}),
        ("Reshape", ["image", "shape"], "image", {}),
    ]
    said = f"the image does not fit; sizes are {sizes.description}"
    nodes = [
        helper.make_node(op, [name if name == "image" else _NAME_PREFIX + name for name in given], [_NAME_PREFIX + made],
                         name=said if op == "Gather" else _NAME_PREFIX + made, **options)
        for op, given, made, options in steps
    ]  # fmt: skip
    for node in reversed(nodes):
        graph.node.insert(0, node)
    graph.initializer.extend(
        numpy_helper.from_array(_to_int64(table), _NAME_PREFIX + name) for name, table in tables.items()
    )


def _to_int64(table: Any) -> Any:
    import numpy

    return numpy.asarray(table, dtype=numpy.int64)
