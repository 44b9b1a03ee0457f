"""cost: what a network takes on this machine. It needs no data, and its weights do not matter."""

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

# Pixels on each axis where neither the spec nor the trial names a size.
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
    """Latency and throughput of an inference in float32, and the memory that its maps take at their peak.

    ``latency_ms`` is the median of ``runs`` calls, in ms, ``throughput`` in samples of a batch each second,
    ``peak_memory_mb`` counts what is alive beside the weights, in MB of 10^6 bytes; on a GPU it is what its allocator
    held. The size is ``input_size``, else the spec's, else the smallest that fits and has 64 pixels on each axis.
    """
    x = torch.zeros(batch, spec.in_channels, *_choose_input_size(model, input_size), device=context.device)
    model.eval()
    with torch.inference_mode():
        peak = _measure_peak_bytes(model, x)  # the first call, which also brings in kernels
        seconds = [_measure_seconds(model, x) for _ in range(runs)]
    latency = median(seconds)
    return {"latency_ms": 1000 * latency, "throughput": batch / latency, "peak_memory_mb": peak / 1e6}


def _choose_input_size(model: UNet, requested: int | list[int] | None) -> tuple[int, ...]:
    """The size that is measured. Raises RunError where no size fits."""
    if requested is not None:
        return expand_per_axis("input_size", requested, model.graph.dims)
    found = (
        model.graph.input_size
        or smallest_fitting_size(model.graph, _DEFAULT_SIZE)
        or smallest_fitting_size(model.graph)
    )
    if found is None:
        raise RunError("no size fits this network; see unetgen inspect")
    return found


def _measure_peak_bytes(model: UNet, x: Tensor) -> int:
    """Bytes."""
    if x.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(x.device)
        before = int(torch.cuda.memory_allocated(x.device))
        model(x)
        return int(torch.cuda.max_memory_allocated(x.device)) - before
    with LiveElementCounter([x, *model.parameters(), *model.buffers()]) as living:
        model(x)
    return int(living.peak * x.element_size())


def _measure_seconds(model: UNet, x: Tensor) -> float:
    began = perf_counter()
    model(x)
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
    return perf_counter() - began
