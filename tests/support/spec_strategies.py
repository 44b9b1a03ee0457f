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
        for kind in ("element", "channel", "alpha", "path")
    ]
    return st.one_of(st.just("none"), st.just("none"), _SHARE, *parts)


def attentions(
    dims: int, kinds: tuple[str, ...] = ("se", "spatial_se", "scse", "cbam", "eca")
) -> st.SearchStrategy[Any]:
    """An attention."""
    squeezing = {"reduction": st.sampled_from([2, 4]), "bias": st.booleans(), "activation": activations()}
    options: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "se": {**squeezing, "hard": st.booleans()},
        "spatial_se": {"bias": st.booleans()},
        "scse": {**squeezing, "join": st.sampled_from(["sum", "max"])},
        "cbam": {**squeezing, "kernel_size": st.sampled_from([1, 3, 7])},
        "eca": {"kernel_size": st.sampled_from(["adaptive", 3])},
    }
    return st.one_of(*(_part(kind, options[kind]) for kind in kinds))


def shortcuts() -> st.SearchStrategy[Any]:
    """A shortcut."""
    usual: dict[str, st.SearchStrategy[Any]] = {
        "when": st.sampled_from(["needed", "always"]),
        "bias": st.sampled_from(["as_block", "yes", "no"]),
        "normed": st.sampled_from(["as_block", "always", "never"]),
    }
    more = {"kernel_size": st.sampled_from([1, 3]), "before": st.booleans()}
    return st.one_of(
        _part("projection", {**usual, **more}),
        _part("projection", usual),
        _part("pooled_projection", usual),
        st.just("repeat"),
    )


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
    return block | draw(_around_residual(dims, steps, smooth)) if kind == "residual" else block


def _around_residual(dims: int, steps: list[str], smooth: bool) -> st.SearchStrategy[Data]:
    options: dict[str, st.SearchStrategy[Any]] = {"shortcut": shortcuts(), "first": st.sampled_from(["unit", "conv"])}
    if "activation" in steps[steps.index("conv") :]:
        options["last_activation"] = st.sampled_from(["after_sum", "before_sum", "both"])
    if not smooth:
        options["attention"] = attentions(dims)
    return _some_of(options)


# Blocks that keep the size, with options that each have an effect beside any of the others.
_BORDERS = {"kernel_size": st.sampled_from([3, 5]), "padding": st.sampled_from(PADDINGS[1:])}


def special_blocks(dims: int, smooth: bool = False) -> st.SearchStrategy[Any]:
    """A block that is no chain of plain units."""
    flag = st.booleans()
    borders = {**_BORDERS, "padding": st.just("zeros")} if smooth else _BORDERS
    usual: dict[str, st.SearchStrategy[Any]] = {
        "bias": flag,
        "norm": norms(POINTWISE_NORMS) if smooth else norms(),
        "activation": activations(SMOOTH) if smooth else activations(),
    }
    needed = {"norm": "none"} if smooth else {}
    rates = st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2)
    recurring = {
        **usual,
        "steps": st.sampled_from([1, 2]),
        "shared": flag,
        "projection": st.sampled_from(["needed", "always"]),
    }
    local = [
        st.just("none"),
        _part("bottleneck", {**usual, **borders, "reduction": st.sampled_from([1, 2]), "shortcut": shortcuts()}),
        *(_part(kind, recurring, {"repeats": 1, "padding": "zeros"}) for kind in ("recurrent", "recurrent_residual")),
        _part("recurrent", {"norm": usual["norm"]}, {"repeats": 1, "activation": "tanh", "padding": "valid"}),
        _part("dense", {**usual, "output": st.sampled_from(["all", "new"])}, {"repeats": 2, "padding": "zeros"}),
        _part("multi_resolution", {**usual, **borders, "alpha": st.sampled_from([1.0, 2.5])}),
        _part("depthwise_separable", {**usual, **borders, "between": flag, "repeats": st.sampled_from([1, 2])}),
        _part("convnext", {**usual, **borders, "expansion": st.just(2), "layer_scale": st.sampled_from([0.0, 0.5])}),
        _part("mednext", {**usual, **borders, "expansion": st.just(3)}, needed),
        _part("norm_activation", {"norm": usual["norm"], "activation": usual["activation"]}),
    ]
    whole = [
        _part("nafnet", {"norm": usual["norm"], "channel_attention": flag, "expansion": st.sampled_from([2, 4])}),
        _part(
            "aspp",
            {**usual, "pointwise": flag, "pooled": flag, "join": st.sampled_from(["concat", "sum"]),
             "project": st.sampled_from(["unit", "conv"])},
            {"rates": [1, 2]},
        ),
        st.builds(lambda bins, more: {"type": "pyramid_pooling", "bins": bins, **more}, rates, _some_of(usual)),
        _part(
            "unet",
            {"residual": flag, "downsample": st.sampled_from(["max_pool", "avg_pool", "conv"]),
             "upsample": st.sampled_from(["transposed_conv", "pixel_shuffle", "interpolate"]),
             "align": st.sampled_from(["strict", "resize"])},
            {"depth": 1, "mid_channels": 4},
        ),
        _part("unet", {"pooled": st.sampled_from([1, 2])}, {"depth": 2, "mid_channels": 2, "dilations": [1, 2, 1]}),
    ]  # fmt: skip
    return st.one_of(*local, *([] if smooth else whole))


