"""Where people work: what docs/ says of other frameworks, run in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

FILE = re.compile(r"```yaml\n# file: (\S+)\n(.*?)```", re.DOTALL)


def files(page: str, folder: Path) -> list[Path]:
    """The files that a page shows, written down."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = []
    for name, content in FILE.findall(text):
        (folder / name).write_text(content, encoding="utf-8")
        found.append(folder / name)
    return found


def python(page: str) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return next(iter(re.findall(r"```python\n(.*?)```", text, re.DOTALL)))


def run(*command: str, folder: Path) -> str:
    ran = [sys.executable, "-W", "ignore", str(ROOT / "tests" / "support" / "torchvision_stub.py"), *command]
    done = subprocess.run(ran, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_bundle_of_monai_runs(tmp_path: Path) -> None:
    (config,) = files("monai.md", tmp_path)
    (tmp_path / "page.py").write_text(python("monai.md"), encoding="utf-8")
    run("page.py", folder=tmp_path)
    assert "(1, 2, 96, 128)" in run("-m", "monai.bundle", "run", "--config_file", str(config), folder=tmp_path)


def test_lightning_fits_and_loads_again(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(python("lightning.md"), encoding="utf-8")
    run("page.py", folder=tmp_path)
    assert (tmp_path / "net.safetensors").is_file()


@pytest.mark.slow
def test_lightnings_command_line_takes_the_pages_config(tmp_path: Path) -> None:
    files("lightning.md", tmp_path)
    module = python("lightning.md").partition("\nspec = ")[0]
    data = (
        "\n\nclass Data(L.LightningDataModule):\n"
        "    def train_dataloader(self):\n"
        "        images = torch.randn(8, 1, 32, 32)\n"
        "        return DataLoader(TensorDataset(images, (images[:, 0] > 0).long()), batch_size=4)\n"
        "\n\nfrom lightning.pytorch.cli import LightningCLI\n"
        "made = LightningCLI(Segmentation, Data)\n"
        "print(made.model.hparams.lr, made.model.model.spec.widths)\n"
    )
    (tmp_path / "train.py").write_text(module + data, encoding="utf-8")
    arguments = [
        "fit",
        "-c",
        "segmentation.yaml",
        "--model.lr",
        "0.001",
        "--trainer.logger",
        "false",
        "--trainer.accelerator",
        "cpu",
    ]
    assert "0.001 (4, 8, 8)" in run("train.py", *arguments, folder=tmp_path)
    (tmp_path / "my.yaml").write_text("extends: unet_milesial\nwidths: [4, 4]\nin_channels: 1\ninput_size: null\n")
    (tmp_path / "config.yaml").unlink(missing_ok=True)
    assert "0.001 (4, 4)" in run("train.py", *arguments, "--model.spec", "my.yaml", folder=tmp_path)
