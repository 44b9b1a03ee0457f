"""The hub: a folder is what is uploaded and what is loaded, and the card in it says what it is."""

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
    # Its own variable counts only before it is imported, which another test may have done.
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


def test_the_card_is_what_the_hub_reads(model: Any, tmp_path: Path, check_golden: Callable[[str, str], None]) -> None:
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


def test_what_is_pushed_is_that_folder(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub itself is not there; what its client is asked for is."""
    from huggingface_hub import HfApi

    asked: list[tuple[str, dict[str, Any]]] = []

    class Url:
        repo_id = "someone/net"

    def create_repo(self: Any, **options: Any) -> Url:
        asked.append(("create", options))
        return Url()

    def upload_folder(self: Any, **options: Any) -> str:
        folder = Path(options["folder_path"])
        unetgen.from_pretrained(folder)
        assert 'from_pretrained("someone/net")' in (folder / "README.md").read_text(encoding="utf-8")
        asked.append(("upload", {**options, "files": sorted(path.name for path in folder.iterdir())}))
        return "https://hub/someone/net/commit/1"

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    address = model.push_to_hub("someone/net", private=True, commit_message="first", license="mit")
    assert address == "https://hub/someone/net/commit/1"
    (_, created), (_, uploaded) = asked
    assert created["private"] is True
    assert uploaded["repo_id"] == "someone/net"
    assert uploaded["commit_message"] == "first"
    assert uploaded["files"] == ["README.md", "figure.svg", "model.safetensors", "spec.yaml"]


def test_what_is_downloaded_is_loaded(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    model.save_pretrained(tmp_path)
    asked: list[Any] = []

    def hf_hub_download(repo_id: str, filename: str, *, revision: str, local_files_only: bool) -> str:
        asked.append((repo_id, filename, {"revision": revision, "local_files_only": local_files_only}))
        return str(tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hf_hub_download)
    loaded = unetgen.from_pretrained("someone/net", revision="v1", local_files_only=True)
    assert loaded.spec.hash == model.spec.hash
    assert asked == [("someone/net", "model.safetensors", {"revision": "v1", "local_files_only": True})]


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(unetgen.UnetgenError) as error:
        call()
    return str(error.value)


def test_what_cannot_be_had_is_told(model: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert refused(lambda: unetgen.from_pretrained(tmp_path / "empty")) == (
        f"{tmp_path}/empty: this folder has no model.safetensors; give the one that save_pretrained wrote"
    )
    assert refused(lambda: unetgen.from_pretrained(tmp_path, revision="v1")) == (
        f"{tmp_path}: 'revision' is for repositories, and this is a folder; leave it out"
    )
    assert refused(lambda: unetgen.from_pretrained(tmp_path / "file")) == (
        f"{tmp_path}/file: this is a file, not a folder; load it with unetgen.load, or give its folder"
    )
    assert refused(lambda: unetgen.from_pretrained("someone/net", local_file_only=True)) == (
        "someone/net: hf_hub_download has no option 'local_file_only'; did you mean 'local_files_only'?"
    )
    assert (
        refused(lambda: unetgen.from_pretrained("/nowhere/net"))
        == "/nowhere/net: there is no such folder; check the path"
    )
    assert refused(lambda: model.save_pretrained(tmp_path / "file" / "net")) == (
        f"{tmp_path}/file/net: cannot be written: Not a directory; choose another place"
    )
    told = refused(lambda: unetgen.from_pretrained("someone/nothing"))
    assert told.startswith(
        "someone/nothing: there is no such folder, and the hub does not give it: LocalEntryNotFoundError: "
    )
    assert told.endswith("; check the name, the network and your token")
    told = refused(lambda: model.push_to_hub("someone/net"))
    assert told.startswith("someone/net: the hub does not take it: OfflineModeIsEnabled: ")
    assert told.endswith("; check its name and your token")


def test_a_missing_library_names_the_extra(model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert refused(lambda: model.push_to_hub("a/b")) == (
        "putting a network on the hub needs huggingface_hub, which is not installed; run: pip install 'unetgen[hub]'"
    )
    assert refused(lambda: unetgen.from_pretrained("a/b")) == (
        "taking a network from the hub needs huggingface_hub, which is not installed; run: pip install 'unetgen[hub]'"
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
    assert space["u2net"].__doc__.startswith("The shipped network u2net, with first weights.")
    again = torch.hub.load(str(ROOT), "build", "unet_paper", source="local", device="meta")
    assert again.spec.name == "unet_paper"
