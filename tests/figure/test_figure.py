"""Test the U figure: each label is at its feature map, nothing overlaps, and output is reproducible."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import unetgen
from support.command_line import RunCli
from support.paths import ROOT
from support.spec_strategies import specs as random_specs
from unetgen.config.spec_sources import list_shipped_specs
from unetgen.figure.arrow_routing import GapCrossing, VerticalSegment, find_conflicts, order_tracks
from unetgen.figure.contact_sheet import build_contact_sheet
from unetgen.figure.figure import Figure
from unetgen.figure.figure_labels import compress_repeats
from unetgen.figure.layout import MARGIN
from unetgen.figure.legend import FONT_SIZE, SAMPLE_WIDTH, TEXT_INDENT
from unetgen.figure.png import render_png
from unetgen.figure.scene import Box, Line, Rect, Scene, Text, measure_text_width

STYLES = ("paper", "compact", "detail")

# Fig. 1 of Ronneberger, Fischer and Brox 2015: channels and size of every box, from the image to the segmentation.
FIG_1 = {
    "input": (1, 572), "encoder.0.conv1": (64, 570), "encoder.0.conv2": (64, 568),
    "encoder.0.down": (64, 284), "encoder.1.conv1": (128, 282), "encoder.1.conv2": (128, 280),
    "encoder.1.down": (128, 140), "encoder.2.conv1": (256, 138), "encoder.2.conv2": (256, 136),
    "encoder.2.down": (256, 68), "encoder.3.conv1": (512, 66), "encoder.3.conv2": (512, 64),
    "encoder.3.down": (512, 32), "bottleneck.conv1": (1024, 30), "bottleneck.conv2": (1024, 28),
    "decoder.3.skip.concat": (1024, 56), "decoder.3.conv1": (512, 54), "decoder.3.conv2": (512, 52),
    "decoder.2.skip.concat": (512, 104), "decoder.2.conv1": (256, 102), "decoder.2.conv2": (256, 100),
    "decoder.1.skip.concat": (256, 200), "decoder.1.conv1": (128, 198), "decoder.1.conv2": (128, 196),
    "decoder.0.skip.concat": (128, 392), "decoder.0.conv1": (64, 390), "decoder.0.conv2": (64, 388),
    "head.0.conv": (2, 388),
}  # fmt: skip


def find_overlaps(scene: Scene) -> list[tuple[Any, ...]]:
    """Return texts outside the scene, and pairs of elements that overlap."""
    outside: list[tuple[Any, ...]] = []
    for text in scene.texts:
        is_before = text.bounds.left < 0 or text.bounds.top < 0
        if is_before or text.bounds.right > scene.width or text.bounds.bottom > scene.height:
            outside.append((text.string, "outside"))
    elements: list[Element] = [(box.bounds, box) for box in scene.boxes]
    elements += [(text.bounds, text) for text in scene.texts]
    elements += [(segment, line) for line in scene.lines for segment in line_segments(line)]
    return outside + [(a[1], b[1]) for a, b in iter_overlapping_pairs(elements) if is_unreadable(a, b)]


Element = tuple[Rect, Box | Text | Line]


def line_segments(line: Line) -> list[Rect]:
    """Return the straight segments of an arrow, with its stroke width."""
    half = line.width / 2
    return [
        Rect(min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
        for (x0, y0), (x1, y1) in pairwise(line.points)
    ]


def iter_overlapping_pairs(elements: list[Element]) -> Iterator[tuple[Element, Element]]:
    """Yield the pairs that overlap, by a sweep from top to bottom."""
    active: list[Element] = []
    for element in sorted(elements, key=lambda element: element[0].top):
        active = [other for other in active if other[0].bottom > element[0].top]
        yield from ((other, element) for other in active if other[0].overlaps(element[0]))
        active.append(element)


def is_unreadable(first: Element, second: Element) -> bool:
    """Return whether an overlap is a fault: not text in its own box, or arrows that cross or end at a box."""
    (rect_a, a), (rect_b, b) = sorted((first, second), key=lambda element: [Box, Text, Line].index(type(element[1])))
    if isinstance(a, Line):
        is_parallel = is_horizontal(rect_a) == is_horizontal(rect_b)
        return a is not b and is_parallel and common_length(rect_a, rect_b) > 2 * a.width
    if isinstance(a, Box) and isinstance(b, Text):
        return a.path != b.path or not is_inside(rect_b, rect_a)
    return not (isinstance(a, Box) and isinstance(b, Line)) or inset(rect_a).overlaps(rect_b)


def is_horizontal(rect: Rect) -> bool:
    return rect.right - rect.left > rect.bottom - rect.top


def common_length(first: Rect, second: Rect) -> float:
    """Return the length along which two segments run together."""
    across = min(first.right, second.right) - max(first.left, second.left)
    return max(across, min(first.bottom, second.bottom) - max(first.top, second.top))


def is_inside(inner: Rect, outer: Rect) -> bool:
    tolerance = 0.1
    return (
        inner.left >= outer.left - tolerance and inner.right <= outer.right + tolerance
        and inner.top >= outer.top - tolerance and inner.bottom <= outer.bottom + tolerance
    )  # fmt: skip


def inset(rect: Rect) -> Rect:
    return Rect(rect.left + 0.8, rect.top + 0.8, rect.right - 0.8, rect.bottom - 0.8)


def find_loose_ends(scene: Scene, legend_top: float) -> list[Any]:
    """Return ends of arrows above the legend that touch no box."""
    arrows = [line for line in scene.lines if line.points[0][1] < legend_top]
    ends = [point for line in arrows for point in (line.points[0], line.points[-1])]
    return [(x, y) for x, y in ends if not any(
        min(abs(x - box.bounds.left), abs(x - box.bounds.right)) < 0.1 and box.bounds.top <= y <= box.bounds.bottom
        for box in scene.boxes
    )]  # fmt: skip


def read_legend(scene: Scene) -> dict[str, set[tuple[str, bool]]]:
    """Return the legend's phrases about arrows, each with the stroke and dashes of the samples beside it."""
    legend: dict[str, set[tuple[str, bool]]] = {}
    lines = [text for text in scene.texts if text.x == TEXT_INDENT and not text.path]
    for sample in [line for line in scene.lines if line.points[-1][0] == MARGIN + SAMPLE_WIDTH]:
        first = next(index for index, text in enumerate(lines) if abs(text.y - sample.points[0][1]) < FONT_SIZE)
        strings = [text.string for text in lines[first:]]
        continued = list(takewhile(lambda string: string.endswith((",", ";")), strings))
        entry = " ".join(strings[: len(continued) + 1])
        role = "head: " if entry.startswith("head: ") else ""
        for phrase in entry.removeprefix(role).split(";"):
            legend.setdefault(role + phrase.strip(), set()).add((sample.stroke, sample.dashed))
    return legend


