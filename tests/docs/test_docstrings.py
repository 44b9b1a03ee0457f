"""Docstrings of the public API: sections that match the signature, and examples that run."""

from __future__ import annotations

import doctest
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import pytest

import unetgen
import unetgen.authoring
import unetgen.testing
from support.paths import ROOT

MODULES = (unetgen, unetgen.authoring, unetgen.testing)
# Types of options and the marker of hooks, which have no behaviour of their own.
WITHOUT_EXAMPLES = {"Amount", "Axes", "Channels", "Count", "Factor", "Kernel", "hookimpl"}


def iter_public_names() -> Iterator[str]:
    for module in MODULES:
        yield from (f"{module.__name__}.{name}" for name in module.__all__)
    yield from (f"unetgen.authoring.Builder.{name}" for name in dir(unetgen.authoring.Builder) if name[0] != "_")


PUBLIC = sorted(iter_public_names())
# Public in the builder, for unetgen itself.
INTERNAL = {
    f"unetgen.authoring.Builder.{name}"
    for name in ("failure_location", "has_no_spatial_axes", "input", "partial_graph", "record_failure", "restore_position", "size_of")
}  # fmt: skip


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    """The package as griffe reads it from source, with aliases resolved."""
    loader = griffe.GriffeLoader(search_paths=[ROOT], allow_inspection=False)
    loader.load("unetgen")
    loader.resolve_aliases(implicit=False, external=False)
    return loader.modules_collection["unetgen"]


def find_object(package: griffe.Module, path: str) -> Any:
    found: Any = package
    for name in path.split(".")[1:]:
        found = found.all_members[name] if found.is_class else found.members[name]
        found = found.final_target if found.is_alias else found
    return found


def read_sections(found: Any) -> dict[str, Any]:
    """Return the sections of a docstring by kind; a warning of griffe about them fails the test."""
    parsed = found.docstring.parse("google", warnings=True, warn_missing_types=False) if found.docstring else []
    return {section.kind.value: section.value for section in parsed}


@pytest.mark.parametrize("path", PUBLIC)
def test_the_docstring_has_all_sections(path: str, package: griffe.Module, caplog: pytest.LogCaptureFixture) -> None:
    name, found = path.rpartition(".")[2], find_object(package, path)
    assert found.docstring
    sections = read_sections(found)
    assert not caplog.messages
    missing = set() if name in WITHOUT_EXAMPLES or path in INTERNAL else {"examples"} - sections.keys()
    if found.is_function and path not in INTERNAL:
        documented = [parameter.name.lstrip("*") for parameter in sections.get("parameters", [])]
        assert documented == [p.name.lstrip("*") for p in found.parameters if p.name not in ("self", "cls")]
        if str(found.returns) not in ("None", "NoReturn"):
            missing |= set() if sections.keys() & {"returns", "yields"} else {"returns"}
    assert not missing


def iter_docstrings(found: Any) -> Iterator[griffe.Docstring]:
    """Yield the docstrings of an object and of its public members."""
    if found.docstring:
        yield found.docstring
    if found.is_class:
        for name, member in found.members.items():
            if not name.startswith("_") and not member.is_alias and member.docstring:
                yield member.docstring


@pytest.mark.parametrize("path", PUBLIC)
def test_examples_run(path: str, package: griffe.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False)
    for docstring in iter_docstrings(find_object(package, path)):
        names = vars(importlib.import_module(docstring.parent.module.path)).copy()
        test = doctest.DocTestParser().get_doctest(docstring.value, names, path, None, None)
        failures: list[str] = []
        runner.run(test, out=failures.append, clear_globs=True)
        assert not failures, "".join(failures)
