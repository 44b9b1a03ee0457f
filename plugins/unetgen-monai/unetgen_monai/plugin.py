"""Register the parts of this plugin, without importing torch or MONAI."""

from __future__ import annotations

import unetgen
from unetgen.config.registry.part import Part
from unetgen_monai.attention import AttentionGate, SqueezeExcite
from unetgen_monai.basic_unet import TwoConv
from unetgen_monai.convolution import Convolution, ResidualUnit, TransposedConvolution
from unetgen_monai.dynunet import UnetBasic, UnetRes
from unetgen_monai.mednext import MedNeXt, MedNeXtUp
from unetgen_monai.upsample import UpSample

unetgen_api = (1, 0)


@unetgen.hookimpl
def unetgen_parts() -> list[type[Part]]:
    """Return the parts of this plugin."""
    return [
        UnetBasic, UnetRes, ResidualUnit, Convolution, TwoConv, MedNeXt,
        UpSample, TransposedConvolution, MedNeXtUp, SqueezeExcite, AttentionGate,
    ]  # fmt: skip
