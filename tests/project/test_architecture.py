"""The folder list is the architecture: imports go one way, torch is where it is needed, public names are pinned."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import unetgen
from support.paths import ROOT

PACKAGE = ROOT / "unetgen"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 320
MAX_UPWARD_IMPORTS = 2

# These import torch when they are imported; everywhere else it is imported inside the functions that need it.
WITH_TORCH = (
    "graph/external/live_memory.py",
    "graph/external/measurement.py",
    "network/",
    "nnunet/network.py",
    "optimization/",
    "outputs/exports/",
    "testing/",
    "tiling/",
    "trials/",
)
SLOW_PACKAGES = ("torch", "torchinfo", "safetensors")


def contracts() -> list[dict[str, object]]:
    """The contracts of imports, as pyproject.toml has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(settings["tool"]["importlinter"]["contracts"])


def test_imports_go_one_way_and_in_no_circle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    exit_code = lint_imports(no_cache=True, no_logo=True)
    assert exit_code == 0, capsys.readouterr().out


def test_upward_imports_are_few() -> None:
    for contract in contracts():
        assert len(contract.get("ignore_imports", [])) <= MAX_UPWARD_IMPORTS  # type: ignore[arg-type]


def test_contributing_prints_the_order_of_imports() -> None:
    order = next(contract["layers"] for contract in contracts() if contract["id"] == "order")
    text = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    assert " < ".join(reversed(order)) in text  # type: ignore[call-overload]


def imported_at_module_level(path: Path) -> set[str]:
    """The top-level packages that a file imports when it is imported itself."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in body if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_torch_is_imported_only_where_it_is_needed() -> None:
    others = [path for path in FILES if not str(path.relative_to(PACKAGE)).startswith(WITH_TORCH)]
    assert [str(path) for path in others if imported_at_module_level(path) & set(SLOW_PACKAGES)] == []


def test_files_stay_short() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_public_names_are_pinned() -> None:
    assert unetgen.__all__ == [
        "PluginError", "SizeError", "Spec", "SpecError", "UnetgenError", "UnetgenWarning", "WeightsError", "build", "draw",
        "from_pretrained", "graph_of",
        "hookimpl", "import_weights", "load", "load_registry", "load_spec", "load_weights", "optimize", "run", "save",
        "specs", "sweep", "trial",
    ]  # fmt: skip
    assert all(getattr(unetgen, name) is not None for name in unetgen.__all__)
    assert set(unetgen.__all__) <= set(dir(unetgen))


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'unetgen' has no attribute 'bild'$"):
        unetgen.bild  # noqa: B018  # the access is the test


def test_importing_unetgen_loads_nothing() -> None:
    code = "import sys, unetgen; print([m for m in ('torch', 'pydantic', 'yaml', 'pluggy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_in_the_graph_needs_torch() -> None:
    """A spec is checked, drawn, sized and costed without torch."""
    code = (
        "import sys, unetgen\n"
        "from unetgen.analysis.report import NetworkReport\n"
        "spec = unetgen.load_spec('unet_paper')\n"
        "NetworkReport.of(spec, unetgen.graph_of(spec)).to_dict()\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_options_that_hold_parts_are_called_by_their_slot() -> None:
    """Overlays tell a part's name from a word by the name of the option, so the two kinds must not be mixed up."""
    from unetgen.config.registry.part import Part
    from unetgen.config.registry.slots import SLOT_BY_KEY, SLOTS

    registry = unetgen.load_registry()
    for slot in SLOTS:
        for entry in registry.list_parts(slot).values():
            schema = entry.part.model_json_schema().get("properties", {})
            for option, said in schema.items():
                held = said.get("slot") or said.get("items", {}).get("slot")
                assert held == SLOT_BY_KEY.get(option), f"{slot} {entry.part.type}: {option}"
    assert issubclass(registry.find("block", "conv").part, Part)