@st.composite
def composites(draw: Draw, dims: int, smooth: bool = False) -> Data:
    """A block made of blocks."""
    inner = st.one_of(blocks(dims, smooth), special_blocks(dims, smooth))
    kind = draw(st.sampled_from(["sequence", "stack", "parallel", "attended"]))
    if kind == "sequence":
        several = draw(st.lists(inner, min_size=1, max_size=2))
        widths = {"widths": [draw(st.sampled_from(_WIDTHS)) for _ in several]} if draw(st.booleans()) else {}
        return {"type": kind, "blocks": several, **widths}
    if kind == "stack":
        return {"type": kind, "count": draw(st.sampled_from([1, 2])), "block": draw(inner)}
    if kind == "parallel":
        # Branches of one size: plain convolutions with a border.
        branch = {"type": "conv", "repeats": 1, "padding": "zeros"}
        several = [branch, draw(st.sampled_from(["none", {**branch, "kernel_size": 5}, "bottleneck"]))]
        return {"type": kind, "branches": several, **draw(_some_of({"join": st.sampled_from(["concat", "sum"])}))}
    attention = attentions(dims, ("spatial_se",)) if smooth else attentions(dims)
    place = draw(_some_of({"place": st.sampled_from(["after", "before", "both"])}))
    return {"type": kind, "block": draw(inner), "attention": draw(attention), **place}


def any_blocks(dims: int, smooth: bool = False) -> st.SearchStrategy[Any]:
    """Any block; of plain units one time in two."""
    plain = blocks(dims, smooth)
    return st.one_of(plain, plain, special_blocks(dims, smooth), composites(dims, smooth))


def _listed(value: int | list[int]) -> list[int]:
    return value if isinstance(value, list) else [value]


@st.composite
def downsamples(draw: Draw, dims: int, factor: int | list[int], plain: bool = False) -> Data:
    """A downsampling by a factor."""
    if not draw(st.integers(0, 4)):
        return draw(_by_blocks(dims, factor, plain))
    kind = draw(st.sampled_from(["avg_pool", "conv"] if plain else ["max_pool", "avg_pool", "conv"]))
    part: Data = {"type": kind, "stride": factor}
    rounding = draw(st.sampled_from(ROUNDINGS if kind != "conv" else ROUNDINGS[:2]))
    least = longest(factor) if rounding == "ceil" else 1
    part["kernel_size"] = draw(st.one_of(st.just(factor), per_axis(dims, tuple(k for k in (2, 3, 3, 4) if k >= least))))
    part |= draw(_some_of({"rounding": st.just(rounding)})) if rounding == "exact" else {"rounding": rounding}
    if kind != "conv":
        most = min(_listed(part["kernel_size"])) // 2
        return part | draw(_some_of({"padding": st.sampled_from([0, most])}))
    part |= draw(_some_of({"channels": st.sampled_from(["keep", "next"])}))
    if any(k > s for k, s in zip(_spread(part["kernel_size"], dims), _spread(factor, dims), strict=True)):
        part |= draw(_some_of({"padding": st.sampled_from(PADDINGS[:2] if plain else PADDINGS)}))
    return part | draw(_tail(plain))


