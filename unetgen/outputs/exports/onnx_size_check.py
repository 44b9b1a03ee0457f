"""Add a check of the input size to an ONNX model.

ONNX has no assert operator. The check is a Gather whose index is out of range for sizes that do not fit, and the
node's name is the message, since onnxruntime prints it.
"""

from __future__ import annotations

from typing import Any

from unetgen.outputs.exports.sizes import ExportSizes, format_size_error

# The name prefix of the added nodes and tensors.
_NAME_PREFIX = "fit."

# Operator, inputs, output and attributes of each added node; "image" is the input of the model.
_NODES: list[tuple[str, list[str], str, dict[str, Any]]] = [
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


def add_size_check(model_proto: Any, sizes: ExportSizes) -> None:
    """Add nodes to an ONNX model, in place, that fail for input sizes that do not fit.

    A size that fits gathers row 0 of a table with one row, other sizes a row beyond its end. The gathered row is the
    shape argument of a Reshape of the image that changes nothing, so the check cannot be optimized away and costs
    almost no time.

    Args:
        model_proto: The ONNX model with the input ``image``.
        sizes: The sizes that the program was exported for.
    """
    if not sizes.residue_classes:
        return  # the runtime itself checks fixed axes
    from onnx import numpy_helper

    graph = model_proto.graph
    for node in graph.node:
        node.input[:] = [_NAME_PREFIX + "image" if name == "image" else name for name in node.input]
    for node in reversed(_build_nodes(format_size_error(sizes))):
        graph.node.insert(0, node)
    graph.initializer.extend(
        numpy_helper.from_array(_to_int64(table), _NAME_PREFIX + name) for name, table in _build_tables(sizes).items()
    )


def _build_nodes(message: str) -> list[Any]:
    from onnx import helper

    nodes = []
    for op, inputs, output, attributes in _NODES:
        input_names = [name if name == "image" else _NAME_PREFIX + name for name in inputs]
        node_name = message if op == "Gather" else _NAME_PREFIX + output
        nodes.append(helper.make_node(op, input_names, [_NAME_PREFIX + output], name=node_name, **attributes))
    return nodes


def _build_tables(sizes: ExportSizes) -> dict[str, Any]:
    """Return the constants of the check, one value per axis; Reshape copies an axis for each 0 in ``as it is``."""
    return {
        "least": [first for first, _ in sizes.residue_classes],
        "step": [period for _, period in sizes.residue_classes],
        "rest": [first % period for first, period in sizes.residue_classes],
        "none": 0,
        "as it is": [[0] * (len(sizes.residue_classes) + 2)],
    }


def _to_int64(table: Any) -> Any:
    import numpy

    return numpy.asarray(table, dtype=numpy.int64)