def read_general_text(scene: Scene) -> str:
    """Return all text that does not belong to a single feature map."""
    return "\n".join(text.string for text in scene.texts if not text.path)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", list_shipped_specs())
def test_no_elements_overlap(name: str, style: Any) -> None:
    scene = unetgen.draw(name, style=style).scene
    assert find_overlaps(scene) == []
    assert find_loose_ends(scene, max(box.bounds.bottom for box in scene.boxes if box.path)) == []
    assert scene.width < 4000
    assert [phrase for phrase, samples in read_legend(scene).items() if len(samples) > 1] == []


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("depth", range(1, 9))
def test_any_depth_in_any_dimension_is_readable(depth: int, dims: int, style: Any) -> None:
    size = (2**depth * 2, *[2**depth * 3] * (dims - 1))
    scene = unetgen.draw(
        "unet_milesial",
        depth=depth,
        dims=dims,
        widths={"base": 64, "growth": 2, "max": 1024},
        input_size=size,
        style=style,
    ).scene
    assert find_overlaps(scene) == []
    assert len({box.path.split(".")[0] for box in scene.boxes if box.path}) == 5
    assert scene.width < (5000 if style == "detail" else 3200)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=random_specs(), style=st.sampled_from(STYLES))
def test_random_networks_render_without_overlaps(data: dict[str, Any], style: Any) -> None:
    try:
        figure = unetgen.draw(data, style=style)
    except unetgen.SpecError:
        reject()
    assert find_overlaps(figure.scene) == []
    ElementTree.fromstring(figure.svg)  # noqa: S314  # it is our own


