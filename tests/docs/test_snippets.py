"""Every code block of the documentation is executed, or has a reason not to be."""

from __future__ import annotations

import contextlib
import json
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import unetgen
from support import pages
from support.command_line import CliResult, RunCli, call_main
from support.pages import Block
from support.paths import ROOT
from support.textures import write_textures

# Every block that is shown only, by page.
NOT_EXECUTED: dict[str, list[str]] = {
    "README.md": [
        "sets up an environment",
        ".ci/run executes it",
        "needs the trial function of docs/tutorial/first-ablation.md",
    ],
    "docs/how-to/nnunet.md": ["needs a network that nnU-Net trained", "tests/nnunet trains in nnU-Net"],
    "docs/how-to/predict-large-images.md": ["needs a trained network and its images"],
    "docs/how-to/train-without-code.md": ["needs the images of the ISBI 2012 challenge"],
}

# Pages that the README's line does not run, since they take long.
SLOW = {"docs/how-to/export.md", "docs/how-to/run-on-ray.md"}  # onnxruntime, Ray

# Smaller numbers for trainings, by page.
SUBSTITUTIONS = {
    "docs/how-to/run-on-ray.md": {"--engine ray": "--engine ray --address local", "--repeat 5": "--repeat 1"},
    "docs/how-to/run-trials.md": {"--repeat 3": "--repeat 1", "--repeat 5": "--repeat 2"},
    "docs/how-to/train-without-code.md": {"steps=2000": "steps=2", "patch=128": "patch=16", "--repeat 3": "--repeat 1", "--repeat 5": "--repeat 1"},
}  # fmt: skip


def list_params(runner: str) -> list[pytest.param]:
    return [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for page, name in ((page, pages.get_page_name(page)) for page in pages.list_pages(runner))
    ]


def list_isolated(language: str) -> list[pytest.param]:
    return [
        pytest.param(block, id=block.name)
        for page in pages.list_pages("isolated")
        for block in pages.read_blocks(page)
        if block.language == language and pages.is_executed(block)
    ]


def test_every_block_has_a_runner() -> None:
    """A block is in a language that its page's runner executes, or the reason is listed here."""
    blocks = [block for page in pages.PAGES for block in pages.read_blocks(page)]
    unclaimed = [
        block.name
        for block in blocks
        if pages.is_executed(block) and block.language not in pages.CLAIMED[pages.get_runner(block.page)]
    ]
    assert unclaimed == [], "write <!-- not executed: REASON --> above"
    assert [block.name for block in blocks if block.language not in {*pages.LANGUAGES, "text"}] == []
    reasons: dict[str, list[str]] = {}
    for block in blocks:
        if block.reason:
            reasons.setdefault(pages.get_page_name(block.page), []).append(block.reason)
    assert reasons == NOT_EXECUTED


def test_fences_are_parsed() -> None:
    """No fence escapes the pattern, for example by indentation."""
    for page in pages.PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(pages.read_blocks(page)), page


# Isolated


@pytest.mark.parametrize("block", list_isolated("console"))
def test_commands_print_the_output_shown(block: Block, run_cli: RunCli, request: pytest.FixtureRequest) -> None:
    outputs = []
    for command in block.commands:
        program, *arguments = shlex.split(command)
        assert program == "unetgen"
        outcome = run_cli(*arguments)
        outputs.append(outcome.out + outcome.err)
    check_answer(block, outputs, request)


@pytest.mark.parametrize("block", list_isolated("python"))
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_python(block)


@pytest.mark.parametrize("block", list_isolated("yaml"))
def test_yaml_is_a_spec(block: Block, tmp_path: Path) -> None:
    check_yaml(block, tmp_path)


def check_yaml(block: Block, folder: Path) -> None:
    """A file is a spec or a sweep; a fragment overrides the paper's spec."""
    text = block.text
    if "axes:" in text:
        (folder / "sweep.yaml").write_text(text, encoding="utf-8")
        assert list(unetgen.sweep(folder / "sweep.yaml"))
    else:
        is_complete = "in_channels" in text or "extends" in text
        unetgen.graph_of(text if is_complete else f"extends: unet_paper\ninput_size: null\n{text}")


def run_python(block: Block) -> None:
    exec(compile(block.text, block.name, "exec"), {"__name__": "__main__"})  # noqa: S102  # the page's own code


def check_answer(block: Block, outputs: list[str], request: pytest.FixtureRequest) -> None:
    now = pages.format_answer(block, outputs)
    if request.config.getoption("--update-golden"):
        pages.replace_blocks(block.page, [(block, now)])
    else:
        assert block.text == now


# Sessions


@pytest.mark.parametrize("page", list_params("session"))
def test_pages_run_from_start_to_end(
    page: Path, session_folder: Path, run_here: RunCli, request: pytest.FixtureRequest
) -> None:
    for earlier in pages.list_continued_pages(page):
        pages.write_files(pages.read_blocks(earlier), session_folder)
    name = pages.get_page_name(page)
    if prepare := PREPARATIONS.get(name):
        prepare(session_folder)
    session = Session(session_folder, run_here, SUBSTITUTIONS.get(name, {}))
    for block in pages.read_blocks(page):
        if block.reason:
            continue
        if block.file:
            pages.write_files([block], session_folder)
        elif block.language == "console":
            check_answer(block, [session.run(command, must_succeed=False) for command in block.commands], request)
        else:
            session.execute(block)
    session.use_remaining_files(pages.read_blocks(page))