@st.composite
def _by_blocks(draw: Draw, dims: int, factor: int | list[int], plain: bool) -> Data:
    rounding = _some_of({"rounding": st.sampled_from(ROUNDINGS[:2])})
    channels = _some_of({"channels": st.sampled_from(["keep", "next"])})
    kind = draw(st.sampled_from(["next_block", "block", "transition"]))
    if kind == "next_block":
        return {"type": kind, "factor": factor, **draw(rounding)}
    activation = {"activation": "tanh"} if plain else {}
    unit = {"type": draw(st.sampled_from(["conv", "residual"])), "padding": "zeros", **activation}
    if kind == "block":
        return {"type": kind, "factor": factor, "block": unit, **draw(rounding), **draw(channels)}
    pool = {"type": "avg_pool", "kernel_size": factor, "stride": factor}
    return {"type": kind, "block": unit, "downsample": pool, **draw(channels)}


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
    if not draw(st.integers(0, 4)):
        return draw(_around(dims, factor, plain))
    kind = draw(st.sampled_from(kinds))
    keeping = {} if same_width else {"channels": st.sampled_from(["width", "keep"])}
    if kind == "transposed_conv":
        return draw(_transposed(dims, factor, keeping, plain))
    part: Data = {"type": kind, "factor": factor}
    if kind == "pixel_shuffle":
        return part | draw(_some_of({**keeping, "blur": st.booleans()})) | draw(_projection(dims, plain))
    modes = ("nearest", "linear", *(("cubic",) if dims == 2 else ()))
    mode = part["mode"] = draw(st.sampled_from(modes))
    if mode != "nearest":
        part |= draw(_some_of({"align_corners": st.booleans()}))
    part["projection"] = draw(st.sampled_from(("before", "after") if same_width else ("before", "after", "none")))
    return part if part["projection"] == "none" else part | draw(_projection(dims, plain)) | draw(_tail(plain))


@st.composite
def _around(draw: Draw, dims: int, factor: int | list[int], plain: bool) -> Data:
    norm = {"norm": st.just("none") if plain else norms(), "bias": st.booleans()}
    activation = {"activation": "tanh"} if plain else {}
    needed = {"norm": "none"} if plain else {}
    kind = draw(st.sampled_from(["mednext", "squeezed", "transition"]))
    if kind == "mednext":
        part: Data = draw(_some_of({**norm, "kernel_size": st.sampled_from([1, 3, 5])}))
        return {"type": kind, "factor": factor, **needed, **part}
    up = {"type": "transposed_conv", "kernel_size": factor, "stride": factor}
    if kind == "squeezed":
        return {"type": kind, "upsample": up, "reduction": 2, **needed, **draw(_some_of(norm)), **activation}
    place = draw(st.sampled_from(["before", "after"]))
    up = up if place == "after" else {"type": "interpolate", "factor": factor, "projection": "none"}
    return {"type": kind, "block": {"repeats": 1, "padding": "zeros", **activation}, "upsample": up, "place": place}


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


def transforms(dims: int, channels: bool, plain: bool = False) -> st.SearchStrategy[Any]:
    """What a skip goes through; ``channels`` lets it come out with others."""
    norm = {"norm": st.just("none") if plain else norms()}
    inner = {"inner_channels": st.sampled_from([1, 3])}
    width = {"channels": st.sampled_from([2, 4])} if channels else {}
    unit = {"type": "conv", "repeats": 1, "padding": "zeros", "activation": "tanh"}
    flag = st.booleans()
    grid = {**inner, "mode": st.sampled_from(LINEAR_MODES), "block": st.sampled_from(["none", unit])}
    return st.one_of(
        _part("attention_gate", {**inner, **norm, "bias": flag}, {"norm": "none"} if plain else {}),
        _part("grid_attention_gate", {**grid, **norm}, {"norm": "none"} if plain else {}),
        _part(
            "residual_path",
            {**width, **norm, "branch_activation": flag},
            {"steps": 1, **({"activation": "tanh", "norm": "none"} if plain else {})},
        ),
        _part("through", {**width}, {"block": unit}),
        _part("through", {"dropout": _SHARE}, {"attention": "spatial_se" if plain else "scse"}),
    )


