"""The pytest plugin: the ``unetgen_check`` argument runs every check of every part that a plugin registers.

    # pyproject.toml
    [tool.pytest.ini_options]
    unetgen_plugin = "acme-unet"

    # tests/test_parts.py
    def test_parts(unetgen_check):
        unetgen_check()

pytest loads this module wherever unetgen is installed, so it imports unetgen only if a test uses the argument.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from unetgen.testing import Subject

_INI_OPTION = "unetgen_plugin"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option ``unetgen_plugin``, which selects the parts to check."""
    parser.addini(_INI_OPTION, "The distribution, file or module whose parts unetgen_check checks.", default="")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize tests that use ``unetgen_check`` with every check of every part."""
    if "unetgen_check" not in metafunc.fixturenames:
        return
    name = metafunc.config.getini(_INI_OPTION)
    if not name:
        fix = f'write {_INI_OPTION} = "acme-unet" under [tool.pytest.ini_options]'
        raise pytest.UsageError(f"unetgen_check: option {_INI_OPTION!r} is missing; {fix}")
    checks = _collect_checks(str(name))
    metafunc.parametrize("unetgen_check", list(checks.values()), ids=list(checks))


def _collect_checks(name: str) -> dict[str, Callable[[], None]]:
    from unetgen.testing import CHECKS
    from unetgen.testing.part_collection import collect_subjects

    _, subjects = collect_subjects(name)
    return {
        f"{subject.part.slot}-{subject.part.type}-{check}": partial(_fail_on_faults, subject, check)
        for subject in subjects
        for check in CHECKS
    }


def _fail_on_faults(subject: Subject, check: str) -> None:
    from unetgen.testing import faults

    __tracebackhide__ = True  # the messages are enough
    if check_faults := faults(subject, check):
        pytest.fail("\n".join(f"{subject.called}: {fault}" for fault in check_faults), pytrace=False)
