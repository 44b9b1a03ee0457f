"""Whole sentences: what is wrong with a spec, at its place, and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import unetgen
from unetgen.config.registry.registry import Registry
from unetgen.errors import SpecError

from conftest import PLUGIN, Process
from specs import spec

TEXT = """\
schema_version: 1
in_channels: 3
out_channels: 2
encoder:
  type: timm
  name: resnet18
{option}
decoder: {{widths: [4, 4, 4, 4, 4]}}
"""


def refusal(registry: Registry, name: str = "resnet18", levels: int = 5, **more: Any) -> str:
    with pytest.raises(SpecError) as refused:
        unetgen.graph_of(spec(name, levels), registry=registry, **more)
    return str(refused.value).removeprefix("override: ")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet19", f"timm {timm.__version__} has no 'resnet19'; did you mean 'resnet18'?"),
        ("ConvNeXt_Atto", f"timm {timm.__version__} has no 'ConvNeXt_Atto'; did you mean 'convnext_atto'?"),
        ("zzzz", f"timm {timm.__version__} has no 'zzzz'; timm.list_models() has them all"),
        (
            "hf-hub:timm/resnet18",
            f"timm {timm.__version__} has no 'hf-hub:timm/resnet18'; timm.list_models() has them all",
        ),
        (
            "resnet18.a1_in1k",
            "'resnet18.a1_in1k' has the name of its weights in it; write 'name: resnet18', and 'pretrained: a1_in1k' "
            "for those weights",
        ),
        (
            "vit_small_patch16_224",
            "'vit_small_patch16_224' has no pyramid: its features have strides 16, 16, 16; use one that halves its map "
            "from stage to stage, such as convnext or swin",
        ),
        (
            "pit_ti_224",
            "'pit_ti_224' has no pyramid: its features have strides 7, 14, 28; use one that halves its map from stage "
            "to stage, such as convnext or swin",
        ),
        (
            "convmixer_768_32",
            "timm hands over no features of 'convmixer_768_32' (RuntimeError: features_only not implemented for "
            "ConvMixer models.); use one with a pyramid of them, such as convnext or swin",
        ),
    ],
)
def test_names(registry: Registry, name: str, sentence: str) -> None:
    assert refusal(registry, **{"encoder.name": name}) == f"encoder.name: {sentence}"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"pretrained": "a1_in2k"},
            "encoder.pretrained: timm has no weights 'a1_in2k' of 'resnet18'; did you mean 'a1_in1k'?",
        ),
        (
            {"name": "convnext_atto", "pretrained": "?"},
            "encoder.pretrained: timm has no weights '?' of 'convnext_atto'; they are d2_in1k",
        ),
        (
            {"name": "efficientnet_b6", "pretrained": True},
            "encoder.pretrained: timm has no weights of 'efficientnet_b6'; write 'pretrained: false', or name a file of "
            "yours: 'weights: PATH'",
        ),
        (
            {"levels": [0, 5]},
            "encoder.levels: 'resnet18' has no feature at level 0; it has them at levels 1, 2, 3, 4, 5",
        ),
        ({"levels": [5, 5]}, "encoder.levels: level 5 is named twice; keep one"),
        ({"frozen": 6}, "encoder.frozen: 'resnet18' has 5 stages; freeze at most 5"),
        (
            {"name": "vgg11", "output_stride": 16},
            "encoder.output_stride: 'vgg11' takes no 'output_stride: 16' (AssertionError); leave it out",
        ),
        (
            {"name": "caformer_s18", "output_stride": 16},
            "encoder.output_stride: 'caformer_s18' has an output stride of 32 whatever it is told; leave it out",
        ),
        (
            {"name": "res2net50_14w_8s", "drop_path": 0.1},
            "encoder.drop_path: 'res2net50_14w_8s' has no paths to drop; leave it out",
        ),
        (
            {"name": "vgg11", "drop_path": 0.1},
            "encoder.drop_path: 'vgg11' takes no 'drop_path: 0.1' (TypeError: VGG.__init__() got an unexpected keyword "
            "argument 'drop_path_rate'); leave it out",
        ),
        (
            {"name": "resnet18", "output_stride": 4},
            "encoder.output_stride: 4 is not one of 8, 16",
        ),
    ],
)
def test_options(registry: Registry, options: dict[str, Any], sentence: str) -> None:
    assert refusal(registry, **{f"encoder.{key}": value for key, value in options.items()}) == sentence


def test_all_that_is_wrong_is_told_at_once(registry: Registry) -> None:
    wrong = {"name": "resnet19", "pretrained": 3, "drop_path": 2, "levels": 5}
    with pytest.raises(SpecError) as refused:
        unetgen.load_spec(spec() | {"encoder": {"type": "timm", **wrong}}, registry=registry)
    assert sorted(str(problem).partition("encoder.")[2] for problem in refused.value.problems) == [
        "drop_path: 2 must be less than 1.0",
        "levels: 5 is not a list",
        f"name: timm {timm.__version__} has no 'resnet19'; did you mean 'resnet18'?",
        "pretrained: 3 is neither true, false nor the name of some weights; write true for timm's usual ones",
    ]


@pytest.mark.parametrize("dims", [1, 3])
def test_dims(registry: Registry, dims: int) -> None:
    assert refusal(registry, dims=dims) == (
        f"encoder.type: timm's backbones look at images of 2 axes, and dims is {dims}; "
        "use encoder: plain or resnet, which have as many axes as the spec"
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"depth": 1, "decoder.widths": [4], "encoder.name": "convnext_atto"},
            "encoder.name: in the encoder: level 1, the bottleneck, gets no feature: 'convnext_atto' hands them over at "
            "levels 2, 3, 4, 5; give a depth of 2, 3, 4, 5",
        ),
        (
            {"depth": 3, "decoder.widths": [4] * 3, "encoder.levels": [1, 2, 3, 5]},
            "encoder.levels: in the encoder: level 5 lies below the bottleneck, level 3; name levels up to 3, or give a "
            "depth of 5",
        ),
        (
            {"depth": 3, "decoder.widths": [4] * 3, "encoder.frozen": 4},
            "encoder.frozen: in the encoder: a depth of 3 builds 3 stages; freeze at most 3",
        ),
        (
            {"encoder.name": "coatnet_nano_rw_224"},
            "encoder.name: in the encoder: 'coatnet_nano_rw_224' is made for one size of image, and the spec names none; "
            "add 'input_size: [224, 224]', or another that it can be made for",
        ),
        (
            {"encoder.name": "efficientvit_m0", "input_size": [192, 256], "decoder.widths": [4] * 6},
            "encoder.name: in the encoder: 'efficientvit_m0' cannot be made for images of 192 x 256 (AssertionError: input "
            "feature has wrong size, expect (14, 14), got (12, 16)); timm made it for 224 x 224",
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together(registry: Registry, more: dict[str, Any], sentence: str) -> None:
    assert refusal(registry, **more) == sentence


def test_a_backbone_that_cannot_be_asked(registry: Registry) -> None:
    """It asks torch for the autocasting of its input's device, and the meta device has none."""
    more: dict[str, Any] = {"encoder.name": "efficientvit_b0", "input_size": [224, 224]}
    said = refusal(registry, **more)
    assert said.startswith(
        "encoder.name: in the encoder: 'efficientvit_b0' cannot be made for images of 224 x 224 (Runt"
    )
    assert said.endswith("); use another")


