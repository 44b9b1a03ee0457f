"""The zoo's networks compute what their reference libraries compute, from the references' own weights.

The extra ``parity`` installs those libraries. Weights are imported by structure with ``import_weights``, as a user
would import them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import unetgen
from support.paths import ROOT
from support.torchvision_stub import declare_operators
from unetgen.analysis.cost import count_parameters
from unetgen.network.unet import flatten_outputs
from unetgen.network.weights.importing import find_shipped_key_map_name

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

NOT_INSTALLED = "the extra 'parity' is not installed"
STRIDES, WIDTHS = (2, 2, 2, 2), (16, 32, 64, 128, 256)
ANISOTROPIC = {"kernel_size": ((1, 3), (3, 3), (3, 1), (3, 3)), "strides": (1, (1, 2), 2, (2, 1))}


def import_monai() -> Any:
    return pytest.importorskip("monai.networks.nets", reason=NOT_INSTALLED)


def import_nnunet_architectures() -> Any:
    return pytest.importorskip("dynamic_network_architectures.architectures.unet", reason=NOT_INSTALLED)


class Pair(NamedTuple):
    """A spec with its overrides, the reference, and an image's (channels, *size)."""

    spec: str
    reference: Callable[[], nn.Module]
    image: tuple[int, ...]
    overrides: dict[str, Any]
    run: Callable[[nn.Module, Tensor], Any] = lambda model, image: model(image)


def monai_unet(dims: int, units: int) -> Callable[[], nn.Module]:
    return lambda: import_monai().UNet(dims, 1, 2, WIDTHS, STRIDES, num_res_units=units)


def basic(upsample: str) -> Callable[[], nn.Module]:
    return lambda: import_monai().BasicUNet(2, upsample=upsample)


def dynunet(**more: Any) -> Callable[[], nn.Module]:
    options = {"kernel_size": (3,) * 5, "strides": (1, *STRIDES), "upsample_kernel_size": STRIDES, **more}
    return lambda: import_monai().DynUNet(2, 1, 2, **options)


def dynunet_in_training(model: nn.Module, image: Tensor) -> list[Tensor]:
    """DynUNet returns its deep supervision in training only: resized by nearest neighbour and stacked."""
    return list(model.train()(image).unbind(1))


def nnunet(kind: str, dims: int, widths: tuple[int, ...], **more: Any) -> Callable[[], nn.Module]:
    conv, norm = (nn.Conv2d, nn.InstanceNorm2d) if dims == 2 else (nn.Conv3d, nn.InstanceNorm3d)
    stages = len(widths)
    count = {"n_conv_per_stage": 2, "n_conv_per_stage_decoder": 2}
    if kind == "ResidualEncoderUNet":
        count = {"n_blocks_per_stage": [1, 3, 4, 6, 6, 6][:stages], "n_conv_per_stage_decoder": 1}
    return lambda: getattr(import_nnunet_architectures(), kind)(
        1, stages, widths, conv, 3, (1, *(2,) * (stages - 1)), num_classes=2, conv_bias=True, norm_op=norm,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU, nonlin_kwargs={"inplace": True},
        deep_supervision=True, **count, **more,
    )  # fmt: skip


def smp(kind: str) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        library = pytest.importorskip("segmentation_models_pytorch", reason="the extra 'parity' is not installed")
        return getattr(library, kind)("resnet34", encoder_weights=None)

    return make


