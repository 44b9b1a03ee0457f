"""Writing: plans in which a configuration has a network of ours, once it is sure to suit nnU-Net."""

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

# What plans name; nnU-Net imports it.
NETWORK_CLASS = "unetgen.nnunet.SpecUNet"


def insert_network(
    plans: Mapping[str, Any], configuration: Configuration, spec: Spec, graph: Graph, name: str
) -> dict[str, Any]:
    """The plans under another name, their configuration with the network of a spec.

    The channels of the image and the classes are nnU-Net's to say, so the spec's are not kept. Raises PlansError and
    SizeError where the network does not suit the patches.
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
    """How much smaller each output is than the one before, as nnU-Net scales its targets: one more than outputs."""
    patch, where = configuration.patch_size, f"{configuration.path}: {configuration.name}"
    if graph.dims != len(patch):
        raise PlansError(f"{where} has patches of {len(patch)} axes, the spec has dims {graph.dims}; set dims")
    sizes = check_sizes(graph, patch)
    check_head(spec, graph, where)
    outputs = [sizes[index] for index in graph.output_nodes]
    if outputs[0] != patch:
        made, wanted = (" x ".join(map(str, size)) for size in (outputs[0], patch))
        raise PlansError(f"{where} wants outputs as large as its patches, {wanted}, not {made}; pad the convolutions")
    strides = [[1] * len(patch)]
    for before, after in pairwise(outputs):
        strides.append(_compute_stride(before, after, where))
    return [*strides, [2] * len(patch)]


def _compute_stride(before: Size, after: Size, context: str) -> list[int]:
    if any(a > b or b % a for b, a in zip(before, after, strict=True)) or before == after:
        made = " x ".join(map(str, after))
        raise PlansError(
            f"{context} wants outputs that each are smaller by whole numbers, not {made}; use resolution: native"
        )
    return [b // a for b, a in zip(before, after, strict=True)]
