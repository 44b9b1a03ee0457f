"""Compile a network with AOTInductor to a package that runs without a compiler and without unetgen."""

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
from unetgen.outputs.exports.program import (
    VerifiedProgram,
    compute_max_relative_error,
    copy_program,
    export_mode,
    export_verified,
)


def write(
    model: UNet, path: str | Path, input_size: Size | None = None, *, exported: VerifiedProgram | None = None
) -> str:
    """Write a package for this processor and this version of torch.

    Args:
        model: The network.
        path: The file to write.
        input_size: The only input size, without batch and channels (default: all sizes that can be expressed).
        exported: The result of ``export_verified`` for this network, to export only once for several formats;
            ``input_size`` is then ignored. It is not changed.

    Returns:
        One line with the sizes and the largest relative error.

    Raises:
        FormatError: The network cannot be exported or compiled.
        SizeError: The input size does not fit.
        WeightsError: The file cannot be written.
    """
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++", "cl")):
        raise FormatError(f"{path}: aoti needs a C++ compiler, but none was found; install g++, or export pt2")
    exported = exported or export_verified(model, input_size)
    program, sizes = copy_program(exported.program), exported.sizes
    metadata = json.dumps(collect_metadata(model, sizes))
    with TemporaryDirectory() as folder:
        package = Path(folder) / "network.pt2"  # torch requires the suffix
        try:
            with export_mode(model):
                torch._inductor.aoti_compile_and_package(program, package_path=str(package))
            run: Any = torch._inductor.aoti_load_package(str(package))
            max_error = compute_max_relative_error(model, run, sizes.verification_sizes)
        except Exception as error:  # the compilers raise many classes
            raise FormatError(f"{path}: AOTInductor failed: {format_exception_line(error)}; export pt2") from error
        with ZipFile(package, "a") as archive:
            archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/extra/unetgen.json", metadata)
        write_atomically(path, lambda partial: shutil.copyfile(package, partial))
    return f"sizes {sizes.description}, max relative error {max_error:.1g}"
