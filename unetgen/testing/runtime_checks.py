"""Checks of a part's behaviour in training, in copies and files, and in torch's compilers."""

from __future__ import annotations

import copy
import logging
import pickle
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unetgen.api import build, load
from unetgen.errors import format_exception_line
from unetgen.graph.external.module_op import ExternalModule
from unetgen.network.unet import UNet, flatten_outputs
from unetgen.testing.forward_pass import make_image
from unetgen.testing.part_under_test import SEED, Fault, Subject, find_small_sizes

Faults = Iterator[Fault]


def gradients(subject: Subject) -> Faults:
    """Check that every trainable parameter gets a finite gradient."""
    for name, model in subject.networks.items():
        for size in find_small_sizes(model)[:1]:
            model.zero_grad()
            torch.manual_seed(1)
            outputs = flatten_outputs(model.train()(make_image(model, size, batch=2)))
            sum((output * output).sum() for output in outputs).backward()  # type: ignore[union-attr]  # not empty
            for key, parameter in model.named_parameters():
                if not parameter.requires_grad:
                    continue
                if parameter.grad is None:
                    yield Fault(f"in {name}, {key} gets no gradient", "use it in forward or remove it")
                    break
                if not torch.isfinite(parameter.grad).all():
                    yield Fault(f"in {name}, the gradient of {key} is not finite", "keep the arithmetic in range")
                    break


def independence(subject: Subject) -> Faults:
    """Check that networks, and several uses of a part in one network, share no tensors and no other state."""
    model = subject.usual
    other = build(model.spec, seed=SEED + 1, registry=subject.registry)
    owners: dict[int, tuple[UNet, str]] = {}
    for network in (model, other):
        for path in _external_module_paths(network):
            for key, tensor in _iter_tensors(network, path):
                owner, owner_path = owners.setdefault(tensor.untyped_storage().data_ptr(), (network, path))
                if (owner, owner_path) != (network, path):
                    fix = "create every tensor in __init__, not on the class or at import"
                    suffix = "" if owner is network else " of another network"
                    yield Fault(f"{path} shares its {key} with {owner_path}{suffix}", fix)
                    return
    for size in find_small_sizes(model)[:1]:
        x = make_image(model, size)
        before = _compute_outputs(model, x)
        _train(other, size)
        if not _outputs_equal(before, _compute_outputs(model, x)):
            fix = "keep no state that a forward pass changes on the class or at module level"
            yield Fault("training one network changes the outputs of another", fix)


def _external_module_paths(model: UNet) -> list[str]:
    nodes = [node for node in model.graph.nodes if isinstance(node.op, ExternalModule)]
    return [node.path for node in nodes if node.path == node.layer_path]


def _iter_tensors(model: UNet, path: str) -> Iterator[tuple[str, Tensor]]:
    module = model.get_submodule(path)
    yield from ((k, t) for k, t in (*module.named_parameters(), *module.named_buffers()) if t.numel())


def _train(model: UNet, size: tuple[int, ...]) -> None:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for _ in range(2):
        outputs = flatten_outputs(model.train()(make_image(model, size, batch=2)))
        loss = sum((output * output).mean() for output in outputs)
        torch.autograd.backward(loss)  # type: ignore[arg-type]  # not empty
    with torch.no_grad():
        for parameter in trainable:
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.1)


def first_weights(subject: Subject) -> Faults:
    """Check that equal seeds give equal initial weights, whatever the state of the global random generators."""
    spec = subject.usual.spec
    states = []
    for global_seed in (1, 2):
        _seed_generators(global_seed)
        states.append(build(spec, seed=SEED, registry=subject.registry).state_dict())
    for key, tensor in states[0].items():
        if not torch.equal(tensor, states[1][key]):
            fix = "initialise with torch's random functions; they are seeded by the module's path"
            yield Fault(f"{key} has other initial values with the same seed", fix)
            return
    for size in find_small_sizes(subject.usual)[:1]:
        x = make_image(subject.usual, size)
        if not _outputs_equal(_compute_outputs(subject.usual, x), _compute_outputs(subject.usual, x)):
            fix = "use random numbers in training mode only"
            yield Fault("in evaluation mode, two passes over one image give different outputs", fix)


def _seed_generators(seed: int) -> None:
    import numpy

    torch.manual_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed)  # the legacy generator, which modules may use


def copies(subject: Subject) -> Faults:
    """Check that a deep copy, a pickled copy and a saved network give the same outputs."""
    model = subject.usual.eval()
    copiers: dict[str, Callable[[], Any]] = {
        "a deep copy": lambda: copy.deepcopy(model),
        "a pickled copy": lambda: pickle.loads(pickle.dumps(model)),  # noqa: S301  # pickled here
        "a saved and loaded network": lambda: _save_and_load(model, subject),
    }
    for size in find_small_sizes(model)[:1]:
        x = make_image(model, size)
        expected = _compute_outputs(model, x)
        for name, make_copy in copiers.items():
            fix = "store only picklable values in the module, and tensors as parameters or buffers"
            try:
                is_equal = _outputs_equal(expected, _compute_outputs(make_copy(), x))
            except Exception as error:
                yield Fault(f"{name} cannot be made or run: {format_exception_line(error)}", fix)
            else:
                if not is_equal:
                    yield Fault(f"{name} gives different outputs", fix)


def _save_and_load(model: UNet, subject: Subject) -> UNet:
    from unetgen.network.weights.checkpoint import save

    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "net.safetensors")
        return load(Path(folder) / "net.safetensors", registry=subject.registry)


def tracing(subject: Subject) -> Faults:
    """Check that torch.export and torch.compile capture the network in one graph and give the same outputs."""
    model = subject.usual.eval()
    for size in find_small_sizes(model)[:1]:
        x = make_image(model, size)
        expected = _compute_outputs(model, x)
        compilers: dict[str, Callable[[Tensor], Any]] = {
            "torch.export": lambda image: torch.export.export(model, (image,), strict=False).module(),
            "torch.compile": lambda image: torch.compile(model, fullgraph=True, backend="eager"),
        }
        for name, compile_model in compilers.items():
            torch.compiler.reset()
            try:
                with _suppress_output():
                    is_close = _outputs_equal(expected, _compute_outputs(compile_model(x), x), exactly=False)
            except Exception as error:
                fix = "avoid branches on tensor values and calls that torch cannot trace"
                yield Fault(f"{name} fails: {_truncate(format_exception_line(error))}", fix)
            else:
                if not is_close:
                    fix = "keep no state that a forward pass changes"
                    yield Fault(f"{name} gives a network with different outputs", fix)


@contextmanager
def _suppress_output() -> Iterator[None]:
    """Suppress torch's logs and prints; the fault reports the error in one sentence."""
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def _truncate(text: str, max_length: int = 200) -> str:
    return text if len(text) <= max_length else f"{text[:max_length].rpartition(' ')[0]} ..."


def _compute_outputs(model: Any, x: Tensor) -> list[Tensor]:
    if isinstance(model, UNet):
        model.eval()
    with torch.no_grad():
        return [y.clone() for y in flatten_outputs(model(x.clone()))]


def _outputs_equal(expected: list[Tensor], actual: list[Tensor], *, exactly: bool = True) -> bool:
    if len(expected) != len(actual):
        return False
    is_equal = torch.equal if exactly else lambda a, b: torch.allclose(a, b, atol=1e-5, rtol=1e-4)
    return all(a.shape == b.shape and is_equal(a, b) for a, b in zip(expected, actual, strict=True))
