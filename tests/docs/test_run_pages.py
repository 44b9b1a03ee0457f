"""docs/running.md and docs/recipes.md: their files are written down and their commands given, in their order."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.paths import ROOT
from support.textures import write_textures

FILE = re.compile(r"^```(?:python|yaml)\n# file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def written(page: str, folder: Path) -> list[str]:
    """Writes a page's files down, and gives its commands."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name, content in FILE.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
    return [line for block in COMMANDS.findall(text) for line in block.replace("\\\n", " ").splitlines()]


def given(command: str, folder: Path) -> str:
    """Gives a command as a person would, from the environment that runs the tests."""
    program, _, arguments = command.partition(" ")
    words = {"unetgen": ["-m", "unetgen"], "python": []}[program]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support' / 'torchvision_site'}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words, *shlex.split(arguments)], cwd=folder, capture_output=True, text=True,
        check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_sweep_becomes_a_table(tmp_path: Path) -> None:
    commands = written("running.md", tmp_path)
    assert len(commands) == 9
    write_textures(tmp_path / "data")
    (tmp_path / "sweep.yaml").write_text((tmp_path / "fusion.yaml").read_text())
    for command in commands:
        if command.startswith("sqlite3"):
            query = command.split('"')[1]
            with closing(sqlite3.connect(tmp_path / "fusion" / "results.sqlite")) as opened:
                assert len(opened.execute(query).fetchall()) == 3
            continue
        quick = command.replace("steps=2000", "steps=2").replace("patch=128", "patch=16")
        quick = quick.replace("--repeat 3", "--repeat 1").replace(
            "--repeat 5", "--repeat 2" if "--resume" in command else "--repeat 1"
        )
        said = given(quick.replace("--engine ray", "--engine ray --address local"), tmp_path)
        if command.startswith("unetgen run fusion.yaml --resume"):
            assert said.endswith("6 trials finished; results are in fusion\n")
    assert (tmp_path / "fusion.html").stat().st_size < 2_000_000
    assert given("python all.py", tmp_path).startswith("| variant | skip.fusion | params |")


@pytest.mark.parametrize("file", ["flat.py", "optuna_search.py"])
def test_recipes_run(file: str, tmp_path: Path) -> None:
    written("recipes.md", tmp_path)
    given(f"python {file}", tmp_path)


def test_commands_of_the_recipes(tmp_path: Path) -> None:
    commands = written("recipes.md", tmp_path)
    said = {command: given(command, tmp_path) for command in commands}
    shown = said["unetgen show base.yaml --set skip.fusion=add --set block.norm=instance"]
    assert "fusion: add" in shown
    jobs = next(output for command, output in said.items() if "--multirun" in command)
    made = [line.split() for line in jobs.splitlines() if re.fullmatch(r"[0-9a-f]{8} \d+", line)]
    assert len(made) == 4
    assert len({name for name, _ in made}) == 2
    trials = said["unetgen run norms.yaml --trial lightning_trial.py:fit --repeat 2"]
    assert trials.endswith("4 trials finished; results are in norms\n")
