"""Fixtures: the command line in this process, and golden files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

# What the repository's own plugins add is tested in their folders; here unetgen is as it comes.
OURS = [folder.name for folder in (Path(__file__).parent.parent / "plugins").glob("unetgen-*")]
os.environ["UNETGEN_DISABLE_PLUGINS"] = ",".join(OURS)

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden with what is produced now")


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


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


TWICE = '''\
"""A plugin as an author would write it."""

from __future__ import annotations

from typing import ClassVar

import unetgen
from unetgen.graph.kinds import Block


class Twice(Block):
    """Two convolutions and nothing else."""

    type: ClassVar[str] = "twice"

    kernel_size: int = 3

    def emit(self, g, x, channels):
        for number in (1, 2):
            x = g.conv(x, channels, self.kernel_size, name=f"conv{number}", padding="zeros")
        return x


@unetgen.hookimpl
def unetgen_parts():
    return [Twice]
'''


class Site:
    """A folder that Python takes for site-packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def install(self, name: str, source: str = TWICE, version: str = "1.2", entry: str | None = None) -> None:
        module = name.lower().replace("-", "_")
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[unetgen]\n{entry or f'{module} = {module}'}\n")
        (self.folder / f"{module}.py").write_text(source)


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
