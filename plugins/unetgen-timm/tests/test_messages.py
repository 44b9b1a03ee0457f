"""Test error messages: the problem, its position in the spec, and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import unetgen
from unetgen.config.registry.registry import Registry
from unetgen.errors import SpecError

from conftest import PLUGIN, RunCode
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


def error_message(registry: Registry, name: str = "resnet18", levels: int = 5, **more: Any) -> str:
    with pytest.raises(SpecError) as error:
        unetgen.graph_of(spec(name, levels), registry=registry, **more)
    return str(error.value).removeprefix("override: ")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet19", f"timm {timm.__version__} has no 'resnet19'; did you mean 'resnet18'?"),
        ("ConvNeXt_Atto", f"timm {timm.__version__} has no 'ConvNeXt_Atto'; did you mean 'convnext_atto'?"),
        ("zzzz", f"timm {timm.__version__} has no 'zzzz'; see timm.list_models() for all names"),
        (
            "hf-hub:timm/resnet18",
            f"timm {timm.__version__} has no 'hf-hub:timm/resnet18'; see timm.list_models() for all names",
        ),
        (
            "resnet18.a1_in1k",
            "'resnet18.a1_in1k' includes the name of its weights; write 'name: resnet18', and 'pretrained: a1_in1k' "
            "for those weights",
        ),
        (
            "vit_small_patch16_224",
            "'vit_small_patch16_224' is not a pyramid: its features have strides 16, 16, 16; use a backbone that halves its "
            "map at each stage, such as convnext or swin",
        ),
        (
            "pit_ti_224",
            "'pit_ti_224' is not a pyramid: its features have strides 7, 14, 28; use a backbone that halves its map at each "
            "stage, such as convnext or swin",
        ),
        (
            "convmixer_768_32",
            "timm returns no features of 'convmixer_768_32' (RuntimeError: features_only not implemented for "
            "ConvMixer models.); use a backbone with a pyramid of features, such as convnext or swin",
        ),
    ],
)
def test_names(registry: Registry, name: str, sentence: str) -> None:
    assert error_message(registry, **{"encoder.name": name}) == f"encoder.name: {sentence}"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"pretrained": "a1_in2k"},
            "encoder.pretrained: timm has no weights 'a1_in2k' for 'resnet18'; did you mean 'a1_in1k'?",
        ),
        (
            {"name": "convnext_atto", "pretrained": "?"},
            "encoder.pretrained: timm has no weights '?' for 'convnext_atto'; choose one of d2_in1k",
        ),
        (
            {"name": "efficientnet_b6", "pretrained": True},
            "encoder.pretrained: timm has no pretrained weights for 'efficientnet_b6'; write 'pretrained: false', "
            "or set 'weights: PATH' to a file",
        ),
        (
            {"levels": [0, 5]},
            "encoder.levels: 'resnet18' has no feature at level 0; choose from levels 1, 2, 3, 4, 5",
        ),
        ({"levels": [5, 5]}, "encoder.levels: level 5 is listed twice; delete one"),
        ({"frozen": 6}, "encoder.frozen: 'resnet18' has only 5 stages; freeze at most 5"),
        (
            {"name": "vgg11", "output_stride": 16},
            "encoder.output_stride: 'vgg11' does not support 'output_stride: 16' (AssertionError); delete the option",
        ),
        (
            {"name": "caformer_s18", "output_stride": 16},
            "encoder.output_stride: 'caformer_s18' ignores the option, its output stride is 32; delete the option",
        ),
        (
            {"name": "res2net50_14w_8s", "drop_path": 0.1},
            "encoder.drop_path: 'res2net50_14w_8s' has no paths to drop; delete the option",
        ),
        (
            {"name": "vgg11", "drop_path": 0.1},
            "encoder.drop_path: 'vgg11' does not support 'drop_path: 0.1' (TypeError: VGG.__init__() got an unexpected keyword "
            "argument 'drop_path_rate'); delete the option",
        ),
        (
            {"name": "resnet18", "output_stride": 4},
            "encoder.output_stride: 4 is not one of 8, 16",
        ),
    ],
)
def test_options(registry: Registry, options: dict[str, Any], sentence: str) -> None:
    assert error_message(registry, **{f"encoder.{key}": value for key, value in options.items()}) == sentence


def test_all_problems_are_reported_together(registry: Registry) -> None:
    invalid = {"name": "resnet19", "pretrained": 3, "drop_path": 2, "levels": 5}
    with pytest.raises(SpecError) as error:
        unetgen.load_spec(spec() | {"encoder": {"type": "timm", **invalid}}, registry=registry)
    assert sorted(str(problem).partition("encoder.")[2] for problem in error.value.problems) == [
        "drop_path: 2 must be less than 1.0",
        "levels: 5 is not a list",
        f"name: timm {timm.__version__} has no 'resnet19'; did you mean 'resnet18'?",
        "pretrained: 3 is not true, false or the name of weights; write true for timm's default",
    ]


@pytest.mark.parametrize("dims", [1, 3])
def test_dims(registry: Registry, dims: int) -> None:
    assert error_message(registry, dims=dims) == (
        f"encoder.type: timm's backbones need dims: 2, not {dims}; use encoder: plain or resnet"
    )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"depth": 1, "decoder.widths": [4], "encoder.name": "convnext_atto"},
            "encoder.name: in the encoder: 'convnext_atto' has no feature at the bottleneck, level 1, "
            "only at levels 2, 3, 4, 5; set depth to one of 2, 3, 4, 5",
        ),
        (
            {"depth": 3, "decoder.widths": [4] * 3, "encoder.levels": [1, 2, 3, 5]},
            "encoder.levels: in the encoder: level 5 is deeper than the bottleneck, level 3; list levels up to 3, or "
            "set depth: 5",
        ),
        (
            {"depth": 3, "decoder.widths": [4] * 3, "encoder.frozen": 4},
            "encoder.frozen: in the encoder: depth 3 builds 3 stages only; freeze at most 3",
        ),
        (
            {"encoder.name": "coatnet_nano_rw_224"},
            "encoder.name: in the encoder: 'coatnet_nano_rw_224' needs a fixed image size, and the spec has no input_size; "
            "add 'input_size: [224, 224]', or another size that it supports",
        ),
        (
            {"encoder.name": "efficientvit_m0", "input_size": [192, 256], "decoder.widths": [4] * 6},
            "encoder.name: in the encoder: 'efficientvit_m0' cannot be built for images of 192 x 256 (AssertionError: input "
            "feature has wrong size, expect (14, 14), got (12, 16)); set input_size: [224, 224]",
        ),
    ],
)  # fmt: skip
def test_options_that_do_not_match_the_network(registry: Registry, more: dict[str, Any], sentence: str) -> None:
    assert error_message(registry, **more) == sentence


def test_backbone_that_cannot_be_measured(registry: Registry) -> None:
    """It uses autocasting, which the meta device does not support."""
    more: dict[str, Any] = {"encoder.name": "efficientvit_b0", "input_size": [224, 224]}
    message = error_message(registry, **more)
    assert message.startswith(
        "encoder.name: in the encoder: 'efficientvit_b0' cannot be built for images of 224 x 224 (Runt"
    )
    assert message.endswith("); use another backbone")


def test_weights_come_from_one_place(registry: Registry) -> None:
    with pytest.raises(SpecError) as error:
        unetgen.load_spec(spec(pretrained=True, weights="net.pth"), registry=registry)
    assert str(error.value).endswith(
        "encoder.pretrained: 'pretrained' has no effect: the weights come from a file; delete 'pretrained'"
    )


def test_depth_beyond_the_backbone(registry: Registry) -> None:
    assert error_message(registry, depth=6) == "depth: 6 is not between 1 and 5"


def test_sizes_that_do_not_divide(registry: Registry) -> None:
    more: dict[str, Any] = {"encoder.name": "dla34", "input_size": [96, 100]}
    message = error_message(registry, **more)
    assert message.startswith("input_size: 100 on axis W ")
    assert message.endswith(
        "timm cannot divide by 32; nearest that fit: 96 (output 96), 128 (output 128); or add 'input: pad'"
    )


@pytest.mark.parametrize(("option", "column"), [("pretrained: nope", 15), ("frozen: 9", 11), ("levels: [7]", 11)])
def test_positions_in_a_file(registry: Registry, tmp_path: Path, option: str, column: int) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.format(option=f"  {option}"))
    with pytest.raises(SpecError) as error:
        unetgen.load_spec(path, registry=registry)
    assert str(error.value).startswith(f"{path}:7:{column}: encoder.{option.partition(':')[0]}: ")


def test_names_are_checked_like_all_options(registry: Registry) -> None:
    more: dict[str, Any] = {"encoder": {"type": "timm", "nmae": "resnet18"}}
    message = error_message(registry, **more)
    assert "encoder.nmae: unknown option of encoder 'timm'; did you mean 'name'?" in message


# timm that cannot be imported

VALIDATE = """
import sys
{before}
from unetgen.cli.main import main
sys.argv = ["unetgen", "validate", {path!r}, "--plugin", {plugin!r}]
main()
"""


def run_validate(tmp_path: Path, run_code: RunCode, before: str, **more: Any) -> tuple[int, str, str]:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.format(option="  frozen: 1"))
    result = run_code(VALIDATE.format(before=before, path=str(path), plugin=PLUGIN), with_stub=False, **more)
    return result.returncode, result.stdout, result.stderr


def test_torchvision_of_another_build(tmp_path: Path, run_code: RunCode) -> None:
    broken = tmp_path / "site" / "torchvision"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    assert run_validate(tmp_path, run_code, "", first_path=str(broken.parent)) == (
        3,
        "encoder 'timm' needs timm, which cannot be imported: RuntimeError: operator torchvision::nms does not exist; "
        "install the torchvision build for your torch (pytorch.org)\n",
        "",
    )


def test_missing_timm(tmp_path: Path, run_code: RunCode) -> None:
    assert run_validate(tmp_path, run_code, "sys.modules['timm'] = None") == (
        3,
        "encoder 'timm' needs timm, which cannot be imported: ModuleNotFoundError: import of timm halted; None in "
        "sys.modules; run: pip install timm\n",
        "",
    )


def test_the_plugin_imports_neither_torch_nor_timm(run_code: RunCode) -> None:
    code = f"""
import sys, unetgen
from unetgen.outputs.schema.spec_schema import build_json_schema
registry = unetgen.load_registry([{PLUGIN!r}])
assert "levels" in str(build_json_schema(registry)["$defs"]["encoder"])
unetgen.graph_of("unet_paper", registry=registry)
assert not {{"torch", "timm"}} & set(sys.modules)
"""
    result = run_code(code, with_stub=False)
    assert (result.returncode, result.stderr) == (0, "")
