"""The README's spec and command lines."""

from __future__ import annotations

import unetgen
from support import pages

README = pages.PAGES[0]


def test_readme_shows_the_shipped_paper_spec() -> None:
    """The README's spec is the shipped one, without its description and its dropout."""
    shown = unetgen.load_spec(next(block.text for block in pages.read_blocks(README) if block.language == "yaml"))
    shipped = unetgen.load_spec("unet_paper").resolved()
    for key in ("levels", "bottleneck", "description", "about"):
        shipped.pop(key)
    resolved = shown.resolved()
    resolved.pop("description")
    assert resolved == shipped


def test_readme_has_its_two_commands() -> None:
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("unetgen build specs/unet_paper.yaml")
    assert lines[1].endswith("./check")
