"""Random specs as plain data: every built-in part with every option, over one to three dimensions.

What is drawn is well-formed and mostly drawable. Some specs are refused, since their channels or sizes do not go
together; a test rejects those. Networks stay tiny, so that torch runs one in milliseconds.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Data = dict[str, Any]
Draw = Any  # hypothesis' own type of a draw function is not public

PADDINGS = ("valid", "zeros", "reflect", "replicate", "circular")
ROUNDINGS = ("exact", "floor", "ceil")
LINEAR_MODES = ("nearest", "linear")

# Even numbers of channels and groups of one or two: most groups divide most channels.
_WIDTHS = (2, 4, 4, 6, 8, 8, 12)
_SHARE = st.sampled_from([0.1, 0.25, 0.5, 0.9])
_SLOPE = st.sampled_from([0.0, 0.01, 0.2, 1.5])

_ACTIVATION_OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "none": {},
    "relu": {},
    "leaky_relu": {"negative_slope": _SLOPE},
    "prelu": {"slopes": st.sampled_from(["shared", "channel"]), "start": st.sampled_from([0.25, 0.1])},
    "rrelu": {"lower": st.just(0.1), "upper": st.just(0.4)},
    "relu6": {},
    "elu": {"alpha": st.sampled_from([1.0, 0.5])},
    "selu": {},
    "celu": {"alpha": st.sampled_from([1.0, 2.0])},
    "gelu": {"approximate": st.sampled_from(["none", "tanh"])},
    "silu": {},
    "mish": {},
    "hardswish": {},
    "hardsigmoid": {},
    "hardtanh": {"min_val": st.just(-2.0), "max_val": st.just(0.5)},
    "hardshrink": {"lambd": st.sampled_from([0.0, 0.1])},
    "softshrink": {"lambd": st.sampled_from([0.0, 0.1])},
    "tanhshrink": {},
    "softplus": {"beta": st.sampled_from([1.0, 2.0]), "threshold": st.sampled_from([20.0, 5.0])},
    "softsign": {},
    "sigmoid": {},
    "log_sigmoid": {},
    "tanh": {},
    "softmax": {},
    "log_softmax": {},
}

NORMS = ("none", "tracked", "untracked", "instance", "group", "layer")

# In evaluation these look at no other pixel.
POINTWISE_NORMS = ("none", "tracked", "layer")

SMOOTH = ("none", "gelu", "silu", "mish", "softplus", "softsign", "sigmoid", "tanh")


@st.composite
def _some_of(draw: Draw, options: dict[str, st.SearchStrategy[Any]]) -> Data:
    """Some of the options, each with a value."""
    return {name: draw(values) for name, values in options.items() if draw(st.booleans())}


@st.composite
def _part(draw: Draw, kind: str, options: dict[str, st.SearchStrategy[Any]], needed: Data | None = None) -> Any:
    """A part with some of its options; as its bare name, half the times that it has none."""
    given = {**(needed or {}), **draw(_some_of(options))}
    return {"type": kind, **given} if given or draw(st.booleans()) else kind


def activations(kinds: tuple[str, ...] = tuple(_ACTIVATION_OPTIONS)) -> st.SearchStrategy[Any]:
    """An activation; ReLU half of the time, where it is among the kinds."""
    threshold = st.just({"type": "threshold", "threshold": 0.1, "value": -0.5})
    each = [_part(kind, _ACTIVATION_OPTIONS[kind]) for kind in kinds]
    usual = [st.sampled_from(["relu", "leaky_relu"])] if "relu" in kinds else []
    return st.one_of(*usual, st.one_of(*each, *([threshold] if "relu" in kinds else [])))


def norms(kinds: tuple[str, ...] = NORMS) -> st.SearchStrategy[Any]:
    """A norm; batch norm with running statistics or without, since only those that are kept have a momentum."""
    eps, flag = st.sampled_from([1e-5, 0.001]), st.booleans()
    usual = {"eps": eps, "affine": flag}
    parts: dict[str, st.SearchStrategy[Any]] = {
        "none": st.just("none"),
        "tracked": _part("batch", {**usual, "momentum": st.just(0.3)}),
        "untracked": _part("batch", usual, {"track_running_stats": False}),
        "instance": st.one_of(
            _part("instance", usual),
            _part("instance", {**usual, "momentum": st.just(0.3)}, {"track_running_stats": True}),
        ),
        "group": st.builds(
            lambda n, more: {"type": "group", "groups": n, **more}, st.sampled_from([1, 1, 2]), _some_of(usual)
        ),
        "layer": _part("layer", usual),
    }
    return st.one_of(*(parts[kind] for kind in kinds))


def dropouts() -> st.SearchStrategy[Any]:
    """A dropout: none, a bare rate, or a part."""
    placed = {"place": st.just("last")}
    parts = [
        st.builds(lambda rate, more, kind=kind: {"type": kind, "rate": rate, **more}, _SHARE, _some_of(placed))
        for kind in ("element", "channel", "alpha")
    ]
    return st.one_of(st.just("none"), st.just("none"), _SHARE, *parts)


@st.composite
def per_axis(draw: Draw, dims: int, numbers: tuple[int, ...]) -> int | list[int]:
    """One number for all axes; one time in four a list with one for each."""
    if draw(st.integers(0, 3)):
        return int(draw(st.sampled_from(numbers)))
    return [draw(st.sampled_from(numbers)) for _ in range(dims)]


def longest(value: int | list[int]) -> int:
    """The largest of a number per axis."""
    return max(value) if isinstance(value, list) else value


@st.composite
def orders(draw: Draw) -> list[str]:
    """Any order of a unit's steps with a convolution in it."""
    steps = ["conv", *(step for step in ("norm", "activation", "dropout") if draw(st.integers(0, 3)))]
    return list(draw(st.permutations(steps)))


