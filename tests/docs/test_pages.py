"""What the README and the docs say is what happens: every snippet is run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from unetgen.config.registry.slots import SLOTS

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILE = re.compile(r"# file: (\S+)\n")


# test_manual follows this page from its beginning to its end.
MANUAL = ROOT / "docs" / "plugins.md"


# test_frameworks and test_recipes run these in processes of their own.
FRAMEWORKS = [ROOT / "docs" / name for name in ("lightning.md", "monai.md", "nnunet.md", "running.md", "recipes.md")]


# The test below follows this one, with the files that it names.
ABLATION = ROOT / "docs" / "ablation.md"


def blocks(kind: str) -> list[pytest.param]:
    return [
        pytest.param(
            page, match, id=f"{page.name}:{page.read_text(encoding='utf-8')[: match.start()].count(chr(10)) + 1}"
        )
        for page in PAGES
        if page not in (MANUAL, *FRAMEWORKS) and not (page == ABLATION and kind != "python")
        for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
        if match[1] == kind
    ]


def answered(block: str, run_cli: RunCli) -> str:
    """The block with what its commands print now."""
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            program, *arguments = shlex.split(line[2:])
            assert program == "unetgen", f"only unetgen is run here, not {program}"
            outcome = run_cli(*arguments)
            lines += [line, *(text.rstrip() for text in (outcome.out + outcome.err).splitlines())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("page", "match"), blocks("console"))
def test_commands_print_what_the_page_shows(
    page: Path, match: re.Match[str], run_cli: RunCli, request: pytest.FixtureRequest
) -> None:
    now = answered(match[2], run_cli)
    if request.config.getoption("--update-golden"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(match[0], f"```console\n{now}```"), encoding="utf-8")
    else:
        assert match[2] == now


def test_the_page_of_ablations_does_what_it_says(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    before = after = ABLATION.read_text(encoding="utf-8")
    for block in BLOCK.finditer(before):
        if named := FILE.match(block[2]):
            Path(named[1]).write_text(block[2], encoding="utf-8")
        elif block[1] == "console":
            after = after.replace(block[0], f"```console\n{answered(block[2], run_cli)}```")
    table = f"<!-- both -->\n{unmatched_and_matched()}<!-- end of both -->"
    after = re.sub(r"<!-- both -->.*<!-- end of both -->", lambda _: table, after, flags=re.DOTALL)
    if request.config.getoption("--update-golden"):
        ABLATION.write_text(after, encoding="utf-8")
    else:
        assert after == before


def unmatched_and_matched() -> str:
    """The variants of two sweeps that differ in the budget only, side by side."""
    both = zip(unetgen.sweep("fusion.yaml"), unetgen.sweep("matched.yaml"), strict=True)
    lines = [
        "| variant | params | MACs | matched params | MACs | widths |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for free, held in both:
        assert free.label == held.label
        cells = [f"{v.report.cost.params:,} | {v.report.cost.macs:,}" for v in (free, held)]
        lines.append(f"| {free.label} | {' | '.join(cells)} | {', '.join(map(str, held.spec.widths))} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("page", "match"), blocks("python"))
def test_python_runs(page: Path, match: re.Match[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(match[2], page.name, "exec"), {})  # noqa: S102  # the page's own code


@pytest.mark.parametrize(("page", "match"), blocks("yaml"))
def test_yaml_is_a_spec(page: Path, match: re.Match[str]) -> None:
    """Fragments are laid over the paper's spec; whole specs stand for themselves; named files come together below."""
    text = match[2]
    if FILE.match(text):
        return
    whole = text if "in_channels" in text or "extends" in text else f"extends: unet_paper\ninput_size: null\n{text}"
    unetgen.graph_of(whole)


def test_the_chapter_goes_from_the_unet_to_u2net(tmp_path: Path) -> None:
    """Each file extends the one before; the last is the shipped U2-Net but for what people read."""
    text = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8")
    files = {FILE.match(m[2])[1]: m[2] for m in BLOCK.finditer(text) if FILE.match(m[2])}
    assert list(files) == ["unet.yaml", "attention_unet.yaml", "unetplusplus.yaml", "u2net.yaml"]
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    graphs = {name: unetgen.graph_of(tmp_path / name) for name in files}
    assert "gate" in {step for node in graphs["attention_unet.yaml"].nodes for step in node.path.split(".")}
    assert len(graphs["unetplusplus.yaml"].output_nodes) == 5
    assert graphs["u2net.yaml"].digest == unetgen.graph_of("u2net").digest


def test_the_reference_of_parts_is_what_is_installed(request: pytest.FixtureRequest) -> None:
    from unetgen.outputs.schema.part_reference import format_reference

    page = ROOT / "docs" / "spec.md"
    before, start, rest = page.read_text(encoding="utf-8").partition("<!-- parts -->\n")
    shown, end, after = rest.partition("<!-- end of parts -->")
    now = format_reference(unetgen.load_registry())
    if request.config.getoption("--update-golden"):
        page.write_text("".join((before, start, now, end, after)), encoding="utf-8")
    else:
        assert shown == now, "run pytest with --update-golden"


def test_every_option_of_every_part_is_said_something_about() -> None:
    """Its name says it, or the docstring under it does; a default that is nothing needs words."""
    from unetgen.outputs.schema.part_reference import read_option_docs

    silent = [
        f"{part.slot} {part.type}: {option}"
        for slot in SLOTS
        for part in (entry.part for entry in unetgen.load_registry().list_parts(slot).values())
        for option, field in part.model_fields.items()
        if field.default is None and option not in read_option_docs(part)
    ]
    assert silent == []


def test_readme_shows_the_shipped_paper_spec() -> None:
    """The spec in the README is the file's, but for the description and the line of dropout."""
    shown = unetgen.load_spec(
        next(m[2] for m in BLOCK.finditer(PAGES[0].read_text(encoding="utf-8")) if m[1] == "yaml")
    )
    shipped = unetgen.load_spec("unet_paper").resolved()
    for key in ("levels", "bottleneck", "description", "about"):
        shipped.pop(key)
    resolved = shown.resolved()
    resolved.pop("description")
    assert resolved == shipped


def test_readme_has_its_two_commands() -> None:
    lines = [line for line in PAGES[0].read_text(encoding="utf-8").splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("unetgen build specs/unet_paper.yaml")
    assert lines[1].endswith("./check")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!http)([^)#]+)", text)
    named = re.findall(r"`((?:unetgen|specs|tests|docs|benchmarks)/[\w./]*)`", text)
    for target in [*((page.parent / link) for link in linked), *((ROOT / name) for name in named)]:
        assert target.exists(), f"{page.name} names {target}, which is not there"
