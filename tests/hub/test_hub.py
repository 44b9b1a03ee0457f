"""The Hugging Face Hub: folders that are uploaded and loaded, and their model cards."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from markdown_it import MarkdownIt

import unetgen
from support.paths import ROOT
from unetgen.config.spec_sources import list_shipped_specs

NARROW = {"widths": [4, 8, 8], "input_size": (188, 188)}


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    # huggingface_hub reads its environment variable at import, which another test may have caused already.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return unetgen.build("unet_paper", seed=0, **NARROW).eval()


def test_a_folder_gives_the_same_network_in_another_process(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "net")
    names = sorted(path.name for path in (tmp_path / "net").iterdir())
    assert names == ["README.md", "figure.svg", "model.safetensors", "spec.yaml"]
    x = torch.randn(1, 1, 188, 188)
    torch.save((x, model(x).detach()), tmp_path / "pair.pt")
    code = (
        "import torch, unetgen\n"
        "x, y = torch.load('pair.pt')\n"
        "model = unetgen.from_pretrained('net')\n"
        "assert not model.training and torch.equal(model(x), y)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert unetgen.load_spec(tmp_path / "net" / "spec.yaml").hash == model.spec.hash


def test_the_model_card_is_valid_for_the_hub(
    model: Any, tmp_path: Path, check_golden: Callable[[str, str], None]
) -> None:
    from huggingface_hub import ModelCard

    model.save_pretrained(tmp_path, license="apache-2.0")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "unetgen"
    assert card.data.pipeline_tag == "image-segmentation"
    assert card.data.license == "apache-2.0"
    assert card.data.tags == ["unetgen", "u-net", "segmentation", "2d"]
    html = MarkdownIt().enable("table").render(card.text)
    assert html.count("<table>") == 2
    assert '<img src="figure.svg"' in html
    check_golden("card.md", (tmp_path / "README.md").read_text(encoding="utf-8"))


def test_push_uploads_the_folder(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub is not reached; the calls to its client are recorded."""
    from huggingface_hub import HfApi

    calls: list[tuple[str, dict[str, Any]]] = []

    class Url:
        repo_id = "someone/net"

    def create_repo(self: Any, **options: Any) -> Url:
        calls.append(("create", options))
        return Url()

    def upload_folder(self: Any, **options: Any) -> str:
        folder = Path(options["folder_path"])
        unetgen.from_pretrained(folder)
        assert 'from_pretrained("someone/net")' in (folder / "README.md").read_text(encoding="utf-8")
        calls.append(("upload", {**options, "files": sorted(path.name for path in folder.iterdir())}))
        return "https://hub/someone/net/commit/1"

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    address = model.push_to_hub("someone/net", private=True, commit_message="first", license="mit")
    assert address == "https://hub/someone/net/commit/1"
    (_, created), (_, uploaded) = calls
    assert created["private"] is True
    assert uploaded["repo_id"] == "someone/net"
    assert uploaded["commit_message"] == "first"
    assert uploaded["files"] == ["README.md", "figure.svg", "model.safetensors", "spec.yaml"]


def test_a_download_is_loaded(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    model.save_pretrained(tmp_path)
    calls: list[Any] = []

    def hf_hub_download(repo_id: str, filename: str, *, revision: str, local_files_only: bool) -> str:
        calls.append((repo_id, filename, {"revision": revision, "local_files_only": local_files_only}))
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    loaded = unetgen.from_pretrained("someone/net", revision="v1", local_files_only=True)
    assert loaded.spec.hash == model.spec.hash
    assert calls == [("someone/net", "model.safetensors", {"revision": "v1", "local_files_only": True})]


def error_message(call: Callable[[], Any]) -> str:
    with pytest.raises(unetgen.UnetgenError) as error:
        call()
    return str(error.value)


def test_errors(model: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert error_message(lambda: unetgen.from_pretrained(tmp_path / "empty")) == (
        f"{tmp_path}/empty: no model.safetensors in this folder; give a folder written by save_pretrained"
    )
    assert error_message(lambda: unetgen.from_pretrained(tmp_path, revision="v1")) == (
        f"{tmp_path}: 'revision' applies to hub repositories, not to a folder; remove it"
    )
    assert error_message(lambda: unetgen.from_pretrained(tmp_path / "file")) == (
        f"{tmp_path}/file: is a file, not a folder; load it with unetgen.load, or give its folder"
    )
    assert error_message(lambda: unetgen.from_pretrained("someone/net", local_file_only=True)) == (
        "someone/net: unknown option of hf_hub_download 'local_file_only'; did you mean 'local_files_only'?"
    )
    assert (
        error_message(lambda: unetgen.from_pretrained("/nowhere/net"))
        == "/nowhere/net: folder not found; check the path"
    )
    assert error_message(lambda: model.save_pretrained(tmp_path / "file" / "net")) == (
        f"{tmp_path}/file/net: cannot be written: Not a directory; choose another path"
    )
    message = error_message(lambda: unetgen.from_pretrained("someone/nothing"))
    assert message.startswith("someone/nothing: not a local folder, and the download failed: LocalEntryNotFoundError: ")
    assert message.endswith("; check the name, the connection and your token")
    message = error_message(lambda: model.push_to_hub("someone/net"))
    assert message.startswith("someone/net: the upload failed: OfflineModeIsEnabled: ")
    assert message.endswith("; check the repository name and your token")


def test_a_missing_library_names_the_extra(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert error_message(lambda: model.push_to_hub("a/b")) == (
        "publishing to the Hugging Face Hub needs huggingface_hub, which is not installed; run: pip install 'unetgen[hub]'"
    )
    assert error_message(lambda: unetgen.from_pretrained("a/b")) == (
        "loading from the Hugging Face Hub needs huggingface_hub, which is not installed; run: pip install 'unetgen[hub]'"
    )
    model.save_pretrained(tmp_path)
    assert unetgen.from_pretrained(tmp_path).spec.hash == model.spec.hash  # a folder needs no hub


def test_torch_hub_has_every_shipped_network() -> None:
    model = torch.hub.load(str(ROOT), "unet_paper", source="local", widths=[2, 2], input_size=None, seed=0)
    assert torch.equal(
        model(torch.ones(1, 1, 20, 20)),
        unetgen.build("unet_paper", widths=[2, 2], input_size=None, seed=0)(torch.ones(1, 1, 20, 20)),
    )
    space = runpy.run_path(str(ROOT / "hubconf.py"))
    listed = {name for name, value in space.items() if callable(value) and not name.startswith("_")}
    assert listed == {"build", *list_shipped_specs()}  # as torch.hub.list has it
    assert space["u2net"].__doc__.startswith("Build the shipped network u2net with initial weights.")
    again = torch.hub.load(str(ROOT), "build", "unet_paper", source="local", device="meta")
    assert again.spec.name == "unet_paper"
