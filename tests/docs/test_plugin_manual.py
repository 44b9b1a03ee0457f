"""The manual for plugin authors, followed literally: an empty folder, an environment of its own, the built wheel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from support.paths import ROOT

PAGE = ROOT / "docs" / "plugins.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# file: (\S+)\n")


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A fresh environment with the wheel; its dependencies, torch above all, are those of this one."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=True)
    packages = next(home.glob("lib/python*/site-packages"))
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(here))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("UNETGEN_", "PYTHON", "PIP_"))}
    own = {"PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "VIRTUAL_ENV": str(home)}
    # What a package needs to be built and run is there already.
    pip = {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    own["UNETGEN_DISABLE_PLUGINS"] = os.environ["UNETGEN_DISABLE_PLUGINS"]  # what lies beside the dependencies
    made = {**kept, **own, **pip, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    subprocess.run([home / "bin/pip", "install", "-q", str(wheel)], check=True, env=made, capture_output=True)
    return made


@pytest.mark.slow
def test_the_manual_does_what_it_says(
    environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for block in list(BLOCK.finditer(text)):
        kind, content = block[1], block[2]
        if named := FILE.match(content):
            (tmp_path / named[1]).write_text(content, encoding="utf-8")
        elif kind == "python":
            done = subprocess.run([program("python", environment), "-c", content], cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)  # fmt: skip
            assert done.returncode == 0, done.stderr
        elif kind == "console":
            now = answered(content, tmp_path, environment)
            if request.config.getoption("--update-golden"):
                text = text.replace(block[0], f"```console\n{now}```")
            else:
                assert content == now
    if request.config.getoption("--update-golden"):
        PAGE.write_text(text, encoding="utf-8")


def program(name: str, environment: dict[str, str]) -> str:
    return str(Path(environment["VIRTUAL_ENV"]) / "bin" / name)


def answered(block: str, folder: Path, environment: dict[str, str]) -> str:
    """The block with what its commands print now, warnings of pip about this machine left out."""
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            done = subprocess.run(  # noqa: S602  # the page's commands have pipes
                line[2:], shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            printed = (done.stdout + done.stderr).splitlines()
            kept = [text.rstrip() for text in printed if not (line.startswith("$ pip") and text.startswith("WARNING"))]
            lines += [line, *kept]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("file", ["my_blocks.py", "my_modules.py"])
def test_both_ways_take_less_than_twenty_lines(file: str) -> None:
    """The class of the part itself, as the manual writes it."""
    text = next(b[2] for b in BLOCK.finditer(PAGE.read_text(encoding="utf-8")) if b[2].startswith(f"# file: {file}\n"))
    part = text[text.index("(Block):") :].partition("@hookimpl")[0]
    assert len([line for line in part.splitlines() if line.strip()]) < 20
