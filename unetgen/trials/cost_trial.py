"""Measure the inference cost of a network on this machine, without data or trained weights."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import torch
from pydantic import PositiveInt
from torch import Tensor

from unetgen.ablation.runs.context import TrialContext
from unetgen.ablation.runs.trial_function import trial
from unetgen.config.spec import Spec
from unetgen.errors import RunError
from unetgen.graph.external.live_memory import LiveElementCounter
from unetgen.graph.size_errors import smallest_fitting_size
from unetgen.network.unet import UNet
from unetgen.trials.options import SizeOption, expand_per_axis, validate_options

# The minimum default input size on each axis, in pixels.
_DEFAULT_SIZE = 64


@trial(better={"latency_ms": "lower", "throughput": "higher", "peak_memory_mb": "lower"})
@validate_options
def cost(
    model: UNet,
    spec: Spec,
    context: TrialContext,
    *,
    batch: PositiveInt = 1,
    runs: PositiveInt = 10,
    input_size: SizeOption | None = None,
) -> dict[str, float]:
    """Measure the latency, throughput and peak memory of float32 inference.

    Args:
        model: The network.
        spec: The network's spec.
        context: The trial's context, whose device is used.
        batch: The number of samples in the batch.
        runs: The number of timed runs, after a warm-up.
        input_size: The spatial input size (default: the spec's, or else the smallest that fits and has at least 64
            pixels on each axis).

    Returns:
        ``latency_ms``, the median over ``runs`` in milliseconds; ``throughput`` in samples per second;
        ``peak_memory_mb``, the peak memory besides the weights in MB of 10^6 bytes (on a GPU, of torch's allocator).

    Raises:
        RunError: An option is invalid, or no input size fits.
    """
    x = torch.zeros(batch, spec.in_channels, *_choose_input_size(model, input_size), device=context.device)
    model.eval()
    with torch.inference_mode():
        peak = _measure_peak_bytes(model, x)  # the first call, which also warms up
        seconds = [_measure_seconds(model, x) for _ in range(runs)]
    latency = median(seconds)
    return {"latency_ms": 1000 * latency, "throughput": batch / latency, "peak_memory_mb": peak / 1e6}


def _choose_input_size(model: UNet, requested: int | list[int] | None) -> tuple[int, ...]:
    """Return the input size to measure; raise RunError if none fits."""
    if requested is not None:
        return expand_per_axis("input_size", requested, model.graph.dims)
    size = (
        model.graph.input_size
        or smallest_fitting_size(model.graph, _DEFAULT_SIZE)
        or smallest_fitting_size(model.graph)
    )
    if size is None:
        raise RunError("no input size fits this network; run unetgen inspect to see its sizes")
    return size


def _measure_peak_bytes(model: UNet, x: Tensor) -> int:
    """Return the peak memory of a forward pass besides the weights, in bytes."""
    if x.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(x.device)
        before = int(torch.cuda.memory_allocated(x.device))
        model(x)
        return int(torch.cuda.max_memory_allocated(x.device)) - before
    with LiveElementCounter([x, *model.parameters(), *model.buffers()]) as counter:
        model(x)
    return int(counter.peak * x.element_size())


def _measure_seconds(model: UNet, x: Tensor) -> float:
    start = perf_counter()
    model(x)
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
    return perf_counter() - start