def test_paper_figure_has_every_number_at_its_map() -> None:
    svg = ElementTree.fromstring(unetgen.draw("unet_paper").svg)  # noqa: S314  # it is our own
    space = "{http://www.w3.org/2000/svg}"
    texts: dict[str, list[str]] = {}
    for text in svg.iter(f"{space}text"):
        texts.setdefault(text.get("data-path", ""), []).append(text.text or "")
    boxes = {box.get("data-path") for box in svg.iter(f"{space}rect")} - {None}
    assert boxes == set(FIG_1)
    assert {path: strings for path, strings in texts.items() if path} == {
        path: [str(channels), f"{size}²"] for path, (channels, size) in FIG_1.items()
    }
    legend = " ".join(texts[""])
    for phrase in ("conv 3×3, ReLU", "copy and crop", "max pool 2×2", "up-conv 2×2", "conv 1×1"):
        assert phrase in legend  # the legend of Fig. 1
    assert sum(line.get("stroke-dasharray") is not None for line in svg.iter(f"{space}polyline")) == 4 + 1  # and legend


def test_copied_channels_are_white_and_half_the_width() -> None:
    scene = unetgen.draw("unet_paper").scene
    halves = [box for box in scene.boxes if box.path == "decoder.3.skip.concat"]
    assert [box.fill for box in halves] == ["#ffffff", "#9ec5e8"]
    assert halves[0].width == pytest.approx(halves[1].width)


@pytest.mark.parametrize("style", ["paper", "compact"])
@pytest.mark.parametrize(("fusion", "sign"), [("add", "+"), ("multiply", "×")])
def test_fusions_have_their_symbol(fusion: str, sign: str, style: Any) -> None:
    scene = unetgen.draw("unet_milesial", **{"skip.fusion": fusion}, style=style).scene
    assert [text.string for text in scene.texts].count(sign) == 4


def test_sizes_are_those_of_the_input() -> None:
    strings = [text.string for text in unetgen.draw("unet_paper", input_size=(188, 204)).scene.texts]
    assert "188×204" in strings
    assert "4×20" in strings
    assert "1 × 188 × 204 -> 2 × 4 × 20, 31,030,658 parameters" in " ".join(strings)


def test_gates_and_transforms_are_named() -> None:
    words = " ".join(text.string for text in unetgen.draw("attention_unet").scene.texts)
    assert "copy, attention gate" in words
    assert "copy, residual path" in " ".join(t.string for t in unetgen.draw("multiresunet").scene.texts)


def test_equal_maps_in_a_row_are_drawn_once_with_their_count() -> None:
    strings = [
        text.string for text in unetgen.draw("unet_milesial", **{"block.repeats": 6}, input_size=None).scene.texts
    ]
    assert any(text.endswith(("5×", "6×")) for text in strings)


@pytest.mark.parametrize("name", ["u2net", "u2netp"])
def test_arrow_is_downward_if_its_end_is_smaller(name: str) -> None:
    legend = read_legend(unetgen.draw(name).scene)
    down, _ = next(iter(legend["max pool 2×2"]))
    assert legend["unet block"] != {(down, False)}
    assert {phrase for phrase, samples in legend.items() if (down, False) in samples} == {"max pool 2×2"}


def test_arrow_is_upward_if_its_end_is_larger() -> None:
    legend = read_legend(unetgen.draw("smp_unet_resnet34").scene)
    assert legend["resize"] == {("#2e8b57", False)}
    assert legend["residual / 2"] == {("#c0392b", False)}
    assert legend["residual"] == {("#6a3d9a", False)}


def test_crops_and_pads_without_effect_are_not_labelled() -> None:
    padded = {
        "name": "padded", "in_channels": 1, "out_channels": 2, "input_size": [128, 128], "widths": [16, 32, 64, 128],
        "block": {"type": "conv", "padding": "zeros"},
    }  # fmt: skip
    scene = unetgen.draw(padded).scene
    assert set(read_legend(scene)) == {"conv 3×3, ReLU", "max pool 2×2", "up-conv 2×2", "copy", "head: conv 1×1"}
    assert not any(line.dashed for line in scene.lines)
    fitting = set(read_legend(unetgen.draw("unet_milesial", input_size=(512, 512)).scene))
    assert "up-conv 2×2" in fitting
    assert "up-conv 2×2, pad" in set(read_legend(unetgen.draw("unet_milesial", input_size=(500, 500)).scene))


