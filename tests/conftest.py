"""Fixtures: the command line in this process, and golden files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("support")

from support.command_line import Outcome  # noqa: E402
from support.paths import GOLDEN, ROOT  # noqa: E402
from support.plugin_site import Site  # noqa: E402

# What the repository's own plugins add is tested in their folders; here unetgen is as it comes.
OURS = [folder.name for folder in (Path(__file__).parent.parent / "plugins").glob("unetgen-*")]
os.environ["UNETGEN_DISABLE_PLUGINS"] = ",".join(OURS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden with what is produced now")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs ``unetgen ARGUMENTS`` in this process, from the repository's root."""
    from unetgen.cli.main import main

    monkeypatch.chdir(ROOT)

    def command(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["unetgen", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Outcome(int(stopped.value.code or 0), captured.out, captured.err)

    return command


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small wait longer for a second thread, on a busy machine, than they run."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def own_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test finds its own plugins, and leaves none to the next."""
    from unetgen import plugins

    monkeypatch.delenv(plugins.STRICT_ENV_VAR, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    plugins.clear_cache()
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("acme", "bob", "unetgen_plugin_")):
            del sys.modules[name]
    plugins.clear_cache()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_plugins: None) -> Site:
    """An empty one."""
    made = Site(tmp_path / "site")
    monkeypatch.syspath_prepend(str(made.folder))
    return made


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with ``tests/golden/NAME``, or writes it there with --update-golden."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{name} has no golden file; run with --update-golden and read it"
        assert text == path.read_text(encoding="utf-8")

    return check
