"""Measured durations: they order the tests, and a test over 20 s without the marker ``slow`` fails the run in CI.

``pytest -m "" --update-durations`` writes tests/durations.json, for the test files that ran.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from statistics import median
from typing import Any

import pytest

from support.paths import ROOT

FILE = ROOT / "tests" / "durations.json"
LIMIT_S = 20.0
TOLERANCE = 1.5
SHORTEST_S = 0.2  # what is shorter is not listed
DEFAULT_S = 0.02
HEAVY_MODULE_S = 3.0


def read_durations() -> dict[str, float]:
    """Seconds by node id."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def order_tests(items: list[Any], known: dict[str, float], num_workers: int) -> list[Any]:
    """Heaviest module first in each worker's share, and the heaviest test first in each module.

    Work stealing cuts the list into one part for each worker and moves tests from the end of a long queue to an idle
    worker. So that both end together, the heavy modules are dealt out whole (their imports are slow), and light tests
    fill up each part.
    """
    modules: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        modules[item.nodeid.partition("::")[0]].append(item)
    for group in modules.values():
        group.sort(key=lambda item: -known.get(item.nodeid, DEFAULT_S))
    seconds = {name: sum(known.get(item.nodeid, DEFAULT_S) for item in group) for name, group in modules.items()}
    names = sorted(modules, key=lambda name: (-seconds[name], name))
    light = [item for name in names if seconds[name] < HEAVY_MODULE_S for item in modules[name]]
    shares: list[list[Any]] = [[] for _ in range(num_workers)]
    loads = [0.0] * num_workers
    for name in names:
        if seconds[name] >= HEAVY_MODULE_S:
            lightest = loads.index(min(loads))
            shares[lightest] += modules[name]
            loads[lightest] += seconds[name]
    ordered: list[Any] = []
    for worker, share in enumerate(shares):
        # xdist gives each worker the next n // (workers that are left) tests.
        size = (len(items) - len(ordered)) // (num_workers - worker)
        room = max(size - len(share), 0) if worker < num_workers - 1 else len(light)
        ordered += share + light[:room]
        light = light[room:]
    return ordered


def find_too_slow(measured: dict[str, float], known: dict[str, float], slow: set[str]) -> dict[str, float]:
    """The tests that take over 20 s without the marker, on a machine as fast as the one that measured the file.

    A test may take half as long again before it is listed: two processes share the machine, and durations vary.
    """
    ratios = [seconds / known[name] for name, seconds in measured.items() if known.get(name, 0) >= 1]
    speed = max(1.0, median(ratios)) if ratios else 1.0
    return {
        name: seconds
        for name, seconds in measured.items()
        if seconds > LIMIT_S * TOLERANCE * speed and name not in slow
    }


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-durations", action="store_true", help="rewrite tests/durations.json; add -m ''")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = order_tests(items, read_durations(), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


_measured: dict[str, float] = defaultdict(float)
_slow: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _measured[report.nodeid] += report.duration
    if "slow" in report.keywords:
        _slow.add(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    known = read_durations()
    if session.config.getoption("--update-durations"):
        _write(known)
    elif os.environ.get("UNETGEN_CHECK_DURATIONS"):
        too_slow = find_too_slow(dict(_measured), known, _slow)
        for name, seconds in too_slow.items():
            print(f"\n{name} took {seconds:.0f} s; make it faster, or mark it slow")
        if too_slow and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _write(known: dict[str, float]) -> None:
    ran = {name.partition("::")[0] for name in _measured}
    kept = {name: value for name, value in known.items() if name.partition("::")[0] not in ran}
    kept = {name: value for name, value in kept.items() if (ROOT / name.partition("::")[0]).exists()}
    merged = kept | {name: round(value, 1) for name, value in _measured.items() if value >= SHORTEST_S}
    FILE.write_text(json.dumps(dict(sorted(merged.items())), indent=1) + "\n", encoding="utf-8")
