"""The wheel: it carries what it needs, asks for what it must, and works away from the repository."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from support.paths import ROOT


def test_wheel_carries_specs_types_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in [*(ROOT / "specs").rglob("*.yaml")]:
        assert f"unetgen/specs/{path.relative_to(ROOT / 'specs')}" in names
    assert {"unetgen/py.typed", "unetgen/cli/starter.yaml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_torch_has_a_lower_bound_and_is_never_replaced(wheel: Path) -> None:
    """Demand A74: a torch that is there, a CPU one too, satisfies what the wheel asks for."""
    archive = zipfile.ZipFile(wheel)
    text = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    needs = email.message_from_string(text).get_all("Requires-Dist") or []
    torch = [need for need in needs if need.startswith("torch") and not need.startswith("torchinfo")]
    assert torch == ["torch>=2.6"]
    assert not [need for need in needs if "==" in need.partition(";")[0]]


def test_core_dependencies_are_few() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [need.partition(">=")[0] for need in project["dependencies"]]
    assert names == ["torch", "pydantic", "PyYAML", "safetensors", "torchinfo", "numpy", "pluggy", "click", "rich"]


def test_wheel_works_outside_the_repository_and_offline(wheel: Path, tmp_path: Path) -> None:
    """Unpacked into a folder of its own, with only the dependencies beside it."""
    home = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(home)
    code = (
        "import sys, unetgen; assert unetgen.__file__.startswith(sys.argv[1]), unetgen.__file__\n"
        "sys.argv = ['unetgen', 'build', 'unet_paper']\n"
        "from unetgen.cli.main import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(home), "HTTPS_PROXY": "http://127.0.0.1:9", "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", code, str(home)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "31,030,658" in done.stdout


def test_constraints_and_readme_name_one_torch() -> None:
    assert (ROOT / "constraints.txt").read_text(encoding="utf-8").strip() == "torch==2.13.0"
    for file in ("README.md", "install-dev"):
        assert "-c constraints.txt" in (ROOT / file).read_text(encoding="utf-8")


def test_version_is_in_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
