"""With many plugins installed: a spec imports those that it needs, and torch with none of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.plugin_site import PluginSite

MANY = 50

PLUGIN = '''\
from typing import ClassVar

from unetgen.authoring import Block, Kernel, hookimpl


class Once(Block):
    """A convolution."""

    type: ClassVar[str] = "once_NUMBER"

    kernel_size: Kernel = 3
    bias: bool = True

    def emit(self, g, x, channels):
        return g.conv(x, channels, self.kernel_size, name="conv", padding="zeros", bias=self.bias)


class Again(Once):
    """The same."""

    type: ClassVar[str] = "again_NUMBER"


class OnceMore(Once):
    """The same."""

    type: ClassVar[str] = "once_more_NUMBER"


class Forever(Once):
    """The same."""

    type: ClassVar[str] = "forever_NUMBER"


@hookimpl
def unetgen_parts():
    return [Once, Again, OnceMore, Forever]
'''

VALIDATE = """
import sys
from unetgen.cli.main import main
sys.argv = ["unetgen", "validate", "spec.yaml"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
assert not {"torch", "numpy", "torchinfo"} & set(sys.modules)
print(*sorted(name for name in sys.modules if name.startswith("many_")))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fifty distributions of four parts each."""
    folder = tmp_path_factory.mktemp("many")
    plugin_site = PluginSite(folder / "site")
    for number in range(MANY):
        plugin_site.install(f"many-{number}", PLUGIN.replace("NUMBER", str(number)))
    return folder


@pytest.mark.parametrize(
    ("block", "imported"),
    [
        ("{padding: zeros}", []),
        ("{type: many-7/again_7, kernel_size: 5}", ["many_7"]),
        ("{type: again_7, kernel_size: 5}", sorted(f"many_{number}" for number in range(MANY))),
    ],
    ids=["built-in parts", "a full name", "a name alone"],
)
def test_a_spec_imports_the_plugins_that_it_needs_and_no_torch(folder: Path, block: str, imported: list[str]) -> None:
    spec = f"schema_version: 1\nin_channels: 1\nout_channels: 2\nwidths: [4, 8]\nblock: {block}\n"
    (folder / "spec.yaml").write_text(spec)
    path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    verdict, modules = done.stdout.splitlines()
    assert verdict == "spec.yaml: valid"
    assert modules.split() == imported
