"""Release practice: the bill of materials, the changelog's fragments, the workflows."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CATEGORIES = ("breaking", "deprecation", "change", "fix")


def test_the_bill_of_materials_is_up_to_date_and_valid() -> None:
    text = (ROOT / "release" / "unetgen.cdx.json").read_text(encoding="utf-8")
    assert text == runpy.run_path(str(ROOT / "release" / "sbom.py"))["render_sbom"](), "run python release/sbom.py"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_every_fragment_has_a_category() -> None:
    fragments = [path.name for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md"]
    pattern = rf"(\d+|\+[\w-]+)\.({'|'.join(CATEGORIES)})(\.\d+)?\.md"
    assert [name for name in fragments if not re.fullmatch(pattern, name)] == []
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    assert tuple(kind["directory"] for kind in settings["type"]) == CATEGORIES


def test_fragments_become_a_changelog(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2030-01-02"]
    draft = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "## 9.9.9, 2030-01-02" in draft
    for path in (ROOT / "changelog.d").glob("*.md"):
        if path.name != "README.md":
            assert path.read_text(encoding="utf-8").strip().splitlines()[0] in draft


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
    actions = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
    assert actions
    assert [action for action in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_only_the_publishing_job_can_get_a_token() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert "password" not in str(jobs)


def test_workflows_are_valid_and_safe() -> None:
    paths = [str(path) for path in WORKFLOWS]
    scripts = Path(sys.executable).parent
    schema = [str(scripts / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *paths]
    for command in (schema, [str(scripts / "zizmor"), "--offline", "--quiet", *paths]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
