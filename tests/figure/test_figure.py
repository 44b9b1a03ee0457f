"""The U figure: every number at its map, nothing over anything else, and the same on every machine."""

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
from unetgen.figure.layout import MARGIN
from unetgen.figure.legend import FONT_SIZE, SAMPLE_WIDTH, TEXT_INDENT
from unetgen.figure.op_labels import compress_repeats
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


def faults(scene: Scene) -> list[tuple[Any, ...]]:
    """What lies over something else, or outside."""
    found: list[tuple[Any, ...]] = []
    for text in scene.texts:
        outside = text.bounds.left < 0 or text.bounds.top < 0
        if outside or text.bounds.right > scene.width or text.bounds.bottom > scene.height:
            found.append((text.string, "outside"))
    things: list[Thing] = [(box.bounds, box) for box in scene.boxes]
    things += [(text.bounds, text) for text in scene.texts]
    things += [(stretch, line) for line in scene.lines for stretch in stretches(line)]
    return found + [(one[1], other[1]) for one, other in meeting(things) if amiss(one, other)]


Thing = tuple[Rect, Box | Text | Line]


def stretches(line: Line) -> list[Rect]:
    """The straight pieces of an arrow, as thick as it is drawn."""
    half = line.width / 2
    return [
        Rect(min(x0, x1) - half, min(y0, y1) - half, max(x0, x1) + half, max(y0, y1) + half)
        for (x0, y0), (x1, y1) in pairwise(line.points)
    ]


def meeting(things: list[Thing]) -> Iterator[tuple[Thing, Thing]]:
    """The pairs that overlap, found from the top down."""
    begun: list[Thing] = []
    for thing in sorted(things, key=lambda thing: thing[0].top):
        begun = [other for other in begun if other[0].bottom > thing[0].top]
        yield from ((other, thing) for other in begun if other[0].overlaps(thing[0]))
        begun.append(thing)


def amiss(one: Thing, other: Thing) -> bool:
    """Whether two things that overlap should not: all but letters in their own box, and arrows that cross or end."""
    (here, a), (there, b) = sorted((one, other), key=lambda thing: [Box, Text, Line].index(type(thing[1])))
    if isinstance(a, Line):
        return a is not b and level(here) == level(there) and shared(here, there) > 2 * a.width
    if isinstance(a, Box) and isinstance(b, Text):
        return a.path != b.path or not inside(there, here)
    return not (isinstance(a, Box) and isinstance(b, Line)) or shrunk(here).overlaps(there)


def level(stretch: Rect) -> bool:
    return stretch.right - stretch.left > stretch.bottom - stretch.top


def shared(one: Rect, other: Rect) -> float:
    """How far two pieces run together."""
    across = min(one.right, other.right) - max(one.left, other.left)
    return max(across, min(one.bottom, other.bottom) - max(one.top, other.top))


def inside(one: Rect, other: Rect) -> bool:
    near = 0.1
    return (
        one.left >= other.left - near and one.right <= other.right + near
        and one.top >= other.top - near and one.bottom <= other.bottom + near
    )  # fmt: skip


def shrunk(extent: Rect) -> Rect:
    return Rect(extent.left + 0.8, extent.top + 0.8, extent.right - 0.8, extent.bottom - 0.8)


def loose_ends(scene: Scene, legends: float) -> list[Any]:
    """Ends of arrows above the legend at which there is no box."""
    ends = [point for line in scene.lines if line.points[0][1] < legends for point in (line.points[0], line.points[-1])]
    return [(x, y) for x, y in ends if not any(
        min(abs(x - box.bounds.left), abs(x - box.bounds.right)) < 0.1 and box.bounds.top <= y <= box.bounds.bottom
        for box in scene.boxes
    )]  # fmt: skip


def legend_of(scene: Scene) -> dict[str, set[tuple[str, bool]]]:
    """What the legend says of arrows, each phrase with the colours and dashes that it stands beside."""
    found: dict[str, set[tuple[str, bool]]] = {}
    lines = [text for text in scene.texts if text.x == TEXT_INDENT and not text.path]
    for sample in [line for line in scene.lines if line.points[-1][0] == MARGIN + SAMPLE_WIDTH]:
        beside = next(number for number, text in enumerate(lines) if abs(text.y - sample.points[0][1]) < FONT_SIZE)
        strings = [text.string for text in lines[beside:]]
        begun = list(takewhile(lambda string: string.endswith((",", ";")), strings))
        said = " ".join(strings[: len(begun) + 1])
        role = "head: " if said.startswith("head: ") else ""
        for phrase in said.removeprefix(role).split(";"):
            found.setdefault(role + phrase.strip(), set()).add((sample.stroke, sample.dashed))
    return found