def test_upsampled_map_is_not_a_copy_even_at_its_own_level() -> None:
    scene = unetgen.draw("ternausnet16").scene
    for level in range(5):
        parts = [box.fill for box in scene.boxes if box.path == f"decoder.{level}.skip.concat"]
        assert parts == ["#9ec5e8", "#ffffff"]
    assert "max pool 2×2, linear upsampling ×2, 2 × (conv 3×3, ReLU)" in read_legend(scene)


def test_gate_is_labelled_on_the_connection_it_scales() -> None:
    legend = read_legend(unetgen.draw("resunetplusplus").scene)
    assert "attention gate, linear upsampling ×2" in legend
    assert "copy" in legend


HEADS = {
    "name": "three", "in_channels": 1, "out_channels": 2, "input_size": [64, 64], "widths": [8, 16],
    "block": {"type": "conv", "padding": "zeros"},
    "heads": {
        "mask": {"type": "deep_supervision", "levels": [0, 1]},
        "edge": {"type": "conv", "out_channels": 1},
        "kind": {"type": "classification", "out_channels": 3},
    },
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_heads_have_their_names(style: Any) -> None:
    scene = unetgen.draw(HEADS, style=style).scene
    assert find_overlaps(scene) == []
    names = [text.string for text in scene.texts if text.bold and text.path]
    if style == "detail":
        assert {"head.mask.side0", "head.mask.side1", "head.edge", "head.kind"} < set(names)
    else:
        assert sorted(names) == ["edge", "kind", "mask 0", "mask 1"]
    assert "1 × 64 × 64 -> mask 2 × 64 × 64 and 1 more, edge 1 × 64 × 64, kind 3, " in read_general_text(scene)


def test_many_convolutions_make_a_short_legend() -> None:
    scene = unetgen.draw("unet_milesial", **{"block.repeats": 8}, input_size=(64, 64), style="compact").scene
    assert "max pool 2×2, 8 × (conv 3×3, batch norm, ReLU)" in read_legend(scene)
    assert scene.width < 600


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        ([], ""),
        (["conv", "ReLU", "conv", "ReLU", "dropout"], "2 × (conv, ReLU), dropout"),
        (["pool", "conv", "conv"], "pool, 2 × conv"),
        (["a", "a", "a", "a"], "4 × a"),
        (["conv 5, dilated by 2", "conv 5, dilated by 2"], "2 × (conv 5, dilated by 2)"),
        (["conv", "ReLU", "conv"], "conv, ReLU, conv"),
    ],
)
def test_repeats_are_counted(phrases: list[str], expected: str) -> None:
    assert compress_repeats(phrases) == expected


def test_legend_lines_break_after_a_phrase_or_else_a_comma() -> None:
    lines = [
        t.string for t in unetgen.draw("d_linknet", style="compact").scene.texts if t.x == TEXT_INDENT and not t.path
    ]
    assert lines[:2] == [
        "conv 7×7 / 2, batch norm, ReLU;  max pool 3×3, 3 × residual;  residual / 2, 3 × residual;  residual / 2, 5 × residual;",
        "residual / 2, 2 × residual",
    ]
    wide = "max pool 2×2, 3 × (residual, conv 1×1, GELU, batch norm, conv 1×1, GELU, batch norm),\nconv 3×3, batch norm, ReLU"
    assert wide in read_general_text(unetgen.draw("cmunext", style="compact").scene)


@pytest.mark.parametrize("fusion", ["concat", "add", "multiply"])
def test_compact_legend_describes_merges(fusion: str) -> None:
    words = read_general_text(unetgen.draw("unet_milesial", **{"skip.fusion": fusion}, style="compact").scene)
    assert f"where arrows meet: {fusion}, 2 × (conv 3×3, batch norm, ReLU)" in words


