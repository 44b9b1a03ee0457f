"""Measure the time, memory and exactness of tiled prediction.

    python -m benchmarks.tiling [--measure throughput equal memory monai] [--pairs 7]

throughput: the time of the network's own calls on N tiles over the time of ``predict`` for an image of N tiles.

equal: the largest difference between the tiled and the untiled result.

memory: the peak anonymous memory (without pages of files) of a process for memory-mapped images, each in a separate
process.

monai: MONAI's sliding window with the same padded network and image; times and memory as ratios of MONAI's over ours,
and the error of each against the untiled image.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import unetgen
from benchmarks.interleaved import COLUMNS, describe_machine, time_ratios
from benchmarks.table import Table
from unetgen.tiling import predict
from unetgen.tiling.plan import plan_axes

# The networks of the paper and of milesial's Pytorch-UNet, and the border that each trims at four levels.
VALID, PADDED = "unet_paper", "unet_milesial"
BORDER = {VALID: 184, PADDED: 0}

# MONAI's window size, and its overlaps: the default, and the overlap that our tiles need to be exact.
WINDOW, SHARES = 512, (0.25, 0.5)


def main() -> None:
    """Print the selected measurements."""
    arguments = _parse_arguments()
    if arguments.held:
        print(measure_held(*arguments.held))
        return
    print(describe_machine())
    for name in arguments.measure:
        _MEASURES[name](arguments)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiling", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", nargs="+", choices=list(_MEASURES), default=list(_MEASURES))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096, 8192, 16384], help="of the mapped images")
    parser.add_argument("--held", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def build_network(name: str, width: int, dtype: torch.dtype = torch.float32) -> Any:
    """Build a shipped network at another width, in evaluation mode."""
    widths = {"base": width, "growth": 2, "max": 16 * width}
    return unetgen.build(name, seed=0, depth=4, widths=widths, input_size=None).to(dtype).eval()


def make_noise(channels: int, size: int, dtype: Any = np.float32) -> NDArray[Any]:
    """Return an image of noise."""
    return np.random.default_rng(0).normal(size=(channels, size, size)).astype(dtype)


def measure_throughput(arguments: argparse.Namespace) -> None:
    """Measure the network's own calls over ``predict``, for the same number of tiles."""
    table = Table("the network's own calls / predict", *COLUMNS, "goal", first=44)
    for name, width, tile, size in ((VALID, 64, 572, 1164), (VALID, 16, 572, 1940), (PADDED, 16, 512, 900)):
        model = build_network(name, width)
        image = make_noise(model.graph.in_channels, size)
        plans = plan_axes(model.graph, (size, size), (tile, tile))
        tiles = len(plans[0].spans) * len(plans[1].spans)
        # A tile may be larger than requested, to be in the residue class of the image's size.
        x = torch.from_numpy(make_noise(model.graph.in_channels, plans[0].tile))[None]

        def call_network(model: Any = model, x: torch.Tensor = x, tiles: int = tiles) -> None:
            with torch.inference_mode():
                for _ in range(tiles):
                    model(x)

        def call_predict(model: Any = model, image: Any = image, tile: int = tile) -> None:
            predict(model, image, tile=tile)

        ratios = time_ratios(call_network, call_predict, arguments.pairs, warmups=1)
        table.print_row(f"{name} {width}, {tiles} tiles of {tile} x {tile}", *ratios.to_cells(), ">= 0.9")


def measure_exactness(_: argparse.Namespace) -> None:
    """Compare tiled with untiled results. Convolutions in float64 unfold the image, so wide networks get small ones."""
    table = Table("tiled - untiled", "largest difference", "of outputs up to", first=54)
    cases = [
        (VALID, 64, 700, 444, torch.float64), (VALID, 2, 4000, 572, torch.float64),
        (VALID, 16, 4000, 572, torch.float32), (PADDED, 2, 4000, 512, torch.float64),
    ]  # fmt: skip
    for name, width, size, tile, dtype in cases:
        model = build_network(name, width, dtype)
        image = make_noise(model.graph.in_channels, size, str(dtype).removeprefix("torch."))
        tiled, untiled = predict(model, image, tile=tile), predict_untiled(model, image, BORDER[name])
        difference, largest = np.abs(tiled - untiled).max(), np.abs(untiled).max()
        title = f"{name} {width}, {size} x {size} in {tile} x {tile}, {dtype}"
        table.print_row(title, f"{difference:.3g}", f"{largest:.3g}")


