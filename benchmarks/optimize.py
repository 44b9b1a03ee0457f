"""Measure unetgen.optimize against eager networks, and against each common optimization alone.

    python -m benchmarks.optimize [--pairs 7] [--measure single peers]

single: two unchanged hand-written networks over channels last alone, torch.compile alone, onnxruntime alone, and
optimize without and with the compiler, in float32 and bfloat16. Ratios are the eager time over the other's: higher is
better.

peers: MONAI's and segmentation_models.pytorch's unchanged networks, over the same architectures after optimize.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import unetgen
from benchmarks.interleaved import COLUMNS, describe_machine, time_ratios
from benchmarks.pair import TWINS, build_pair
from benchmarks.table import Table

Run = Callable[[], Any]


def main() -> None:
    """Print one row for each method."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimize", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", nargs="+", choices=list(_MEASURES), default=list(_MEASURES))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--width", type=int, default=32)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # internal warnings of torch's compiler and exporter
    print(describe_machine())
    for name in arguments.measure:
        _MEASURES[name](arguments)


def measure_single(arguments: argparse.Namespace) -> None:
    """Measure the processor's speed-up by half precision, then each method alone and optimize."""
    table = Table("float32 / bfloat16, products of 2048 x 2048 matrices", *COLUMNS, first=52)
    full, half = (
        make_inference(lambda m: m @ m, torch.randn(2048, 2048, dtype=t)) for t in (torch.float32, torch.bfloat16)
    )
    table.print_row("matmul", *time_ratios(full, half, arguments.pairs).to_cells(".2f"))
    for name in ("paper", "milesial"):
        pair = build_pair(name, TWINS[name].size, arguments.width)
        title = f"eager by hand / ..., {name} {arguments.width}, {'x'.join(map(str, TWINS[name].size))}"
        table = Table(title, *COLUMNS, "difference", first=52)
        eager = make_inference(pair.handwritten.eval(), pair.image)
        expected = eager()
        for title, run in iter_methods(pair.ours.eval(), pair.handwritten.eval(), pair.image):
            error = float((run() - expected).abs().max() / expected.abs().max())
            table.print_row(title, *time_ratios(eager, run, arguments.pairs).to_cells(".2f"), f"{error:.1g}")


def iter_methods(ours: Any, handwritten: nn.Module, x: Tensor) -> Iterator[tuple[str, Run]]:
    """Yield each common method alone, then optimize."""
    yield (
        "channels last",
        make_inference(handwritten.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)),
    )
    handwritten.to(memory_format=torch.contiguous_format)
    yield "torch.compile", make_inference(torch.compile(handwritten), x)
    torch.compiler.reset()
    yield "onnxruntime", make_onnxruntime_run(ours, x)
    yield "optimize", make_inference(unetgen.optimize(ours), x)
    yield "optimize, compiled", make_inference(unetgen.optimize(ours, compile=True), x)
    torch.compiler.reset()
    yield "optimize, bfloat16", make_inference(unetgen.optimize(ours, dtype=torch.bfloat16), x)
    yield "optimize, bfloat16, compiled", make_inference(unetgen.optimize(ours, dtype=torch.bfloat16, compile=True), x)
    torch.compiler.reset()


def make_inference(model: Any, x: Tensor) -> Run:
    """Return a function that runs an inference."""

    def run() -> Any:
        with torch.inference_mode():
            return model(x)

    return run


def make_onnxruntime_run(model: Any, x: Tensor) -> Run:
    """Return a function that runs the same network in onnxruntime, with the same number of threads as torch."""
    import onnxruntime  # noqa: PLC0415  # an extra

    from unetgen.outputs.exports import onnx  # noqa: PLC0415  # needs the extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Otherwise its threads keep spinning and slow down the next measurement.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with tempfile.TemporaryDirectory() as folder:
        onnx.write(model, Path(folder) / "net.onnx", input_size=tuple(x.shape[2:]))
        session = onnxruntime.InferenceSession(Path(folder) / "net.onnx", options)
    image = x.numpy()
    return lambda: torch.from_numpy(session.run(None, {"image": image})[0])


def measure_peers(arguments: argparse.Namespace) -> None:
    """Measure unchanged networks of other libraries against optimize."""
    table = Table("eager / optimize", *COLUMNS, first=52)
    for title, theirs, spec, shape in iter_peer_networks():
        x = torch.randn(1, *shape)
        theirs.eval()
        ours = unetgen.build(spec, seed=0).eval()
        eager = make_inference(theirs, x)
        choices: list[dict[str, Any]] = [{}, {"compile": True}, {"dtype": torch.bfloat16}]
        for options in choices:
            label = ", ".join(["bfloat16"] * ("dtype" in options) + ["compiled"] * ("compile" in options)) or "default"
            run = make_inference(unetgen.optimize(ours, **options), x)
            table.print_row(f"{title}: {label}", *time_ratios(eager, run, arguments.pairs).to_cells(".2f"))
            torch.compiler.reset()


def iter_peer_networks() -> Iterator[tuple[str, nn.Module, str, tuple[int, ...]]]:
    """Yield networks of MONAI and segmentation_models.pytorch with the equivalent specs."""
    from monai.networks.nets import BasicUNet  # noqa: PLC0415  # an extra

    yield (
        "MONAI BasicUNet, 256x256",
        BasicUNet(2, features=(32, 32, 64, 128, 256, 32)),
        "monai_basic_unet",
        (1, 256, 256),
    )
    library = torch.library.Library("torchvision", "DEF")  # its CUDA wheel does not match a CPU-only torch
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import segmentation_models_pytorch  # noqa: PLC0415  # an extra

    theirs = segmentation_models_pytorch.Unet("resnet34", encoder_weights=None)
    yield "SMP Unet(resnet34), 256x256", theirs, "smp_unet_resnet34", (3, 256, 256)


_MEASURES = {"single": measure_single, "peers": measure_peers}


if __name__ == "__main__":
    main()
