"""Checks of a part's declarations: shapes, parameters, MACs and options, compared with torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from unetgen.analysis.cost import total_cost
from unetgen.api import load_spec
from unetgen.errors import format_exception_line
from unetgen.network.unet import UNet, flatten_outputs
from unetgen.testing.forward_pass import ForwardPass, make_image, run_forward
from unetgen.testing.option_values import find_alternative_values
from unetgen.testing.part_under_test import Fault, PartBuildError, Subject, find_small_sizes

Faults = Iterator[Fault]


def described(subject: Subject) -> Faults:
    """Check that the part has a docstring and a valid type name, and that its resolved spec has the same hash."""
    if not (subject.part.__doc__ or "").strip():
        yield Fault("the part has no docstring", "add one that describes it and cites its paper")
    if not re.fullmatch("[a-z][a-z0-9_]*", subject.part.type):
        fix = "use lower-case letters, digits and underscores"
        yield Fault(f"the type {subject.part.type!r} is not a valid name", fix)
    spec = subject.usual.spec
    reloaded = load_spec(json.loads(json.dumps(spec.resolved())), registry=subject.registry)
    if reloaded.hash != spec.hash:
        yield Fault("the resolved spec does not equal the spec", "use plain values for the options")


def shapes(subject: Subject) -> Faults:
    """Check the channels and size of every feature map against the graph, for even, odd and unequal sizes."""
    for name, model in subject.networks.items():
        for size in find_small_sizes(model):
            context = f"in {name}, for {_format_shape(size)} pixels"
            try:
                forward_pass = run_forward(model, size)
            except Exception as error:
                message = f"{context}, the forward pass fails although the graph accepts the size"
                fix = "handle such sizes, or reject them with multiple= or a Rule with a residue"
                yield Fault(f"{message}: {format_exception_line(error)}", fix)
            else:
                yield from _check_shapes(model, size, forward_pass, context)
                yield from _check_inputs_unchanged(forward_pass, context)


def _check_shapes(model: UNet, size: tuple[int, ...], forward_pass: ForwardPass, context: str) -> Faults:
    sizes = model.graph.sizes(size)
    for node, shape, _ in forward_pass.layer_calls:
        declared = (1, node.channels, *(() if node.op.has_no_spatial_axes else sizes[node.index]))
        if shape != declared:
            shapes = f"returns {_format_shape(shape[1:])}, the graph has {_format_shape(declared[1:])}"
            fix = "declare the output with channels= and size= of g.module"
            yield Fault(f"{context}, {node.path} {shapes}", fix)
            return


def _check_inputs_unchanged(forward_pass: ForwardPass, context: str) -> Faults:
    for node, _, mutated_input in forward_pass.layer_calls:
        if mutated_input:
            fix = "use a new tensor; other layers may read the same input"
            yield Fault(f"{context}, {node.path} modifies its input in place", fix)
            return


def costs(subject: Subject) -> Faults:
    """Check the graph's parameters and MACs against those that torch counts."""
    for name, model in subject.networks.items():
        for size in find_small_sizes(model)[:1]:
            measured_macs = run_forward(model, size).macs
            yield from _check_parameters(model, name)
            predicted_macs = total_cost(model.graph, model.graph.sizes(size)).macs
            if predicted_macs != measured_macs:
                fix = "run the same operations on every device: module costs are measured on the meta device"
                yield Fault(f"in {name}, the graph counts {predicted_macs:,} MACs and torch {measured_macs:,}", fix)


def _check_parameters(model: UNet, name: str) -> Faults:
    graph_shapes = {key: parameter.shape for key, parameter in model.graph.parameters.items()}
    model_shapes = {key: tuple(parameter.shape) for key, parameter in model.named_parameters()}
    for key in sorted({*graph_shapes, *model_shapes}):
        if graph_shapes.get(key) != model_shapes.get(key):
            in_model, in_graph = (str(shapes.get(key, "missing")) for shapes in (model_shapes, graph_shapes))
            fix = "create every parameter in __init__, the same ones each time"
            yield Fault(f"in {name}, {key} is {in_model} in the network and {in_graph} in the graph", fix)
            return