def words_of(scene: Scene) -> str:
    """All that is written and says nothing of one map."""
    return "\n".join(text.string for text in scene.texts if not text.path)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", list_shipped_specs())
def test_nothing_lies_over_anything(name: str, style: Any) -> None:
    scene = unetgen.draw(name, style=style).scene
    assert faults(scene) == []
    assert loose_ends(scene, max(box.bounds.bottom for box in scene.boxes if box.path)) == []
    assert scene.width < 4000
    assert [phrase for phrase, looks in legend_of(scene).items() if len(looks) > 1] == []


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
    assert faults(scene) == []
    assert len({box.path.split(".")[0] for box in scene.boxes if box.path}) == 5
    assert scene.width < (5000 if style == "detail" else 3200)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=random_specs(), style=st.sampled_from(STYLES))
def test_whatever_is_drawn_can_be_shown(data: dict[str, Any], style: Any) -> None:
    try:
        figure = unetgen.draw(data, style=style)
    except unetgen.SpecError:
        reject()
    assert faults(figure.scene) == []
    ElementTree.fromstring(figure.svg)  # noqa: S314  # it is our own


def test_every_number_of_the_papers_figure_is_at_its_map() -> None:
    svg = ElementTree.fromstring(unetgen.draw("unet_paper").svg)  # noqa: S314  # it is our own
    space = "{http://www.w3.org/2000/svg}"
    texts: dict[str, list[str]] = {}
    for text in svg.iter(f"{space}text"):
        texts.setdefault(text.get("data-path", ""), []).append(text.text or "")
    boxes = {box.get("data-path") for box in svg.iter(f"{space}rect")} - {None}
    assert boxes == set(FIG_1)
    assert {path: told for path, told in texts.items() if path} == {
        path: [str(channels), f"{size}²"] for path, (channels, size) in FIG_1.items()
    }
    words = " ".join(texts[""])
    for said in ("conv 3×3, ReLU", "copy and crop", "max pool 2×2", "up-conv 2×2", "conv 1×1"):
        assert said in words  # the legend of Fig. 1
    assert sum(line.get("stroke-dasharray") is not None for line in svg.iter(f"{space}polyline")) == 4 + 1  # and legend


def test_channels_that_were_copied_are_white_and_as_many() -> None:
    scene = unetgen.draw("unet_paper").scene
    halves = [box for box in scene.boxes if box.path == "decoder.3.skip.concat"]
    assert [box.fill for box in halves] == ["#ffffff", "#9ec5e8"]
    assert halves[0].width == pytest.approx(halves[1].width)


@pytest.mark.parametrize("style", ["paper", "compact"])
@pytest.mark.parametrize(("fusion", "sign"), [("add", "+"), ("multiply", "×")])
def test_fusions_have_their_sign(fusion: str, sign: str, style: Any) -> None:
    scene = unetgen.draw("unet_milesial", **{"skip.fusion": fusion}, style=style).scene
    assert [text.string for text in scene.texts].count(sign) == 4


def test_sizes_are_those_of_the_input() -> None:
    told = [text.string for text in unetgen.draw("unet_paper", input_size=(188, 204)).scene.texts]
    assert "188×204" in told
    assert "4×20" in told
    assert "1 × 188 × 204 -> 2 × 4 × 20, 31,030,658 parameters" in " ".join(told)


def test_gates_and_transforms_are_named() -> None:
    words = " ".join(text.string for text in unetgen.draw("attention_unet").scene.texts)
    assert "copy, attention gate" in words
    assert "copy, residual path" in " ".join(t.string for t in unetgen.draw("multiresunet").scene.texts)


def test_runs_of_equal_maps_are_one_with_their_number() -> None:
    told = [text.string for text in unetgen.draw("unet_milesial", **{"block.repeats": 6}, input_size=None).scene.texts]
    assert any(text.endswith(("5×", "6×")) for text in told)


@pytest.mark.parametrize("name", ["u2net", "u2netp"])
def test_an_arrow_goes_down_where_its_end_is_smaller(name: str) -> None:
    looks = legend_of(unetgen.draw(name).scene)
    down, _ = next(iter(looks["max pool 2×2"]))
    assert looks["unet block"] != {(down, False)}
    assert {phrase for phrase, found in looks.items() if (down, False) in found} == {"max pool 2×2"}


def test_an_arrow_goes_up_where_its_end_is_larger() -> None:
    looks = legend_of(unetgen.draw("smp_unet_resnet34").scene)
    assert looks["resize"] == {("#2e8b57", False)}
    assert looks["residual / 2"] == {("#c0392b", False)}
    assert looks["residual"] == {("#6a3d9a", False)}