@st.composite
def blocks(draw: Draw, dims: int, smooth: bool = False) -> Data:
    """A block with any of its options that have an effect beside the others."""
    kind = draw(st.sampled_from(["conv", "conv", "residual"]))
    repeats = draw(st.sampled_from([1, 2, 2, 3]))
    block: Data = {"type": kind, "repeats": repeats, "kernel_size": draw(per_axis(dims, (3, 3, 3, 1, 2, 4, 5)))}
    if block["kernel_size"] != 1 and set(_listed(block["kernel_size"])) != {1}:
        block["padding"] = draw(st.sampled_from(("valid", *PADDINGS)))
        block |= draw(_some_of({"dilation": per_axis(dims, (1, 1, 2))}))
    if kind == "conv" and repeats > 1:
        block |= draw(_some_of({"mid_channels": st.sampled_from(["output", "half_output", "half_input", 4])}))
    block |= draw(_some_of({"bias": st.booleans(), "groups": st.sampled_from([1, 1, 1, 2])}))
    order = draw(st.one_of(st.none(), orders()))
    steps = order or ["conv", "norm", "activation", "dropout"]
    if order:
        block["order"] = order
    if "norm" in steps:
        block |= draw(_some_of({"norm": norms(POINTWISE_NORMS) if smooth else norms()}))
    if "activation" in steps:
        block["activation"] = draw(activations(SMOOTH) if smooth else activations())
    if "dropout" in steps:
        block |= draw(_some_of({"dropout": dropouts()}))
        if repeats > 1 and isinstance(block.get("dropout"), dict) and draw(st.booleans()):
            block["dropout"]["place"] = "every"
    return block