class Session:
    """The folder and the process in which the blocks of a page are executed."""

    def __init__(self, folder: Path, run_cli: RunCli, substitutions: dict[str, str]) -> None:
        self.folder, self.run_cli, self.substitutions = folder, run_cli, substitutions
        self.executed = ""  # commands and Python so far
        self.stdout = ""  # of the last command without a shown output

    def execute(self, block: Block) -> None:
        self.executed += block.text
        if block.language == "sh":
            for command in block.commands:
                self.run(command)
        elif block.language == "python":
            run_python(block)
        elif block.language == "yaml":
            check_yaml(block, self.folder)
        elif block.language == "toml":
            assert any(block.text in path.read_text(encoding="utf-8") for path in self.folder.rglob("*.toml"))
        elif self.stdout.startswith("variant") and not self.substitutions:
            check_same_table(block.text, self.stdout)
            self.stdout = ""

    def run(self, command: str, *, must_succeed: bool = True) -> str:
        """Run a command; return what it prints on both streams."""
        self.executed += command
        for shown, substitute in self.substitutions.items():
            command = command.replace(shown, substitute)
        program, *arguments = shlex.split(command)
        if program == "unetgen":
            if "--engine" in arguments:  # Ray starts processes of its own
                return self.run_process([sys.executable, "-W", "ignore", "-m", "unetgen", *arguments])
            if arguments[0] == "run":
                arguments += [*([] if "--workers" in arguments else ["--workers", "0"]), "--cpus", "1"]
            outcome = self.run_cli(*arguments)
            assert outcome.code == 0 or not must_succeed, outcome.err
            self.stdout = outcome.out
            return outcome.out + outcome.err
        if program == "sqlite3":
            with contextlib.closing(sqlite3.connect(arguments[0])) as opened:
                self.stdout = "\n".join(map(str, opened.execute(arguments[1]).fetchall()))
                return self.stdout
        assert program in PROGRAMS, program
        return self.run_process([PROGRAMS[program], *arguments])

    def run_process(self, command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self.stdout = done.stdout
        return done.stdout

    def use_remaining_files(self, blocks: list[Block]) -> None:
        """Use files that no command and no Python of the page uses: load specs and sweeps, run programs."""
        for block in blocks:
            if block.file and not block.reason and Path(block.file).stem not in self.executed:
                if block.language == "yaml":
                    check_yaml(block, self.folder)
                elif "__main__" in block.text:
                    self.run(f"python {block.file}")


PROGRAMS = {"python": sys.executable, "cat": "cat", "ls": "ls"}


def prepare_nnunet(folder: Path) -> None:
    """Write the files that nnU-Net would have: plans, a data set and a checkpoint."""
    import torch

    get_network = pytest.importorskip(
        "nnunetv2.utilities.get_network_from_plans", reason="the extra 'parity' is not installed"
    ).get_network_from_plans
    name = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
    arguments = {
        "n_stages": 3, "features_per_stage": [8, 16, 16], "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 3]] * 3, "strides": [[1, 1], [2, 2], [2, 2]], "n_conv_per_stage": [2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2], "conv_bias": True, "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
    }  # fmt: skip
    imports = ["conv_op", "norm_op", "dropout_op", "nonlin"]
    architecture = {"network_class_name": name, "arch_kwargs": arguments, "_kw_requires_import": imports}
    configuration = {"patch_size": [32, 32], "architecture": architecture}
    plans = {"plans_name": "nnUNetPlans", "dataset_name": "Dataset007_Discs", "configurations": {"2d": configuration}}
    (folder / "nnUNetPlans.json").write_text(json.dumps(plans))
    labels = {"background": 0, "disc": 1}
    (folder / "dataset.json").write_text(json.dumps({"channel_names": {"0": "noNorm"}, "labels": labels}))
    network = get_network(name, arguments, imports, 1, 2, deep_supervision=True)
    torch.save({"network_weights": network.state_dict()}, folder / "checkpoint_final.pth")
    (folder / "my_variant.yaml").write_text("extends: unet_milesial\nwidths: [8, 16]\ninput_size: null\n")


# What a page needs to find in its folder.
PREPARATIONS: dict[str, Callable[[Path], None]] = {
    "docs/how-to/nnunet.md": prepare_nnunet,
    "docs/how-to/train-without-code.md": lambda folder: write_textures(folder / "data"),
}


@pytest.fixture
def session_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated_plugins: None, single_torch_thread: None
) -> Iterator[Path]:
    """An empty folder but for the shipped specs; modules that a page writes are forgotten after it."""
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunCli:
    """Run ``unetgen ARGUMENTS`` in this process, from the page's folder."""

    def run(*arguments: str) -> CliResult:
        capsys.readouterr()
        return call_main(list(arguments), monkeypatch, capsys)

    return run


def check_same_table(shown: str, printed: str) -> None:
    """Compare the headings, the first column and the last line: the numbers of trainings differ between machines."""
    rows, expected = ([line.split() for line in text.splitlines()] for text in (printed, shown))
    assert rows[0] == expected[0]
    assert [row[:1] for row in rows] == [row[:1] for row in expected]
    assert rows[-1] == expected[-1]
