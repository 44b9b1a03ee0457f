"""Provide the registry with these blocks, specs that use them, and timm if it is installed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import unetgen
from unetgen.config.registry.registry import Registry
from unetgen.network.unet import UNet

SIZES = {1: (24,), 2: (16, 24), 3: (8, 8, 16)}


class Case(NamedTuple):
    """A block, and whether it fixes its network to one size."""

    block: dict[str, Any]
    has_fixed_size: bool = False


CASES = {
    "swin": Case({"type": "swin", "window": 4}),
    "swin padded": Case({"type": "swin", "window": 3, "fit": "pad"}),
    "vit": Case({"type": "vit", "layers": 2}, has_fixed_size=True),
    "vit sincos": Case({"type": "vit", "layers": 2, "position": "sincos"}),
    "state space": Case({"type": "state_space", "state": 4}),
    "state space along axes": Case({"type": "state_space", "state": 4, "directions": "axes"}),
}
CASE_DIMS = [(name, dims) for name in CASES for dims in (1, 2, 3) if (name, dims) != ("state space along axes", 1)]


def spec(block: dict[str, Any], dims: int = 2, **more: Any) -> dict[str, Any]:
    """Return a spec with one level above the block, whose input has half its channels."""
    return {
        "schema_version": 1, "dims": dims, "in_channels": 1, "out_channels": 2, "widths": [8, 16],
        "input_size": [*SIZES[dims]], "block": {"padding": "zeros"}, "skip": {"align": "strict"},
        "bottleneck": {"block": block}, **more,
    }  # fmt: skip


def image(dims: int, size: tuple[int, ...] | None = None, batch: int = 2) -> Tensor:
    return torch.randn(batch, 1, *(size or SIZES[dims]), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="session")
def registry() -> Registry:
    return unetgen.load_registry(["unetgen_swin.plugin"])


@pytest.fixture(scope="session")
def networks(registry: Registry) -> dict[tuple[str, int], UNet]:
    """A network of each case; tests must not change it."""
    return {
        (name, dims): unetgen.build(spec(CASES[name].block, dims), registry=registry, seed=1).eval()
        for name, dims in CASE_DIMS
    }


@pytest.fixture(scope="session", autouse=True)
def _single_torch_thread() -> Iterator[None]:
    """Small networks run faster with one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def timm_swin() -> Iterator[ModuleType]:
    """timm's Swin layers; timm imports torchvision, whose CUDA build needs operators that a CPU torch lacks."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import_module("torchvision")
        except RuntimeError:
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except ImportError:
            pytest.skip("the extra 'parity' is not installed")
        yield pytest.importorskip("timm.models.swin_transformer", reason="the extra 'parity' is not installed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compilers take seconds for each part: conformance to tracing is for the slow tier."""
    for item in items:
        if item.name.endswith("-tracing]"):
            item.add_marker(pytest.mark.slow)
