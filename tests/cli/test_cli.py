"""The command line: output, streams and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import unetgen
from support.command_line import RunCli
from support.paths import ROOT

BAD = "tests/data/mistakes.yaml"


def run_process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "unetgen", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False)


# build


def test_build_without_a_spec_builds_the_paper(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    outcome = run_cli("build")
    assert (outcome.code, outcome.err) == (0, "")
    check_golden("build.txt", outcome.out)


def test_build_shows_another_size(run_cli: RunCli) -> None:
    outcome = run_cli("build", "specs/unet_paper.yaml", "--input-size", "188")
    assert outcome.code == 0
    assert "1 x 188 x 188 -> 2 x 4 x 4" in outcome.out


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ("512x512", "nearest that fit: 508 (output 324), 524 (output 340)"),
        ("140x140", "the smallest that fits is 188 (output 4)"),
    ],
)
def test_build_refuses_sizes_that_do_not_fit(run_cli: RunCli, size: str, sentence: str) -> None:
    outcome = run_cli("build", "unet_paper", "--input-size", size)
    assert (outcome.code, outcome.out) == (1, "")
    assert all(line.endswith(sentence) for line in outcome.err.splitlines())
    assert "Traceback" not in outcome.err


def test_build_writes_weights(run_cli: RunCli, tmp_path: Path) -> None:
    target = tmp_path / "net.safetensors"
    outcome = run_cli(
        "build", "unet_1d", "--set", "widths=[2,4]", "--set", "input_size=[64]", "--seed", "3", "--out", str(target)
    )
    assert outcome.code == 0
    assert f"{target}, seed 3" in outcome.out
    again = unetgen.build("unet_1d", widths=[2, 4], input_size=[64], seed=3).eval()
    loaded = unetgen.load(target)
    assert all((a == b).all() for a, b in zip(again.state_dict().values(), loaded.state_dict().values(), strict=True))


# validate


def test_validate_reports_all_problems_of_many_files(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    outcome = run_cli("validate", "specs/unet_paper.yaml", BAD, "nowhere.yaml")
    assert outcome.code == 1
    check_golden("validate.txt", outcome.out)


def test_validate_as_json_is_clean(run_cli: RunCli) -> None:
    outcome = run_cli("validate", "unet_paper", BAD, "--format", "json")
    assert (outcome.code, outcome.err) == (1, "")
    good, bad = json.loads(outcome.out)
    assert good == {"spec": "unet_paper", "valid": True, "problems": []}
    assert bad["problems"][0] == {
        "file": BAD, "line": 4, "column": 1, "code": "unknown_key", "path": "wdiths",
        "message": "unknown key", "hint": "did you mean 'widths'?",
    }  # fmt: skip


def test_notices_go_to_stderr(run_cli: RunCli, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("extends: unet_1d\nwidths: [4, 8]\n")
    text = path.read_text()
    outcome = run_cli("validate", str(path))
    assert (outcome.code, outcome.err) == (0, "")
    path.write_text(text.replace("extends: unet_1d\n", "in_channels: 1\nout_channels: 1\n"))
    outcome = run_cli("validate", str(path))
    assert outcome.err == f"note: {path}: schema_version is missing; read as version 1\n"


def test_an_error_of_a_sweep_is_the_only_json(run_cli: RunCli, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("{base: {extends: unet_milesial, widths: [2, 4]}, axes: {skip.fusion: [add]}}")
    assert len(json.loads(run_cli("sweep", str(sweep), "--format", "json").out)["variants"]) == 1
    outcome = run_cli("sweep", str(sweep), "--out", str(tmp_path), "--format", "json")
    assert (outcome.code, json.loads(outcome.out)["problems"][0]["code"]) == (1, "directory")


# show, inspect, specs, plugins, schema, new


def test_show_prints_a_spec_that_resolves_to_itself(run_cli: RunCli, tmp_path: Path) -> None:
    first = run_cli("show", "unet_tutorial").out
    path = tmp_path / "resolved.yaml"
    path.write_text(first)
    assert run_cli("show", str(path)).out == first
    assert json.loads(run_cli("show", "unet_tutorial", "--format", "json").out)["name"] == "unet_tutorial"


def test_show_provenance(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    check_golden("provenance.txt", run_cli("show", "unet_tutorial", "--provenance").out)
    rows = json.loads(run_cli("show", "unet_tutorial", "--provenance", "--format", "json").out)
    assert {"path": "block.padding", "value": "valid", "origin": "unet_tutorial.yaml:14:18"} in rows


def test_inspect_tables(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    check_golden("inspect.txt", run_cli("inspect").out)
    check_golden("inspect_nodes.txt", run_cli("inspect", "unet_1d", "--nodes").out)


def test_inspect_uses_a_small_fitting_size_by_default(run_cli: RunCli) -> None:
    sentence = "(assumed size; the spec has no input_size)"
    named = run_cli("inspect", "unet_paper", "--set", "input_size=null", "--input-size", "188").out
    assert "1 x 188 x 188 -> 2 x 4 x 4" in named
    assert sentence not in named
    assert f"1 x 64 -> 5 x 64 {sentence}" in run_cli("inspect", "unet_1d", "--set", "input_size=null").out


def test_inspect_as_json(run_cli: RunCli) -> None:
    record = json.loads(run_cli("inspect", "specs/unet_paper.yaml", "--format", "json").out)
    assert record["params"]["total"] == 31_030_658
    assert (record["macs"], record["flops"]) == (150_428_424_448, 300_856_848_896)
    assert (record["input"], record["output"]) == ([1, 572, 572], [2, 388, 388])
    assert sum(row["params"] for row in record["levels"]) == record["params"]["total"]


def test_specs_lists_all_shipped_specs(run_cli: RunCli, check_golden: Callable[[str, str], None]) -> None:
    check_golden("specs.txt", run_cli("specs").out)
    rows = json.loads(run_cli("specs", "--format", "json").out)
    assert sorted(row["name"] for row in rows) == sorted(unetgen.specs())


def test_plugins_lists_every_part(run_cli: RunCli) -> None:
    rows = json.loads(run_cli("plugins", "--format", "json").out)["parts"]
    assert {"slot": "block", "name": "residual"}.items() <= next(r for r in rows if r["name"] == "residual").items()
    assert all(row["description"] for row in rows)
    assert "residual" in run_cli("plugins").out


def test_schema_knows_every_part_and_key(run_cli: RunCli, tmp_path: Path) -> None:
    schema = json.loads(run_cli("schema").out)
    blocks = unetgen.load_registry().list_names("block")
    assert schema["$defs"]["block_overlay"]["anyOf"][0]["enum"] == blocks
    assert set(schema["properties"]) >= {"extends", "levels", "$schema"}
    target = tmp_path / "schema.json"
    assert run_cli("schema", "-o", str(target)).out == ""
    assert json.loads(target.read_text()) == schema


def test_new_writes_a_spec_that_builds(run_cli: RunCli, tmp_path: Path) -> None:
    target = tmp_path / "my.yaml"
    assert run_cli("new", str(target)).out == f"{target}: written; next: unetgen build {target}\n"
    assert run_cli("validate", str(target)).code == 0
    assert target.read_text() == run_cli("new").out
    again = run_cli("new", str(target))
    assert again.code == 2
    assert f"Error: {target} already exists; use --force to overwrite it" in again.err
    assert run_cli("new", str(target), "--force").code == 0


# codes and errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("bild",), ("build", "--input-size", "big"), ("build", "--input-size", "1x2x3"), ("validate",), ("build", "--colour"),
        ("build", "--input-size", "0"),
    ],
)  # fmt: skip
def test_wrong_usage_is_2(run_cli: RunCli, arguments: tuple[str, ...]) -> None:
    outcome = run_cli(*arguments)
    assert outcome.code == 2
    assert "Error: " in outcome.err


def test_an_internal_error_is_4_and_one_line(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("not expected")

    monkeypatch.setattr("unetgen.cli.show.load_spec", broken)
    outcome = run_cli("show")
    assert outcome.code == 4
    assert outcome.err == (
        "unetgen: internal error: RuntimeError: not expected; report it with the output of --traceback\n"
    )
    assert "Traceback" in run_cli("--traceback", "show").err


def test_traceback_is_shown_only_on_request(run_cli: RunCli) -> None:
    assert "Traceback" not in run_cli("build", BAD).err
    assert "Traceback" in run_cli("--traceback", "build", BAD).err


@pytest.mark.parametrize(
    "command", ["build", "validate", "show", "inspect", "import-weights", "specs", "plugins", "schema", "new"]
)
def test_every_command_has_help_with_examples(run_cli: RunCli, command: str) -> None:
    outcome = run_cli(command, "--help")
    assert outcome.code == 0
    assert f"unetgen {command}" in outcome.out.partition("Examples:")[2]


def test_version(run_cli: RunCli) -> None:
    assert run_cli("--version").out.startswith("unetgen ")


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("validate", "unet_paper"), ("schema",), ("plugins",), ("show",), ("inspect",), ("specs",), ("new",)],
)  # fmt: skip
def test_torch_is_not_imported_without_need(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom unetgen.cli.main import main\n"
        f"sys.argv = ['unetgen', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code, stop.code\n"
        "assert not {'torch', 'numpy', 'torchinfo'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_help_imports_no_validation_either() -> None:
    code = "import sys; sys.argv = ['unetgen', '--help']\nfrom unetgen.cli.main import main\ntry: main()\nexcept SystemExit: pass\nassert 'pydantic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_no_colour_without_a_terminal() -> None:
    assert "\x1b" not in run_process("inspect", FORCE_COLOR="").stdout


def test_a_closed_pipe_is_not_an_error() -> None:
    command = f"{sys.executable} -m unetgen schema | head -c 10"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""


def test_completion_offers_the_commands() -> None:
    done = run_process(_UNETGEN_COMPLETE="bash_complete", COMP_WORDS="unetgen v", COMP_CWORD="1")
    assert "validate" in done.stdout


@pytest.mark.parametrize(
    "text",
    [
        'name: !!python/object/apply:os.system ["touch pwned"]\n',
        "block: {activation: \"__import__('os').system('touch pwned')\"}\n",
        "block: {type: os.system}\n",
    ],
)
def test_a_spec_is_data(run_cli: RunCli, tmp_path: Path, text: str) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("schema_version: 1\nin_channels: 1\nout_channels: 1\nwidths: [1, 2]\n" + text)
    outcome = run_cli("build", str(path))
    assert outcome.code == 1
    assert not list(tmp_path.glob("pwned"))
    assert not (ROOT / "pwned").exists()
