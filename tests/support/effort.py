"""How many random examples the tests try, and from which seed.

The README's line tries few, from a seed that changes with every commit; the slow tier tries more. The seed is printed
in pytest's header. UNETGEN_TEST_SEED repeats a run, UNETGEN_TEST_EFFORT multiplies the number of examples.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import HealthCheck, settings

from support.paths import ROOT

EFFORT = float(os.environ.get("UNETGEN_TEST_EFFORT", "1"))


def _read_seed() -> int:
    """The seed of the environment, or else the first eight digits of the commit; 0 outside a repository."""
    text = os.environ.get("UNETGEN_TEST_SEED", "")
    if not text:
        git = ["git", "-C", str(ROOT), "rev-parse", "--short=8", "HEAD"]
        text = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()[:8]
    return int(text or "0", 16)


SEED = _read_seed()

# A failure prints what repeats it; nothing is kept between runs.
ROTATING = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
# For bounds that hold with high probability alone: the same examples in each run.
FIXED = settings(ROTATING, derandomize=True, print_blob=False)


def num_examples(count: int) -> int:
    """The number of examples to try where the README's line tries ``count``."""
    return max(1, round(count * EFFORT))


def pytest_configure(config: pytest.Config) -> None:
    import hypothesis.core

    os.environ["UNETGEN_TEST_SEED"] = f"{SEED:08x}"  # for the workers, which begin after this
    config.addinivalue_line("markers", "effort: tries random examples; repeated with more of them in the slow tier")
    config.addinivalue_line("markers", "slow: run by ./check --slow and in CI, not by the README's line")
    if hypothesis.core.global_force_seed is None:
        hypothesis.core.global_force_seed = SEED


def pytest_report_header() -> str:
    return f"random examples: UNETGEN_TEST_SEED={SEED:08x} repeats these; UNETGEN_TEST_EFFORT={EFFORT:g}"
