"""Fitting sizes, output sizes, receptive fields, and the errors for sizes that do not fit."""

from __future__ import annotations

import pytest
import torch

import unetgen
from unetgen.analysis.receptive_field import input_window, receptive_field
from unetgen.errors import SizeError, SpecError
from unetgen.graph.graph import Graph
from unetgen.graph.size_errors import accepts_size, check_sizes, smallest_fitting_size

PADDED = {
    "schema_version": 1,
    "in_channels": 1,
    "out_channels": 2,
    "widths": [2, 3, 4, 5, 6],
    "block": {"padding": "zeros", "repeats": 1},
    "skip": {"align": "strict"},
}

VALID = {"schema_version": 1, "in_channels": 1, "out_channels": 2}


def padded(**more: object) -> Graph:
    return unetgen.graph_of({**PADDED, **more})


def error_lines(graph: Graph, size: tuple[int, ...]) -> list[str]:
    with pytest.raises(SizeError) as error:
        check_sizes(graph, size)
    return str(error.value).splitlines()


def test_512_does_not_fit_the_paper() -> None:
    assert error_lines(unetgen.graph_of("unet_paper"), (512, 572)) == [
        "input_size: 512 on axis H gives 121 at level 2, which max_pool cannot halve; "
        "nearest that fit: 508 (output 324), 524 (output 340)"
    ]


def test_140_is_too_small_for_the_paper() -> None:
    assert error_lines(unetgen.graph_of("unet_paper"), (572, 140)) == [
        "input_size: 140 on axis W gives 2 at level 3, where conv needs at least 3; "
        "the smallest that fits is 188 (output 4)"
    ]


def test_both_axes_are_reported_at_once() -> None:
    lines = error_lines(padded(), (350, 525))
    assert [line.partition(";")[2] for line in lines] == [
        " nearest that fit: 336 (output 336), 352 (output 352); or add 'input: pad'",
        " nearest that fit: 512 (output 512), 528 (output 528); or add 'input: pad'",
    ]


def test_three_axes_are_reported_at_once() -> None:
    lines = error_lines(padded(dims=3), (90, 90, 40))
    assert [line.split(" on axis ")[1][0] for line in lines] == ["D", "H", "W"]
    assert [line.partition(";")[2] for line in lines] == [
        " nearest that fit: 80 (output 80), 96 (output 96); or add 'input: pad'",
        " nearest that fit: 80 (output 80), 96 (output 96); or add 'input: pad'",
        " nearest that fit: 32 (output 32), 48 (output 48); or add 'input: pad'",
    ]


@pytest.mark.parametrize(("align", "output"), [("pad", (350, 525)), ("resize", (350, 525)), ("crop", (336, 512))])
def test_a_declared_policy_takes_odd_sizes(align: str, output: tuple[int, int]) -> None:
    """Requirement A06; the loss of a row is declared at the pooling: ``rounding: floor``."""
    down = {"type": "max_pool", "rounding": "floor"}
    spec = unetgen.load_spec({**PADDED, "skip": {"align": align}, "downsample": down})
    assert unetgen.graph_of(spec).output_size((350, 525)) == output
    assert unetgen.build(spec).eval()(torch.zeros(1, 1, 350, 525)).shape[2:] == output


def test_an_align_policy_alone_loses_no_pixels_silently() -> None:
    """Without ``rounding`` an odd row would be lost in the pooling, whatever happens to the skip later."""
    assert not accepts_size(padded(skip={"align": "crop"}), (350, 512))


@pytest.mark.parametrize("size", [(77, 93), (93, 77)])
def test_padding_goes_to_the_right_axis(size: tuple[int, int]) -> None:
    model = unetgen.build("unet_milesial", widths=[2, 3, 4, 5, 6]).eval()
    assert model(torch.zeros(1, 3, *size)).shape[2:] == size


def test_add_does_not_broadcast() -> None:
    with pytest.raises(SpecError, match=r"add needs equal channels: 6 from below, 5 from the skip; let the upsampling"):
        padded(skip={"align": "strict", "fusion": "add"}, upsample={"type": "interpolate", "projection": "none"})
    sizes = padded(skip={"align": "strict", "fusion": "add"}, upsample={"type": "interpolate", "factor": 1})
    assert error_lines(sizes, (16, 16))[0].startswith(
        "input_size: 16 on axis H gives 1 at level 3, which add cannot combine with 2;"
    )


