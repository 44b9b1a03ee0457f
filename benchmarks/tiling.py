"""Images in tiles: what they cost over the network's own calls, what they hold, and how exact they are.

    python -m benchmarks.tiling [--measure throughput equal memory monai] [--pairs 7]

throughput: what the network takes for so many tiles of its own, over what ``predict`` takes for an image of as many.

equal: the largest difference between an image in tiles and the same in one piece.

memory: the most that a process holds of its own (no pages of files) while it runs over images that are mapped into
memory, each in a process of its own.

monai: the same padded network over the same image by MONAI's sliding window; times and memory as ratios of MONAI's
over ours, and how far each is from the image in one piece.
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

# The networks of the paper and of milesial's Pytorch-UNet, by the width of their finest level, and the border that
# each takes away at four levels.
VALID, PADDED = "unet_paper", "unet_milesial"
BORDER = {VALID: 184, PADDED: 0}

# What an image is cut into for MONAI, and how much windows share: its default, and what ours needs to be exact.
WINDOW, SHARES = 512, (0.25, 0.5)


def main() -> None:
    """Prints what was asked for."""
    chosen = _parse_arguments()
    if chosen.held:
        print(measure_held(*chosen.held))
        return
    print(describe_machine())
    for name in chosen.measure:
        _MEASURES[name](chosen)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiling", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", nargs="+", choices=list(_MEASURES), default=list(_MEASURES))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2048, 4096, 8192, 16384], help="of the mapped images")
    parser.add_argument("--held", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def build_network(name: str, width: int, dtype: torch.dtype = torch.float32) -> Any:
    """A shipped network at another width, ready to predict."""
    widths = {"base": width, "growth": 2, "max": 16 * width}
    return unetgen.build(name, seed=0, depth=4, widths=widths, input_size=None).to(dtype).eval()


def make_noise(channels: int, size: int, dtype: Any = np.float32) -> NDArray[Any]:
    """An image without structure."""
    return np.random.default_rng(0).normal(size=(channels, size, size)).astype(dtype)


def measure_throughput(arguments: argparse.Namespace) -> None:
    """The network's calls over ours, tile by tile."""
    table = Table("the network's own calls / predict", *COLUMNS, "goal", first=44)
    for name, width, tile, size in ((VALID, 64, 572, 1164), (VALID, 16, 572, 1940), (PADDED, 16, 512, 900)):
        model = build_network(name, width)
        image = make_noise(model.graph.in_channels, size)
        plans = plan_axes(model.graph, (size, size), (tile, tile))
        tiles = len(plans[0].spans) * len(plans[1].spans)
        # A tile may be larger than was asked for, by what the image's size leaves over.
        x = torch.from_numpy(make_noise(model.graph.in_channels, plans[0].tile))[None]

        def own(model: Any = model, x: torch.Tensor = x, tiles: int = tiles) -> None:
            with torch.inference_mode():
                for _ in range(tiles):
                    model(x)

        def ours(model: Any = model, image: Any = image, tile: int = tile) -> None:
            predict(model, image, tile=tile)

        ratios = time_ratios(own, ours, arguments.pairs, warmups=1)
        table.print_row(f"{name} {width}, {tiles} tiles of {tile} x {tile}", *ratios.to_cells(), ">= 0.9")


def measure_exactness(_: argparse.Namespace) -> None:
    """Tiles against one piece. Convolutions of doubles unfold the image, so wide ones take small images."""
    table = Table("tiles - one piece", "largest difference", "of outputs up to", first=54)
    cases = [
        (VALID, 64, 700, 444, torch.float64), (VALID, 2, 4000, 572, torch.float64),
        (VALID, 16, 4000, 572, torch.float32), (PADDED, 2, 4000, 512, torch.float64),
    ]  # fmt: skip
    for name, width, size, tile, dtype in cases:
        model = build_network(name, width, dtype)
        image = make_noise(model.graph.in_channels, size, str(dtype).removeprefix("torch."))
        found, truth = predict(model, image, tile=tile), predict_untiled(model, image, BORDER[name])
        apart, most = np.abs(found - truth).max(), np.abs(truth).max()
        table.print_row(f"{name} {width}, {size} x {size} in {tile} x {tile}, {dtype}", f"{apart:.3g}", f"{most:.3g}")


