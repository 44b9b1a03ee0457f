"""Measuring: two things side by side in one run, pair after pair, and what the pairs' ratios say.

A single pair on a busy machine says little, and two runs minutes apart say nothing. In each pair both are timed one
after the other, A B in one pair and B A in the next, so that drift and order cancel out of the median.
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
    """A's measure by B's, pair by pair."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The claim, if there is one."""
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between them lies the middle half."""
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def to_cells(self, format_spec: str = ".3f") -> tuple[str, str, str, str]:
        """Median, quartiles, range and number of pairs, as cells of a table."""
        (low, high), first, last = self.quartiles, min(self.values), max(self.values)
        middle, whole = f"{low:{format_spec}} - {high:{format_spec}}", f"{first:{format_spec}} - {last:{format_spec}}"
        return f"{self.median:{format_spec}}", middle, whole, str(len(self.values))


COLUMNS = ("median", "quartiles", "min - max", "pairs")


def time_ratios(a: Callable[[], object], b: Callable[[], object], pairs: int, warmups: int = 2) -> Ratios:
    """The ratios of the times that a and b take."""
    return measure_ratios(lambda: _measure_seconds(a), lambda: _measure_seconds(b), pairs, warmups)


def measure_ratios(a: Callable[[], float], b: Callable[[], float], pairs: int, warmups: int = 0) -> Ratios:
    """The ratios of what a and b measure of themselves."""
    found = []
    for number in range(-warmups, pairs):
        first, second = (a, b) if number % 2 == 0 else (b, a)
        values = first(), second()
        if number >= 0:
            found.append(values[0] / values[1] if number % 2 == 0 else values[1] / values[0])
    return Ratios(tuple(found))


def _measure_seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def describe_machine() -> str:
    """What a ratio depends on: the allocator, torch, threads, the processor."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [
        f"allocator: {describe_allocator()}",
        f"torch {version('torch')}",
        _describe_threads(),
        f"{cores} x {_processor_name()}",
    ]
    return "; ".join(fact for fact in facts if fact) + f"; Python {platform.python_version()}"


def describe_allocator() -> str:
    """The malloc that this process runs on, and how it is set."""
    maps = Path("/proc/self/maps")
    loaded = maps.read_text() if maps.exists() else ""
    found = next((name for name in _ALLOCATORS if name in loaded), None)
    name = f"{found} (LD_PRELOAD)" if found else f"{' '.join(platform.libc_ver()).strip() or 'system'} malloc"
    settings = [f"{key}={value}" for key, value in os.environ.items() if key == "GLIBC_TUNABLES" or "MALLOC_" in key]
    return f"{name}, {' '.join(settings) or 'default settings'}"


def _describe_threads() -> str:
    torch = sys.modules.get("torch")
    return f"{torch.get_num_threads()} threads" if torch else ""


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
