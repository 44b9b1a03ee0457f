"""Pages that run other frameworks: their Python and commands, in processes of their own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support import pages
from support.paths import ROOT

pytestmark = pytest.mark.slow  # each process imports MONAI, Lightning, Hydra or Optuna

HOW_TO = pages.DOCS / "how-to"


def write_page(name: str, folder: Path) -> tuple[list[str], list[str]]:
    """Write the files of a page; return its Python blocks and its commands."""
    blocks = [block for block in pages.read_blocks(HOW_TO / name) if not block.reason]
    pages.write_files(blocks, folder)
    python = [block.text for block in blocks if block.language == "python" and not block.file]
    return python, [command for block in blocks if block.language == "sh" for command in block.commands]


def run(*command: str, folder: Path) -> str:
    """Run Python with a stand-in for torchvision, which frameworks import and unetgen does not need."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support' / 'torchvision_site'}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        cwd=folder, capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_command(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    return run(*{"unetgen": ["-m", "unetgen"], "python": []}[program], *arguments, folder=folder)


def test_the_pages_are_these() -> None:
    names = {page.name for page in pages.list_pages("framework")}
    assert names == {"lightning.md", "monai.md", "other-experiment-tools.md"}


def test_a_bundle_of_monai_runs(tmp_path: Path) -> None:
    (python,), commands = write_page("monai.md", tmp_path)
    assert commands == []
    (tmp_path / "page.py").write_text(python, encoding="utf-8")
    run("page.py", folder=tmp_path)
    printed = run("-m", "monai.bundle", "run", "--config_file", "inference.yaml", folder=tmp_path)
    assert "(1, 2, 96, 128)" in printed


def test_lightning_fits_and_loads_again(tmp_path: Path) -> None:
    (python,), commands = write_page("lightning.md", tmp_path)
    assert commands == []
    (tmp_path / "page.py").write_text(python, encoding="utf-8")
    run("page.py", folder=tmp_path)
    assert (tmp_path / "net.safetensors").is_file()


def test_the_command_line_of_lightning_reads_the_page_s_config(tmp_path: Path) -> None:
    (python,), _ = write_page("lightning.md", tmp_path)
    data = (
        "\n\nclass Data(L.LightningDataModule):\n"
        "    def train_dataloader(self):\n"
        "        images = torch.randn(8, 1, 32, 32)\n"
        "        return DataLoader(TensorDataset(images, (images[:, 0] > 0).long()), batch_size=4)\n"
        "\n\nfrom lightning.pytorch.cli import LightningCLI\n"
        "made = LightningCLI(Segmentation, Data)\n"
        "print(made.model.hparams.lr, made.model.model.spec.widths)\n"
    )
    (tmp_path / "train.py").write_text(python.partition("\nspec = ")[0] + data, encoding="utf-8")
    options = {"--model.lr": "0.001", "--trainer.logger": "false", "--trainer.accelerator": "cpu"}
    arguments = ["fit", "-c", "segmentation.yaml", *(word for option in options.items() for word in option)]
    assert "0.001 (4, 8, 8)" in run("train.py", *arguments, folder=tmp_path)
    (tmp_path / "my.yaml").write_text("extends: unet_milesial\nwidths: [4, 4]\nin_channels: 1\ninput_size: null\n")
    (tmp_path / "config.yaml").unlink(missing_ok=True)
    assert "0.001 (4, 4)" in run("train.py", *arguments, "--model.spec", "my.yaml", folder=tmp_path)


@pytest.mark.parametrize("file", ["flat.py", "optuna_search.py"])
def test_programs_of_other_tools_run(file: str, tmp_path: Path) -> None:
    write_page("other-experiment-tools.md", tmp_path)
    run(file, folder=tmp_path)


def test_commands_of_other_tools_run(tmp_path: Path) -> None:
    python, commands = write_page("other-experiment-tools.md", tmp_path)
    assert python == []
    printed = {command: run_command(command, tmp_path) for command in commands}
    assert "fusion: add" in printed["unetgen show base.yaml --set skip.fusion=add --set block.norm=instance"]
    jobs = next(output for command, output in printed.items() if "--multirun" in command)
    rows = [line.split() for line in jobs.splitlines() if re.fullmatch(r"[0-9a-f]{8} \d+", line)]
    assert len(rows) == 4
    assert len({name for name, _ in rows}) == 2
    trials = printed["unetgen run norms.yaml --trial lightning_trial.py:fit --repeat 2"]
    assert trials.endswith("4 trials finished; results are in norms\n")
