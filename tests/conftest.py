"""Fixtures: the command line in this process, and golden files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("support")

from support import durations, effort  # noqa: E402
from support.command_line import CliResult, RunCli, call_main  # noqa: E402
from support.paths import GOLDEN, ROOT  # noqa: E402
from support.plugin_site import PluginSite  # noqa: E402

# What the repository's own plugins add is tested in their folders; here unetgen is as it comes.
REPOSITORY_PLUGINS = [folder.name for folder in (Path(__file__).parent.parent / "plugins").glob("unetgen-*")]
os.environ["UNETGEN_DISABLE_PLUGINS"] = ",".join(REPOSITORY_PLUGINS)


pytest_configure = effort.pytest_configure
pytest_report_header = effort.pytest_report_header
pytest_collection_modifyitems = durations.pytest_collection_modifyitems
pytest_runtest_logreport = durations.pytest_runtest_logreport
pytest_sessionfinish = durations.pytest_sessionfinish


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden with what is produced now")
    durations.pytest_addoption(parser)


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCli:
    """Run ``unetgen ARGUMENTS`` in this process, from the repository's root."""
    monkeypatch.chdir(ROOT)

    def run(*arguments: str) -> CliResult:
        return call_main(list(arguments), monkeypatch, capsys)

    return run


@pytest.fixture(scope="module")
def single_torch_thread() -> Iterator[None]:
    """Networks this small wait longer for a second thread, on a busy machine, than they run."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def isolated_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
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
def plugin_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_plugins: None) -> PluginSite:
    """An empty one."""
    made = PluginSite(tmp_path / "site")
    monkeypatch.syspath_prepend(str(made.folder))
    return made


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this repository, built once in a session, whichever worker asks first."""
    from filelock import FileLock

    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with FileLock(folder / "wheel.lock"):
        if not list((folder / "wheel").glob("*.whl")):
            build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "wheel")]
            done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return next((folder / "wheel").glob("*.whl"))


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with ``tests/golden/NAME``, or writes it there with --update-golden."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{name} has no golden file; run with --update-golden and read it"
        assert text == path.read_text(encoding="utf-8")

    return check
