"""Measure processes of ``unetgen validate`` with many plugins installed against processes without any.

    python -m benchmarks.plugins [--pairs 11] [--distributions 50]

Each generated distribution has four parts with two options each. A spec of built-in parts imports none of them, one
that names ``distribution/part`` imports one, and one that names a part only imports all, because each could provide it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from benchmarks.interleaved import COLUMNS, describe_machine, time_ratios
from benchmarks.startup import UNETGEN, make_process_run
from benchmarks.table import Table

SPEC = "schema_version: 1\nin_channels: 1\nout_channels: 2\nwidths: [8, 16, 32]\nblock: BLOCK\n"
BUILT_IN = "{padding: zeros}"
ROWS = (
    ("built-in parts", BUILT_IN),
    ("one part as distribution/part", "{type: made-up-7/block_7, kernel_size: 5}"),
    ("one part by its name alone", "{type: block_7, kernel_size: 5}"),
)

MODULE = '''
from typing import Annotated, ClassVar

from unetgen.authoring import Activation, Attention, Block, Count, In, Kernel, Norm, hookimpl


class MyBlock(Block):
    """A convolution."""

    type: ClassVar[str] = "block_NUMBER"

    kernel_size: Kernel = 3
    bias: bool = True

    def emit(self, g, x, channels):
        return g.conv(x, channels, self.kernel_size, name="conv", padding="zeros", bias=self.bias)


class MyAttention(Attention):
    """A gate."""

    type: ClassVar[str] = "attention_NUMBER"

    reduction: Count = 4
    bias: bool = True

    def emit(self, g, x):
        return g.conv(x, x.channels, 1, name="conv", bias=self.bias)


class MyNorm(Norm):
    """A norm."""

    type: ClassVar[str] = "norm_NUMBER"

    eps: float = 1e-5
    affine: bool = True

    def emit(self, g, x, name):
        return x


class MyActivation(Activation):
    """An activation."""

    type: ClassVar[str] = "activation_NUMBER"

    slope: float = 0.1
    offset: float = 0.0

    def emit(self, g, x, name):
        return x


@hookimpl
def unetgen_parts():
    return [MyBlock, MyAttention, MyNorm, MyActivation]
'''


def main() -> None:
    """Print one row for each way of naming a part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugins", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--distributions", type=int, default=50)
    arguments = parser.parse_args()
    print(describe_machine())
    table = Table("with plugins / without", *COLUMNS, "goal", first=34)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site")
        for number in range(arguments.distributions):
            install(site, number)
        path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        without = make_process_run(make_validate_command(Path(folder, "without.yaml"), BUILT_IN))
        for title, block in ROWS:
            ours = make_process_run(make_validate_command(Path(folder, "with.yaml"), block), PYTHONPATH=path)
            table.print_row(title, *time_ratios(ours, without, arguments.pairs).to_cells(), "<= 1.5")


def install(site: Path, number: int) -> None:
    """Install a distribution with four parts, with the same files as pip."""
    module = f"made_up_{number}"
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made-up-{number}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[unetgen]\n{module} = {module}\n")
    (site / f"{module}.py").write_text(MODULE.replace("NUMBER", str(number)))


def make_validate_command(spec: Path, block: str) -> tuple[str, ...]:
    """Write a spec with a block and return the command that validates it."""
    spec.write_text(SPEC.replace("BLOCK", block))
    return (*UNETGEN, "validate", str(spec))


if __name__ == "__main__":
    main()
