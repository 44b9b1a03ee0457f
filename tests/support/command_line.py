"""``unetgen ARGUMENTS`` in the test's own process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest


class CliResult(NamedTuple):
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str


RunCli = Callable[..., CliResult]


def call_main(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CliResult:
    """Run the command line in this process, in the current directory."""
    from unetgen.cli.main import main

    monkeypatch.setattr(sys, "argv", ["unetgen", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    return CliResult(int(stopped.value.code or 0), captured.out, captured.err)
