"""The documentation site: a strict build, and a check of its HTML that finds what the build does not."""

from __future__ import annotations

import inspect
import re
import zlib
from collections.abc import Collection
from pathlib import Path

import pytest

import unetgen
import unetgen.authoring
import unetgen.testing
from support import pages
from support.built_site import BuiltSite, build_site, copy_site_sources, find_problems
from support.paths import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    folder = tmp_path_factory.mktemp("site")
    copy_site_sources(folder)
    return build_site(folder)


def test_the_site_has_no_problems(site: BuiltSite) -> None:
    assert find_problems(site) == []


def test_every_public_name_has_an_anchor(site: BuiltSite) -> None:
    """objects.inv lists what the pages in reference/api document."""
    inventory = (site.folder / "site" / "objects.inv").read_bytes()
    documented = {line.split()[0] for line in zlib.decompress(inventory.split(b"\n", 4)[4]).decode().splitlines()}
    public = {f"{module.__name__}.{name}" for module in (unetgen, unetgen.authoring) for name in module.__all__}
    public |= {f"unetgen.testing.{name}" for name in unetgen.testing.__all__ if name != "Trial"}
    public |= {f"unetgen.authoring.Builder.{name}" for name in list_builder_members()}
    assert sorted(public - documented) == []


def list_builder_members() -> list[str]:
    """Return the builder's methods that parts call; the others serve unetgen itself."""
    internal = {
        "failure_location",
        "has_no_spatial_axes",
        "partial_graph",
        "record_failure",
        "restore_position",
        "size_of",
    }
    names = [name for name, _ in inspect.getmembers(unetgen.authoring.Builder) if not name.startswith("_")]
    return [name for name in names if name not in internal]


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.get_page_name)
def test_files_that_pages_name_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!http)([^)#\s]+)", text)
    named = re.findall(r"`((?:unetgen|specs|tests|docs|benchmarks|plugins)/[\w./-]*)`", text)
    targets = [*((page.parent / link) for link in linked), *((ROOT / name) for name in named)]
    assert [str(target) for target in targets if not target.exists()] == []


def test_pages_that_sources_name_exist() -> None:
    sources = [*(ROOT / "unetgen").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.*")]
    sources += [path for path in (ROOT / "plugins").glob("unetgen-*/**/*") if path.suffix in {".py", ".md", ".toml"}]
    named = [
        (path, name)
        for path in sources
        if path.suffix in {".py", ".md", ".toml"} and "build" not in path.parts and path != Path(__file__)
        for name in re.findall(r"(?<![\w/])docs/[\w/.-]+\.(?:md|svg|html)", path.read_text(encoding="utf-8"))
    ]
    assert [f"{path.relative_to(ROOT)}: {name}" for path, name in named if not (ROOT / name).exists()] == []


# The check itself, on a site of two pages.

CONFIG = """\
site_name: small
strict: true
use_directory_urls: false
theme: {name: material, variant: classic, font: false}
plugins:
  - mkdocstrings: {handlers: {python: {paths: [.], options: {allow_inspection: false, docstring_style: google}}}}
nav:
  - index.md
  - api.md
"""
CODE = '''\
def half(value: int) -> int:
    """Return half of a value, see [`half`][small.half].

    Args:
        value: The value.
    """
    return value // 2
'''
SOURCES = {
    "mkdocs.yml": CONFIG,
    "small.py": CODE,
    "docs/index.md": "# Index\n\n[API](api.md#small.half), [`half`][small.half]\n\n![Box](box.svg)\n",
    "docs/api.md": "# API\n\n::: small.half\n",
    "docs/box.svg": '<svg xmlns="http://www.w3.org/2000/svg"/>',
}


# File, text, replacement, and a part of the problem that must be found.
BREAKAGES = {
    "page": ("docs/index.md", "[API](api.md", "[Gone](gone.md) [API](api.md", "page does not exist"),
    "anchor": ("docs/index.md", "[API](api.md", "[Third](api.md#third) [API](api.md", "api.html#third does not have"),
    "reference": ("docs/index.md", "[`half`]", "[`third`][small.third] [`half`]", "small.third"),
    "reference in a docstring": ("small.py", "see [`half`]", "[`quarter`][small.quarter], [`half`]", "small.quarter"),
    "relative link in a docstring": ("small.py", "Return half", "[Return](fifth.md) half", "fifth.html does not exist"),
    "image": ("docs/index.md", "(box.svg)", "(boxes.svg)", "boxes.svg does not exist"),
    "parameter": ("small.py", "        value: The", "        number: The", "'number' does not appear"),
    "name": ("docs/api.md", "::: small.half", "::: small.sixth\n\n::: small.half", "small.sixth"),
    "page outside nav": ("docs/other.md", "", "# Other\n", "other.md is not in nav"),
    "page in nav": ("mkdocs.yml", "  - api.md", "  - api.md\n  - seventh.md", "seventh.md is in nav, but does not exist"),
    "raw HTML": ("docs/index.md", "# Index", '# Index\n\n<a href="eighth.html">x</a>', "eighth.html does not exist"),
    "network": ("docs/index.md", "# Index", '# Index\n\n<img src="https://a.org/b.png">', "loads https://a.org/b.png"),
}  # fmt: skip


def build_small_site(folder: Path, breakages: Collection[str]) -> list[str]:
    """Build the small site with some breakages; return its problems."""
    texts = dict(SOURCES)
    for name in breakages:
        file, old, new, _ = BREAKAGES[name]
        assert old in texts.get(file, "")
        texts[file] = texts[file].replace(old, new, 1) if old else new
    for file, text in texts.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text, encoding="utf-8")
    return find_problems(build_site(folder))


def test_a_small_site_has_no_problems(tmp_path: Path) -> None:
    assert build_small_site(tmp_path, []) == []


@pytest.fixture(scope="module")
def broken_site_problems(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The problems of the small site with every breakage but one, which would stop the build."""
    return "\n".join(build_small_site(tmp_path_factory.mktemp("broken"), BREAKAGES.keys() - {"name"}))


@pytest.mark.parametrize("name", sorted(BREAKAGES.keys() - {"name"}))
def test_each_breakage_is_found(name: str, broken_site_problems: str) -> None:
    assert BREAKAGES[name][3] in broken_site_problems


def test_an_unknown_name_is_found(tmp_path: Path) -> None:
    assert "small.sixth" in "\n".join(build_small_site(tmp_path, ["name"]))