def test_what_crops_and_pads_nothing_is_not_told() -> None:
    padded = {
        "name": "padded", "in_channels": 1, "out_channels": 2, "input_size": [128, 128], "widths": [16, 32, 64, 128],
        "block": {"type": "conv", "padding": "zeros"},
    }  # fmt: skip
    scene = unetgen.draw(padded).scene
    assert set(legend_of(scene)) == {"conv 3×3, ReLU", "max pool 2×2", "up-conv 2×2", "copy", "head: conv 1×1"}
    assert not any(line.dashed for line in scene.lines)
    fitting = set(legend_of(unetgen.draw("unet_milesial", input_size=(512, 512)).scene))
    assert "up-conv 2×2" in fitting
    assert "up-conv 2×2, pad" in set(legend_of(unetgen.draw("unet_milesial", input_size=(500, 500)).scene))


def test_what_is_brought_up_to_size_is_no_copy_even_from_its_own_level() -> None:
    scene = unetgen.draw("ternausnet16").scene
    for level in range(5):
        parts = [box.fill for box in scene.boxes if box.path == f"decoder.{level}.skip.concat"]
        assert parts == ["#9ec5e8", "#ffffff"]
    assert "max pool 2×2, linear upsampling ×2, 2 × (conv 3×3, ReLU)" in legend_of(scene)


def test_a_gate_is_told_where_it_lets_something_through() -> None:
    told = legend_of(unetgen.draw("resunetplusplus").scene)
    assert "attention gate, linear upsampling ×2" in told
    assert "copy" in told


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
    assert faults(scene) == []
    names = [text.string for text in scene.texts if text.bold and text.path]
    if style == "detail":
        assert {"head.mask.side0", "head.mask.side1", "head.edge", "head.kind"} < set(names)
    else:
        assert sorted(names) == ["edge", "kind", "mask 0", "mask 1"]
    assert "1 × 64 × 64 -> mask 2 × 64 × 64 and 1 more, edge 1 × 64 × 64, kind 3, " in words_of(scene)


def test_many_convolutions_make_a_short_legend() -> None:
    scene = unetgen.draw("unet_milesial", **{"block.repeats": 8}, input_size=(64, 64), style="compact").scene
    assert "max pool 2×2, 8 × (conv 3×3, batch norm, ReLU)" in legend_of(scene)
    assert scene.width < 600


@pytest.mark.parametrize(
    ("phrases", "said"),
    [
        ([], ""),
        (["conv", "ReLU", "conv", "ReLU", "dropout"], "2 × (conv, ReLU), dropout"),
        (["pool", "conv", "conv"], "pool, 2 × conv"),
        (["a", "a", "a", "a"], "4 × a"),
        (["conv 5, dilated by 2", "conv 5, dilated by 2"], "2 × (conv 5, dilated by 2)"),
        (["conv", "ReLU", "conv"], "conv, ReLU, conv"),
    ],
)
def test_repeats_are_counted(phrases: list[str], said: str) -> None:
    assert compress_repeats(phrases) == said


def test_lines_of_the_legend_break_after_a_phrase_or_else_a_comma() -> None:
    lines = [
        t.string for t in unetgen.draw("d_linknet", style="compact").scene.texts if t.x == TEXT_INDENT and not t.path
    ]
    assert lines[:2] == [
        "conv 7×7 / 2, batch norm, ReLU;  max pool 3×3, 3 × residual;  residual / 2, 3 × residual;  residual / 2, 5 × residual;",
        "residual / 2, 2 × residual",
    ]
    wide = "max pool 2×2, 3 × (residual, conv 1×1, GELU, batch norm, conv 1×1, GELU, batch norm),\nconv 3×3, batch norm, ReLU"
    assert wide in words_of(unetgen.draw("cmunext", style="compact").scene)


@pytest.mark.parametrize("fusion", ["concat", "add", "multiply"])
def test_compact_tells_what_is_made_where_arrows_meet(fusion: str) -> None:
    words = words_of(unetgen.draw("unet_milesial", **{"skip.fusion": fusion}, style="compact").scene)
    assert f"where arrows meet: {fusion}, 2 × (conv 3×3, batch norm, ReLU)" in words


def test_detail_tells_what_every_arrow_is() -> None:
    looks = legend_of(unetgen.draw("unet_paper", style="detail").scene)
    assert looks["handed on"] == {("#1d4e89", False)}
    assert looks["head: handed on"] == {("#0e9aa7", False)}


def test_arrows_turn_before_those_that_go_out_where_they_come_in() -> None:
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
        ({"style": "fancy"}, "style: figures have paper, compact and detail, not 'fancy'; choose one of them"),
        ({"style": "compct"}, "style: figures have paper, compact and detail, not 'compct'; did you mean 'compact'?"),
        ({"theme": "blue"}, "theme: figures have light and dark, not 'blue'; choose one of them"),
    ],
)
def test_a_look_that_there_is_not_is_refused(look: dict[str, Any], sentence: str) -> None:
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.draw("unet_paper", **look)
    assert str(error.value) == sentence