def predict_untiled(model: Any, image: NDArray[Any], border: int) -> NDArray[Any]:
    """The network's output for the image, mirrored by half the border and behind that to the next size that fits."""
    length, before = image.shape[1], border // 2
    behind = model.graph.fits[0].smallest_above(length + border - 1) - length - before
    x = np.pad(image, ((0, 0), (before, behind), (before, behind)), mode="reflect")
    with torch.inference_mode():
        y: NDArray[Any] = model(torch.from_numpy(x[None]))[0].numpy()
    return y[:, :length, :length]


def measure_memory(arguments: argparse.Namespace) -> None:
    """What a process holds of its own for images of several sizes."""
    command = [sys.executable, "-m", "benchmarks.tiling", "--held", "predict"]
    table = Table("a mapped image", "MiB held at most", "of the one before", first=24)
    found = [float(subprocess.check_output([*command, str(size)], text=True)) for size in arguments.sizes]
    ratios = ["", *(f"{after / before:.3f}" for before, after in pairwise(found))]
    for size, mebibytes, ratio in zip(arguments.sizes, found, ratios, strict=True):
        table.print_row(f"{size} x {size}", f"{mebibytes:.0f}", ratio)


def measure_held(method: str, size: str) -> float:
    """The MiB that this process holds at most of its own while a network runs over an image."""
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
    """MiB of memory that belongs to no file, at most, looked at every few milliseconds."""
    done, most = threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.005):
            found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
            most[0] = max(most[0], int(found[1]) if found else 0)

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return most[0] / 1024


def make_monai_run(model: Any, image: NDArray[Any], share: float) -> Callable[[], NDArray[Any]]:
    """MONAI's sliding window over an image."""
    from monai.inferers import sliding_window_inference  # noqa: PLC0415  # it is not in the memory of ours

    x = torch.from_numpy(image[None])

    def run() -> NDArray[Any]:
        with torch.inference_mode():
            y: torch.Tensor = sliding_window_inference(x, (WINDOW, WINDOW), 1, model, overlap=share, mode="gaussian")
        return y[0].numpy()

    return run


def compare_with_monai(arguments: argparse.Namespace) -> None:
    """MONAI's time over ours, and how far both are from one piece."""
    size = 1536
    model, image = build_network(PADDED, 16), make_noise(3, 1536)
    with torch.inference_mode():
        truth = model(torch.from_numpy(image[None]))[0].numpy()
    ours = np.abs(predict(model, image, tile=WINDOW) - truth).max() / np.abs(truth).max()
    table = Table("MONAI / predict", *COLUMNS, "MONAI's error", "ours", first=40)
    for share in SHARES:
        run = make_monai_run(model, image, share)
        theirs = np.abs(run() - truth).max() / np.abs(truth).max()
        ratios = time_ratios(run, lambda: predict(model, image, tile=WINDOW), arguments.pairs, warmups=1)
        table.print_row(f"time, windows share {share}", *ratios.to_cells(), f"{theirs:.2g}", f"{ours:.2g}")
    command = [sys.executable, "-m", "benchmarks.tiling", "--held"]
    a, b = (float(subprocess.check_output([*command, how, str(size)], text=True)) for how in ("monai", "ours"))
    table.print_row("memory held", f"{a / b:.3f}", f"{a:.0f} and {b:.0f} MiB")


_MEASURES = {
    "throughput": measure_throughput,
    "equal": measure_exactness,
    "memory": measure_memory,
    "monai": compare_with_monai,
}


if __name__ == "__main__":
    main()
