"""AOTInductor: a network compiled to a library, in a package that runs without a compiler and without our code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import torch

from unetgen.errors import FormatError, one_line
from unetgen.graph.ops.base import Size
from unetgen.network.from_graph import UNet
from unetgen.network.weights.file import write_whole
from unetgen.outputs.exports.metadata import metadata
from unetgen.outputs.exports.program import difference, program_of, quiet


def write(model: UNet, path: Path, input_size: Size | None = None) -> str:
    """Writes the package, for this kind of processor and this torch. Raises FormatError where nothing compiles."""
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl")):
        raise FormatError(f"{path}: aoti needs a C++ compiler, and none is found; install g++, or export pt2")
    program, sizes, _ = program_of(model, input_size)
    told = json.dumps(metadata(model, sizes))
    with TemporaryDirectory() as folder:
        package = Path(folder) / "network.pt2"  # its name has to end so
        try:
            with quiet(model):
                torch._inductor.aoti_compile_and_package(program, package_path=str(package))
            run: Any = torch._inductor.aoti_load_package(str(package))
            apart = difference(model, run, sizes.tried)
        except Exception as error:  # compilers fail in many classes
            raise FormatError(f"{path}: aoti does not compile it: {one_line(error)}; export pt2") from error
        with ZipFile(package, "a") as archive:
            archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/extra/unetgen.json", told)
        write_whole(path, lambda partial: shutil.copyfile(package, partial))
    return f"sizes {sizes.told}, {apart:.1g} from the network at most"