@st.composite
def skips(draw: Draw, dims: int, fusion: str, plain: bool = False) -> Any:
    """A skip with any alignment, joined by the given fusion."""
    skip = draw(_joints(dims, fusion, plain))
    if isinstance(skip, str) or fusion in ("none", "size_only"):
        return skip
    if not draw(st.integers(0, 3)):
        skip["transform"] = draw(transforms(dims, fusion == "concat", plain))
    if not plain and not draw(st.integers(0, 7)):
        skip["gate"] = draw(_part("additive", {"norm": norms(), "bias": st.booleans(), "channels": st.just(3)}))
    if not draw(st.integers(0, 7)):
        skip |= (
            {"tap": "after_downsample", "place": "before_upsample"}
            if draw(st.booleans())
            else {"tap": "after_downsample"}
        )
    return skip


@st.composite
def _joints(draw: Draw, dims: int, fusion: str, plain: bool) -> Any:
    if fusion == "none":
        return draw(st.sampled_from(["none", {"fusion": "none"}]))
    if fusion == "size_only":
        return {
            "align": {"type": draw(st.sampled_from(["crop", "pad", "resize"])), "operand": "upsampled"},
            "fusion": fusion,
        }
    kind = draw(st.sampled_from(["strict", "crop", "crop", "pad", "resize"]))
    options: dict[str, st.SearchStrategy[Any]] = {"operand": st.sampled_from(["skip", "upsampled"])}
    if kind == "strict":
        options = {}
    if kind == "crop":
        options["place"] = st.sampled_from(["centre", "start"])
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
    if not smooth:
        options |= {"norm": norms(), "block": st.just({"padding": "zeros", "repeats": 1})}
    return draw(_part("conv", options, {} if size == 1 else {"kernel_size": size}))


@st.composite
def supervisions(draw: Draw) -> Data:
    """A head with an output of each level."""
    part: Data = {"type": "deep_supervision"}
    if draw(st.booleans()):
        full = {"mode": st.sampled_from(LINEAR_MODES), "fused": st.sampled_from(["none", "first", "only"])}
        part |= {"resolution": "full", **draw(_some_of(full))}
    levels = st.sampled_from([[0], [1, 0], [0, 1]])
    return part | draw(_some_of({"levels": levels, "activation": activations(), "bias": st.booleans()}))


@st.composite
def outputs(draw: Draw, dims: int) -> Data:
    """``head`` or ``heads``: one output most of the time, else a list, or several by name."""
    kind = draw(st.sampled_from(["one", "one", "one", "list", "named"]))
    if kind == "one":
        return {"head": draw(heads(dims))}
    if kind == "list":
        return {"head": draw(supervisions())}
    pool = {"pool": st.sampled_from(["mean", "max"]), "dropout": _SHARE, "out_channels": st.sampled_from([1, 3])}
    several = {"mask": draw(heads(dims)), "kind": draw(_part("classification", pool))}
    if draw(st.booleans()):
        several["sides"] = draw(supervisions())
    return {"heads": several}


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
def _block_changes(draw: Draw, dims: int, units: bool) -> Any:
    """A partial block for a side or a level: options that have an effect in every block, or another block."""
    if not (units and draw(st.integers(0, 2))):
        return draw(any_blocks(dims))
    changes = {"bias": st.booleans(), "kernel_size": per_axis(dims, (2, 3, 5)), "padding": st.sampled_from(PADDINGS)}
    chosen = draw(_some_of(changes))
    if "kernel_size" not in chosen:
        chosen.pop("padding", None)
    return chosen or {"bias": False}


@st.composite
def _overrides(draw: Draw, dims: int, depth: int, fusions: list[str], factors: list[Any], units: bool) -> Data:
    """What sides and levels say differently. Levels are resampled by their own factors, so that the sizes meet."""
    overrides: Data = {}
    for side in ("encoder", "bottleneck", "decoder"):
        if not draw(st.integers(0, 3)):
            overrides[side] = {"block": draw(_block_changes(dims, units))}
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
            entry["block"] = draw(_block_changes(dims, units))
        if not draw(st.integers(0, 5)):
            entry[draw(st.sampled_from(["encoder", "decoder"]))] = {"block": draw(_block_changes(dims, units))}
        if entry:
            levels[level] = entry
    if not draw(st.integers(0, 5)):
        levels[depth] = {"block": draw(_block_changes(dims, units))}
    return {**overrides, **({"levels": levels} if levels else {})}


