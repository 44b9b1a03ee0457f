"""Insert the network of a spec into a configuration of plans, after checking that nnU-Net can train it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from itertools import pairwise
from typing import Any

from unetgen.config.spec import Spec
from unetgen.errors import PlansError
from unetgen.graph.graph import Graph
from unetgen.graph.ops.base import Size
from unetgen.graph.size_errors import check_sizes
from unetgen.nnunet.head_checks import check_head
from unetgen.nnunet.plans import Configuration

# The class that the written plans name and nnU-Net imports.
NETWORK_CLASS = "unetgen.nnunet.SpecUNet"


def insert_network(
    plans: Mapping[str, Any], configuration: Configuration, spec: Spec, graph: Graph, name: str
) -> dict[str, Any]:
    """Return plans under a new name in which one configuration uses the network of a spec.

    nnU-Net sets the input channels and the classes, so the spec's own numbers are not written.

    Args:
        plans: The content of a plans file.
        configuration: The configuration to change.
        spec: The spec of the network.
        graph: The graph of the spec.
        name: The name of the new plans.

    Returns:
        The content of the new plans file.

    Raises:
        PlansError: nnU-Net cannot train the network.
        SizeError: The patch size does not fit the network.
    """
    strides = compute_strides(spec, graph, configuration)
    written: dict[str, Any] = deepcopy(dict(plans))
    written["plans_name"] = name
    resolved = {k: v for k, v in spec.resolved().items() if k not in ("in_channels", "out_channels")}
    written["configurations"][configuration.name]["architecture"] = {
        "network_class_name": NETWORK_CLASS,
        "arch_kwargs": {"spec": resolved, "strides": strides},
        "_kw_requires_import": [],
    }
    return written


def compute_strides(spec: Spec, graph: Graph, configuration: Configuration) -> list[list[int]]:
    """Return the stride of each output relative to the previous one, by which nnU-Net scales its targets.

    nnU-Net ignores the last entry, so the list has one more than there are outputs.
    """
    patch, context = configuration.patch_size, f"{configuration.path}: {configuration.name}"
    if graph.dims != len(patch):
        message = f"{context} has {len(patch)}-dimensional patches, the spec has dims: {graph.dims}"
        raise PlansError(f"{message}; set dims: {len(patch)}")
    sizes = check_sizes(graph, patch)
    check_head(spec, graph, context)
    outputs = [sizes[index] for index in graph.output_nodes]
    if outputs[0] != patch:
        actual, expected = (" x ".join(map(str, size)) for size in (outputs[0], patch))
        raise PlansError(f"{context} needs outputs of the patch size {expected}, not {actual}; pad the convolutions")
    strides = [[1] * len(patch)]
    for before, after in pairwise(outputs):
        strides.append(_compute_stride(before, after, context))
    return [*strides, [2] * len(patch)]


def _compute_stride(before: Size, after: Size, context: str) -> list[int]:
    if any(a > b or b % a for b, a in zip(before, after, strict=True)) or before == after:
        actual = " x ".join(map(str, after))
        raise PlansError(
            f"{context} needs each output smaller than the previous one by an integer factor, not {actual}; "
            "use resolution: native"
        )
    return [b // a for b, a in zip(before, after, strict=True)]
