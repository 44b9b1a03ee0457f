"""Measure two things in interleaved pairs, and summarise the ratios of the pairs.

A single pair is unreliable on a busy machine, and separate runs are not comparable. In each pair both are timed in
sequence, A B in one pair and B A in the next, so that drift and order cancel out of the median.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

_ALLOCATORS = ("tcmalloc", "jemalloc", "mimalloc")


@dataclass(frozen=True, slots=True)
class Ratios:
    """The ratios of A's measurement to B's, one per pair."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median ratio, which benchmarks report."""
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and upper quartile."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def to_cells(self, format_spec: str = ".3f") -> tuple[str, str, str, str]:
        """Format the median, quartiles, range and number of pairs as cells of a table."""
        low, high = self.quartiles
        quartile_cell = f"{low:{format_spec}} - {high:{format_spec}}"
        range_cell = f"{min(self.values):{format_spec}} - {max(self.values):{format_spec}}"
        return f"{self.median:{format_spec}}", quartile_cell, range_cell, str(len(self.values))


COLUMNS = ("median", "quartiles", "min - max", "pairs")


def time_ratios(a: Callable[[], object], b: Callable[[], object], pairs: int, warmups: int = 2) -> Ratios:
    """Measure the ratios of the times of two functions.

    Args:
        a: The numerator.
        b: The denominator.
        pairs: The number of pairs.
        warmups: The number of pairs before the first that counts.
    """
    return measure_ratios(lambda: _measure_seconds(a), lambda: _measure_seconds(b), pairs, warmups)


def measure_ratios(a: Callable[[], float], b: Callable[[], float], pairs: int, warmups: int = 0) -> Ratios:
    """Measure the ratios of the values that two functions return.

    Args:
        a: The numerator.
        b: The denominator.
        pairs: The number of pairs.
        warmups: The number of pairs before the first that counts.
    """
    ratios = []
    for index in range(-warmups, pairs):
        first, second = (a, b) if index % 2 == 0 else (b, a)
        values = first(), second()
        if index >= 0:
            ratios.append(values[0] / values[1] if index % 2 == 0 else values[1] / values[0])
    return Ratios(tuple(ratios))


def _measure_seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def describe_machine() -> str:
    """Describe what ratios depend on: the allocator, torch, threads and the processor."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [
        f"allocator: {describe_allocator()}",
        f"torch {version('torch')}",
        _describe_threads(),
        f"{cores} x {_processor_name()}",
    ]
    return "; ".join(fact for fact in facts if fact) + f"; Python {platform.python_version()}"


def describe_allocator() -> str:
    """Describe this process's allocator and its settings."""
    maps = Path("/proc/self/maps")
    loaded = maps.read_text() if maps.exists() else ""
    preloaded = next((name for name in _ALLOCATORS if name in loaded), None)
    default = f"{' '.join(platform.libc_ver()).strip() or 'system'} malloc"
    name = f"{preloaded} (LD_PRELOAD)" if preloaded else default
    settings = [f"{key}={value}" for key, value in os.environ.items() if key == "GLIBC_TUNABLES" or "MALLOC_" in key]
    return f"{name}, {' '.join(settings) or 'default settings'}"


def _describe_threads() -> str:
    torch = sys.modules.get("torch")
    return f"{torch.get_num_threads()} threads" if torch else ""


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return match[1] if match else platform.processor() or platform.machine()
