"""For pytest: the ``unetgen_check`` argument, which is each check of each part that a distribution registers.

    # pyproject.toml
    [tool.pytest.ini_options]
    unetgen_plugin = "acme-unet"

    # tests/parts/test_parts.py
    def test_parts_keep_their_word(unetgen_check):
        unetgen_check()

pytest loads this file wherever unetgen is installed, so it imports nothing until a test asks for it.
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
    """Adds the ini option that says whose parts are tried."""
    parser.addini(_INI_OPTION, "The distribution, file or module whose parts unetgen_check tries.", default="")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Gives a test with the ``unetgen_check`` argument every check of every part."""
    if "unetgen_check" not in metafunc.fixturenames:
        return
    name = metafunc.config.getini(_INI_OPTION)
    if not name:
        way = f'write {_INI_OPTION} = "acme-unet" under [tool.pytest.ini_options]'
        raise pytest.UsageError(f"unetgen_check: nothing says whose parts are to be tried; {way}")
    checks = _collect_checks(str(name))
    metafunc.parametrize("unetgen_check", list(checks.values()), ids=list(checks))


def _collect_checks(name: str) -> dict[str, Callable[[], None]]:
    from unetgen.testing import CHECKS
    from unetgen.testing.part_collection import collect_subjects

    _, subjects = collect_subjects(name)
    return {
        f"{s.part.slot}-{s.part.type}-{check}": partial(_fail_on_faults, s, check) for s in subjects for check in CHECKS
    }


def _fail_on_faults(subject: Subject, check: str) -> None:
    from unetgen.testing import faults

    __tracebackhide__ = True  # the sentence says it all
    if found := faults(subject, check):
        pytest.fail("\n".join(f"{subject.called}: {fault}" for fault in found), pytrace=False)
