"""The page on plugin packages, followed in a fresh environment with the built wheel; and the length of the examples."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from support import pages


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a fresh environment with the wheel; its dependencies are those of this one."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=True)
    packages = next(home.glob("lib/python*/site-packages"))
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("UNETGEN_", "PYTHON", "PIP_"))}
    variables = {
        **kept,
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(home),
        "UNETGEN_DISABLE_PLUGINS": os.environ["UNETGEN_DISABLE_PLUGINS"],  # those beside the dependencies
        # The packages that building and running need are installed already.
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "120",
    }
    subprocess.run([home / "bin/pip", "install", "-q", str(wheel)], check=True, env=variables, capture_output=True)
    return variables


@pytest.mark.slow  # installs two distributions, and runs all conformance checks in processes
@pytest.mark.parametrize("page", pages.list_pages("environment"), ids=pages.get_page_name)
def test_pages_run_in_a_fresh_environment(
    page: Path, environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for earlier in pages.list_continued_pages(page):
        pages.write_files(pages.read_blocks(earlier), tmp_path)
    replacements = []
    for block in pages.read_blocks(page):
        if block.reason:
            continue
        if block.file:
            pages.write_files([block], tmp_path)
        elif block.language == "toml":  # an excerpt
            assert any(block.text in path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.toml"))
        else:
            now = pages.format_answer(block, [run(command, tmp_path, environment) for command in block.commands])
            replacements.append((block, now))
    if request.config.getoption("--update-golden"):
        pages.replace_blocks(page, replacements)
    else:
        assert [block.text for block, _ in replacements] == [now for _, now in replacements]


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Return what a command prints on both streams, without pip's warnings about this machine."""
    done = subprocess.run(  # noqa: S602  # the page's commands have pipes
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if not (command.startswith("pip") and line.startswith("WARNING")))


@pytest.mark.parametrize(
    ("page", "file"), [("tutorial/first-block.md", "my_blocks.py"), ("how-to/wrap-a-module.md", "my_modules.py")]
)
def test_first_parts_have_fewer_than_twenty_lines(page: str, file: str) -> None:
    """The class of the part itself, as the page writes it."""
    text = next(block.text for block in pages.read_blocks(pages.DOCS / page) if block.file == file)
    part = text[text.index("(Block):") :].partition("@hookimpl")[0]
    assert len([line for line in part.splitlines() if line.strip()]) < 20
