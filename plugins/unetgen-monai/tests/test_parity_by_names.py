"""Compare with MONAI's networks that need a key map or differ by level."""

from __future__ import annotations

from typing import Any

import torch
from comparison import STRIDES, WIDTHS, check_equal, example, with_random_weights
from monai.networks import nets

import unetgen
from unetgen.analysis.cost import count_parameters
from unetgen.config.registry.registry import Registry


def test_attention_unet(registry: Registry) -> None:
    """MONAI registers its levels inside each other, so a key map is needed."""
    torch.manual_seed(0)
    theirs = with_random_weights(nets.AttentionUnet(2, 1, 2, (16, 32, 64, 128, 256), STRIDES))
    ours = unetgen.build(example("attention_unet"), registry=registry).double().eval()
    unetgen.import_weights(ours, theirs.state_dict(), key_map=attention_unet_key_map())
    check_equal(ours, theirs, (64, 96))
    assert count_parameters(ours.graph) == 1_987_434


def attention_unet_key_map() -> dict[str, str | None]:
    names: dict[str, str | None] = {"model.2.conv": "head.0.conv"}
    for level in range(4):
        prefix = "model.1" + ".submodule.1" * level
        below = f"{prefix}.submodule" + ("" if level == 3 else ".0")
        up, merge = f"decoder.{level}.up.monai_convolution", f"decoder.{level}.monai_convolution"
        gate = f"decoder.{level}.skip.monai_attention_gate"
        names |= units(below, "bottleneck" if level == 3 else f"encoder.{level + 1}")
        names |= {f"{prefix}.upconv.up.conv": f"{up}.conv", f"{prefix}.upconv.up.adn.N": f"{up}.adn.N"}
        names |= {f"{prefix}.merge.conv": f"{merge}.conv", f"{prefix}.merge.adn.A": f"{merge}.adn.A"}
        names |= {f"{prefix}.attention.*.1": f"{gate}.*.1", f"{prefix}.attention.*.0.conv": f"{gate}.*.0.conv"}
    return {**names, **units("model.0", "encoder.0")}


def units(theirs: str, ours: str) -> dict[str, str | None]:
    return {
        f"{theirs}.conv.{unit}.{layer}": f"{ours}.{unit + 1}.monai_convolution.{layer}"
        for unit in (0, 1)
        for layer in ("conv", "adn.N")
    }


def test_mednext(registry: Registry) -> None:
    """MONAI registers all stages before the layers between them, and its head is transposed."""
    torch.manual_seed(0)
    theirs = with_random_weights(nets.MedNeXt(3, init_filters=2, use_residual_connection=True))
    ours = unetgen.build(example("mednext"), registry=registry, widths=[2, 4, 8, 16, 32]).double().eval()
    state = {**theirs.state_dict(), "out_0.conv_out.weight": theirs.out_0.conv_out.weight.transpose(0, 1)}
    unetgen.import_weights(ours, state, key_map=mednext_key_map())
    check_equal(ours, theirs, (32, 32, 32))


def mednext_key_map() -> dict[str, str | None]:
    names: dict[str, str | None] = {"stem": "encoder.0.1.conv1", "out_0.conv_out": "head.0.conv"}
    for level in range(4):
        up = 3 - level
        names[f"down_blocks.{level}.*"] = f"encoder.{level}.down.monai_mednext.*"
        names[f"up_blocks.{up}.*"] = f"decoder.{level}.up.monai_mednext.*"
        for block in (0, 1):
            names[f"enc_stages.{level}.{block}.*"] = f"encoder.{level}.{block + 1 + (level == 0)}.monai_mednext.*"
            names[f"dec_stages.{up}.{block}.*"] = f"decoder.{level}.{block + 1}.monai_mednext.*"
            names[f"bottleneck.{block}.*"] = f"bottleneck.{block + 1}.monai_mednext.*"
    return names


def test_anisotropic_dynunet(registry: Registry) -> None:
    """DynUNet's decoder uses the kernels of the level below; a spec lists each at its own level."""
    kernels, strides = ((1, 3), (3, 3), (3, 1), (3, 3)), (1, (1, 2), 2, (2, 1))
    theirs = with_random_weights(nets.DynUNet(2, 1, 2, kernels, strides, strides[1:], WIDTHS[:4], res_block=True))
    levels: dict[int, Any] = {
        i: {
            "downsample": {"factor": strides[i + 1]},
            "upsample": {"kernel_size": strides[i + 1], "stride": strides[i + 1]},
            "encoder": {"block": {"kernel_size": kernels[i]}},
            "decoder": {"block": {"kernel_size": kernels[i + 1]}},
        }
        for i in range(3)
    }
    levels[3] = {"block": {"kernel_size": kernels[3]}}
    overrides = {"widths": WIDTHS[:4], "levels": levels, "input_size": None}
    ours = unetgen.build(example("dynunet"), registry=registry, **overrides).double().eval()
    unetgen.import_weights(ours, theirs.state_dict())
    check_equal(ours, theirs, (32, 48))
    assert str(ours.graph.fits[0]) == "n = 0 (mod 4), n >= 4"