def test_weights_come_from_one_place(registry: Registry) -> None:
    with pytest.raises(SpecError) as refused:
        unetgen.load_spec(spec(pretrained=True, weights="net.pth"), registry=registry)
    assert str(refused.value).endswith(
        "encoder.pretrained: 'pretrained' has no effect: the weights are those of a file; delete 'pretrained'"
    )


def test_a_depth_that_no_backbone_has(registry: Registry) -> None:
    assert refusal(registry, depth=6) == "depth: 6 is not between 1 and 5"


def test_sizes_that_do_not_divide(registry: Registry) -> None:
    more: dict[str, Any] = {"encoder.name": "dla34", "input_size": [96, 100]}
    said = refusal(registry, **more)
    assert said.startswith("input_size: 100 on axis W ")
    assert said.endswith("timm cannot divide by 32; nearest that fit: 96 (output 96), 128 (output 128)")


@pytest.mark.parametrize(("option", "column"), [("pretrained: nope", 15), ("frozen: 9", 11), ("levels: [7]", 11)])
def test_places_in_a_file(registry: Registry, tmp_path: Path, option: str, column: int) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.format(option=f"  {option}"))
    with pytest.raises(SpecError) as refused:
        unetgen.load_spec(path, registry=registry)
    assert str(refused.value).startswith(f"{path}:7:{column}: encoder.{option.partition(':')[0]}: ")


def test_names_are_checked_like_all_options(registry: Registry) -> None:
    more: dict[str, Any] = {"encoder": {"type": "timm", "nmae": "resnet18"}}
    said = refusal(registry, **more)
    assert "encoder.nmae: unknown option of encoder 'timm'; did you mean 'name'?" in said


# Where timm cannot be imported

VALIDATE = """
import sys
{before}
from unetgen.cli.main import main
sys.argv = ["unetgen", "validate", {path!r}, "--plugin", {plugin!r}]
main()
"""


def validated(tmp_path: Path, process: Process, before: str, **more: Any) -> tuple[int, str, str]:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.format(option="  frozen: 1"))
    done = process(VALIDATE.format(before=before, path=str(path), plugin=PLUGIN), prepared=False, **more)
    return done.returncode, done.stdout, done.stderr


def test_a_torchvision_that_does_not_go_with_torch(tmp_path: Path, process: Process) -> None:
    broken = tmp_path / "site" / "torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    assert validated(tmp_path, process, "", first=str(broken.parent)) == (
        3,
        "encoder 'timm' needs timm, which cannot be imported: RuntimeError: operator torchvision::nms does not exist; "
        "install the torchvision that goes with your torch (pytorch.org)\n",
        "",
    )


def test_no_timm(tmp_path: Path, process: Process) -> None:
    assert validated(tmp_path, process, "sys.modules['timm'] = None") == (
        3,
        "encoder 'timm' needs timm, which cannot be imported: ModuleNotFoundError: import of timm halted; None in "
        "sys.modules; run: pip install timm\n",
        "",
    )


def test_the_plugin_imports_neither_torch_nor_timm(process: Process) -> None:
    code = f"""
import sys, unetgen
from unetgen.outputs.schema.spec_schema import json_schema
registry = unetgen.load_registry([{PLUGIN!r}])
assert "levels" in str(json_schema(registry)["$defs"]["encoder"])
unetgen.graph_of("unet_paper", registry=registry)
assert not {{"torch", "timm"}} & set(sys.modules)
"""
    done = process(code, prepared=False)
    assert (done.returncode, done.stderr) == (0, "")