def channels(subject: Subject) -> Faults:
    """Check that other channels, also few and odd ones, work or are rejected before the network is built."""
    if subject.part.slot in ("encoder", "init", "input") or "widths" in subject.trial.frame:
        return
    dims = subject.usual.graph.dims
    for widths in ([12, 20], [3, 5], [1, 2]):
        depth = len(subject.spec(dims).get("widths", widths))
        spec = {**subject.spec(dims), "widths": (widths * depth)[:depth]}
        try:
            model = subject.network(spec)
        except PartBuildError as error:
            yield Fault(f"with channels {widths}, {error.fault.what}", error.fault.way)
            continue
        if model is not None:
            yield from _check_channels(model, f"with channels {widths}")


def _check_channels(model: UNet, context: str) -> Faults:
    for size in find_small_sizes(model)[:1]:
        try:
            yield from _check_shapes(model, size, run_forward(model, size), context)
        except Exception as error:
            fix = "reject such channels in the part: g.refuse(self, option, message, hint)"
            yield Fault(f"{context}, the forward pass fails: {format_exception_line(error)}", fix)


# Options


def options(subject: Subject) -> Faults:
    """Check that another value of each option gives another network."""
    for option in subject.part.model_fields:
        if option not in subject.trial.untried:
            yield from _check_option_effect(subject, option)


def _check_option_effect(subject: Subject, option: str) -> Faults:
    dims = subject.usual.graph.dims
    num_refusals = len(subject.refusals)
    values_without_effect = []
    for overlay in _build_overlays(subject, option):
        base = {key: value for key, value in overlay.items() if key != option}
        try:
            before, after = (subject.network(subject.spec(dims, changes)) for changes in (base, overlay))
        except ValueError as error:
            subject.refusals.append(format_exception_line(error))
            continue
        if before is None or after is None:
            continue
        try:
            if compute_fingerprint(before) != compute_fingerprint(after):
                return
        except Exception as error:
            fix = "reject unsupported values: g.refuse(self, option, message, hint)"
            message = f"option {option!r}: with {overlay[option]!r} the network fails"
            yield Fault(f"{message}: {format_exception_line(error)}", fix)
            return
        values_without_effect.append(overlay[option])
    if values_without_effect:
        values = ", ".join(map(repr, values_without_effect))
        yield Fault(f"option {option!r} has no effect (tried {values})", "use it or remove it")
    else:
        reason = f" ({subject.refusals[-1]})" if len(subject.refusals) > num_refusals else ""
        fix = f"add a valid value to the part's trial: Trial(others={{{option!r}: ...}})"
        yield Fault(f"option {option!r}: no other value could be tried{reason}", fix)


def _build_overlays(subject: Subject, option: str) -> list[Mapping[str, Any]]:
    if option in subject.trial.others:
        value = subject.trial.others[option]
        return [value if isinstance(value, Mapping) and option in value else {option: value}]
    return [{option: value} for value in find_alternative_values(subject.part, option, subject.registry)]


def compute_fingerprint(model: UNet) -> str:
    """Hash everything that can differ between two networks of one seed: parameters, fitting sizes, outputs, state."""
    digest = hashlib.sha256(repr([str(fit) for fit in model.graph.fits]).encode())
    for key, parameter in model.named_parameters():
        digest.update(f"{key} {tuple(parameter.shape)} {parameter.requires_grad}".encode())
    for training in (False, True):
        for size in find_small_sizes(model)[:1]:
            torch.manual_seed(1)
            with torch.no_grad():
                outputs = list(flatten_outputs(model.train(training)(make_image(model, size, batch=2))))
            for tensor in (*outputs, *model.state_dict().values()):
                digest.update(f"{tuple(tensor.shape)}".encode())
                digest.update(tensor.double().numpy().tobytes())
    return digest.hexdigest()


def _format_shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