def predict_untiled(model: Any, image: NDArray[Any], border: int) -> NDArray[Any]:
    """Return the output for an image that is mirrored by half the border, and at its end to the next fitting size."""
    length, before = image.shape[1], border // 2
    behind = model.graph.fits[0].smallest_above(length + border - 1) - length - before
    x = np.pad(image, ((0, 0), (before, behind), (before, behind)), mode="reflect")
    with torch.inference_mode():
        y: NDArray[Any] = model(torch.from_numpy(x[None]))[0].numpy()
    return y[:, :length, :length]


def measure_memory(arguments: argparse.Namespace) -> None:
    """Measure the peak memory of a process for images of several sizes."""
    command = [sys.executable, "-m", "benchmarks.tiling", "--held", "predict"]
    table = Table("a mapped image", "peak MiB", "of the one before", first=24)
    peaks = [float(subprocess.check_output([*command, str(size)], text=True)) for size in arguments.sizes]
    ratios = ["", *(f"{after / before:.3f}" for before, after in pairwise(peaks))]
    for size, mebibytes, ratio in zip(arguments.sizes, peaks, ratios, strict=True):
        table.print_row(f"{size} x {size}", f"{mebibytes:.0f}", ratio)


def measure_held(method: str, size: str) -> float:
    """Return this process's peak anonymous memory in MiB while a network runs over an image."""
    length = int(size)
    if method == "predict":
        model = build_network(VALID, 2)
        with tempfile.TemporaryDirectory() as folder:
            image = np.memmap(Path(folder) / "image", "float32", "w+", shape=(1, length, length))
            out = np.memmap(Path(folder) / "out", "uint8", "w+", shape=(1, length, length))
            return measure_peak_memory(lambda: predict(model, image, tile=1084, keep="labels", out=out))
    model, image = build_network(PADDED, 16), make_noise(3, length)
    run = (lambda: predict(model, image, tile=WINDOW)) if method == "ours" else make_monai_run(model, image, SHARES[0])
    return measure_peak_memory(run)


def measure_peak_memory(run: Callable[[], object]) -> float:
    """Return the peak anonymous memory in MiB during a run, sampled every few milliseconds."""
    is_done, peak_kib = threading.Event(), [0]

    def sample() -> None:
        while not is_done.wait(0.005):
            match = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
            peak_kib[0] = max(peak_kib[0], int(match[1]) if match else 0)

    sampler = threading.Thread(target=sample)
    sampler.start()
    run()
    is_done.set()
    sampler.join()
    return peak_kib[0] / 1024


def make_monai_run(model: Any, image: NDArray[Any], share: float) -> Callable[[], NDArray[Any]]:
    """Return a function that runs MONAI's sliding window over an image."""
    from monai.inferers import sliding_window_inference  # noqa: PLC0415  # must not count in our memory

    x = torch.from_numpy(image[None])

    def run() -> NDArray[Any]:
        with torch.inference_mode():
            y: torch.Tensor = sliding_window_inference(x, (WINDOW, WINDOW), 1, model, overlap=share, mode="gaussian")
        return y[0].numpy()

    return run


def compare_with_monai(arguments: argparse.Namespace) -> None:
    """Measure MONAI's time and memory over ours, and the error of both against the untiled image."""
    size = 1536
    model, image = build_network(PADDED, 16), make_noise(3, 1536)
    with torch.inference_mode():
        untiled = model(torch.from_numpy(image[None]))[0].numpy()
    ours = np.abs(predict(model, image, tile=WINDOW) - untiled).max() / np.abs(untiled).max()
    table = Table("MONAI / predict", *COLUMNS, "MONAI's error", "ours", first=40)
    for share in SHARES:
        run = make_monai_run(model, image, share)
        theirs = np.abs(run() - untiled).max() / np.abs(untiled).max()
        ratios = time_ratios(run, lambda: predict(model, image, tile=WINDOW), arguments.pairs, warmups=1)
        table.print_row(f"time, windows share {share}", *ratios.to_cells(), f"{theirs:.2g}", f"{ours:.2g}")
    command = [sys.executable, "-m", "benchmarks.tiling", "--held"]
    a, b = (float(subprocess.check_output([*command, method, str(size)], text=True)) for method in ("monai", "ours"))
    table.print_row("peak memory", f"{a / b:.3f}", f"{a:.0f} and {b:.0f} MiB")


_MEASURES = {
    "throughput": measure_throughput,
    "equal": measure_exactness,
    "memory": measure_memory,
    "monai": compare_with_monai,
}


if __name__ == "__main__":
    main()
