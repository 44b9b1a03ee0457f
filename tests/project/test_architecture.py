"""The folder list is the architecture: imports go one way, torch is where it is needed, public names are pinned."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unetgen
from support.paths import ROOT

PACKAGE = ROOT / "unetgen"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each may import what stands before it. hookspecs is the plugin author's manual and knows only what a part is.
LAYERS = [
    "errors", "config", "hookspecs", "graph", "authoring", "parts", "figure", "network", "outputs", "plugins", "api", "testing",
    "pytest_plugin", "ablation", "tiling", "optimization", "hub", "nnunet", "trials", "cli",
]  # fmt: skip

# A model publishes itself: these methods hand it to what stands above.
UPWARDS = {"from_graph.py": ("unetgen.hub.publishing.",)}

WITH_TORCH = [
    "network/",
    "outputs/layer_table.py",
    "outputs/exports/",
    "nnunet/network.py",
    "optimization/",
    "testing/",
    "tiling/",
    "trials/",
]


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> list[str]:
    """The modules a file imports when it runs; what only a type checker reads does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
    unread = {id(inner) for block in skipped for inner in ast.walk(block)}
    names = []
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    own = layer(path)
    if own in ("__init__", "__main__"):
        return
    for name in imported(path):
        if not name.startswith("unetgen."):
            continue
        other = name.split(".")[1]
        if name.startswith(UPWARDS.get(path.name, ())):
            continue
        allowed = other in LAYERS and LAYERS.index(other) <= LAYERS.index(own)
        assert allowed, f"{path.name} in {own}/ imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_is_imported_only_where_it_is_needed(path: Path) -> None:
    relative = str(path.relative_to(PACKAGE))
    if any(relative.startswith(place) for place in WITH_TORCH):
        return
    top = ast.parse(path.read_text(encoding="utf-8")).body
    at_import = [n for n in top if isinstance(n, (ast.Import, ast.ImportFrom))]
    names = [alias.name for n in at_import if isinstance(n, ast.Import) for alias in n.names]
    names += [n.module or "" for n in at_import if isinstance(n, ast.ImportFrom)]
    assert not [name for name in names if name.split(".")[0] in ("torch", "torchinfo", "safetensors")]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320


def test_public_names_are_pinned() -> None:
    assert unetgen.__all__ == [
        "PluginError", "SizeError", "Spec", "SpecError", "UnetgenError", "WeightsError", "build", "draw",
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
        "from unetgen.analysis.report import Report\n"
        "spec = unetgen.load_spec('unet_paper')\n"
        "Report.of(spec, unetgen.graph_of(spec)).to_dict()\n"
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
