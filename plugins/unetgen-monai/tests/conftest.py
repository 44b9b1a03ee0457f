"""Provide the registry with this plugin, even if it is not installed, and run torch with one thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import unetgen
from unetgen.config.registry.registry import Registry

PLUGIN = "unetgen_monai.plugin"


@pytest.fixture(scope="session")
def registry() -> Registry:
    return unetgen.load_registry([PLUGIN])


@pytest.fixture(scope="session", autouse=True)
def _single_torch_thread() -> Iterator[None]:
    """Small networks run faster with one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Compilers take seconds for each part: conformance to tracing is for the slow tier."""
    for item in items:
        if item.name.endswith("-tracing]"):
            item.add_marker(pytest.mark.slow)