def test_detail_legend_describes_every_arrow() -> None:
    legend = read_legend(unetgen.draw("unet_paper", style="detail").scene)
    assert legend["unchanged"] == {("#1d4e89", False)}
    assert legend["head: unchanged"] == {("#0e9aa7", False)}


def test_arrows_turn_before_those_that_leave_at_their_height() -> None:
    upper, lower = GapCrossing(0, 10.0), GapCrossing(1, 0.0)
    arriving, leaving = VerticalSegment(None, upper), VerticalSegment(upper, lower)
    assert order_tracks([arriving, leaving]) == [1, 0]
    assert order_tracks([leaving, arriving]) == [0, 1]
    changing = [VerticalSegment(upper, lower), VerticalSegment(lower, upper)]
    assert order_tracks(changing) == [0, 1]
    assert find_conflicts(changing, [0, 1]) == [0]
    assert find_conflicts([arriving, leaving], [1, 0]) == []


@pytest.mark.parametrize(
    ("look", "sentence"),
    [
        ({"style": "fancy"}, "style: must be paper, compact or detail, not 'fancy'; choose a valid style"),
        ({"style": "compct"}, "style: must be paper, compact or detail, not 'compct'; did you mean 'compact'?"),
        ({"theme": "blue"}, "theme: must be light or dark, not 'blue'; choose a valid theme"),
    ],
)
def test_unknown_style_or_theme_is_rejected(look: dict[str, Any], sentence: str) -> None:
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.draw("unet_paper", **look)
    assert str(error.value) == sentence


@pytest.mark.parametrize(("name", "is_bundled_font_enough"), [("größe", True), ("网络", False)])
def test_letters_outside_latin_use_system_fonts(
    name: str, is_bundled_font_enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resvg_py

    render_options: dict[str, Any] = {}
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **options: render_options.update(options) or b"")
    render_png(unetgen.draw("unet_paper", name=name).svg)
    assert render_options["skip_system_fonts"] is is_bundled_font_enough
    assert measure_text_width("网络", 10) == 20


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("style", STYLES)
def test_golden(style: Any, theme: Any, check_golden: Callable[[str, str], None]) -> None:
    check_golden(f"figures/unet_paper_{style}_{theme}.svg", unetgen.draw("unet_paper", style=style, theme=theme).svg)


@pytest.mark.parametrize("name", ["unetplusplus", "unet3plus", "attention_unet_grid", "u2netp"])
def test_golden_of_others(name: str, check_golden: Callable[[str, str], None]) -> None:
    check_golden(f"figures/{name}.svg", unetgen.draw(name).svg)


def test_the_figure_of_the_docs_is_up_to_date(request: pytest.FixtureRequest) -> None:
    path, figure = ROOT / "docs" / "assets" / "figures" / "unet_paper.svg", unetgen.draw("unet_paper")
    if request.config.getoption("--update-golden"):
        figure.save(path)
    assert path.read_text(encoding="utf-8") == figure.svg