@st.composite
def specs(draw: Draw, dims: int | None = None, overridden: bool = True) -> Data:
    """A spec as plain data, with or without parts that differ by side and level."""
    dims = dims or draw(st.sampled_from([1, 2, 2, 3]))
    depth = draw(st.sampled_from([1, 1, 2, 2, 3] if dims < 3 else [1, 1, 2]))
    factor = draw(per_axis(dims, (2, 2, 2, 2, 3, 1)))
    base = draw(st.sampled_from(["concat", "concat", "concat", "add", "multiply", "none", "size_only"]))
    fusions = [base, *(draw(st.sampled_from([base, base, "concat", "none"])) for _ in range(depth - 1))]
    elementwise = any(fusion in ("add", "multiply") for fusion in fusions)
    spec: Data = {
        "schema_version": 1,
        "dims": dims,
        "in_channels": draw(st.sampled_from([2, 1, 3, 4])),
        "out_channels": draw(st.sampled_from([2, 1, 4])),
        "widths": [draw(st.sampled_from(_WIDTHS)) for _ in range(depth + 1)],
        "block": draw(any_blocks(dims)),
        "downsample": draw(downsamples(dims, factor)),
        "upsample": draw(upsamples(dims, factor, elementwise)),
        "skip": draw(skips(dims, base)),
        **draw(outputs(dims)),
        "init": draw(inits()),
    }
    if overridden:
        units = isinstance(spec["block"], dict) and spec["block"].get("type", "conv") in ("conv", "residual")
        spec |= draw(_overrides(dims, depth, fusions, [factor] * depth, units))
    if draw(st.booleans()) and not elementwise:
        spec.setdefault("decoder", {})["widths"] = [draw(st.sampled_from(_WIDTHS)) for _ in range(depth)]
    if not draw(st.integers(0, 2)):
        spec = draw(_strung_otherwise(spec, depth, factor))
    if not draw(st.integers(0, 5)):
        spec["input"] = draw(
            _part("pad", {"mode": st.sampled_from(PADDINGS[1:]), "place": st.sampled_from(["end", "both"])})
        )
    return spec


@st.composite
def _strung_otherwise(draw: Draw, spec: Data, depth: int, factor: int | list[int]) -> Data:
    """The spec with another decoder."""
    if factor == 2 and draw(st.booleans()):
        branch = {
            "branch_width": st.just(3),
            "mode": st.sampled_from(LINEAR_MODES),
            "rounding": st.sampled_from(ROUNDINGS),
        }
        decoder = draw(_part("full_scale", branch))
        spec = {key: value for key, value in spec.items() if key not in ("upsample", "skip")}
        if "levels" in spec:
            told = {n: {k: v for k, v in e.items() if k not in ("upsample", "skip")} for n, e in spec["levels"].items()}
            spec["levels"] = told
    else:
        columns = {
            "columns": st.integers(1, depth),
            "inner_width": st.sampled_from(["encoder", "decoder"]),
            "skip_order": st.sampled_from(["oldest_first", "newest_first"]),
        }
        decoder = draw(_part("nested", columns))
    named = {"type": decoder} if isinstance(decoder, str) else decoder
    return {**spec, "decoder": {**spec.get("decoder", {}), **named}}


@st.composite
def windowed_specs(draw: Draw) -> Data:
    """A spec whose outputs see a window of the image: borders of zeros or none, no statistics over whole maps."""
    dims, depth = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 2]))
    factor = draw(per_axis(dims, (2, 2, 3)))
    block = draw(any_blocks(dims, smooth=True).map(_bordered))
    fusion = draw(st.sampled_from(["concat", "add", "none", "size_only"]))
    return {
        **draw(_frame(dims, depth)),
        "decoder": draw(st.sampled_from(["plain", "plain", "nested"])),
        "out_channels": 2,
        "block": block,
        "downsample": draw(downsamples(dims, factor, plain=True)),
        "upsample": draw(upsamples(dims, factor, same_width=True, plain=True)),
        "skip": draw(skips(dims, fusion, plain=True)),
        "head": draw(heads(dims, smooth=True)),
        "init": {"type": "normal", "std": 0.3},
    }


def _bordered(block: Any) -> Any:
    """A block with borders of zeros or none, and nothing that is random or looks at whole maps."""
    if isinstance(block, list):
        return [_bordered(one) for one in block]
    if not isinstance(block, dict):
        return block
    return {
        key: "zeros" if key == "padding" and value not in ("valid", "zeros") else _bordered(value)
        for key, value in block.items()
        if key != "dropout"
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
