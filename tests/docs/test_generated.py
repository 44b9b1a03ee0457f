"""Pages and tables that are generated; ``pytest --update-golden`` writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

import unetgen
from support import pages
from support.cli_reference import ENVIRONMENT, EXIT_CODES, cli_reference
from unetgen.config.registry.slots import SLOTS
from unetgen.errors import ExitCode
from unetgen.outputs.schema.part_reference import part_pages, read_option_docs

REFERENCE = pages.DOCS / "reference"


def check_page(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    else:
        assert path.read_text(encoding="utf-8") == text, "run pytest with --update-golden"


def test_the_pages_on_parts_list_the_built_in_parts(request: pytest.FixtureRequest) -> None:
    generated = part_pages(unetgen.load_registry())
    for name, text in generated.items():
        check_page(REFERENCE / "parts" / name, text, request)
    assert {path.name for path in (REFERENCE / "parts").iterdir()} == set(generated)


def test_every_option_without_a_default_has_a_docstring() -> None:
    undocumented = [
        f"{part.slot} {part.type}: {option}"
        for slot in SLOTS
        for part in (entry.part for entry in unetgen.load_registry().list_parts(slot).values())
        for option, field in part.model_fields.items()
        if field.default is None and option not in read_option_docs(part)
    ]
    assert undocumented == []


def test_the_page_on_the_command_line_lists_every_option(request: pytest.FixtureRequest) -> None:
    check_page(REFERENCE / "cli.md", cli_reference(), request)
    assert set(EXIT_CODES) == set(ExitCode)
    assert len(ENVIRONMENT) == 2


def test_the_table_of_matched_budgets_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    page = pages.DOCS / "how-to" / "match-budgets.md"
    monkeypatch.chdir(tmp_path)
    pages.write_files(pages.read_blocks(page), tmp_path)
    before, start, rest = page.read_text(encoding="utf-8").partition("<!-- both -->\n")
    _, end, after = rest.partition("<!-- end of both -->")
    assert start
    assert end
    check_page(page, "".join((before, start, format_budgets(), end, after)), request)


def format_budgets() -> str:
    """Return the variants of two sweeps that differ in the budget only, side by side."""
    lines = ["| variant | params | MACs | matched params | MACs | widths |", "|---|---:|---:|---:|---:|---|"]
    for free, matched in zip(unetgen.sweep("fusion.yaml"), unetgen.sweep("matched.yaml"), strict=True):
        assert free.label == matched.label
        cells = [f"{v.report.cost.params:,} | {v.report.cost.macs:,}" for v in (free, matched)]
        lines.append(f"| {free.label} | {' | '.join(cells)} | {', '.join(map(str, matched.spec.widths))} |")
    return "\n".join(lines) + "\n"


def test_the_steps_to_u2net_extend_each_other(tmp_path: Path) -> None:
    """The last one is the shipped U2-Net apart from its texts."""
    blocks = [block for block in pages.read_blocks(pages.DOCS / "how-to" / "compose-a-network.md") if block.file]
    assert [block.file for block in blocks] == ["unet.yaml", "attention_unet.yaml", "unetplusplus.yaml", "u2net.yaml"]
    pages.write_files(blocks, tmp_path)
    graphs = {block.file: unetgen.graph_of(tmp_path / block.file) for block in blocks}
    assert "gate" in {step for node in graphs["attention_unet.yaml"].nodes for step in node.path.split(".")}
    assert len(graphs["unetplusplus.yaml"].output_nodes) == 5
    assert graphs["u2net.yaml"].digest == unetgen.graph_of("u2net").digest
