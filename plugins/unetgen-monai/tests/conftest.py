"""Fixtures: the registry with this distribution's parts, whether it is installed or only lies here, and one thread."""

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
def _one_thread() -> Iterator[None]:
    """Networks this small wait longer for a second thread than they run."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