def test_even_kernels_keep_the_size() -> None:
    for kernel in (2, 4, 5, 7):
        graph = padded(block={"kernel_size": kernel, "padding": "zeros"})
        assert graph.output_size((32, 48)) == (32, 48)
        model = unetgen.build({**PADDED, "block": {"kernel_size": kernel, "padding": "zeros"}}).eval()
        assert model(torch.zeros(1, 1, 32, 48)).shape[2:] == (32, 48)


def test_strided_convolution_halves_exactly() -> None:
    graph = padded(downsample="conv")
    assert graph.output_size((48, 64)) == (48, 64)
    downs = [
        size for node, size in zip(graph.nodes, graph.sizes((48, 64)), strict=True) if node.path.endswith("down.conv")
    ]
    assert downs == [(24, 32), (12, 16), (6, 8), (3, 4)]


def test_instance_norm_never_sees_one_pixel() -> None:
    spec = {**PADDED, "widths": [2] * 6, "block": {"padding": "zeros", "norm": "instance"}}
    graph = unetgen.graph_of(spec)
    assert error_lines(graph, (32, 32)) == [
        "input_size: 32 x 32 gives 1 x 1 at the bottleneck, where bottleneck.norm1 needs more than one pixel; "
        "the smallest that fits is 64 x 64"
    ]
    assert accepts_size(graph, (32, 64))
    assert smallest_fitting_size(graph) == (64, 64)


def test_closed_forms() -> None:
    forms = {
        "paper": (unetgen.graph_of("unet_paper"), "n = 12 (mod 16), n >= 188"),
        "three pools": (unetgen.graph_of({**VALID, "widths": [1, 2, 3, 4]}), "n = 4 (mod 8), n >= 92"),
        "padded": (padded(), "n = 0 (mod 16), n >= 16"),
        "rounding": (padded(skip={"align": "pad"}, downsample={"rounding": "floor"}), "any n >= 16"),
        "stride 3": (padded(downsample={"kernel_size": 3, "stride": 3}, upsample={"kernel_size": 3, "stride": 3}), "n = 0 (mod 81), n >= 81"),
        "factors that disagree": (padded(widths=[2, 3], upsample={"kernel_size": 3, "stride": 3}), "no size"),
        "one size only": (padded(widths=[2, 3], upsample={"kernel_size": 1, "stride": 3}), "n = 4"),
    }  # fmt: skip
    for name, (graph, text) in forms.items():
        assert str(graph.fits[0]) == text, name


def test_bounded_classes_are_listed() -> None:
    graph = padded(
        widths=[2, 3],
        upsample={"kernel_size": 3, "stride": 3},
        skip={"align": "crop"},
        downsample={"rounding": "floor"},
    )
    assert str(graph.fits[0]) == "n = 3"
    assert (graph.fits[0].largest_below(9), graph.fits[0].smallest_above(3)) == (3, None)


def test_receptive_field_depends_on_the_phase() -> None:
    """It is 188 or 204 pixels for the classic U-Net, never the 200 of the textbook recurrence."""
    graph = padded(block={"padding": "zeros"})
    field = receptive_field(graph, 0, graph.sizes((256, 256)))
    assert (field.smallest, field.largest) == (188, 204)
    assert str(field) == "188 to 204"
    extents = {
        high - low + 1
        for low, high in (input_window(graph, 0, (o, o), graph.sizes((256, 256))) for o in range(96, 160))
    }
    assert 200 not in extents


def test_input_window_of_a_valid_net_is_the_image() -> None:
    graph = unetgen.graph_of("unet_paper")
    assert input_window(graph, 0, (0, 387), graph.sizes((572, 572))) == (0, 571)


def test_a_wrong_input_at_run_time_raises_the_same() -> None:
    model = unetgen.build("unet_paper", widths=[2, 3, 4, 5, 6])
    with pytest.raises(
        ValueError, match=r"^input_size: 512 on axis H gives 121 at level 2, which max_pool cannot halve;"
    ):
        model(torch.zeros(1, 1, 512, 572))
    with pytest.raises(
        ValueError,
        match=r"^input: the input has shape \(1, 3, 188, 188\), this network takes \(batch, 1, size, size\); check in_channels$",
    ):
        model(torch.zeros(1, 3, 188, 188))
    with pytest.raises(
        ValueError,
        match=r"\(188, 188\), this network takes \(batch, 1, size, size\); add or move the batch and channel axes$",
    ):
        model(torch.zeros(188, 188))  # fmt: skip


def test_too_many_size_classes_are_not_listed() -> None:
    graph = padded(widths=[2] * 13, downsample={"rounding": "floor"}, skip={"align": "pad"}, input_size=[5000, 5000])
    assert graph.output_size((5000, 5000)) == (5000, 5000)
    assert str(graph.fits[0]).startswith("too many size classes to list")