def _listed(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


@st.composite
def downsamples(draw: Draw, dims: int, factor: int | list[int], plain: bool = False) -> Data:
    """A downsampling by a factor."""
    kind = draw(st.sampled_from(["avg_pool", "conv"] if plain else ["max_pool", "avg_pool", "conv"]))
    part: Data = {"type": kind, "stride": factor}
    rounding = draw(st.sampled_from(ROUNDINGS if kind != "conv" else ROUNDINGS[:2]))
    least = longest(factor) if rounding == "ceil" else 1
    part["kernel_size"] = draw(st.one_of(st.just(factor), per_axis(dims, tuple(k for k in (2, 3, 3, 4) if k >= least))))
    part |= draw(_some_of({"rounding": st.just(rounding)})) if rounding == "exact" else {"rounding": rounding}
    if kind != "conv":
        return part
    if any(k > s for k, s in zip(_spread(part["kernel_size"], dims), _spread(factor, dims), strict=True)):
        part |= draw(_some_of({"padding": st.sampled_from(PADDINGS[:2] if plain else PADDINGS)}))
    return part | draw(_tail(plain))


def _spread(value: int | list[int], dims: int) -> list[int]:
    return value if isinstance(value, list) else [value] * dims


def _tail(smooth: bool = False) -> st.SearchStrategy[Data]:
    """What may stand behind a convolution of a resampling."""
    acts = activations(SMOOTH) if smooth else activations()
    return _some_of({"bias": st.booleans(), "norm": norms(POINTWISE_NORMS if smooth else NORMS), "activation": acts})


@st.composite
def upsamples(draw: Draw, dims: int, factor: int | list[int], same_width: bool = False, plain: bool = False) -> Data:
    """An upsampling by a factor; ``same_width`` makes the channels of the level above."""
    kinds = ["transposed_conv", "interpolate", *(["pixel_shuffle"] if factor != 1 else [])]
    kind = draw(st.sampled_from(kinds))
    keeping = {} if same_width else {"channels": st.sampled_from(["width", "keep"])}
    if kind == "transposed_conv":
        return draw(_transposed(dims, factor, keeping, plain))
    part: Data = {"type": kind, "factor": factor}
    if kind == "pixel_shuffle":
        return part | draw(_some_of(keeping)) | draw(_projection(dims, plain))
    modes = ("nearest", "linear", *(("cubic",) if dims == 2 else ()))
    mode = part["mode"] = draw(st.sampled_from(modes))
    if mode != "nearest":
        part |= draw(_some_of({"align_corners": st.booleans()}))
    part["projection"] = draw(st.sampled_from(("before", "after") if same_width else ("before", "after", "none")))
    return part if part["projection"] == "none" else part | draw(_projection(dims, plain)) | draw(_tail(plain))


@st.composite
def _transposed(draw: Draw, dims: int, factor: int | list[int], keeping: Data, plain: bool) -> Data:
    part: Data = {"type": "transposed_conv", "stride": factor, **draw(_some_of(keeping)), **draw(_tail(plain))}
    part["kernel_size"] = draw(st.one_of(st.just(factor), per_axis(dims, (1, 2, 3, 4))))
    strides, kernels = _spread(factor, dims), _spread(part["kernel_size"], dims)
    if draw(st.booleans()):
        # The padding and output padding that keep the output an exact multiple, as far as there are such.
        rest = [kernel - stride for kernel, stride in zip(kernels, strides, strict=True)]
        part["padding"] = [max(-(-n // 2), 0) for n in rest]
        part["output_padding"] = [min(2 * p - n, s - 1) for n, p, s in zip(rest, part["padding"], strides, strict=True)]
    return part


@st.composite
def _projection(draw: Draw, dims: int, plain: bool) -> Data:
    size = draw(per_axis(dims, (1, 2, 3)))
    part: Data = {"kernel_size": size}
    if set(_listed(size)) != {1}:
        part |= draw(_some_of({"padding": st.sampled_from(PADDINGS[:2] if plain else PADDINGS)}))
    return part | draw(_some_of({"bias": st.booleans()}))


@st.composite
def skips(draw: Draw, dims: int, fusion: str, plain: bool = False) -> Any:
    """A skip with any alignment, joined by the given fusion."""
    if fusion == "none":
        return draw(st.sampled_from(["none", {"fusion": "none"}]))
    kind = draw(st.sampled_from(["strict", "crop", "crop", "pad", "resize"]))
    options: dict[str, st.SearchStrategy[Any]] = {"operand": st.sampled_from(["skip", "upsampled"])}
    if kind == "strict":
        options = {}
    if kind == "pad":
        options["mode"] = st.sampled_from(["zeros"] if plain else ["zeros", "replicate"])
    align = draw(_part(kind, options))
    if kind == "resize":
        align = draw(_resize(dims, options))
    order = {"order": st.sampled_from(["skip_first", "upsampled_first"])} if fusion == "concat" else {}
    return {"align": align, "fusion": draw(_part(fusion, order))}


@st.composite
def _resize(draw: Draw, dims: int, options: dict[str, st.SearchStrategy[Any]]) -> Data:
    mode = draw(st.sampled_from(("nearest", "linear", *(("cubic",) if dims == 2 else ()))))
    corners = {} if mode == "nearest" else {"align_corners": st.booleans()}
    return {"type": "resize", "mode": mode, **draw(_some_of({**options, **corners}))}


@st.composite
def heads(draw: Draw, dims: int, smooth: bool = False) -> Any:
    """A head."""
    size = draw(per_axis(dims, (1, 1, 1, 2, 3)))
    options: dict[str, st.SearchStrategy[Any]] = {
        "bias": st.booleans(),
        "activation": activations(SMOOTH) if smooth else activations(),
    }
    if set(_listed(size)) != {1}:
        options["padding"] = st.sampled_from(PADDINGS[:2] if smooth else PADDINGS)
    return draw(_part("conv", options, {} if size == 1 else {"kernel_size": size}))


def inits() -> st.SearchStrategy[Any]:
    """An init."""
    fans, gain = {"mode": st.sampled_from(["fan_in", "fan_out"])}, {"gain": st.sampled_from([1.0, 0.5])}
    leaky = {"nonlinearity": "leaky_relu", "negative_slope": 0.2}
    return st.one_of(
        st.just("torch_default"),
        *(
            _part(kind, {**fans, "nonlinearity": st.sampled_from(["relu", "linear"])})
            for kind in ("he_normal", "he_uniform")
        ),
        *(_part(kind, fans, leaky) for kind in ("he_normal", "he_uniform")),
        *(_part(kind, gain) for kind in ("xavier_normal", "xavier_uniform", "orthogonal")),
        _part("normal", {"mean": st.just(0.1), "std": st.just(0.2)}),
    )


@st.composite
def _block_changes(draw: Draw, dims: int) -> Data:
    """A partial block for a side or a level: options that have an effect in every block, or another block."""
    if not draw(st.integers(0, 2)):
        return draw(blocks(dims))
    changes = {"bias": st.booleans(), "kernel_size": per_axis(dims, (2, 3, 5)), "padding": st.sampled_from(PADDINGS)}
    chosen = draw(_some_of(changes))
    if "kernel_size" not in chosen:
        chosen.pop("padding", None)
    return chosen or {"bias": False}


@st.composite
def _overrides(draw: Draw, dims: int, depth: int, fusions: list[str], factors: list[Any]) -> Data:
    """What sides and levels say differently. Levels are resampled by their own factors, so that the sizes meet."""
    overrides: Data = {}
    for side in ("encoder", "bottleneck", "decoder"):
        if not draw(st.integers(0, 3)):
            overrides[side] = {"block": draw(_block_changes(dims))}
    levels: dict[int, Data] = {}
    for level in range(depth):
        entry: Data = {}
        if level:
            entry |= {"downsample": draw(downsamples(dims, factors[level]))} if draw(st.booleans()) else {}
            same = fusions[level] in ("add", "multiply")
            entry |= {"upsample": draw(upsamples(dims, factors[level], same))} if draw(st.booleans()) else {}
        if level and fusions[level] != fusions[0]:
            entry["skip"] = draw(skips(dims, fusions[level]))
        if not draw(st.integers(0, 5)):
            entry["block"] = draw(_block_changes(dims))
        if not draw(st.integers(0, 5)):
            entry[draw(st.sampled_from(["encoder", "decoder"]))] = {"block": draw(_block_changes(dims))}
        if entry:
            levels[level] = entry
    if not draw(st.integers(0, 5)):
        levels[depth] = {"block": draw(_block_changes(dims))}
    return {**overrides, **({"levels": levels} if levels else {})}


@st.composite
def specs(draw: Draw, dims: int | None = None, overridden: bool = True) -> Data:
    """A spec as plain data, with or without parts that differ by side and level."""
    dims = dims or draw(st.sampled_from([1, 2, 2, 3]))
    depth = draw(st.sampled_from([1, 1, 2, 2, 3] if dims < 3 else [1, 1, 2]))
    factor = draw(per_axis(dims, (2, 2, 2, 2, 3, 1)))
    base = draw(st.sampled_from(["concat", "concat", "add", "multiply", "none"]))
    fusions = [base, *(draw(st.sampled_from([base, base, "concat", "none"])) for _ in range(depth - 1))]
    elementwise = any(fusion in ("add", "multiply") for fusion in fusions)
    spec: Data = {
        "schema_version": 1,
        "dims": dims,
        "in_channels": draw(st.sampled_from([2, 1, 3, 4])),
        "out_channels": draw(st.sampled_from([2, 1, 4])),
        "widths": [draw(st.sampled_from(_WIDTHS)) for _ in range(depth + 1)],
        "block": draw(blocks(dims)),
        "downsample": draw(downsamples(dims, factor)),
        "upsample": draw(upsamples(dims, factor, elementwise)),
        "skip": draw(skips(dims, base)),
        "head": draw(heads(dims)),
        "init": draw(inits()),
    }
    if overridden:
        spec |= draw(_overrides(dims, depth, fusions, [factor] * depth))
    if draw(st.booleans()) and not elementwise:
        spec.setdefault("decoder", {})["widths"] = [draw(st.sampled_from(_WIDTHS)) for _ in range(depth)]
    return spec


@st.composite
def windowed_specs(draw: Draw) -> Data:
    """A spec whose outputs see a window of the image: borders of zeros or none, no statistics over whole maps."""
    dims, depth = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 2]))
    factor = draw(per_axis(dims, (2, 2, 3)))
    block = draw(blocks(dims, smooth=True))
    block.pop("dropout", None)
    if block.get("padding") not in (None, "valid", "zeros"):
        block["padding"] = "zeros"
    fusion = draw(st.sampled_from(["concat", "add", "none"]))
    return {
        **draw(_frame(dims, depth)),
        "out_channels": 2,
        "block": block,
        "downsample": draw(downsamples(dims, factor, plain=True)),
        "upsample": draw(upsamples(dims, factor, same_width=True, plain=True)),
        "skip": draw(skips(dims, fusion, plain=True)),
        "head": draw(heads(dims, smooth=True)),
        "init": {"type": "normal", "std": 0.3},
    }


@st.composite
def plain_specs(draw: Draw) -> Data:
    """A spec of unpadded convolutions, means and concatenations, in which every pixel of a window has its share."""
    dims, depth = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 2]))
    factor = draw(per_axis(dims, (2, 2, 3)))
    kernel_size = draw(per_axis(dims, (3, 3, 2, 4, 5)))
    return {
        **draw(_frame(dims, depth)),
        "out_channels": 1,
        "block": {"repeats": draw(st.integers(1, 2)), "kernel_size": kernel_size, "activation": "none"},
        "downsample": {"type": "avg_pool", "kernel_size": factor, "stride": factor},
        "upsample": {"type": "transposed_conv", "kernel_size": factor, "stride": factor},
        "skip": draw(st.sampled_from([{"align": "crop", "fusion": "concat"}, "none"])),
        "init": {"type": "normal", "mean": 0.1, "std": 0.3},
    }


@st.composite
def _frame(draw: Draw, dims: int, depth: int) -> Data:
    widths = [draw(st.sampled_from([2, 4])) for _ in range(depth + 1)]
    return {"schema_version": 1, "dims": dims, "in_channels": draw(st.sampled_from([1, 2])), "widths": widths}
