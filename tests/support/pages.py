"""The code blocks of the documentation, and the runner that executes those of each page.

A comment directly above a block changes how it is treated:

``<!-- not executed: REASON -->``
    The block is shown only. tests/docs/test_snippets.py lists every reason.

A comment at any place in a page:

``<!-- continues: tutorial/first-block.md -->``
    The files that the other page names are written first. The path is relative to the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

# The first pattern that fits a page decides. The runners are those of tests/docs:
# - isolated: each block by itself (test_snippets.py)
# - session: files, commands and Python in their order, in one folder and this process (test_snippets.py)
# - environment: the same in a fresh environment with the built wheel, each command a process (test_plugin_pages.py)
# - framework: the page's Python in a process that may import other frameworks (test_framework_pages.py)
RUNNERS = {
    "docs/how-to/package-a-plugin.md": "environment",
    "docs/how-to/lightning.md": "framework",
    "docs/how-to/monai.md": "framework",
    "docs/how-to/other-experiment-tools.md": "framework",
    "docs/how-to/*": "session",
    "docs/tutorial/*": "session",
    "*": "isolated",
}

# Languages that a runner executes, or else every block of them has a reason. Others (text, json) are never executed.
LANGUAGES = frozenset({"console", "python", "sh", "toml", "yaml"})
CLAIMED = {
    "isolated": frozenset({"console", "python", "yaml"}),
    "session": LANGUAGES,
    "environment": frozenset({"console", "toml"}),
    "framework": frozenset({"python", "sh", "yaml"}),
}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# file: (\S+)\n")
_REASON = re.compile(r"<!-- not executed: ([^>]*?) -->\s*\Z")
_CONTINUES = re.compile(r"^<!-- continues: (\S+) -->$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced code block."""

    page: Path
    line: int
    language: str
    text: str
    file: str  # the name in its first line, "# file: NAME"
    reason: str  # why it is not executed

    @property
    def name(self) -> str:
        return f"{get_page_name(self.page)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, or the input lines of a console block."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line[2:] for line in lines if line.startswith("$ ")] if self.language == "console" else lines


def get_page_name(page: Path) -> str:
    """Return a page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def get_runner(page: Path) -> str:
    return next(runner for pattern, runner in RUNNERS.items() if fnmatch(get_page_name(page), pattern))


def list_pages(runner: str) -> list[Path]:
    """Return the pages of a runner that have something to execute."""
    return [page for page in PAGES if get_runner(page) == runner and any(map(is_executed, read_blocks(page)))]


def is_executed(block: Block) -> bool:
    return block.language in LANGUAGES and not block.reason


def read_blocks(page: Path) -> list[Block]:
    """Return all code blocks of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for match in _FENCE.finditer(text):
        file, reason = _FILE.match(match[2]), _REASON.search(text, 0, match.start())
        line = text.count("\n", 0, match.start()) + 1
        blocks.append(Block(page, line, match[1], match[2], file[1] if file else "", reason[1] if reason else ""))
    return blocks


def list_continued_pages(page: Path) -> list[Path]:
    """Return the pages whose files a page needs, and those that they need, earliest first."""
    pages: list[Path] = []
    for name in _CONTINUES.findall(page.read_text(encoding="utf-8")):
        earlier = (page.parent / name).resolve()
        pages += [*list_continued_pages(earlier), earlier]
    return list(dict.fromkeys(pages))


def write_files(blocks: Iterable[Block], folder: Path) -> None:
    """Write the named blocks as files."""
    for block in blocks:
        if block.file and not block.reason:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def replace_blocks(page: Path, replacements: Iterable[tuple[Block, str]]) -> None:
    """Write other texts for blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for block, now in replacements:
        text = text.replace(f"```{block.language}\n{block.text}```", f"```{block.language}\n{now}```")
    page.write_text(text, encoding="utf-8")


def format_answer(block: Block, outputs: Iterable[str]) -> str:
    """Return a console block with what its commands print now."""
    lines = []
    for line, output in zip([line for line in block.text.splitlines() if line.startswith("$ ")], outputs, strict=True):
        lines += [line, *(text.rstrip() for text in output.splitlines())]
    return "\n".join(lines) + "\n"