@pytest.mark.parametrize(("name", "alone"), [("größe", True), ("网络", False)])
def test_letters_outside_latin_are_looked_for_on_the_machine(
    name: str, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resvg_py

    asked: dict[str, Any] = {}
    monkeypatch.setattr(resvg_py, "svg_to_bytes", lambda **options: asked.update(options) or b"")
    render_png(unetgen.draw("unet_paper", name=name).svg)
    assert asked["skip_system_fonts"] is alone
    assert measure_text_width("网络", 10) == 20


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("style", STYLES)
def test_golden(style: Any, theme: Any, check_golden: Callable[[str, str], None]) -> None:
    check_golden(f"figures/unet_paper_{style}_{theme}.svg", unetgen.draw("unet_paper", style=style, theme=theme).svg)


@pytest.mark.parametrize("name", ["unetplusplus", "unet3plus", "attention_unet_grid", "u2netp"])
def test_golden_of_others(name: str, check_golden: Callable[[str, str], None]) -> None:
    check_golden(f"figures/{name}.svg", unetgen.draw(name).svg)


def test_the_figure_of_the_docs_is_up_to_date(request: pytest.FixtureRequest) -> None:
    path, figure = ROOT / "docs" / "figures" / "unet_paper.svg", unetgen.draw("unet_paper")
    if request.config.getoption("--update-golden"):
        figure.save(path)
    assert path.read_text(encoding="utf-8") == figure.svg


def test_the_sheet_of_the_zoo_is_up_to_date(request: pytest.FixtureRequest) -> None:
    from unetgen.figure.svg import render_svg

    page = build_contact_sheet(
        [unetgen.draw(name, style="compact").scene for name in list_shipped_specs()], "the shipped networks"
    )
    path = ROOT / "docs" / "zoo.svg"
    if request.config.getoption("--update-golden"):
        path.write_text(render_svg(page), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == render_svg(page)
    assert len(render_svg(page)) < 10**6
    titles = [text.string for text in page.texts if text.bold]
    assert titles == list(list_shipped_specs())


def test_letters_take_no_more_than_is_reckoned() -> None:
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
        done = run_cli("draw", "unet_paper", "-o", str(out), "--style", "compact")
        assert (done.code, done.err) == (0, "")
        assert re.fullmatch(rf"{out}: written, \d+ x \d+ points\n", done.out)
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


REFUSED = {
    "suffix": (["-o", "{tmp}/a.gif"], 2, "{tmp}/a.gif: a figure is .svg, .png or .pdf, not '.gif'; choose one of them\n"),
    "size": (["--input-size", "100x572"], 1, "input_size: 100 on axis H gives 5 at level 3, which max_pool cannot halve; the smallest that fits is 188 (output 4)\n"),
    "place": (["-o", "{tmp}/folder.svg"], 2, "Usage: unetgen draw [OPTIONS] [SPEC]...\nTry 'unetgen draw --help' for help.\n\nError: Invalid value for '-o' / '--out': File '{tmp}/folder.svg' is a directory.\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_is_told(name: str, run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    arguments, code, sentence = REFUSED[name]
    done = run_cli("draw", "unet_paper", *(argument.format(tmp=tmp_path) for argument in arguments))
    assert (done.code, done.err) == (code, sentence.format(tmp=tmp_path))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(unetgen.UnetgenError) as error:
        unetgen.draw("unet_paper").save(tmp_path / "nowhere" / "a.svg")
    assert (
        str(error.value)
        == f"{tmp_path}/nowhere/a.svg: cannot be written: No such file or directory; choose another place"
    )


@pytest.mark.parametrize(
    ("module", "suffix", "sentence"),
    [
        ("resvg_py", "png", "a figure as PNG needs resvg-py, which is not installed; run: pip install 'unetgen[draw]'"),
        ("reportlab", "pdf", "a figure as PDF needs reportlab, which is not installed; run: pip install 'unetgen[draw]'"),
        ("reportlab", "png", "a figure's letters needs reportlab, which is not installed; run: pip install 'unetgen[draw]'"),
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


def test_in_a_notebook_models_and_figures_show_themselves() -> None:
    model = unetgen.build("unet_paper", device="meta")
    assert model._repr_svg_() == unetgen.draw("unet_paper").svg == unetgen.draw("unet_paper")._repr_svg_()
    assert isinstance(unetgen.draw("unet_paper"), Figure)
    pickle.dumps(copy.deepcopy(model))  # it is nothing that a model has to carry
