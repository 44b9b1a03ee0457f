"""State-dict keys are paths, and saved weights depend on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from torch import nn

import unetgen
from support.paths import ROOT
from unetgen.config.reserved_names import RESERVED_NAMES
from unetgen.graph.graph import Graph
from unetgen.network.scope import Scope


def keys(graph: Graph) -> str:
    return "".join(f"{key} {tuple(parameter.shape)}\n" for key, parameter in graph.parameters.items())


FIRST = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
ZOO = sorted(path.stem for path in (ROOT / "specs" / "zoo").glob("*.yaml"))


@pytest.mark.parametrize("name", FIRST)
def test_keys_of_shipped_specs_are_pinned(name: str, check_golden: Callable[[str, str], None]) -> None:
    """A change here breaks saved weights: it needs a line in the changelog and a way to load the old ones."""
    check_golden(f"keys/{name}.txt", keys(unetgen.graph_of(name)))


def test_keys_of_the_zoo_are_pinned(check_golden: Callable[[str, str], None]) -> None:
    """By number and hash, since there are ten thousand of them."""
    lines = []
    for name in ZOO:
        text = keys(unetgen.graph_of(name))
        lines.append(f"{name} {text.count(chr(10))} {hashlib.sha256(text.encode()).hexdigest()[:16]}\n")
    check_golden("keys/zoo.txt", "".join(lines))


@pytest.mark.parametrize("name", FIRST)
def test_the_module_has_the_keys_of_the_graph(name: str) -> None:
    model = unetgen.build(name, device="meta")
    assert [(k, tuple(v.shape)) for k, v in model.named_parameters()] == [
        (k, p.shape) for k, p in model.graph.parameters.items()
    ]


def assert_keys_unchanged_elsewhere(path: str, **overrides: object) -> None:
    """Check that overrides change only the keys under a path."""
    before, after = unetgen.graph_of("unet_milesial"), unetgen.graph_of("unet_milesial", **overrides)
    rest = [{k for k in graph.parameters if not k.startswith(f"{path}.")} for graph in (before, after)]
    assert rest[0] == rest[1]
    assert keys(before) != keys(after)


def test_a_change_at_one_level_renames_nothing_at_another() -> None:
    assert_keys_unchanged_elsewhere("encoder.1", levels={1: {"encoder": {"block": {"repeats": 4}}}})
    assert_keys_unchanged_elsewhere(
        "encoder.2", levels={2: {"encoder": {"block": {"type": "residual", "padding": "zeros"}}}}
    )
    assert_keys_unchanged_elsewhere("bottleneck", bottleneck={"block": {"repeats": 3}})
    assert_keys_unchanged_elsewhere("decoder.0.up", levels={0: {"upsample": {"type": "interpolate"}}})
    assert_keys_unchanged_elsewhere("head.0", head={"kernel_size": 3})


def test_an_added_norm_or_dropout_renames_no_convolution() -> None:
    plain = unetgen.graph_of("unet_paper")
    normed = unetgen.graph_of(
        "unet_paper", block={"norm": "batch", "dropout": {"rate": 0.1, "type": "element", "place": "every"}}
    )
    assert set(plain.parameters) <= set(normed.parameters)


def test_an_added_level_renames_no_finer_level() -> None:
    """Level 0 is the finest, so a deeper net keeps the names of what a shallower one has."""
    shallow, deep = (unetgen.graph_of("unet_1d", widths=[4, 8, 16, 32][:n]) for n in (3, 4))
    finer = {k for k in shallow.parameters if not k.startswith("bottleneck")}
    assert finer <= set(deep.parameters)


def test_attributes_of_torch_modules_are_reserved() -> None:
    """A newer torch may have more: add the missing names to ``reserved_names``."""
    assert {name for name in dir(Scope("")) if not name.startswith("_")} <= RESERVED_NAMES


def test_unetgen_reserves_no_name_of_its_own() -> None:
    own = {name for name in dir(Scope("")) if not name.startswith("_")} - set(dir(nn.Module()))
    assert own == set()