def test_the_contact_sheet_of_the_zoo_is_up_to_date(request: pytest.FixtureRequest) -> None:
    from unetgen.figure.svg import render_svg

    page = build_contact_sheet(
        [unetgen.draw(name, style="compact").scene for name in list_shipped_specs()], "the shipped networks"
    )
    path = ROOT / "docs" / "assets" / "zoo.svg"
    if request.config.getoption("--update-golden"):
        path.write_text(render_svg(page), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == render_svg(page)
    assert len(render_svg(page)) < 10**6
    titles = [text.string for text in page.texts if text.bold]
    assert titles == list(list_shipped_specs())


def test_text_is_no_wider_than_measured() -> None:
    """Held against the metrics of the widest face that figures ask for, over every line of every figure."""
    from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
    from reportlab.pdfbase.ttfonts import TTFont

    from unetgen.figure.png import find_font_files

    registerFont(TTFont("widest", find_font_files("Vera.ttf")[0]))
    registerFont(TTFont("widest bold", find_font_files("VeraBd.ttf")[0]))
    for name in list_shipped_specs():
        for style in STYLES:
            for text in unetgen.draw(name, style=style).scene.texts:
                real = stringWidth(text.string, "widest bold" if text.bold else "widest", text.size)
                assert real <= measure_text_width(text.string, text.size, bold=text.bold) * 1.03, text.string


def test_files_of_every_kind(run_cli: RunCli, tmp_path: Path) -> None:
    import pypdfium2
    from PIL import Image

    for kind in ("svg", "png", "pdf"):
        out = tmp_path / f"unet.{kind}"
        result = run_cli("draw", "unet_paper", "-o", str(out), "--style", "compact")
        assert (result.code, result.err) == (0, "")
        assert re.fullmatch(rf"{out}: written, \d+ x \d+ points\n", result.out)
    scene = unetgen.draw("unet_paper", style="compact").scene
    with Image.open(tmp_path / "unet.png") as picture:
        assert picture.width == pytest.approx(2 * scene.width, abs=2)
        dark = sum(picture.convert("L").histogram()[:100])
    assert dark > 1000  # letters too, on a machine without fonts
    page = pypdfium2.PdfDocument(tmp_path / "unet.pdf")[0]
    assert "1024" in page.get_textpage().get_text_range()
    assert (tmp_path / "unet.svg").read_text(encoding="utf-8") == unetgen.draw("unet_paper", style="compact").svg


def test_one_figure_is_one_file(tmp_path: Path) -> None:
    figure = unetgen.draw("unet_paper")
    for kind in ("png", "pdf"):
        figure.save(tmp_path / f"a.{kind}")
        unetgen.draw("unet_paper").save(tmp_path / f"b.{kind}")
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_without_a_file_svg_is_printed(run_cli: RunCli) -> None:
    assert run_cli("draw", "unet_paper").out == unetgen.draw("unet_paper").svg
    several = run_cli("draw", "unet_paper", "unet_1d", "--style", "compact").out
    assert ">unet_paper</text>" in several
    assert ">unet_1d</text>" in several


INVALID_COMMANDS = {
    "suffix": (["-o", "{tmp}/a.gif"], 2, "{tmp}/a.gif: suffix must be .svg, .png or .pdf, not '.gif'; rename the file\n"),
    "size": (["--input-size", "100x572"], 1, "input_size: 100 on axis H gives 5 at level 3, which max_pool cannot halve; the smallest that fits is 188 (output 4)\n"),
    "place": (["-o", "{tmp}/folder.svg"], 2, "Usage: unetgen draw [OPTIONS] [SPEC]...\nTry 'unetgen draw --help' for help.\n\nError: Invalid value for '-o' / '--out': File '{tmp}/folder.svg' is a directory.\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", INVALID_COMMANDS)
def test_invalid_draw_commands_report_errors(name: str, run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    arguments, code, sentence = INVALID_COMMANDS[name]
    result = run_cli("draw", "unet_paper", *(argument.format(tmp=tmp_path) for argument in arguments))
    assert (result.code, result.err) == (code, sentence.format(tmp=tmp_path))


def test_unwritable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.draw("unet_paper").save(tmp_path / "nowhere" / "a.svg")
    assert (
        str(error.value)
        == f"{tmp_path}/nowhere/a.svg: cannot be written: No such file or directory; choose another path"
    )


@pytest.mark.parametrize(
    ("module", "suffix", "sentence"),
    [
        ("resvg_py", "png", "a figure as PNG needs resvg-py, which is not installed; run: pip install 'unetgen[draw]'"),
        ("reportlab", "pdf", "a figure as PDF needs reportlab, which is not installed; run: pip install 'unetgen[draw]'"),
        ("reportlab", "png", "the font of a figure needs reportlab, which is not installed; run: pip install 'unetgen[draw]'"),
    ],
)  # fmt: skip
def test_a_missing_library_names_the_extra(
    module: str, suffix: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.draw("unet_paper").save(tmp_path / f"a.{suffix}")
    assert str(error.value) == sentence


def test_a_figure_needs_no_torch() -> None:
    code = "import sys, unetgen; unetgen.draw('unet_paper').svg; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_models_and_figures_display_in_notebooks() -> None:
    model = unetgen.build("unet_paper", device="meta")
    assert model._repr_svg_() == unetgen.draw("unet_paper").svg == unetgen.draw("unet_paper")._repr_svg_()
    assert isinstance(unetgen.draw("unet_paper"), Figure)
    pickle.dumps(copy.deepcopy(model))  # the cached figure must not break copies
