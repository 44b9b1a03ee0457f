"""Build the documentation site, and find what its strict build does not: dead local addresses in the HTML, for example."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from support.paths import ROOT

# Griffe's warnings about docstrings are printed, but do not fail Zensical's strict build.
_WARNING = re.compile(r"^(?:Warning|mkdocstrings|griffe)\b.*$", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[\d;]*m")
_NAV_PAGE = re.compile(r"^ +- (?:[^:\n]*: )?(\S+\.md)$", re.MULTILINE)


class BuiltSite(NamedTuple):
    """A folder with mkdocs.yml, docs/ and site/, and the outcome of the build."""

    folder: Path
    code: int
    output: str


def build_site(folder: Path) -> BuiltSite:
    """Build the site of a folder that has mkdocs.yml and docs/."""
    command = [Path(sys.executable).parent / "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return BuiltSite(folder, done.returncode, _ANSI.sub("", done.stdout + done.stderr))


def copy_site_sources(folder: Path) -> None:
    """Copy what the site is built from; the package is a link, since docstrings are read from its source."""
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    (folder / "unetgen").symlink_to(ROOT / "unetgen")


def find_problems(site: BuiltSite) -> list[str]:
    """Return everything that is wrong with a site."""
    warnings = [f"exit code {site.code}:\n{site.output}"] if site.code else _WARNING.findall(site.output)
    return [*warnings, *_iter_nav_problems(site.folder), *_iter_address_problems(site.folder / "site")]


def _iter_nav_problems(folder: Path) -> Iterator[str]:
    nav = set(_NAV_PAGE.findall((folder / "mkdocs.yml").read_text(encoding="utf-8")))
    docs = {path.relative_to(folder / "docs").as_posix() for path in (folder / "docs").rglob("*.md")}
    yield from (f"{name} is in nav, but does not exist" for name in sorted(nav - docs))
    yield from (f"{name} is not in nav" for name in sorted(docs - nav))


class _Page(HTMLParser):
    """The addresses in a page, and the anchors in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, Any] = dict(attrs)
        if anchor := values.get("id") or (tag == "a" and values.get("name")):
            self.anchors.add(anchor)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in ("img", "script", "source", "iframe", "object") and (values.get("src") or values.get("data")):
            self.assets.append(values.get("src") or values["data"])
        if tag == "link" and values.get("href") and values.get("rel") not in ("canonical", "next", "prev"):
            self.assets.append(values["href"])


def _iter_address_problems(site: Path) -> Iterator[str]:
    site = site.resolve()
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        if path.name == "404.html":  # its addresses are absolute
            continue
        yield from (f"{path.relative_to(site)}: {text}" for text in _check_addresses(site, path, page, pages))


def _check_addresses(site: Path, path: Path, page: _Page, pages: dict[Path, _Page]) -> Iterator[str]:
    for target in page.links + page.assets:
        url = urlsplit(target)
        if url.scheme or url.netloc:
            if target in page.assets and url.scheme != "data":
                yield f"loads {target} from the network"
            continue
        file = (path.parent / unquote(url.path)).resolve() if url.path else path
        file = file / "index.html" if file.is_dir() else file
        if not file.exists() or not file.is_relative_to(site):
            yield f"{target} does not exist"
        elif file in pages and unquote(url.fragment) not in pages[file].anchors and not url.fragment.startswith("__"):
            yield f"{target} does not have this anchor"