NARROW_3D = (8, 16, 32, 40, 40, 40)
PAIRS = {
    "monai UNet": Pair("monai_unet", monai_unet(2, 0), (1, 64, 96), {}),
    "monai UNet, residual": Pair("monai_unet_residual", monai_unet(2, 2), (1, 64, 96), {}),
    "monai UNet 3-D": Pair("monai_unet", monai_unet(3, 0), (1, 32, 32, 48), {"dims": 3, "input_size": None}),
    "monai UNet 3-D, residual": Pair("monai_unet_residual_3d", monai_unet(3, 2), (1, 32, 32, 48), {}),
    "monai BasicUNet": Pair("monai_basic_unet", basic("deconv"), (1, 51, 70), {}),
    "monai BasicUNet, interpolating": Pair("monai_basic_unet_nontrainable", basic("nontrainable"), (1, 51, 70), {}),
    "monai BasicUNet, pixel shuffle": Pair("monai_basic_unet_pixelshuffle", basic("pixelshuffle"), (1, 51, 70), {}),
    "monai BasicUNetPlusPlus": Pair(
        "unetplusplus", lambda: import_monai().BasicUNetPlusPlus(2, deep_supervision=True), (1, 51, 70), {},
        lambda model, image: model(image)[::-1],
    ),
    "monai AttentionUnet": Pair(
        "monai_attention_unet", lambda: import_monai().AttentionUnet(2, 1, 2, WIDTHS, STRIDES), (1, 64, 96), {}
    ),
    "monai DynUNet": Pair("dynunet", dynunet(), (1, 64, 96), {}),
    "monai DynUNet, residual": Pair("dynunet_residual", dynunet(res_block=True), (1, 64, 96), {}),
    "monai DynUNet, deep supervision": Pair(
        "dynunet", dynunet(deep_supervision=True, deep_supr_num=3), (1, 64, 96),
        {"head": {"type": "deep_supervision", "resolution": "full", "mode": "nearest"}}, dynunet_in_training,
    ),
    "nnU-Net 2-D": Pair("nnunet_2d", nnunet("PlainConvUNet", 2, (32, 64, 128, 256, 512)), (1, 64, 96), {}),
    "nnU-Net 3-D": Pair("nnunet_3d", nnunet("PlainConvUNet", 3, NARROW_3D), (1, 64, 64, 64), {"widths": [*NARROW_3D]}),
    "nnU-Net ResEnc 2-D": Pair("nnunet_resenc_2d", nnunet("ResidualEncoderUNet", 2, (32, 64, 128, 256, 512)), (1, 32, 64), {}),
    "nnU-Net ResEnc 3-D": Pair(
        "nnunet_resenc_3d", nnunet("ResidualEncoderUNet", 3, NARROW_3D), (1, 64, 64, 64), {"widths": [*NARROW_3D]}
    ),
    "smp Unet(resnet34)": Pair("smp_unet_resnet34", smp("Unet"), (3, 64, 96), {}),
    "smp UnetPlusPlus(resnet34)": Pair("smp_unetplusplus_resnet34", smp("UnetPlusPlus"), (3, 64, 96), {}),
    "smp Linknet(resnet34)": Pair("linknet", smp("Linknet"), (3, 64, 96), {}),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def torchvision_operators() -> None:
    """Make torchvision importable, for the libraries that import it."""
    declare_operators()


def is_constant(tensor: Tensor) -> bool:
    return not tensor.numel() or bool((tensor == tensor.flatten()[0]).all())


def build_pair(pair: Pair) -> tuple[nn.Module, nn.Module]:
    """The reference with random statistics and without zeros, and our network with its weights; both in float64."""
    torch.manual_seed(0)
    reference = pair.reference().double().eval()
    with torch.no_grad():
        for tensor in reference.state_dict().values():
            if tensor.is_floating_point() and is_constant(tensor):
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    model = unetgen.build(pair.spec, **pair.overrides).double().eval()
    report = unetgen.import_weights(model, reference.state_dict())
    assert not report.missing
    return reference, model


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_outputs(name: str) -> None:
    """In evaluation and float64 no output differs by more than 1e-9 of the largest."""
    pair = PAIRS[name]
    reference, model = build_pair(pair)
    image = torch.randn(1, *pair.image, dtype=torch.float64)
    with torch.no_grad():
        expected, outputs = flatten_outputs(pair.run(reference, image)), flatten_outputs(model(image))
    assert [tuple(t.shape) for t in outputs] == [tuple(t.shape) for t in expected]
    for expected_map, output in zip(expected, outputs, strict=True):
        assert (expected_map - output).abs().max() <= 1e-9 * max(float(expected_map.abs().max()), 1.0)
    assert count_parameters(model.graph) == sum(p.numel() for p in model.parameters())


def test_anisotropic_kernels() -> None:
    """DynUNet's decoder takes the kernels of the lower level; a spec sets each one on its own level."""
    kernels, strides = ANISOTROPIC["kernel_size"], ANISOTROPIC["strides"]
    reference = import_monai().DynUNet(2, 1, 2, kernels, strides, strides[1:], filters=(8, 16, 24, 32)).double().eval()
    levels = {
        i: {
            "downsample": {"factor": strides[i + 1]},
            "upsample": {"kernel_size": strides[i + 1], "stride": strides[i + 1]},
            "encoder": {"block": {"kernel_size": kernels[i]}},
            "decoder": {"block": {"kernel_size": kernels[i + 1]}},
        }
        for i in range(3)
    }
    levels[3] = {"block": {"kernel_size": kernels[3]}}
    model = unetgen.build("dynunet", widths=[8, 16, 24, 32], depth=3, levels=levels, input_size=None).double().eval()
    unetgen.import_weights(model, reference.state_dict())
    image = torch.randn(1, 1, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        assert (reference(image) - model(image)).abs().max() <= 1e-9


NARROW = [8, 16, 24, 32]
TRAINED = {
    "monai BasicUNet": Pair(
        "monai_basic_unet", lambda: import_monai().BasicUNet(2, features=(8, 8, 16, 32, 64, 8)), (1, 32, 48),
        {"widths": [8, 8, 16, 32, 64], "decoder": {"widths": [8, 8, 16, 32]}},
    ),
    "monai DynUNet, residual": Pair(
        "dynunet_residual", lambda: import_monai().DynUNet(2, 1, 2, (3,) * 4, (1, 2, 2, 2), (2, 2, 2), NARROW, res_block=True),
        (1, 32, 48), {"widths": NARROW, "depth": 3},
    ),
    "nnU-Net ResEnc": Pair(
        "nnunet_resenc_2d", nnunet("ResidualEncoderUNet", 2, (8, 16, 24, 32)), (1, 32, 48), {"widths": NARROW, "depth": 3}
    ),
    "smp Unet(resnet34)": Pair("smp_unet_resnet34", smp("Unet"), (3, 32, 32), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINED)
def test_the_same_training(name: str) -> None:
    """Ten steps of SGD from the same weights on the same batch: the losses stay equal."""
    reference, model = build_pair(TRAINED[name])
    image = torch.randn(2, *TRAINED[name].image, dtype=torch.float64)
    losses = [train_losses(network.train(), image) for network in (reference, model)]
    assert all(abs(a - b) <= 1e-9 * max(abs(a), 1.0) for a, b in zip(*losses, strict=True))
    assert losses[0][0] != losses[0][-1]


def train_losses(model: nn.Module, image: Tensor, steps: int = 10) -> list[float]:
    """The loss before each step, against targets that depend on the shapes alone."""
    # One tensor may be registered under several names; SGD must move it once.
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    losses = []
    for _ in range(steps):
        outputs = flatten_outputs(model(image))
        targets = [torch.linspace(0, 1, t.numel(), dtype=t.dtype).reshape(t.shape) for t in outputs]
        loss = sum(((output - target_map) ** 2).mean() for output, target_map in zip(outputs, targets, strict=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    return losses


@pytest.mark.parametrize("layers", [18, 34, 50, 101, 152])
def test_torchvisions_resnets_fit_by_the_shipped_key_map(layers: int) -> None:
    """Its published files are state dicts of these modules. Features of each stage are equal, at an odd size too."""
    models = pytest.importorskip("torchvision.models", reason="the extra 'parity' is not installed")
    torch.manual_seed(0)
    reference = getattr(models, f"resnet{layers}")(weights=None).eval()
    model = unetgen.build(
        "smp_unet_resnet34", encoder={"type": "resnet", "layers": layers}, input_size=None, seed=0
    ).eval()
    report = unetgen.import_weights(model, reference.state_dict(), key_map="torchvision_resnet", partial=True)
    assert not report.unmatched_source
    assert not [key for key in report.missing if key.startswith("encoder.")]
    image = torch.randn(1, 3, 65, 48)
    with torch.no_grad():
        x = reference.relu(reference.bn1(reference.conv1(image)))
        stages = [
            x,
            x := reference.layer1(reference.maxpool(x)),
            x := reference.layer2(x),
            x := reference.layer3(x),
            reference.layer4(x),
        ]
        outputs = model.encoder(image)
        assert len(outputs) >= len(stages)
        for stage in stages:
            assert any(stage.shape == map_.shape and torch.equal(stage, map_) for map_ in outputs)


@pytest.mark.parametrize(
    ("layers", "stride", "replaced"), [(50, 16, (False, False, True)), (50, 8, (False, True, True))]
)
def test_torchvisions_dilated_resnets(layers: int, stride: int, replaced: tuple[bool, ...]) -> None:
    models = pytest.importorskip("torchvision.models", reason="the extra 'parity' is not installed")
    torch.manual_seed(0)
    reference = getattr(models, f"resnet{layers}")(weights=None, replace_stride_with_dilation=replaced).eval()
    levels = {i: {"upsample": "none"} for i in range(1, 5) if 2 ** (i + 1) > stride}
    model = unetgen.build(
        "smp_unet_resnet34",
        encoder={"type": "resnet", "layers": layers, "output_stride": stride},
        levels=levels,
        seed=0,
    ).eval()
    unetgen.import_weights(model, reference.state_dict(), key_map="torchvision_resnet", partial=True)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = reference.maxpool(reference.relu(reference.bn1(reference.conv1(image))))
        last = reference.layer4(reference.layer3(reference.layer2(reference.layer1(x))))
        assert last.shape[-1] == 64 // stride
        assert any(last.shape == map_.shape and torch.equal(last, map_) for map_ in model.encoder(image))


def rows_of_smp() -> list[tuple[str, str]]:
    """The table of docs/how-to/segmentation-models-pytorch.md: calls, and the equivalent specs."""
    text = (ROOT / "docs" / "how-to" / "segmentation-models-pytorch.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+\(.*?\))` \| `(\{.*\})` \|$", text, re.MULTILINE)


@pytest.mark.parametrize(("call", "spec"), rows_of_smp(), ids=lambda text: text)
def test_calls_of_segmentation_models_are_the_specs_of_the_page(call: str, spec: str) -> None:
    library = pytest.importorskip("segmentation_models_pytorch", reason="the extra 'parity' is not installed")
    name, arguments = call.split("(", 1)
    reference = eval(f"make({arguments[:-1]}, encoder_weights=None)", {"make": getattr(library, name)})  # noqa: S307  # the page's
    model = unetgen.build(spec, seed=0)
    reference(torch.randn(2, model.graph.in_channels, 64, 64)).sum().backward()
    unused = {name for name, p in reference.named_parameters() if p.grad is None}  # scSE has some
    assert count_parameters(model.graph) == sum(
        p.numel() for name, p in reference.named_parameters() if name not in unused
    )
    state = {key: value for key, value in reference.state_dict().items() if key not in unused}
    base = spec.removeprefix("{extends: ").split(",")[0].rstrip("}")
    known = base if find_shipped_key_map_name(base) else None  # a spec that extends another is not called as it is
    assert not unetgen.import_weights(model, state, key_map=known).missing
    image = torch.randn(1, model.graph.in_channels, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        expected, outputs = reference.double().eval()(image), model.double().eval()(image)
    assert (expected - outputs).abs().max() <= 1e-9 * float(expected.abs().max())
