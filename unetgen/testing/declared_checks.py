"""Claims: what a part says of shapes, parameters, multiply-adds and options, held against what torch does."""

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
    """It says what it is, and a spec with it, written out in full, is the same spec."""
    if not (subject.part.__doc__ or "").strip():
        yield Fault("it has no docstring", "say in one what it is, and whose paper it comes from")
    if not re.fullmatch("[a-z][a-z0-9_]*", subject.part.type):
        way = "use lower-case letters, digits and underscores"
        yield Fault(f"its type {subject.part.type!r} is no plain name", way)
    spec = subject.usual.spec
    again = load_spec(json.loads(json.dumps(spec.resolved())), registry=subject.registry)
    if again.hash != spec.hash:
        yield Fault("written out in full its options say something else", "give its options plain values")


def shapes(subject: Subject) -> Faults:
    """Every map has the channels and the size that the graph says, for even, odd and unequal sizes."""
    for name, model in subject.networks.items():
        for size in find_small_sizes(model):
            given = f"in {name}, for {_format_shape(size)} pixels"
            try:
                done = run_forward(model, size)
            except Exception as error:
                way = "refuse such sizes (multiple=, or a Rule with a residue), or handle them"
                yield Fault(f"{given}, which the graph says fit, it fails: {format_exception_line(error)}", way)
            else:
                yield from _check_shapes(model, size, done, given)
                yield from _check_inputs_unchanged(done, given)


def _check_shapes(model: UNet, size: tuple[int, ...], forward_pass: ForwardPass, context: str) -> Faults:
    sizes = model.graph.sizes(size)
    for node, shape, _ in forward_pass.layer_calls:
        said = (1, node.channels, *(() if node.op.has_no_spatial_axes else sizes[node.index]))
        if shape != said:
            way = "say what it makes: channels= and size= of g.module"
            yield Fault(
                f"{context}, {node.path} makes {_format_shape(shape[1:])}, and the graph says {_format_shape(said[1:])}",
                way,
            )
            return


def _check_inputs_unchanged(forward_pass: ForwardPass, context: str) -> Faults:
    for node, _, wrote in forward_pass.layer_calls:
        if wrote:
            way = "let it work on a tensor of its own; others may read that map"
            yield Fault(f"{context}, {node.path} writes on its input", way)
            return


def costs(subject: Subject) -> Faults:
    """Parameters and multiply-adds are those that torch counts."""
    for name, model in subject.networks.items():
        for size in find_small_sizes(model)[:1]:
            done = run_forward(model, size)
            yield from _check_parameters(model, name)
            said = total_cost(model.graph, model.graph.sizes(size)).macs
            if said != done.macs:
                way = "do the same work on every device: what a module costs is measured on torch's meta device"
                yield Fault(f"in {name}, the graph counts {said:,} MACs and torch {done.macs:,}", way)


def _check_parameters(model: UNet, name: str) -> Faults:
    said = {key: parameter.shape for key, parameter in model.graph.parameters.items()}
    made = {key: tuple(parameter.shape) for key, parameter in model.named_parameters()}
    for key in sorted({*said, *made}):
        if said.get(key) != made.get(key):
            there, wanted = (str(shapes.get(key, "none")) for shapes in (made, said))
            way = "make every parameter in __init__, the same ones each time"
            yield Fault(f"in {name}, {key} is {there} in the network and {wanted} in the graph", way)
            return


def channels(subject: Subject) -> Faults:
    """With other channels, few and odd ones, it works or is refused by the spec's check."""
    if subject.part.slot in ("encoder", "init", "input") or "widths" in subject.trial.frame:
        return
    dims = subject.usual.graph.dims
    for widths in ([12, 20], [3, 5], [1, 2]):
        depth = len(subject.spec(dims).get("widths", widths))
        spec = {**subject.spec(dims), "widths": (widths * depth)[:depth]}
        try:
            model = subject.network(spec)
        except PartBuildError as broken:
            yield Fault(f"with channels {widths}, {broken.fault.what}", broken.fault.way)
            continue
        for size in find_small_sizes(model)[:1] if model else ():
            try:
                yield from _check_shapes(model, size, run_forward(model, size), f"with channels {widths}")  # type: ignore[arg-type]  # there is one
            except Exception as error:
                way = "let the part refuse them: g.refuse(self, option, why, way_out)"
                yield Fault(f"with channels {widths} it fails: {format_exception_line(error)}", way)


# Options


def options(subject: Subject) -> Faults:
    """Another value of any option makes another network."""
    for option in subject.part.model_fields:
        if option not in subject.trial.untried:
            yield from _check_option_effect(subject, option)


def _check_option_effect(subject: Subject, option: str) -> Faults:
    dims = subject.usual.graph.dims
    refused = len(subject.refusals)
    alike = []
    for overlay in _build_overlays(subject, option):
        base = {key: value for key, value in overlay.items() if key != option}
        try:
            before, after = (subject.network(subject.spec(dims, chosen)) for chosen in (base, overlay))
        except ValueError as error:
            subject.refusals.append(format_exception_line(error))
            continue
        if before is None or after is None:
            continue
        try:
            if compute_fingerprint(before) != compute_fingerprint(after):
                return
        except Exception as error:
            way = "refuse what cannot be: g.refuse(self, option, why, way_out)"
            yield Fault(
                f"option {option!r}: with {overlay[option]!r} the network fails: {format_exception_line(error)}", way
            )
            return
        alike.append(overlay[option])
    if alike:
        values = ", ".join(map(repr, alike))
        yield Fault(f"option {option!r} changes nothing (tried {values})", "use it, or take it out")
    else:
        why = f" ({subject.refusals[-1]})" if len(subject.refusals) > refused else ""
        way = f"name one in its trial: Trial(others={{{option!r}: ...}})"
        yield Fault(f"option {option!r}: no other value could be tried{why}", way)


def _build_overlays(subject: Subject, option: str) -> list[Mapping[str, Any]]:
    if option in subject.trial.others:
        given = subject.trial.others[option]
        return [given if isinstance(given, Mapping) and option in given else {option: given}]
    return [{option: value} for value in find_alternative_values(subject.part, option, subject.registry)]


def compute_fingerprint(model: UNet) -> str:
    """Whatever tells two networks of one seed apart: names, first weights, sizes that fit, outputs, trained parts."""
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


def _format_shape(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers))
