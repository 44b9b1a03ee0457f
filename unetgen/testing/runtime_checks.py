"""Conduct: how a part behaves where people use it: in training, in copies, in files, and in torch's compilers."""

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
    """Every parameter that is trained gets a finite gradient."""
    for name, model in subject.networks.items():
        for size in find_small_sizes(model)[:1]:
            model.zero_grad()
            torch.manual_seed(1)
            sum((y * y).sum() for y in flatten_outputs(model.train()(make_image(model, size, batch=2)))).backward()  # type: ignore[union-attr]  # there is an output
            for key, parameter in model.named_parameters():
                if not parameter.requires_grad:
                    continue
                if parameter.grad is None:
                    yield Fault(f"in {name}, {key} gets no gradient", "use it in forward, or leave it out")
                    break
                if not torch.isfinite(parameter.grad).all():
                    yield Fault(f"in {name}, the gradient of {key} is not finite", "keep its arithmetic in range")
                    break


def independence(subject: Subject) -> Faults:
    """Two networks, and two places in one, share no tensor and no memory of what they have seen."""
    one = subject.usual
    other = build(one.spec, seed=SEED + 1, registry=subject.registry)
    owners: dict[int, tuple[UNet, str]] = {}
    for model in (one, other):
        for path in [n.path for n in model.graph.nodes if isinstance(n.op, ExternalModule) and n.path == n.layer_path]:
            for key, tensor in _iter_tensors(model, path):
                owner, first = owners.setdefault(tensor.untyped_storage().data_ptr(), (model, path))
                if (owner, first) != (model, path):
                    way = "make every tensor in __init__, not on the class or at import"
                    place = "" if owner is model else " in another network"
                    yield Fault(f"{path} has its {key} together with {first}{place}", way)
                    return
    for size in find_small_sizes(one)[:1]:
        x = make_image(one, size)
        before = _compute_outputs(one, x)
        _train(other, size)
        if not _outputs_equal(before, _compute_outputs(one, x)):
            way = "keep nothing on the class or in the module's file that a pass changes"
            yield Fault("training one network changes what another one makes", way)


def _iter_tensors(model: UNet, path: str) -> Iterator[tuple[str, Tensor]]:
    module = model.get_submodule(path)
    yield from ((key, t) for key, t in (*module.named_parameters(), *module.named_buffers()) if t.numel())


def _train(model: UNet, size: tuple[int, ...]) -> None:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for _ in range(2):
        loss = sum((y * y).mean() for y in flatten_outputs(model.train()(make_image(model, size, batch=2))))
        torch.autograd.backward(loss)  # type: ignore[arg-type]  # there is an output
    with torch.no_grad():
        for parameter in trained:
            if parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=0.1)


def first_weights(subject: Subject) -> Faults:
    """Equal seeds give equal first weights, whatever torch's, Python's and numpy's own generators stand at."""
    spec = subject.usual.spec
    states = []
    for noise in (1, 2):
        _seed_generators(noise)
        states.append(build(spec, seed=SEED, registry=subject.registry).state_dict())
    for key, tensor in states[0].items():
        if not torch.equal(tensor, states[1][key]):
            way = "draw first weights with torch's own functions, which are seeded by the module's path"
            yield Fault(f"{key} starts otherwise with an equal seed", way)
            return
    for size in find_small_sizes(subject.usual)[:1]:
        x = make_image(subject.usual, size)
        if not _outputs_equal(_compute_outputs(subject.usual, x), _compute_outputs(subject.usual, x)):
            yield Fault("in evaluation it makes other maps of one image", "draw at random in training only")


def _seed_generators(seed: int) -> None:
    import numpy

    torch.manual_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed)  # the old generator is the one that modules use behind our back


def copies(subject: Subject) -> Faults:
    """A deep copy, a pickled copy and a saved file make what the network makes."""
    model = subject.usual.eval()
    ways: dict[str, Callable[[], Any]] = {
        "a deep copy": lambda: copy.deepcopy(model),
        "a pickled copy": lambda: pickle.loads(pickle.dumps(model)),  # noqa: S301  # it was made a moment ago
        "a saved and loaded network": lambda: _save_and_load(model, subject),
    }
    for size in find_small_sizes(model)[:1]:
        x = make_image(model, size)
        expected = _compute_outputs(model, x)
        for name, make in ways.items():
            way = "keep in the module only what can be copied and pickled, and learned or fixed tensors as such"
            try:
                same = _outputs_equal(expected, _compute_outputs(make(), x))
            except Exception as error:
                yield Fault(f"{name} cannot be made or run: {format_exception_line(error)}", way)
            else:
                if not same:
                    yield Fault(f"{name} makes other maps", way)


def _save_and_load(model: UNet, subject: Subject) -> UNet:
    from unetgen.network.weights.checkpoint import save

    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder) / "net.safetensors")
        return load(Path(folder) / "net.safetensors", registry=subject.registry)


def tracing(subject: Subject) -> Faults:
    """torch.export and torch.compile take the network whole, and what they make of it is the same."""
    model = subject.usual.eval()
    for size in find_small_sizes(model)[:1]:
        x = make_image(model, size)
        expected = _compute_outputs(model, x)
        ways: dict[str, Callable[[Tensor], Any]] = {
            "torch.export": lambda image: torch.export.export(model, (image,), strict=False).module(),
            "torch.compile": lambda image: torch.compile(model, fullgraph=True, backend="eager"),
        }
        for name, make in ways.items():
            torch.compiler.reset()
            try:
                with _suppress_output():
                    close = _outputs_equal(expected, _compute_outputs(make(x), x), exactly=False)
            except Exception as error:
                way = "decide nothing by the values in a tensor, and call nothing that torch cannot trace"
                yield Fault(f"{name} fails: {_truncate(format_exception_line(error))}", way)
            else:
                if not close:
                    yield Fault(f"what {name} makes of it gives other maps", "keep no state that a pass changes")


@contextmanager
def _suppress_output() -> Iterator[None]:
    """Torch tells at length what is told here in a sentence."""
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


def _outputs_equal(ours: list[Tensor], theirs: list[Tensor], *, exactly: bool = True) -> bool:
    if len(ours) != len(theirs):
        return False
    same = torch.equal if exactly else lambda a, b: torch.allclose(a, b, atol=1e-5, rtol=1e-4)
    return all(a.shape == b.shape and same(a, b) for a, b in zip(ours, theirs, strict=True))
