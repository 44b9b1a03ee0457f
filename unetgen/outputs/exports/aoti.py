"""AOTInductor: a network compiled to a library, in a package that runs without a compiler and without our code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import torch

from unetgen.errors import FormatError, format_exception_line
from unetgen.graph.ops.base import Size
from unetgen.network.unet import UNet
from unetgen.network.weights.tensor_file import write_atomically
from unetgen.outputs.exports.metadata import collect_metadata
from unetgen.outputs.exports.program import compute_max_relative_error, export_mode, export_verified


def write(model: UNet, path: Path, input_size: Size | None = None) -> str:
    """Writes the package, for this kind of processor and this torch. Raises FormatError where nothing compiles."""
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl")):
        raise FormatError(f"{path}: aoti needs a C++ compiler, and none is found; install g++, or export pt2")
    program, sizes, _ = export_verified(model, input_size)
    told = json.dumps(collect_metadata(model, sizes))
    with TemporaryDirectory() as folder:
        package = Path(folder) / "network.pt2"  # its name has to end so
        try:
            with export_mode(model):
                torch._inductor.aoti_compile_and_package(program, package_path=str(package))
            run: Any = torch._inductor.aoti_load_package(str(package))
            apart = compute_max_relative_error(model, run, sizes.verification_sizes)
        except Exception as error:  # compilers fail in many classes
            raise FormatError(
                f"{path}: aoti does not compile it: {format_exception_line(error)}; export pt2"
            ) from error
        with ZipFile(package, "a") as archive:
            archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/extra/unetgen.json", told)
        write_atomically(path, lambda partial: shutil.copyfile(package, partial))
    return f"sizes {sizes.description}, {apart:.1g} from the network at most"
