"""The words that docs/glossary.md replaces stay out of messages, help texts, docstrings and pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

# Pattern: the term to use in its place.
BANNED = {
    r"told": "reported, shown, printed",
    r"said": "shown, described, given",
    r"tells? of": "describes",
    r"heard|hears": "received, notified",
    r"stands|stood": "is",
    r"lies|lay(?!er|out|\w)": "is, is located",
    r"so many": "N, the number of",
    r"as many as there are": "all",
    r"strangers?('s)?": "third-party",
    r"somebody('s)?|nobody('s)?": "user, caller",
    r"who asks|whoever": "caller",
    r"reckon(s|ed|ing)?": "compute",
    r"(is|are) no (?!longer|more)": "is not",
    r"(?-i:(is|are) none)": "does not exist",
    r"there (is|are) none": "missing",
    r"where there (is|are)": "if",
    r"leaves? (\w+ )?out|left out": "omit",
    r"way out": "fix, hint",
    r"hand(s|ed)? (out|over|on)": "return, pass",
    r"laid over|lay over|lays over": "overrides, merged onto",
    r"carr(y|ies|ied) out": "run, execute",
    r"begun": "started",
    r"in one piece": "whole, untiled",
    r"first weights": "initial weights",
    r"ledgers?|receipts?|gifts?|mishaps?|blame[ds]?": "see docs/glossary.md",
    r"the pen|ladders?|rungs?": "builder position, grid, grid point",
    r"nowhere": "missing",
    r"beside its place": "in the same folder",
    r"makes? of it": "computes",
}  # fmt: skip
PATTERN = re.compile(rf"(?<![\w`'.:/-])(?:{'|'.join(BANNED)})(?![\w`/-])", re.IGNORECASE)

SOURCES = [
    *(ROOT / "unetgen").rglob("*.py"),
    *(path for path in (ROOT / "plugins").glob("unetgen-*/unetgen_*/**/*.py") if "build" not in path.parts),
    ROOT / "hubconf.py",
]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "plugins").glob("**/README.md"),
    *(ROOT / "changelog.d").glob("*.md"),
    *(ROOT / "unetgen").rglob("*.template"),
    *(ROOT / "unetgen").rglob("*.html"),
    ROOT / "benchmarks" / "README.md",
]


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings and all other text of a Python file, with lines. Names and single words are not text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def comments_of(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := re.search(r"(?:^|\s)# (.*)", line):
            yield number, match[1]


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page outside code blocks, without inline code and addresses of links."""
    in_code = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", "", line)


def test_sources_use_the_glossary() -> None:
    hits = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r} in {text[max(match.start() - 40, 0) : match.end() + 40]!r}"
        for path in SOURCES
        for line, text in [*strings_of(path), *comments_of(path)]
        for match in PATTERN.finditer(text)
    ]
    assert hits == [], "\n".join(hits)


def test_pages_use_the_glossary() -> None:
    hits = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r} in {text.strip()[:100]!r}"
        for path in PAGES
        for line, text in prose_of(path)
        for match in PATTERN.finditer(text)
    ]
    assert hits == [], "\n".join(hits)


@pytest.mark.parametrize(
    "sentence", ["it is told where it stands", "there is none", "what somebody said", "So many seeds"]
)
def test_the_words_are_found(sentence: str) -> None:
    assert PATTERN.search(sentence)


@pytest.mark.parametrize(
    "sentence", ["relies on", "implies", "layer", "layout", "there is no longer a file", "understand"]
)
def test_other_words_are_not(sentence: str) -> None:
    assert not PATTERN.search(sentence)


def test_terms_are_defined_once() -> None:
    headings = re.findall(r"^### (.+)$", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == len(set(headings)) > 60
